//! Calling the one JavaScript function that tokens go to.

use std::cell::Cell;
use std::io;
use std::ptr::null_mut;

use napi::sys;

/// The function, and the array that it reads the tokens from.
pub(super) struct Dispatch {
    env: sys::napi_env,
    function: sys::napi_ref,
    /// Keeps the array's memory where it is.
    tokens: sys::napi_ref,
    slots: *mut u32,
    capacity: usize,
    context: sys::napi_async_context,
    stopped: Cell<bool>,
}

fn check(status: sys::napi_status, what: &str) -> io::Result<()> {
    if status == sys::Status::napi_ok {
        Ok(())
    } else {
        Err(io::Error::other(format!("{what} failed with Node-API status {status}")))
    }
}

impl Dispatch {
    /// # Safety
    /// See [`super::EventLoop::attach`].
    pub(super) unsafe fn new(
        env: sys::napi_env,
        function: sys::napi_value,
        tokens: sys::napi_value,
    ) -> io::Result<Self> {
        let (mut function_ref, mut tokens_ref, mut context) = (null_mut(), null_mut(), null_mut());
        let (mut kind, mut capacity, mut data) = (0, 0, null_mut());
        // SAFETY: the caller vouches for `env` and the two values; every out-pointer is a live local.
        unsafe {
            let typed =
                sys::napi_get_typedarray_info(env, tokens, &mut kind, &mut capacity, &mut data, null_mut(), null_mut());
            check(typed, "reading the token array")?;
            if kind != sys::TypedarrayType::uint32_array || capacity == 0 {
                return Err(io::Error::other("the token array must be a Uint32Array with room"));
            }
            check(sys::napi_create_reference(env, function, 1, &mut function_ref), "keeping the dispatcher")?;
            check(sys::napi_create_reference(env, tokens, 1, &mut tokens_ref), "keeping the token array")?;
            let mut name = null_mut();
            check(sys::napi_create_string_utf8(env, c"nearwire".as_ptr(), 8, &mut name), "naming the resource")?;
            check(sys::napi_async_init(env, null_mut(), name, &mut context), "making the async context")?;
        }
        let slots = data.cast::<u32>();
        Ok(Self {
            env,
            function: function_ref,
            tokens: tokens_ref,
            slots,
            capacity,
            context,
            stopped: Cell::new(false),
        })
    }

    /// JavaScript is not called any more.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
    }

    /// Stops, and gives back what was kept for calling. To be called once and while the environment lives: a finalizer
    /// would be too late, and in Deno even a cleanup hook is, which has no handle scope and gets none.
    pub(super) fn give_back(&self) {
        self.stop();
        // SAFETY: made in this environment, which is alive, and given back once; nothing uses them after `stop`.
        unsafe {
            sys::napi_delete_reference(self.env, self.function);
            sys::napi_delete_reference(self.env, self.tokens);
            sys::napi_async_destroy(self.env, self.context);
        }
    }

    /// Hands the tokens over, as many a call as the array holds.
    pub(super) fn call(&self, tokens: &[u32]) {
        for batch in tokens.chunks(self.capacity) {
            if self.stopped.get() {
                return;
            }
            // SAFETY: the reference keeps the array alive and nobody detaches it; the batch fits; JavaScript, the only
            // other reader, is not running.
            unsafe { std::ptr::copy_nonoverlapping(batch.as_ptr(), self.slots, batch.len()) };
            #[expect(clippy::cast_possible_truncation, reason = "bounded by the array's length, some thousand")]
            self.call_once(batch.len() as u32);
        }
    }

    fn call_once(&self, count: u32) {
        let env = self.env;
        let (mut scope, mut function, mut this, mut count_value) = (null_mut(), null_mut(), null_mut(), null_mut());
        // Nobody wants it, but Deno writes it through whatever pointer it gets.
        let mut answer = null_mut();
        // SAFETY: the environment is alive, for its end stops this dispatcher first; every value is made inside the
        // handle scope, and `napi_make_callback` opens the callback scope in which microtasks run afterwards.
        unsafe {
            if sys::napi_open_handle_scope(env, &mut scope) != sys::Status::napi_ok {
                return;
            }
            sys::napi_get_reference_value(env, self.function, &mut function);
            sys::napi_get_global(env, &mut this);
            sys::napi_create_uint32(env, count, &mut count_value);
            let status =
                sys::napi_make_callback(env, self.context, this, function, 1, &raw const count_value, &mut answer);
            if status == sys::Status::napi_pending_exception {
                let mut exception = null_mut();
                if sys::napi_get_and_clear_last_exception(env, &mut exception) == sys::Status::napi_ok {
                    sys::napi_fatal_exception(env, exception);
                }
            }
            sys::napi_close_handle_scope(env, scope);
        }
    }
}
