//! A driver attached to one Node environment.

#[expect(unsafe_code, reason = "calls into JavaScript through raw Node-API, with scopes of our own")]
mod dispatch;
#[expect(unsafe_code, reason = "libuv handles and environment hooks are raw C")]
mod host;
#[expect(unsafe_code, reason = "libuv's functions, looked up by name")]
mod uv;
#[expect(unsafe_code, reason = "a threadsafe function is raw C")]
mod watcher;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::Waker;

use napi::sys;

use crate::Driver;
use dispatch::Dispatch;
use host::Host;

/// Something that lives on an [`EventLoop`]: a socket.
pub trait Member {
    /// Writes out what is buffered. Called before the loop blocks after [`EventLoop::mark_dirty`], and once more when
    /// the environment ends.
    fn flush(&self);

    /// Closes the descriptors at the end of the environment. Finalizers cannot be waited for: not every runtime
    /// runs them.
    fn close(&self);
}

/// tokio on the loop of one Node environment: the main thread or a worker.
///
/// It keeps the process alive only while [held](Self::hold).
pub struct EventLoop {
    driver: RefCell<Option<Driver>>,
    dispatch: Dispatch,
    host: RefCell<Option<Host>>,
    holds: Cell<u32>,
    members: RefCell<Vec<Option<Weak<dyn Member>>>>,
    dirty: RefCell<Vec<Rc<dyn Member>>>,
    ready: RefCell<Vec<u32>>,
}

impl std::fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLoop").field("driver", &self.driver).field("holds", &self.holds).finish_non_exhaustive()
    }
}

impl EventLoop {
    /// Attaches a new loop to the environment of the calling JavaScript thread.
    ///
    /// When sockets become ready, their tokens are written into `tokens` and `dispatch` is called with their number.
    /// `watcher` waits on a thread of its own instead of in libuv, for runtimes without one (Bun, Deno): one hop
    /// more, everything else the same.
    ///
    /// # Errors
    /// When the environment lends no libuv loop, or the process is out of descriptors or threads.
    ///
    /// # Safety
    /// `env` must be the environment of the calling thread; `dispatch` a function and `tokens` a `Uint32Array` of
    /// that environment, which nobody detaches.
    #[expect(unsafe_code, reason = "raw values of the environment come in")]
    pub unsafe fn attach(
        env: sys::napi_env,
        dispatch: sys::napi_value,
        tokens: sys::napi_value,
        watcher: bool,
    ) -> std::io::Result<Rc<Self>> {
        let driver = Driver::new()?;
        // SAFETY: the caller vouches for the three values.
        let dispatch = unsafe { Dispatch::new(env, dispatch, tokens)? };
        let this = Rc::new(Self {
            driver: RefCell::new(Some(driver)),
            dispatch,
            host: RefCell::default(),
            holds: Cell::default(),
            members: RefCell::default(),
            dirty: RefCell::default(),
            ready: RefCell::default(),
        });
        // SAFETY: `env` belongs to this thread.
        match unsafe { Host::attach(env, &this, watcher) } {
            Ok(host) => {
                *this.host.borrow_mut() = Some(host);
                Ok(this)
            }
            Err(error) => {
                this.dispatch.give_back();
                Err(error)
            }
        }
    }

    /// Runs `with` with the driver, entered; `None` once the environment is ending.
    pub fn with_driver<R>(&self, with: impl FnOnce(&Driver) -> R) -> Option<R> {
        let driver = self.driver.borrow();
        let driver = driver.as_ref()?;
        let _context = driver.enter();
        Some(with(driver))
    }

    /// A waker that hands `token` to JavaScript.
    #[must_use]
    pub fn token_waker(&self, token: u32) -> Waker {
        self.with_driver(|driver| driver.token_waker(token)).unwrap_or_else(|| Waker::noop().clone())
    }

    /// Hands `token` to JavaScript before the loop blocks.
    pub fn wake_token(&self, token: u32) {
        self.token_waker(token).wake();
    }

    /// Keeps the process alive until [`release`](Self::release) is called as often.
    pub fn hold(&self) {
        let holds = self.holds.get();
        self.holds.set(holds + 1);
        if holds == 0 {
            self.set_referenced(true);
        }
    }

    /// Takes one [`hold`](Self::hold) back.
    pub fn release(&self) {
        let holds = self.holds.get();
        debug_assert!(holds > 0, "released more often than held");
        self.holds.set(holds.saturating_sub(1));
        if holds == 1 {
            self.set_referenced(false);
        }
    }

    /// Enters a member under `slot`, to be closed with the environment.
    pub fn join(&self, slot: u32, member: Weak<dyn Member>) {
        let mut members = self.members.borrow_mut();
        let slot = slot as usize;
        if members.len() <= slot {
            members.resize_with(slot + 1, || None);
        }
        members[slot] = Some(member);
    }

    /// Takes the member under `slot` out again.
    pub fn leave(&self, slot: u32) {
        if let Some(member) = self.members.borrow_mut().get_mut(slot as usize) {
            *member = None;
        }
    }

    /// Has `member` flushed before the loop blocks.
    pub fn mark_dirty(&self, member: Rc<dyn Member>) {
        self.dirty.borrow_mut().push(member);
        let needs_kick = self.host.borrow().as_ref().is_some_and(Host::cannot_prepare);
        if needs_kick {
            self.with_driver(Driver::kick);
        }
    }

    /// Flushes every dirty member now.
    pub fn flush(&self) {
        // Flushing may mark others, or the same again when the kernel took only a part.
        let dirty = std::mem::take(&mut *self.dirty.borrow_mut());
        for member in dirty {
            member.flush();
        }
    }

    /// What the host calls when the driver's descriptor is readable.
    fn on_readable(&self) {
        self.with_driver(Driver::turn);
        self.deliver();
        if self.host.borrow().as_ref().is_some_and(Host::cannot_prepare) {
            self.flush();
        }
    }

    /// What the host calls before it blocks.
    fn on_prepare(&self) {
        self.flush();
        if self.with_driver(Driver::is_pending) == Some(true) {
            self.with_driver(Driver::turn);
            self.deliver();
            self.flush();
            if self.with_driver(Driver::is_pending) == Some(true) {
                self.with_driver(Driver::kick);
            }
        }
    }

    /// Settles promises and runs JavaScript: after a turn, never inside one.
    fn deliver(&self) {
        let mut ready = self.ready.take();
        self.with_driver(|driver| driver.take_ready(&mut ready));
        self.dispatch.call(&ready);
        ready.clear();
        *self.ready.borrow_mut() = ready;
    }

    fn set_referenced(&self, referenced: bool) {
        if let Some(host) = self.host.borrow().as_ref() {
            host.set_referenced(referenced);
        }
    }

    /// First half of the end: what is buffered goes out, and JavaScript is not called any more.
    fn begin_end(&self) {
        self.flush();
        self.dispatch.stop();
    }

    /// Second half, once no callback can come any more: closes every socket and drops the runtime.
    fn finish_end(&self) {
        for member in self.members.take().into_iter().flatten() {
            if let Some(member) = member.upgrade() {
                member.close();
            }
        }
        self.dirty.take();
        self.host.take();
        self.driver.take();
    }
}
