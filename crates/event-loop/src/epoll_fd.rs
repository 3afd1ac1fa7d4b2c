//! Finding the epoll descriptor inside a tokio runtime, which tokio does not give out.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Resource, getrlimit};
use tokio::io::Interest;
use tokio::runtime::Runtime;

use crate::register::register;

/// The descriptor of the epoll instance that `runtime` waits on; it stays open as long as the runtime lives.
///
/// A descriptor of our own is registered through the runtime; then `EPOLL_CTL_MOD` for it succeeds on exactly one
/// epoll instance, the runtime's. On every other descriptor the call fails (`EBADF`, `EINVAL`, `ENOENT`) and changes
/// nothing. Unlike a scan of `/proc/self/fdinfo` this needs no `/proc`, and unlike `-Wl,--wrap=epoll_create1` no
/// linker option in every program that uses the crate.
pub(crate) fn epoll_fd(runtime: &Runtime) -> io::Result<RawFd> {
    let _context = runtime.enter();
    let marker = register(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?, Interest::READABLE)?;
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| RawFd::try_from(limit).ok());
    (0..limit.unwrap_or(RawFd::MAX))
        .find(|&candidate| watches(candidate, marker.as_raw_fd()))
        .ok_or_else(|| io::Error::other("tokio's epoll descriptor was not found among this process's descriptors"))
}

/// Whether `candidate` is an epoll instance in which `registered` is registered.
fn watches(candidate: RawFd, registered: RawFd) -> bool {
    let mut nothing = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: epoll_ctl only reads the event; a number that is no epoll descriptor is refused without an effect.
    unsafe { libc::epoll_ctl(candidate, libc::EPOLL_CTL_MOD, registered, &raw mut nothing) == 0 }
}

/// Borrows the descriptor for as long as the runtime that owns it is borrowed.
pub(crate) fn borrow(_owner: &Runtime, fd: RawFd) -> BorrowedFd<'_> {
    // SAFETY: the runtime keeps its epoll descriptor open until it is dropped, and it is borrowed for as long.
    unsafe { BorrowedFd::borrow_raw(fd) }
}
