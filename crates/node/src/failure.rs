//! How a failed call reaches JavaScript: as a value, for an exception made here would lose the errno.

use napi_derive::napi;

/// A failed system call.
#[napi(object)]
pub struct Failure {
    /// Positive, as in `errno(3)`.
    pub errno: i32,
    /// The call that failed, as its man page names it.
    pub syscall: String,
    /// What was found, where the errno alone does not say.
    pub detail: Option<String>,
}

impl From<nearwire_unix::Error> for Failure {
    fn from(error: nearwire_unix::Error) -> Self {
        Self { errno: error.errno.raw_os_error(), syscall: error.syscall.into(), detail: error.detail }
    }
}

impl Failure {
    /// What every call on a closed handle answers.
    pub(crate) fn closed(syscall: &str) -> Self {
        Self { errno: CLOSED.raw_os_error(), syscall: syscall.into(), detail: None }
    }
}

/// The errno of a call on a descriptor that is gone.
pub(crate) const CLOSED: rustix::io::Errno = rustix::io::Errno::BADF;

/// A count, or a negated errno.
pub(crate) fn count(outcome: Result<usize, rustix::io::Errno>) -> i32 {
    match outcome {
        Ok(count) => i32::try_from(count).unwrap_or(i32::MAX),
        Err(errno) => -errno.raw_os_error(),
    }
}
