//! What JavaScript sees of the transports: one thin class each, synchronous calls that answer with a count or a
//! negated errno, and tokens for what becomes ready later. No policy: waiting, order, time and errors are TypeScript.

#![allow(unsafe_code, reason = "napi-derive writes unsafe glue into every module that exports something")]
#![allow(unnameable_types, reason = "what is exported is named by JavaScript, not by Rust")]
#![allow(clippy::use_self, reason = "napi-derive cannot resolve `Self` in what it exports")]
#![allow(missing_docs, reason = "napi-derive makes undocumented items; what we export is documented")]

mod address;
mod adopt;
mod event_loop;
mod failure;
mod memory;
mod netlink;
mod netlink_buffers;
mod netlink_options;
mod outbox;
mod socket_options;
mod unix_connecting;
mod unix_datagram;
mod unix_listener;
mod unix_many;
mod unix_messages;
mod unix_options;
mod unix_peer;
mod unix_receiver;
mod unix_socket;
mod vsock;
