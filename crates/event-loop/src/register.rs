//! The one unsafe call of registering a descriptor with tokio.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers an owned descriptor with the current runtime's driver.
pub(crate) fn register(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd always yields the same descriptor and keeps it open until it is dropped, which is what
    // `register_with_interest` asks of its argument.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}
