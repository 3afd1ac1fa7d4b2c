//! AF_UNIX on Linux, whole: stream, datagram and seqpacket sockets on tokio, usable without Node.
//!
//! Every operation is a system call that is tried at once and never blocks; only `EAGAIN` costs a wait, through the
//! [`Readiness`](nearwire_event_loop::Readiness) that each socket holds. Waiting needs a tokio context; nothing
//! here spawns a task or sets a timer.
//!
//! - [`Socket`] carries bytes or messages; [`Connecting`] makes a connected one, [`Listener`] accepts them.
//! - [`Address`] is a name: a path of any length, an abstract name of any bytes, or none.
//! - [`Credentials`] and the `peer_` methods of [`Socket`] say who is at the other end.
//! - [`Socket::try_send_message`] and [`Socket::try_receive_message`] carry descriptors, credentials, labels and times;
//!   [`ReceiveBatch`] and [`SendBatch`] carry many messages in one call.
//! - [`Probe`] waits for a datagram destination that is full, [`Many`] for any set of descriptors.
//! - [`Options`] reads and sets socket options, and [`features`] says which the running kernel has.

mod address;
mod ancillary;
mod batch;
mod connecting;
mod datagram;
mod error;
mod kind;
mod listener;
mod lock;
mod many;
mod name;
mod options;
mod peer;
mod probe;
mod socket;
#[expect(unsafe_code, reason = "system calls that rustix lacks, and addresses in the kernel's own layout")]
mod sys;
mod wait;

pub use address::{Address, LONGEST_ABSTRACT_NAME};
pub use ancillary::{Ancillary, AncillarySpace, MOST_DESCRIPTORS, ReceiveFlags, Received};
pub use batch::{Placed, ReceiveBatch, SendBatch};
pub use connecting::{Bind, Connecting};
pub use datagram::BindOptions;
pub use error::{Error, Result};
pub use kind::Kind;
pub use listener::{Inherited, ListenOptions, Listener};
pub use many::{Interest, Many, Ready};
pub use name::Takeover;
pub use options::{Features, Options, features};
pub use peer::Credentials;
pub use probe::Probe;
pub use socket::{Rejected, Socket};
