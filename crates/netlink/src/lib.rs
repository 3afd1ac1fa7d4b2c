//! AF_NETLINK sockets on neli and tokio, for any protocol, with nothing lost silently.
//!
//! [`Socket`] is the transport: any protocol number, port ids, groups, network namespaces, filters, and receiving
//! that never hides a sender, a truncation or an overrun. [`header`] and [`attribute`] read and write the two
//! layouts that nearly every netlink protocol uses. Matching answers to requests belongs to the caller.
//!
//! neli creates and binds the socket and names the constants; what it lacks (the sender, packet information,
//! truncation, batches) is added here. Its router is not used: it cannot tell an overrun from silence.

pub mod attribute;
mod batch;
mod delivery;
mod error;
mod filter;
pub mod header;
mod namespace;
mod open;
mod pace;
mod socket;
#[expect(unsafe_code, reason = "every call that neither rustix nor neli offers in a safe form")]
mod sys;

pub use batch::{Batch, End, column, flag};
pub use delivery::Delivery;
pub use error::Error;
pub use filter::Instruction;
pub use namespace::Namespace;
pub use open::OpenOptions;
pub use rustix::io::Errno;
pub use socket::{Memory, Received, Socket};
