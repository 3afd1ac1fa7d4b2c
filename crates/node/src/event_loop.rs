//! The loop of the calling environment.

use std::rc::Rc;

use napi::bindgen_prelude::{FnArgs, Function, JsValue, Uint32ArraySlice};
use napi::{Env, Error, Result};
use napi_derive::napi;

/// tokio on the loop of this Node environment. One is made when the module is loaded.
#[napi]
pub struct EventLoop {
    inner: Rc<nearwire_event_loop::EventLoop>,
}

#[napi]
impl EventLoop {
    /// When sockets become ready, their tokens are put into `tokens` and `dispatch` is called with their number. A
    /// token is twice the slot of a socket, plus one when it is writing that may go on.
    ///
    /// `watcher` waits on a thread of its own, for runtimes without libuv.
    #[napi(constructor)]
    pub fn new(
        env: &Env,
        dispatch: Function<'_, FnArgs<(u32,)>, ()>,
        tokens: Uint32ArraySlice<'_>,
        watcher: bool,
    ) -> Result<Self> {
        // SAFETY: all three come from the call's own environment, and `src/loop.ts` keeps the array to itself.
        let attached =
            unsafe { nearwire_event_loop::EventLoop::attach(env.raw(), dispatch.raw(), tokens.raw(), watcher) };
        Ok(Self { inner: attached.map_err(|error| Error::from_reason(error.to_string()))? })
    }

    /// Keeps the process alive until `release()` is called as often.
    #[napi]
    pub fn hold(&self) {
        self.inner.hold();
    }

    /// Takes one `hold()` back.
    #[napi]
    pub fn release(&self) {
        self.inner.release();
    }

    /// Writes out what every socket has buffered, as far as the kernel takes it at once.
    #[napi]
    pub fn flush(&self) {
        self.inner.flush();
    }
}

impl EventLoop {
    pub(crate) fn inner(&self) -> &Rc<nearwire_event_loop::EventLoop> {
        &self.inner
    }
}
