//! A host loop that looks at nothing but the driver's descriptor, which is all that a driver may rely on.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use nearwire_event_loop::{Driver, Readiness};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

/// How long something may take that happens at once unless it never does.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Whether the driver's descriptor becomes readable within `limit`.
pub(crate) fn becomes_readable(driver: &Driver, limit: Duration) -> bool {
    let epoll = driver.epoll_fd();
    let limit = Timespec {
        tv_sec: limit.as_secs().try_into().expect("a limit of seconds"),
        tv_nsec: limit.subsec_nanos().into(),
    };
    loop {
        match poll(&mut [PollFd::new(&epoll, PollFlags::IN)], Some(&limit)) {
            Ok(count) => return count > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => panic!("poll: {errno}"),
        }
    }
}

/// Whether the descriptor asks for a turn at this moment.
pub(crate) fn is_readable(driver: &Driver) -> bool {
    becomes_readable(driver, Duration::ZERO)
}

/// Takes turns, each only when the descriptor asks for it, until `done`; answers how many.
pub(crate) fn run_until(driver: &Driver, mut done: impl FnMut() -> bool) -> usize {
    let deadline = Instant::now() + LIMIT;
    let mut turns = 0;
    while !done() {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(becomes_readable(driver, left), "the descriptor stayed silent after {turns} turns");
        assert!(!left.is_zero(), "not done after {turns} turns");
        driver.turn();
        turns += 1;
    }
    turns
}

/// Takes turns until the descriptor no longer asks for one, which must be soon; answers how many.
pub(crate) fn settle(driver: &Driver) -> usize {
    let mut turns = 0;
    while is_readable(driver) {
        driver.turn();
        turns += 1;
        assert!(turns < 100, "the loop spins");
    }
    turns
}

/// The tokens that are ready.
pub(crate) fn ready(driver: &Driver) -> Vec<u32> {
    let mut tokens = Vec::new();
    driver.take_ready(&mut tokens);
    tokens
}

/// Two connected streams that do not block: ours, to be registered, and the peer.
pub(crate) fn pair() -> (OwnedFd, UnixStream) {
    let (ours, peer) = UnixStream::pair().expect("a pair");
    ours.set_nonblocking(true).expect("non-blocking");
    peer.set_nonblocking(true).expect("non-blocking");
    (ours.into(), peer)
}

pub(crate) fn register(driver: &Driver, fd: impl Into<OwnedFd>) -> Readiness {
    let _context = driver.enter();
    Readiness::new(fd.into())
}

/// What the binding does after `EAGAIN`: leave a waker, and take "ready already" as a wake.
pub(crate) fn wait_to_read(driver: &Driver, readiness: &Readiness, waker: &Waker) {
    let _context = driver.enter();
    if readiness.poll_read(&mut Context::from_waker(waker)).is_ready() {
        waker.wake_by_ref();
    }
}

pub(crate) fn wait_to_write(driver: &Driver, readiness: &Readiness, waker: &Waker) {
    let _context = driver.enter();
    if readiness.poll_write(&mut Context::from_waker(waker)).is_ready() {
        waker.wake_by_ref();
    }
}

/// Writes until the kernel has no room; answers how many bytes it took.
pub(crate) fn fill(fd: impl AsFd) -> usize {
    let mut total = 0;
    loop {
        match rustix::io::write(&fd, &[7; 4096]) {
            Ok(count) => total += count,
            Err(rustix::io::Errno::AGAIN) => return total,
            Err(errno) => panic!("write: {errno}"),
        }
    }
}

/// Reads until nothing is there; answers how many bytes there were.
pub(crate) fn drain(fd: impl AsFd) -> usize {
    let mut total = 0;
    loop {
        match rustix::io::read(&fd, &mut [0; 4096]) {
            Ok(0) | Err(rustix::io::Errno::AGAIN) => return total,
            Ok(count) => total += count,
            Err(errno) => panic!("read: {errno}"),
        }
    }
}

/// Reads one byte, waiting for it.
pub(crate) async fn read_byte(readiness: &Readiness) -> io::Result<Option<u8>> {
    readiness
        .read_with(|fd| {
            let mut byte = [0];
            Ok((rustix::io::read(fd, &mut byte)? == 1).then_some(byte[0]))
        })
        .await
}

/// The waker of the task that awaits it.
pub(crate) fn own_waker() -> impl Future<Output = Waker> {
    poll_fn(|context| Poll::Ready(context.waker().clone()))
}
