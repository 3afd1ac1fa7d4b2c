//! What travels beside the bytes: descriptors, credentials, labels, times.

mod reader;
mod writer;

pub use reader::{Ancillary, AncillarySpace, ReceiveFlags, Received};
pub use writer::MOST_DESCRIPTORS;

pub(crate) use reader::{parse, words_for};
