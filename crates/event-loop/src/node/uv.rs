//! The few libuv functions that drive the loop. Node exports them from its executable; they are part of libuv's
//! stable 1.x interface.

use std::ffi::{CStr, c_int, c_void};
use std::sync::OnceLock;

/// A `uv_loop_t*` or `uv_handle_t*`.
pub(super) type Pointer = *mut c_void;

pub(super) const UV_POLL: c_int = 8;
pub(super) const UV_PREPARE: c_int = 9;
pub(super) const UV_READABLE: c_int = 1;

pub(super) type PollCallback = unsafe extern "C" fn(Pointer, c_int, c_int);
pub(super) type HandleCallback = unsafe extern "C" fn(Pointer);

pub(super) struct Uv {
    pub(super) handle_size: unsafe extern "C" fn(c_int) -> usize,
    pub(super) poll_init: unsafe extern "C" fn(Pointer, Pointer, c_int) -> c_int,
    pub(super) poll_start: unsafe extern "C" fn(Pointer, c_int, PollCallback) -> c_int,
    pub(super) prepare_init: unsafe extern "C" fn(Pointer, Pointer) -> c_int,
    pub(super) prepare_start: unsafe extern "C" fn(Pointer, HandleCallback) -> c_int,
    pub(super) set_data: unsafe extern "C" fn(Pointer, Pointer),
    pub(super) get_data: unsafe extern "C" fn(Pointer) -> Pointer,
    pub(super) make_ref: unsafe extern "C" fn(Pointer),
    pub(super) make_unref: unsafe extern "C" fn(Pointer),
    pub(super) close: unsafe extern "C" fn(Pointer, Option<HandleCallback>),
}

impl Uv {
    /// libuv's functions in this process, or `None` where the runtime has no libuv.
    pub(super) fn get() -> Option<&'static Self> {
        static UV: OnceLock<Option<Uv>> = OnceLock::new();
        UV.get_or_init(Self::load).as_ref()
    }

    fn load() -> Option<Self> {
        fn symbol<F: Copy>(name: &CStr) -> Option<F> {
            // SAFETY: looking a symbol up by name has no effect.
            let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
            assert_eq!(size_of::<F>(), size_of_val(&address), "only function pointers are looked up");
            // SAFETY: `F` is the function pointer type that libuv's header gives the symbol, of a pointer's size.
            (!address.is_null()).then(|| unsafe { std::mem::transmute_copy(&address) })
        }
        Some(Self {
            handle_size: symbol(c"uv_handle_size")?,
            poll_init: symbol(c"uv_poll_init")?,
            poll_start: symbol(c"uv_poll_start")?,
            prepare_init: symbol(c"uv_prepare_init")?,
            prepare_start: symbol(c"uv_prepare_start")?,
            set_data: symbol(c"uv_handle_set_data")?,
            get_data: symbol(c"uv_handle_get_data")?,
            make_ref: symbol(c"uv_ref")?,
            make_unref: symbol(c"uv_unref")?,
            close: symbol(c"uv_close")?,
        })
    }
}
