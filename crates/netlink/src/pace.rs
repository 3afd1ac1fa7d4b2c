//! Waiting for room in another socket's receive buffer.
//!
//! A netlink send that says `EAGAIN` found the receiver full. Nothing polls for that: the sender's own socket is
//! always writable (`datagram_poll` looks at the sender's buffer, which netlink never charges), and the receiver
//! wakes only senders that sleep inside `netlink_attachskb`. So the sender tries again, paced by a timer that grows
//! from 50 microseconds to 10 milliseconds and starts over after a success.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use nearwire_event_loop::Readiness;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// The first wait, in nanoseconds; each further one is twice as long.
const SHORTEST: u32 = 50_000;
/// The longest wait, in nanoseconds.
const LONGEST: u32 = 10_000_000;

#[derive(Debug)]
pub(crate) struct Pace {
    timer: OnceLock<Readiness>,
    armed: AtomicBool,
    nanoseconds: AtomicU32,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { timer: OnceLock::new(), armed: AtomicBool::new(false), nanoseconds: AtomicU32::new(SHORTEST) }
    }

    /// A send went through: the next wait starts short again.
    pub(crate) fn succeeded(&self) {
        self.nanoseconds.store(SHORTEST, Ordering::Relaxed);
    }

    /// To be called after an attempt that found no room, at every poll; the waker says when to try again.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let timer = match self.timer.get() {
            Some(timer) => timer,
            None => {
                let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
                let timer = Readiness::new(timerfd_create(TimerfdClockId::Monotonic, flags)?);
                self.timer.get_or_init(|| timer)
            }
        };
        loop {
            // An expiry seen here has been acted upon: the caller has just tried, and found no room.
            match rustix::io::read(timer, &mut [0; 8]) {
                Ok(_) => self.armed.store(false, Ordering::Relaxed),
                Err(Errno::AGAIN) => {}
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
            if !self.armed.swap(true, Ordering::Relaxed) {
                let wait = self.nanoseconds.load(Ordering::Relaxed);
                self.nanoseconds.store((wait * 2).min(LONGEST), Ordering::Relaxed);
                let once = Itimerspec {
                    it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                    it_value: Timespec { tv_sec: 0, tv_nsec: wait.into() },
                };
                timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
            }
            ready!(timer.poll_read(cx))?;
        }
    }
}
