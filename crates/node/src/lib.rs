//! What JavaScript sees of the transports: one thin class each, synchronous calls that answer with a count or a
//! negated errno, and tokens for what becomes ready later. No policy: waiting, order, time and errors are TypeScript.
//!
//! Calls that every byte comes by are functions of a socket's number, which are cheaper than methods; see `calls` and `numbers`.

#![allow(unsafe_code, reason = "napi-derive writes unsafe glue into every module that exports something")]
#![allow(clippy::use_self, reason = "napi-derive cannot resolve `Self` in what it exports")]
#![allow(missing_docs, reason = "napi-derive makes undocumented items; what we export is documented")]

mod address;
mod adopt;
pub mod calls;
pub mod descriptors;
pub mod event_loop;
pub mod failure;
pub mod memory;
pub mod netlink;
pub mod netlink_buffers;
pub mod netlink_options;
mod numbers;
mod outbox;
pub mod socket_options;
pub mod unix_connecting;
pub mod unix_datagram;
pub mod unix_listener;
pub mod unix_many;
pub mod unix_messages;
pub mod unix_options;
pub mod unix_peer;
pub mod unix_receiver;
pub mod unix_socket;
pub mod vsock;
mod waiting;
