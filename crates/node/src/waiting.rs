//! Asking for a token after `EAGAIN`, the same way for every descriptor.

use std::io;
use std::task::{Context, Poll, Waker};

use nearwire_event_loop::EventLoop;
use rustix::io::Errno;

/// Has `waker` woken when `poll` is over: at once if it is over already.
///
/// # Errors
/// Why it never will be: trying again would say `EAGAIN` again, for ever.
pub(crate) fn wait(
    event_loop: &EventLoop,
    waker: &Waker,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<()>>,
) -> Result<(), Errno> {
    match event_loop.with_driver(|_| poll(&mut Context::from_waker(waker))) {
        Some(Poll::Ready(Ok(()))) => {
            waker.wake_by_ref();
            Ok(())
        }
        Some(Poll::Ready(Err(error))) => Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        // Nobody waits at the end of an environment.
        Some(Poll::Pending) | None => Ok(()),
    }
}
