//! The calls that every byte comes by, as callbacks of our own. What each does is said where its function is.
//!
//! Around whatever takes arguments napi-rs sets up a scope for what asynchronous work might borrow: an allocation, a lock,
//! two stacks of the thread. That is two thirds of what a call costs, 100 ns of 150, and these return no such work. All
//! else is napi-rs's, how arguments and answers are converted and how a wrong one is refused included.

use napi::bindgen_prelude::{FromNapiValue, Function, Result, ToNapiValue};
use napi::{Env, JsError, Status, sys};
use napi_derive::napi;

use crate::event_loop::{loop_hold, loop_release};
use crate::netlink::{netlink_exchange, netlink_receive, netlink_send};
use crate::unix_messages::{unix_flush_messages, unix_send, unix_send_message, unix_take_descriptors};
use crate::unix_receiver::{unix_receive_bytes, unix_receive_messages};
use crate::unix_socket::{unix_mark_dirty, unix_read, unix_write};

type Call<'env> = Function<'env, (), ()>;

/// Functions of the number of a socket, or of a loop.
#[napi(object, object_from_js = false)]
pub struct Calls<'env> {
    #[napi(ts_type = "(loop: number) => void")]
    pub loop_hold: Call<'env>,
    #[napi(ts_type = "(loop: number) => void")]
    pub loop_release: Call<'env>,
    #[napi(ts_type = "(socket: number, into: Uint8Array, start: number, end: number) => number")]
    pub unix_read: Call<'env>,
    #[napi(ts_type = "(socket: number, from: Uint8Array, start: number, end: number) => number")]
    pub unix_write: Call<'env>,
    #[napi(ts_type = "(socket: number) => number")]
    pub unix_mark_dirty: Call<'env>,
    #[napi(ts_type = "(socket: number, data: Uint8Array) => number")]
    pub unix_send: Call<'env>,
    #[napi(
        ts_type = "(socket: number, data: Uint8Array, to: Uint8Array | undefined, fds: number, credentials: UnixCredentials | undefined) => number | Failure"
    )]
    pub unix_send_message: Call<'env>,
    #[napi(ts_type = "(socket: number) => number")]
    pub unix_flush_messages: Call<'env>,
    #[napi(
        ts_type = "(socket: number, into: Uint8Array, start: number, row: number, most: number, longest: number) => number"
    )]
    pub unix_receive_messages: Call<'env>,
    #[napi(ts_type = "(socket: number, into: Uint8Array, start: number, end: number, row: number) => number")]
    pub unix_receive_bytes: Call<'env>,
    #[napi(ts_type = "(socket: number, number: number) => number")]
    pub unix_take_descriptors: Call<'env>,
    #[napi(
        ts_type = "(socket: number, data: Uint8Array, start: number, end: number, toPort: number, group: number) => number"
    )]
    pub netlink_send: Call<'env>,
    #[napi(ts_type = "(socket: number, length: number, toPort: number, limit: number) => number")]
    pub netlink_exchange: Call<'env>,
    #[napi(ts_type = "(socket: number, limit: number) => number")]
    pub netlink_receive: Call<'env>,
}

/// The callback that takes the named arguments and hands them to a function.
macro_rules! callback {
    ($function:ident, $($argument:ident),+) => {{
        extern "C" fn callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
            // SAFETY: Node calls this, on the thread of `env`, with what both are. Arguments that are borrowed live as long
            // as the call, during which JavaScript does not run; nobody hands the same memory in twice.
            let answer = unsafe {
                arguments(env, info).and_then(|[$($argument),+]| {
                    let answer = $function($(FromNapiValue::from_napi_value(env, $argument)?),+);
                    ToNapiValue::to_napi_value(env, answer)
                })
            };
            answer.unwrap_or_else(|error| {
                // SAFETY: as above.
                unsafe { JsError::from(error).throw_into(env) };
                std::ptr::null_mut()
            })
        }
        callback
    }};
}

/// The functions; once an environment.
#[napi]
pub fn calls(env: &Env) -> Result<Calls<'_>> {
    Ok(Calls {
        loop_hold: env.create_function("loopHold", callback!(loop_hold, number))?,
        loop_release: env.create_function("loopRelease", callback!(loop_release, number))?,
        unix_read: env.create_function("unixRead", callback!(unix_read, socket, into, start, end))?,
        unix_write: env.create_function("unixWrite", callback!(unix_write, socket, from, start, end))?,
        unix_mark_dirty: env.create_function("unixMarkDirty", callback!(unix_mark_dirty, socket))?,
        unix_send: env.create_function("unixSend", callback!(unix_send, socket, data))?,
        unix_send_message: env
            .create_function("unixSendMessage", callback!(unix_send_message, socket, data, to, fds, credentials))?,
        unix_flush_messages: env.create_function("unixFlushMessages", callback!(unix_flush_messages, socket))?,
        unix_receive_messages: env.create_function(
            "unixReceiveMessages",
            callback!(unix_receive_messages, socket, into, start, row, most, longest),
        )?,
        unix_receive_bytes: env
            .create_function("unixReceiveBytes", callback!(unix_receive_bytes, socket, into, start, end, row))?,
        unix_take_descriptors: env
            .create_function("unixTakeDescriptors", callback!(unix_take_descriptors, socket, number))?,
        netlink_send: env
            .create_function("netlinkSend", callback!(netlink_send, socket, data, start, end, to_port, group))?,
        netlink_exchange: env
            .create_function("netlinkExchange", callback!(netlink_exchange, socket, length, to_port, limit))?,
        netlink_receive: env.create_function("netlinkReceive", callback!(netlink_receive, socket, limit))?,
    })
}

/// The arguments of a call; `undefined` for those that are missing.
///
/// # Safety
/// `info` must be that of a call which Node is making in `env`, on its thread.
unsafe fn arguments<const N: usize>(env: sys::napi_env, info: sys::napi_callback_info) -> Result<[sys::napi_value; N]> {
    let (mut count, mut values) = (N, [std::ptr::null_mut(); N]);
    let (this, data) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: there is room for as many as `count` says.
    let status = unsafe { sys::napi_get_cb_info(env, info, &raw mut count, values.as_mut_ptr(), this, data) };
    match Status::from(status) {
        Status::Ok => Ok(values),
        status => Err(napi::Error::from_status(status)),
    }
}
