//! What went wrong: the errno, the system call that said so, and what a person should know beside it.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// A failed operation. Calls on the hot path return the bare [`Errno`]; this is what the others return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The error number. One that this crate found out by itself, before any system call, uses the number that the
    /// kernel would have used.
    pub errno: Errno,
    /// The system call that failed, or the one that would have.
    pub syscall: &'static str,
    /// What the error number alone does not tell: which file is in the way, which permission is missing.
    pub detail: Option<String>,
}

/// The result of an operation that is not on the hot path.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(errno: Errno, syscall: &'static str) -> Self {
        Self { errno, syscall, detail: None }
    }

    pub(crate) fn explained(errno: Errno, syscall: &'static str, detail: impl Into<String>) -> Self {
        Self { errno, syscall, detail: Some(detail.into()) }
    }

    /// For `map_err`: names the system call of a bare [`Errno`].
    pub(crate) fn of(syscall: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::new(errno, syscall)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.syscall, self.errno)?;
        match &self.detail {
            Some(detail) => write!(formatter, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.errno)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error.detail {
            None => error.errno.into(),
            Some(_) => Self::new(Self::from(error.errno).kind(), error),
        }
    }
}

/// The error number inside an [`io::Error`]; `EIO` when it carries none, as one from a runtime that was shut down.
pub(crate) fn errno_of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
