//! The one unsafe call of registering a descriptor with tokio.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

/// A descriptor that whoever keeps the registration owns beside it, and drops after it.
#[derive(Debug)]
pub(crate) struct Lent(RawFd);

impl Lent {
    pub(crate) fn of(fd: &OwnedFd) -> Self {
        Self(fd.as_raw_fd())
    }
}

impl AsRawFd for Lent {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

/// Registers a descriptor with the current runtime's driver, which reports its state as it is now first.
pub(crate) fn register<T: AsRawFd>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    if Handle::try_current().is_err() {
        return Err(io::Error::other("no tokio runtime to register with"));
    }
    // SAFETY: `T` is an OwnedFd or a Lent, which always yield the same descriptor; it stays open until the first is
    // dropped, or for as long as the second is lent, which is what `register_with_interest` asks of its argument.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}
