//! The tokio runtime and the turn that drives it.

use std::future::{Future, pending};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, EnterGuard, Runtime};
use tokio::task::LocalSet;

use crate::epoll_fd::{self, epoll_fd};
use crate::register::register;
use crate::wake::{TaskWake, Wakes, token_waker};

/// How often one turn polls tasks that keep waking each other before it lets the host loop go on.
const ROUNDS: usize = 16;

/// A tokio current-thread runtime that somebody else's loop drives.
///
/// Poll [`epoll_fd`](Self::epoll_fd) for readability and call [`turn`](Self::turn) when it is.
#[derive(Debug)]
pub struct Driver {
    /// Only `None` while it is being dropped.
    runtime: Option<Runtime>,
    tasks: Option<LocalSet>,
    task_waker: Waker,
    wakes: Arc<Wakes>,
    epoll: RawFd,
    kick: Option<AsyncFd<OwnedFd>>,
}

impl Driver {
    /// Makes a driver that belongs to the calling thread.
    ///
    /// # Errors
    /// When the process is out of descriptors (`EMFILE`, `ENFILE`) or memory.
    pub fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let epoll = epoll_fd(&runtime)?;
        let wakes = Wakes::new()?;
        let kick = {
            let _context = runtime.enter();
            register(wakes.kick_fd()?, Interest::READABLE)?
        };
        let driver = Self {
            runtime: Some(runtime),
            tasks: Some(LocalSet::new()),
            task_waker: Waker::from(Arc::new(TaskWake(Arc::clone(&wakes)))),
            wakes,
            epoll,
            kick: Some(kick),
        };
        // A LocalSet knows no waker before its first poll, and would lose the first wake from another thread.
        driver.poll_tasks();
        Ok(driver)
    }

    /// The descriptor to poll for readability.
    #[must_use]
    pub fn epoll_fd(&self) -> BorrowedFd<'_> {
        epoll_fd::borrow(self.runtime(), self.epoll)
    }

    /// Enters the runtime's context, which registering a descriptor needs.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.runtime().enter()
    }

    /// Runs `future` on this thread, a little in each turn.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        if let Some(tasks) = &self.tasks {
            tasks.spawn_local(future);
        }
    }

    /// A waker that puts `token` among [the ready ones](Self::take_ready); it may be used from any thread.
    #[must_use]
    pub fn token_waker(&self, token: u32) -> Waker {
        token_waker(&self.wakes, token)
    }

    /// Says that the host looks at [`is_pending`](Self::is_pending) each time before it blocks; then a wake on its
    /// own thread costs no system call.
    pub fn host_checks_before_blocking(&self) {
        self.wakes.host_checks_before_blocking();
    }

    /// Whether tokens are ready or tasks want to run.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.wakes.is_pending()
    }

    /// Harvests the readiness of every registered descriptor and runs the tasks that it woke. Never blocks, and
    /// does nothing when called from inside a turn.
    pub fn turn(&self) {
        if !self.wakes.begin_turn() {
            return;
        }
        // Only the I/O driver runs inside `block_on`: a task that yields in there is never woken again once
        // `block_on` has returned.
        self.runtime().block_on(tokio::task::yield_now());
        self.wakes.harvested();
        if self.wakes.are_tasks_woken() {
            self.poll_tasks();
        }
        self.wakes.end_turn();
        if self.wakes.are_tasks_woken() {
            self.wakes.kick();
        }
    }

    /// Moves the tokens that became ready to the end of `into`, in the order in which they did.
    pub fn take_ready(&self, into: &mut Vec<u32>) {
        self.wakes.take_tokens(into);
    }

    /// Asks for a turn, as a wake from another thread does.
    pub fn kick(&self) {
        self.wakes.kick();
    }

    fn poll_tasks(&self) {
        let Some(tasks) = &self.tasks else { return };
        let _context = self.enter();
        let mut context = Context::from_waker(&self.task_waker);
        for _ in 0..ROUNDS {
            self.wakes.take_tasks_woken();
            let _ = pin!(tasks.run_until(pending::<()>())).poll(&mut context);
            if !self.wakes.are_tasks_woken() {
                return;
            }
        }
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().unwrap_or_else(|| unreachable!("the runtime is taken only by drop"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            {
                // What the tasks own may deregister from the runtime when it is dropped.
                let _context = runtime.enter();
                self.tasks.take();
                self.kick.take();
            }
            // Dropping a runtime waits for its blocking threads, which a JavaScript thread must not.
            runtime.shutdown_background();
        }
    }
}
