//! Waiting on a thread of its own, for runtimes whose loop is not libuv.

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use napi::sys;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

/// What the JavaScript thread is to call, with this data, when the descriptor is readable.
struct Target {
    call: unsafe extern "C" fn(*mut c_void),
    data: *mut c_void,
    flags: Arc<Flags>,
    thread: thread::Thread,
}

#[derive(Default)]
struct Flags {
    stopping: AtomicBool,
    /// The JavaScript thread has taken its turn; the descriptor may be polled again.
    served: AtomicBool,
}

pub(super) struct Watcher {
    env: sys::napi_env,
    function: sys::napi_threadsafe_function,
    thread: Option<JoinHandle<()>>,
    flags: Arc<Flags>,
    stop: OwnedFd,
}

/// A threadsafe function may be called from any thread; the raw pointer alone does not say so.
struct Sendable(sys::napi_threadsafe_function);

// SAFETY: Node-API documents threadsafe functions as callable from every thread until released or aborted.
unsafe impl Send for Sendable {}

impl Watcher {
    /// # Safety
    /// `env` must be this thread's environment, and `data` good for `call` until the watcher is dropped.
    pub(super) unsafe fn start(
        env: sys::napi_env,
        epoll: BorrowedFd<'_>,
        call: unsafe extern "C" fn(*mut c_void),
        data: *mut c_void,
    ) -> io::Result<Self> {
        let epoll = epoll.try_clone_to_owned()?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC)?;
        let stopped = stop.as_fd().try_clone_to_owned()?;
        let flags = Arc::<Flags>::default();
        let (hand_over, function_to_call) = std::sync::mpsc::channel::<Sendable>();
        let thread = {
            let flags = Arc::clone(&flags);
            thread::Builder::new().name("nearwire-watcher".into()).spawn(move || {
                if let Ok(function) = function_to_call.recv() {
                    watch(&epoll, &stopped, &flags, &function);
                }
            })?
        };
        let target = Box::new(Target { call, data, flags: Arc::clone(&flags), thread: thread.thread().clone() });
        let target = Box::into_raw(target);
        let (mut name, mut function) = (null_mut(), null_mut());
        // SAFETY: `env` is this thread's; the context is freed by the finalizer, after the last call, or here when
        // there will be no finalizer.
        let status = unsafe {
            let mut status = sys::napi_create_string_utf8(env, c"nearwire-watcher".as_ptr(), 16, &mut name);
            if status == sys::Status::napi_ok {
                status = sys::napi_create_threadsafe_function(
                    env,
                    null_mut(),
                    null_mut(),
                    name,
                    0,
                    1,
                    null_mut(),
                    Some(on_finalize),
                    target.cast(),
                    Some(on_call),
                    &mut function,
                );
            }
            if status != sys::Status::napi_ok {
                drop(Box::from_raw(target));
            }
            status
        };
        if status != sys::Status::napi_ok {
            // The thread gets no function and ends.
            return Err(io::Error::other(format!("making a threadsafe function failed with Node-API status {status}")));
        }
        // SAFETY: just made.
        unsafe { sys::napi_unref_threadsafe_function(env, function) };
        let _ = hand_over.send(Sendable(function));
        Ok(Self { env, function, thread: Some(thread), flags, stop })
    }

    pub(super) fn set_referenced(&self, referenced: bool) {
        // SAFETY: called on the environment's thread, before the watcher is dropped.
        unsafe {
            if referenced {
                sys::napi_ref_threadsafe_function(self.env, self.function);
            } else {
                sys::napi_unref_threadsafe_function(self.env, self.function);
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.flags.stopping.store(true, Ordering::SeqCst);
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
        // The threadsafe function itself ends with the environment.
    }
}

fn watch(epoll: &OwnedFd, stop: &OwnedFd, flags: &Flags, function: &Sendable) {
    loop {
        let mut polled = [PollFd::new(epoll, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        if poll(&mut polled, None).is_err() || polled[0].revents().is_empty() {
            if flags.stopping.load(Ordering::SeqCst) {
                return;
            }
            continue;
        }
        flags.served.store(false, Ordering::SeqCst);
        // SAFETY: the function is good until its environment ends, which stops and joins this thread first.
        let status = unsafe {
            sys::napi_call_threadsafe_function(function.0, null_mut(), sys::ThreadsafeFunctionCallMode::nonblocking)
        };
        while status == sys::Status::napi_ok
            && !flags.served.load(Ordering::SeqCst)
            && !flags.stopping.load(Ordering::SeqCst)
        {
            thread::park();
        }
        if status != sys::Status::napi_ok || flags.stopping.load(Ordering::SeqCst) {
            return;
        }
    }
}

unsafe extern "C" fn on_call(env: sys::napi_env, _function: sys::napi_value, context: *mut c_void, _data: *mut c_void) {
    // Calls that were queued when the environment ended come without one, and after the finalizer: the context is gone.
    if env.is_null() {
        return;
    }
    // SAFETY: the context is the boxed target, freed only by the finalizer.
    let target = unsafe { &*context.cast::<Target>() };
    if !target.flags.stopping.load(Ordering::SeqCst) {
        // SAFETY: not stopping, so the watcher lives and its data is good.
        unsafe { (target.call)(target.data) };
    }
    target.flags.served.store(true, Ordering::SeqCst);
    target.thread.unpark();
}

unsafe extern "C" fn on_finalize(_env: sys::napi_env, _data: *mut c_void, context: *mut c_void) {
    // SAFETY: the last use of the context; the finalizer runs once.
    drop(unsafe { Box::from_raw(context.cast::<Target>()) });
}
