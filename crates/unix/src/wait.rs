//! Trying a system call until it no longer says `EAGAIN`.

use nearwire_event_loop::Readiness;
use rustix::io::Errno;

use crate::error::errno_of;

/// Waits for readability after each `EAGAIN`.
pub(crate) async fn reading<R>(
    readiness: &Readiness,
    mut attempt: impl FnMut() -> Result<R, Errno>,
) -> Result<R, Errno> {
    readiness.read_with(|_| Ok(attempt()?)).await.map_err(|error| errno_of(&error))
}

/// Waits for room after each `EAGAIN`.
pub(crate) async fn writing<R>(
    readiness: &Readiness,
    mut attempt: impl FnMut() -> Result<R, Errno>,
) -> Result<R, Errno> {
    readiness.write_with(|_| Ok(attempt()?)).await.map_err(|error| errno_of(&error))
}
