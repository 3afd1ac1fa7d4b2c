//! How the environment's own loop waits for the driver: a poll and a prepare handle in libuv, or a watcher thread.

use std::ffi::c_void;
use std::io;
use std::ptr::null_mut;
use std::rc::Rc;

use std::cell::Cell;
use std::os::fd::AsRawFd;

use napi::sys;

use super::EventLoop;
use super::uv::{Pointer, UV_POLL, UV_PREPARE, UV_READABLE, Uv};
use super::watcher::Watcher;

pub(super) enum Host {
    Libuv { uv: &'static Uv, poll: Pointer },
    Thread(Watcher),
}

/// What the environment's cleanup hook gets; freed when the end is complete.
struct Ending {
    event_loop: Rc<EventLoop>,
    handles: Option<(&'static Uv, [Pointer; 2])>,
    open: Cell<u8>,
    hook: Cell<sys::napi_async_cleanup_hook_handle>,
}

impl Host {
    /// # Safety
    /// `env` must be the environment of the calling thread.
    pub(super) unsafe fn attach(env: sys::napi_env, event_loop: &Rc<EventLoop>, watcher: bool) -> io::Result<Self> {
        if watcher {
            // SAFETY: passed on from the caller.
            return unsafe { Self::watch(env, event_loop) };
        }
        // SAFETY: passed on from the caller.
        unsafe { Self::poll(env, event_loop) }
    }

    /// Whether nothing is called before the loop blocks.
    pub(super) const fn cannot_prepare(&self) -> bool {
        matches!(self, Self::Thread(_))
    }

    pub(super) fn set_referenced(&self, referenced: bool) {
        match self {
            // SAFETY: the handle is open: closing it takes this value out of the loop first.
            Self::Libuv { uv, poll } => unsafe {
                if referenced { (uv.make_ref)(*poll) } else { (uv.make_unref)(*poll) }
            },
            Self::Thread(watcher) => watcher.set_referenced(referenced),
        }
    }

    /// # Safety
    /// See [`attach`](Self::attach).
    unsafe fn poll(env: sys::napi_env, event_loop: &Rc<EventLoop>) -> io::Result<Self> {
        let uv = Uv::get().ok_or_else(|| io::Error::other("this runtime exports no libuv"))?;
        let driver = event_loop.driver.borrow();
        let driver = driver.as_ref().ok_or_else(|| io::Error::other("the loop has ended"))?;
        let mut uv_loop = null_mut();
        // SAFETY: `env` is this thread's. Handles get the size libuv asks for and live until their close callback;
        // their data is the loop itself, whose `Rc` the cleanup hook holds until both are closed.
        unsafe {
            if sys::napi_get_uv_event_loop(env, &mut uv_loop) != sys::Status::napi_ok || uv_loop.is_null() {
                return Err(io::Error::other("this environment lends no libuv loop"));
            }
            let uv_loop = uv_loop.cast::<c_void>();
            let poll = libc::calloc(1, (uv.handle_size)(UV_POLL));
            let prepare = libc::calloc(1, (uv.handle_size)(UV_PREPARE));
            let failed = if poll.is_null() || prepare.is_null() {
                -libc::ENOMEM
            } else {
                (uv.poll_init)(uv_loop, poll, driver.epoll_fd().as_raw_fd())
            };
            if failed != 0 {
                libc::free(poll);
                libc::free(prepare);
                return Err(io::Error::from_raw_os_error(-failed));
            }
            (uv.prepare_init)(uv_loop, prepare);
            let ending = Box::into_raw(Box::new(Ending {
                event_loop: Rc::clone(event_loop),
                handles: Some((uv, [poll, prepare])),
                open: Cell::new(2),
                hook: Cell::new(null_mut()),
            }));
            let data = Rc::as_ptr(event_loop).cast_mut().cast::<c_void>();
            (uv.set_data)(poll, data);
            (uv.set_data)(prepare, data);
            let mut hook = null_mut();
            let hooked = sys::napi_add_async_cleanup_hook(env, Some(on_end), ending.cast(), &mut hook);
            if hooked != sys::Status::napi_ok {
                // Without a hook nobody would close the handles.
                on_end(null_mut(), ending.cast());
                return Err(io::Error::other(format!("adding a cleanup hook failed with Node-API status {hooked}")));
            }
            let failed = match (uv.poll_start)(poll, UV_READABLE, on_poll) {
                0 => (uv.prepare_start)(prepare, on_prepare),
                failed => failed,
            };
            if failed != 0 {
                sys::napi_remove_async_cleanup_hook(hook);
                on_end(null_mut(), ending.cast());
                return Err(io::Error::from_raw_os_error(-failed));
            }
            (uv.make_unref)(poll);
            (uv.make_unref)(prepare);
            driver.host_checks_before_blocking();
            Ok(Self::Libuv { uv, poll })
        }
    }

    /// # Safety
    /// See [`attach`](Self::attach).
    unsafe fn watch(env: sys::napi_env, event_loop: &Rc<EventLoop>) -> io::Result<Self> {
        let driver = event_loop.driver.borrow();
        let driver = driver.as_ref().ok_or_else(|| io::Error::other("the loop has ended"))?;
        let data = Rc::as_ptr(event_loop).cast_mut().cast::<c_void>();
        // SAFETY: `env` is this thread's. The watcher is dropped, its thread joined, in the cleanup hook, which holds
        // the loop until then. A plain hook: Deno frees an async one twice.
        unsafe {
            let watcher = Watcher::start(env, driver.epoll_fd(), on_watched, data)?;
            let ending = Box::new(Ending {
                event_loop: Rc::clone(event_loop),
                handles: None,
                open: Cell::new(0),
                hook: Cell::new(null_mut()),
            });
            let ending = Box::into_raw(ending);
            let hooked = sys::napi_add_env_cleanup_hook(env, Some(on_plain_end), ending.cast());
            if hooked != sys::Status::napi_ok {
                drop(Box::from_raw(ending));
                return Err(io::Error::other(format!("adding a cleanup hook failed with Node-API status {hooked}")));
            }
            Ok(Self::Thread(watcher))
        }
    }
}

/// Runs `with` on the loop behind a callback's data, kept alive through it: JavaScript may end the environment.
///
/// # Safety
/// `data` must come from `Rc::as_ptr` of a loop that is still alive.
unsafe fn with_loop(data: Pointer, with: impl FnOnce(&EventLoop)) {
    let pointer = data.cast::<EventLoop>().cast_const();
    // SAFETY: the caller vouches for the pointer; the count goes up before an owner is made of it.
    let event_loop = unsafe {
        Rc::increment_strong_count(pointer);
        Rc::from_raw(pointer)
    };
    with(&event_loop);
}

unsafe extern "C" fn on_poll(handle: Pointer, _status: i32, _events: i32) {
    if let Some(uv) = Uv::get() {
        // SAFETY: libuv calls with an open handle, and its data is the loop.
        unsafe { with_loop((uv.get_data)(handle), EventLoop::on_readable) };
    }
}

unsafe extern "C" fn on_prepare(handle: Pointer) {
    if let Some(uv) = Uv::get() {
        // SAFETY: as above.
        unsafe { with_loop((uv.get_data)(handle), EventLoop::on_prepare) };
    }
}

unsafe extern "C" fn on_watched(data: Pointer) {
    // SAFETY: the watcher calls only until it is dropped, before the loop is.
    unsafe { with_loop(data, EventLoop::on_readable) };
}

unsafe extern "C" fn on_end(hook: sys::napi_async_cleanup_hook_handle, data: Pointer) {
    // SAFETY: the box made when the hook was added; it is freed by the last close callback.
    let ending = unsafe { &*data.cast::<Ending>() };
    ending.event_loop.begin_end();
    if !hook.is_null() {
        ending.event_loop.dispatch.give_back();
    }
    ending.hook.set(hook);
    // From here on nobody references or unreferences the handles.
    ending.event_loop.host.take();
    if let Some((uv, handles)) = ending.handles {
        for handle in handles {
            // SAFETY: both handles are open and closed once, here; their data is now the ending.
            unsafe {
                (uv.set_data)(handle, data);
                (uv.close)(handle, Some(on_closed));
            }
        }
    }
}

unsafe extern "C" fn on_closed(handle: Pointer) {
    let Some(uv) = Uv::get() else { return };
    // SAFETY: libuv is done with the handle, which `calloc` made; the ending lives until the last of the two.
    unsafe {
        let data = (uv.get_data)(handle);
        libc::free(handle);
        let ending = &*data.cast::<Ending>();
        ending.open.set(ending.open.get() - 1);
        if ending.open.get() == 0 {
            let ending = Box::from_raw(data.cast::<Ending>());
            ending.event_loop.finish_end();
            let hook = ending.hook.get();
            drop(ending);
            // There is none when attaching failed half-way.
            if !hook.is_null() {
                sys::napi_remove_async_cleanup_hook(hook);
            }
        }
    }
}

unsafe extern "C" fn on_plain_end(data: Pointer) {
    // SAFETY: the box made when the hook was added; the hook runs once.
    let ending = unsafe { Box::from_raw(data.cast::<Ending>()) };
    ending.event_loop.begin_end();
    ending.event_loop.finish_end();
}
