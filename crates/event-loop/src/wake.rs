//! Wakers: how something that became ready, on any thread, gets the loop to take a turn.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::thread::{self, ThreadId};

use rustix::event::{EventfdFlags, eventfd};

/// What the wakers and the driver share.
#[derive(Debug)]
pub(crate) struct Wakes {
    owner: ThreadId,
    /// A turn is running on the owner's thread: it looks at everything woken before it ends.
    in_turn: AtomicBool,
    /// The local tasks want a poll.
    tasks_woken: AtomicBool,
    /// A kick is under way; the next would only repeat it.
    kicked: AtomicBool,
    /// The host looks at [`Self::is_pending`] before it blocks, so the owner's thread need not kick itself.
    host_checks: AtomicBool,
    tokens: Mutex<Vec<u32>>,
    /// Registered with the driver: writing to it makes the epoll descriptor readable. The runtime's own waker would
    /// not do: woken on its own thread during the last poll of `block_on`, it swallows the next wake.
    kick: OwnedFd,
}

impl Wakes {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            owner: thread::current().id(),
            in_turn: AtomicBool::new(false),
            tasks_woken: AtomicBool::new(false),
            kicked: AtomicBool::new(false),
            host_checks: AtomicBool::new(false),
            tokens: Mutex::default(),
            kick: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        }))
    }

    pub(crate) fn kick_fd(&self) -> io::Result<OwnedFd> {
        self.kick.as_fd().try_clone_to_owned()
    }

    pub(crate) fn host_checks_before_blocking(&self) {
        self.host_checks.store(true, Ordering::Relaxed);
    }

    /// Marks the beginning of a turn; `false` when one is running already.
    pub(crate) fn begin_turn(&self) -> bool {
        !self.in_turn.swap(true, Ordering::SeqCst)
    }

    /// The turn has harvested what made the descriptor readable: from here on a wake needs a kick of its own. Earlier
    /// would be too early, for a kick between the two is harvested as well and would be taken for one under way; what
    /// was woken before this call is for the rest of the turn to find.
    pub(crate) fn harvested(&self) {
        self.kicked.store(false, Ordering::SeqCst);
    }

    pub(crate) fn end_turn(&self) {
        self.in_turn.store(false, Ordering::SeqCst);
    }

    pub(crate) fn take_tasks_woken(&self) -> bool {
        self.tasks_woken.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn are_tasks_woken(&self) -> bool {
        self.tasks_woken.load(Ordering::SeqCst)
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.are_tasks_woken() || !self.lock_tokens().is_empty()
    }

    /// Moves the tokens that became ready to the end of `into`, in the order in which they did.
    pub(crate) fn take_tokens(&self, into: &mut Vec<u32>) {
        into.append(&mut self.lock_tokens());
    }

    /// Makes the epoll descriptor readable, from any thread.
    pub(crate) fn kick(&self) {
        if !self.kicked.swap(true, Ordering::SeqCst) {
            // Fails only when the counter is full, and then the descriptor is readable already.
            let _ = rustix::io::write(&self.kick, &1_u64.to_ne_bytes());
        }
    }

    fn lock_tokens(&self) -> std::sync::MutexGuard<'_, Vec<u32>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn woken(&self) {
        if thread::current().id() == self.owner
            && (self.in_turn.load(Ordering::SeqCst) || self.host_checks.load(Ordering::Relaxed))
        {
            return;
        }
        self.kick();
    }
}

/// Wakes the local tasks.
pub(crate) struct TaskWake(pub(crate) Arc<Wakes>);

impl Wake for TaskWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.tasks_woken.store(true, Ordering::SeqCst);
        self.0.woken();
    }
}

/// Puts one token among those that became ready.
struct TokenWake {
    token: u32,
    wakes: Arc<Wakes>,
}

impl Wake for TokenWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakes.lock_tokens().push(self.token);
        self.wakes.woken();
    }
}

pub(crate) fn token_waker(wakes: &Arc<Wakes>, token: u32) -> Waker {
    Waker::from(Arc::new(TokenWake { token, wakes: Arc::clone(wakes) }))
}
