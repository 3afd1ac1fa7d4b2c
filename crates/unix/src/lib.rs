//! AF_UNIX on Linux, whole: stream, datagram and seqpacket sockets on tokio, usable without Node.
//!
//! Every operation is a system call that is tried at once and never blocks; only `EAGAIN` costs a wait, through the
//! [`Readiness`](nearwire_event_loop::Readiness) that each socket holds. Making one needs a tokio context; nothing
//! here spawns a task or sets a timer.
//!
//! - [`Socket`] carries bytes or messages; [`Connecting`] makes a connected one, [`Listener`] accepts them.
//! - [`Address`] is a name: a path of any length, an abstract name of any bytes, or none.
//! - [`Credentials`] and the `peer_` methods of [`Socket`] say who is at the other end.
//! - [`Options`] reads and sets socket options, and [`features`] says which the running kernel has.

mod address;
mod connecting;
mod error;
mod kind;
mod listener;
mod lock;
mod name;
mod options;
mod peer;
mod socket;
#[expect(unsafe_code, reason = "system calls that rustix lacks, and addresses in the kernel's own layout")]
mod sys;
mod wait;

pub use address::{Address, LONGEST_ABSTRACT_NAME};
pub use connecting::{Bind, Connecting};
pub use error::{Error, Result};
pub use kind::Kind;
pub use listener::{Inherited, ListenOptions, Listener};
pub use name::Takeover;
pub use options::{Features, Options, features};
pub use peer::Credentials;
pub use socket::{Rejected, Socket};
