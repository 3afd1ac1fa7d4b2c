//! The loop of the calling environment.

use std::rc::Rc;

use napi::bindgen_prelude::{FnArgs, Function, JsValue, Uint32ArraySlice};
use napi::{Env, Error, Result};
use napi_derive::napi;

use crate::numbers::{Number, Numbers};

thread_local! {
    static LOOPS: Numbers<nearwire_event_loop::EventLoop> = const { Numbers::new() };
}

/// tokio on the loop of this Node environment. One is made when the module is loaded.
#[napi]
pub struct EventLoop {
    inner: Rc<nearwire_event_loop::EventLoop>,
    number: Number<nearwire_event_loop::EventLoop>,
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
        let inner = attached.map_err(|error| Error::from_reason(error.to_string()))?;
        let number = Number::give(&LOOPS, Rc::clone(&inner));
        Ok(Self { inner, number })
    }

    /// What calls name it by.
    #[napi(getter)]
    pub fn number(&self) -> u32 {
        self.number.get()
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

/// Keeps the process alive until `loop_release()` is called as often.
pub(crate) fn loop_hold(number: u32) {
    if let Some(inner) = LOOPS.with(|loops| loops.get(number)) {
        inner.hold();
    }
}

/// Takes one `loop_hold()` back.
pub(crate) fn loop_release(number: u32) {
    if let Some(inner) = LOOPS.with(|loops| loops.get(number)) {
        inner.release();
    }
}
