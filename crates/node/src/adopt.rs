//! Taking over a descriptor that JavaScript knows by its number.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use nearwire_unix::{Error, Kind, Listener, Rejected, Socket};
use rustix::io::Errno;

/// Adopts a connected or datagram socket; on failure the descriptor stays open and the caller's.
pub(crate) fn socket(fd: RawFd, kind: Kind) -> Result<Socket, Error> {
    Socket::from_fd(owned(fd)?, kind).map_err(give_back)
}

/// Adopts a listening socket of a kind; likewise.
pub(crate) fn listener(fd: RawFd, kind: Kind) -> Result<Listener, Error> {
    let fd = owned(fd)?;
    let found = Listener::check(fd.as_fd());
    if let Ok(found) = found
        && found != kind
    {
        let detail = format!("the descriptor is a listening {found} socket, not a {kind} one");
        return Err(give_back(Rejected { error: explained(Errno::PROTOTYPE, detail), fd }));
    }
    Listener::from_fd(fd).map_err(give_back)
}

fn explained(errno: Errno, detail: String) -> Error {
    Error { errno, syscall: "getsockopt", detail: Some(detail) }
}

/// The descriptor for the length of one call, if there is such a descriptor at all; `syscall` is what it is for.
pub(crate) fn borrowed<'a>(fd: RawFd, syscall: &'static str) -> Result<BorrowedFd<'a>, Error> {
    let detail = || Some(format!("there is no open descriptor {fd}"));
    let closed = || Error { errno: Errno::BADF, syscall, detail: detail() };
    if fd < 0 {
        return Err(closed());
    }
    // SAFETY: JavaScript, which alone could close it, is not running during the call.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    // Fails without an effect when the number is not in use.
    rustix::io::fcntl_getfd(borrowed).map(|_| borrowed).map_err(|_| closed())
}

/// The descriptor as an owned one, if there is such a descriptor at all.
fn owned(fd: RawFd) -> Result<OwnedFd, Error> {
    borrowed(fd, "getsockopt")?;
    // SAFETY: it is open, and JavaScript hands it over: `fromFd()` documents that it is the socket's from then on.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets go of a rejected descriptor without closing it: it is the caller's again.
fn give_back(rejected: Rejected) -> Error {
    let _ = rejected.fd.into_raw_fd();
    rejected.error
}
