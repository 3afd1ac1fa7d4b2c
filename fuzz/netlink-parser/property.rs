//! What must hold of any bytes at all: walked as messages and as attributes, each is where the one before it ended, is
//! written back to the byte, and what ends the walk is there. The fuzz target asks it of what libFuzzer thinks of, and
//! `tests/fuzzing.rs` of `nearwire-netlink` of a fixed number of inputs, with every compiler and at every change.

use nearwire_netlink::attribute::{self, append_attribute, attributes};
use nearwire_netlink::header::{self, Malformed, append_message, messages};

/// As deep as a careful decoder goes.
const DEEPEST: usize = 64;

/// Panics where it does not.
pub(crate) fn holds(bytes: &[u8]) {
    let mut written = Vec::new();
    let mut walked = 0;
    let mut found = messages(bytes);
    for message in found.by_ref() {
        match message {
            Ok(message) => {
                assert_eq!(message.offset, walked);
                append_message(&mut written, message.header, message.payload).expect("it was read with that length");
                let end = walked + header::HEADER_LENGTH + message.payload.len();
                assert_eq!(written[walked..end], bytes[walked..end], "all but the padding, which may be anything");
                walked = end.next_multiple_of(4);
                nested(message.payload, 0);
            }
            Err(error) => {
                explained(error, walked, bytes.len(), header::HEADER_LENGTH);
                walked = bytes.len();
                break;
            }
        }
    }
    assert!(walked >= bytes.len() && found.next().is_none(), "nothing is left, nor comes after what is malformed");
    nested(bytes, 0);
}

/// One level, and those inside what says it is nested.
fn nested(bytes: &[u8], depth: usize) {
    let mut written = Vec::new();
    let mut walked = 0;
    let mut found = attributes(bytes);
    for attribute in found.by_ref() {
        match attribute {
            Ok(attribute) => {
                assert_eq!(attribute.offset, walked);
                let flags = u16::from(attribute.nested) << 15 | u16::from(attribute.network_order) << 14;
                assert_eq!(attribute.kind & flags, 0);
                append_attribute(&mut written, attribute.kind | flags, attribute.payload)
                    .expect("it was read with that length");
                let end = walked + attribute::HEADER_LENGTH + attribute.payload.len();
                assert_eq!(written[walked..end], bytes[walked..end], "all but the padding, which may be anything");
                walked = end.next_multiple_of(4);
                if attribute.nested && depth < DEEPEST {
                    nested(attribute.payload, depth + 1);
                }
            }
            Err(error) => {
                explained(error, walked, bytes.len(), attribute::HEADER_LENGTH);
                walked = bytes.len();
                break;
            }
        }
    }
    assert!(walked >= bytes.len() && found.next().is_none(), "nothing is left, nor comes after what is malformed");
}

/// The error is at the place that was reached, and says what is so.
fn explained(error: Malformed, walked: usize, end: usize, shortest: usize) {
    let (offset, so) = match error {
        Malformed::ShortHeader { offset, left } => (offset, left == end - walked && left < shortest),
        Malformed::LengthBelowHeader { offset, length } => (offset, length < shortest),
        Malformed::LengthPastEnd { offset, length, left } => {
            (offset, left == end - walked && left >= shortest && length > left)
        }
    };
    assert!(offset == walked && so, "{error:?} at {walked} of {end}");
    assert!(!error.to_string().is_empty());
}
