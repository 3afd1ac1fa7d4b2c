//! Waiting for one descriptor, the way every transport does: try the syscall first, wait only after `EAGAIN`.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::coop::poll_proceed;

use crate::register::{Lent, register};

/// A non-blocking descriptor, registered with tokio in each direction when something first waits for it there: whoever
/// never waits costs the kernel nothing for each message that comes or goes.
///
/// The two interests never share a registration. A socket is writable nearly always, and every message that its
/// peer takes off raises a fresh `EPOLLOUT` edge: a reader would be woken for each. Writing therefore waits on a
/// duplicate of the descriptor.
///
/// Wait on a stream socket only once it is connected: before that the kernel reports `EPOLLHUP`, which tokio
/// remembers for the life of the registration.
#[derive(Debug)]
pub struct Readiness {
    /// Before the descriptor, for what is declared first is dropped first.
    read: OnceLock<Reading>,
    write: OnceLock<AsyncFd<OwnedFd>>,
    fd: OwnedFd,
}

#[derive(Debug)]
struct Reading {
    registered: AsyncFd<Lent>,
    /// Another thread may harvest events between a system call and the wait that follows it.
    harvested_elsewhere: bool,
    /// Whoever waited has been told that nothing more can come.
    end_told: AtomicBool,
}

impl Readiness {
    /// Takes `fd`, which must be non-blocking already.
    #[must_use]
    pub fn new(fd: OwnedFd) -> Self {
        Self { read: OnceLock::new(), write: OnceLock::new(), fd }
    }

    /// Waits until reading may succeed. Call it after the syscall said `EAGAIN`: what tokio remembers from before
    /// is forgotten first. Needs a tokio context (see [`tokio::runtime::Handle::enter`]); of a current-thread runtime, call
    /// it on the thread that runs it.
    ///
    /// # Errors
    /// `ESHUTDOWN` when reading was shut down and the syscall says `EAGAIN` all the same, as of a datagram socket: nothing
    /// will ever come. Those of registering, the first time: `EPERM` for a descriptor that cannot be polled (a regular
    /// file), `ENOSPC` when `/proc/sys/fs/epoll/max_user_watches` is used up. Later, a runtime that was shut down.
    pub fn poll_read(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let reading = match self.read.get() {
            Some(reading) => reading,
            None => {
                // The state as it is now is reported first, so nothing that happened since `EAGAIN` is missed.
                let reading = Reading::register(&self.fd)?;
                self.read.get_or_init(|| reading)
            }
        };
        loop {
            let mut guard = ready!(reading.registered.poll_read_ready(cx))?;
            // A closed state is never cleared by tokio, so waiting for it to change would spin. The first time it may have
            // come after the attempt; an attempt after that says how things stay.
            if guard.ready().is_read_closed() {
                let told = reading.end_told.swap(true, Ordering::Relaxed);
                return Poll::Ready(if told { Err(Errno::SHUTDOWN.into()) } else { Ok(()) });
            }
            if reading.harvested_elsewhere && is_ready_now(self.as_fd(), PollFlags::IN) {
                return Poll::Ready(Ok(()));
            }
            guard.clear_ready();
        }
    }

    /// Takes the descriptor out of tokio's sight until something waits to read again: as long as it is there, each message
    /// that its peer sends looks for sleepers. Whoever waits now is not woken.
    pub fn rest_reading(&mut self) {
        self.read.take();
    }

    /// Waits until writing may succeed; like [`poll_read`](Self::poll_read), after an `EAGAIN`.
    ///
    /// # Errors
    /// Those of `fcntl(F_DUPFD_CLOEXEC)` and of registering, the first time; later, a runtime that was shut down.
    pub fn poll_write(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let write = match self.write.get() {
            Some(write) => write,
            None => {
                let write = register(self.fd.try_clone()?, Interest::WRITABLE)?;
                self.write.get_or_init(|| write)
            }
        };
        loop {
            let mut guard = ready!(write.poll_write_ready(cx))?;
            if guard.ready().is_write_closed() || is_ready_now(self.as_fd(), PollFlags::OUT) {
                return Poll::Ready(Ok(()));
            }
            guard.clear_ready();
        }
    }

    /// Runs `attempt` until it no longer says `WouldBlock`, waiting for readability in between.
    ///
    /// # Errors
    /// Those of `attempt`, and of [`poll_read`](Self::poll_read).
    pub async fn read_with<R>(&self, attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<R>) -> io::Result<R> {
        self.retry_with(Self::poll_read, attempt).await
    }

    /// Runs `attempt` until it no longer says `WouldBlock`, waiting for room in between.
    ///
    /// # Errors
    /// Those of `attempt`, and of [`poll_write`](Self::poll_write).
    pub async fn write_with<R>(&self, attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<R>) -> io::Result<R> {
        self.retry_with(Self::poll_write, attempt).await
    }

    async fn retry_with<R>(
        &self,
        wait: fn(&Self, &mut Context<'_>) -> Poll<io::Result<()>>,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        poll_fn(|cx| {
            // An attempt that succeeds has waited for nothing: while the peer keeps up, nobody else would ever run.
            let budget = ready!(poll_proceed(cx));
            // The attempt is part of every poll: a wait that is polled again on its own would forget what woke it.
            loop {
                match attempt(self.as_fd()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(wait(self, cx))?,
                    outcome => {
                        budget.made_progress();
                        return Poll::Ready(outcome);
                    }
                }
            }
        })
        .await
    }

    /// Takes the descriptor back; nothing of tokio's touches it any more.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl Reading {
    fn register(fd: &OwnedFd) -> io::Result<Self> {
        let registered = register(Lent::of(fd), Interest::READABLE)?;
        let harvested_elsewhere = Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread;
        Ok(Self { registered, harvested_elsewhere, end_told: AtomicBool::new(false) })
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Readiness {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Whether one of `events` is there at this moment; an error or a hang-up counts, for the system call reports it.
fn is_ready_now(fd: BorrowedFd<'_>, events: PollFlags) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(&fd, events)], Some(&now)).map_or(true, |count| count > 0)
}
