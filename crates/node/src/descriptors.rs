//! Descriptors as such, whatever they are open on.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd};

use napi::Either;
use napi_derive::napi;
use nearwire_unix::Error;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::adopt::borrowed;
use crate::failure::Failure;

/// Whether `getpeername(2)` knows a peer, whatever the address family.
#[napi]
pub fn has_peer(fd: i32) -> bool {
    borrowed(fd, "getpeername").is_ok_and(|fd: BorrowedFd<'_>| rustix::net::getpeername(fd).is_ok())
}

/// Closes the descriptor on exec from now on.
#[napi]
pub fn close_on_exec(fd: i32) -> Option<Failure> {
    let set = |fd: BorrowedFd<'_>| {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC).map_err(|errno| failed("fcntl", errno))
    };
    borrowed(fd, "fcntl").and_then(set).err().map(Failure::from)
}

/// Closes a descriptor that nobody owns.
#[napi]
pub fn close_fd(fd: i32) -> Option<Failure> {
    let close = |fd: BorrowedFd<'_>| {
        // SAFETY: it is open, and JavaScript gives it up by this call.
        unsafe { rustix::io::try_close(fd.as_raw_fd()) }.map_err(|errno| failed("close", errno))
    };
    borrowed(fd, "close").and_then(close).err().map(Failure::from)
}

/// Moves what standard input leads to elsewhere, closed on exec, and leaves `/dev/null` in its place: also in that of
/// standard output and standard error, where they are the same. The descriptor is the caller's.
#[napi]
pub fn take_standard_input() -> Either<i32, Failure> {
    match take() {
        Ok(fd) => Either::A(fd),
        Err(error) => Either::B(error.into()),
    }
}

fn take() -> nearwire_unix::Result<i32> {
    const FIRST: i32 = 3;
    let input = borrowed(0, "fcntl")?;
    let taken = rustix::io::fcntl_dupfd_cloexec(input, FIRST).map_err(|errno| failed("fcntl", errno))?;
    let nothing = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| failed("open", errno))?;
    let same = |fd: i32| {
        let inode = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).ok().map(|stat| (stat.st_dev, stat.st_ino));
        borrowed(fd, "fstat").is_ok_and(|fd| inode(fd) == inode(taken.as_fd()))
    };
    let (output, error) = (same(1), same(2));
    rustix::stdio::dup2_stdin(&nothing)
        .and_then(|()| if output { rustix::stdio::dup2_stdout(&nothing) } else { Ok(()) })
        .and_then(|()| if error { rustix::stdio::dup2_stderr(&nothing) } else { Ok(()) })
        .map_err(|errno| failed("dup2", errno))?;
    Ok(taken.into_raw_fd())
}

fn failed(syscall: &'static str, errno: Errno) -> Error {
    Error { errno, syscall, detail: None }
}
