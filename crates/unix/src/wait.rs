//! Trying a system call until it no longer says `EAGAIN`.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use nearwire_event_loop::Readiness;
use rustix::io::Errno;

use crate::error::errno_of;

/// Waits for readability after each `EAGAIN`.
///
/// The call is part of every poll: [`Readiness::poll_read`] forgets what it knows before it waits, so it may only
/// follow an `EAGAIN`, also when a task is polled again.
pub(crate) async fn reading<R>(readiness: &Readiness, attempt: impl FnMut() -> Result<R, Errno>) -> Result<R, Errno> {
    trying(readiness, Readiness::poll_read, attempt).await
}

/// Waits for room after each `EAGAIN`.
pub(crate) async fn writing<R>(readiness: &Readiness, attempt: impl FnMut() -> Result<R, Errno>) -> Result<R, Errno> {
    trying(readiness, Readiness::poll_write, attempt).await
}

async fn trying<R>(
    readiness: &Readiness,
    wait: fn(&Readiness, &mut Context<'_>) -> Poll<std::io::Result<()>>,
    mut attempt: impl FnMut() -> Result<R, Errno>,
) -> Result<R, Errno> {
    poll_fn(|cx| {
        loop {
            match attempt() {
                Err(Errno::AGAIN) => ready!(wait(readiness, cx)).map_err(|error| errno_of(&error))?,
                outcome => return Poll::Ready(outcome),
            }
        }
    })
    .await
}
