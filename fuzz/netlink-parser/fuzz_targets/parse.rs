//! Walks any bytes as messages, attributes, and attributes in attributes, and writes back what it found.
//!
//! `cargo +nightly fuzz run --fuzz-dir fuzz/netlink-parser parse`

#![no_main]

use libfuzzer_sys::fuzz_target;
use nearwire_netlink::attribute::{append_attribute, attributes};
use nearwire_netlink::header::{append_message, messages};

fuzz_target!(|bytes: &[u8]| {
    let mut written = Vec::new();
    let mut walked = 0;
    for message in messages(bytes) {
        let Ok(message) = message else { break };
        assert_eq!(message.offset, walked);
        walked = (message.offset + 16 + message.payload.len()).next_multiple_of(4);
        append_message(&mut written, message.header, message.payload).expect("it was read with that length");
        nested(message.payload, 0);
    }
    // All but the padding, which may be anything or missing, comes back as it was.
    let again: Vec<_> = messages(&written).map(|message| message.map(|one| (one.header, one.payload))).collect();
    let first: Vec<_> = messages(bytes).map(|message| message.map(|one| (one.header, one.payload))).collect();
    assert!(again.iter().all(Result::is_ok));
    assert_eq!(again[..], first[..again.len()]);
    nested(bytes, 0);
});

/// One level, and those inside what says it is nested, as deep as a careful decoder goes.
fn nested(bytes: &[u8], depth: usize) {
    let mut written = Vec::new();
    for attribute in attributes(bytes) {
        let Ok(attribute) = attribute else { break };
        assert!(attribute.offset + 4 + attribute.payload.len() <= bytes.len());
        let kind = attribute.kind | u16::from(attribute.nested) << 15 | u16::from(attribute.network_order) << 14;
        append_attribute(&mut written, kind, attribute.payload).expect("it was read with that length");
        if attribute.nested && depth < 64 {
            nested(attribute.payload, depth + 1);
        }
    }
    let again: Vec<_> = attributes(&written).flatten().map(|one| one.payload).collect();
    let first: Vec<_> = attributes(bytes).flatten().map(|one| one.payload).collect();
    assert_eq!(again, first);
}
