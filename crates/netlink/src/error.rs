//! What went wrong, in which call, and what the errno means here.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// A system call that failed, with what netlink(7) leaves the reader to guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What the kernel said.
    pub errno: Errno,
    /// The call that said it: `socket`, `bind`, `setsockopt`, `sendto`, `recvmsg`, `open`, `setns`, ...
    pub syscall: &'static str,
    /// What it means for this socket, in one sentence without a full stop; empty where the errno says it all.
    pub detail: String,
}

impl Error {
    pub(crate) fn new(errno: Errno, syscall: &'static str, detail: impl Into<String>) -> Self {
        Self { errno, syscall, detail: detail.into() }
    }

    pub(crate) fn bare(errno: Errno, syscall: &'static str) -> Self {
        Self::new(errno, syscall, "")
    }

    /// From an error of neli or std, which both carry an errno; `EIO` stands for the ones that do not.
    pub(crate) fn from_io(error: &io::Error, syscall: &'static str, detail: impl Into<String>) -> Self {
        Self::new(errno_of(error), syscall, detail)
    }
}

pub(crate) fn errno_of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.syscall, self.errno)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(Self::from(error.errno).kind(), error)
    }
}
