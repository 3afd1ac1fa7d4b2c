//! Messages and attributes over any bytes at all, and against neli's own encoders.

use std::io::Cursor;

use nearwire_netlink::attribute::{append_attribute, append_nested, attributes};
use nearwire_netlink::header::{Header, Malformed, TooLong, append_message, messages};
use neli::consts::nl::NlmF;
use neli::genl::{AttrTypeBuilder, Nlattr, NlattrBuilder};
use neli::nl::{NlPayload, Nlmsghdr, NlmsghdrBuilder};
use neli::types::Buffer;
use neli::{FromBytes, ToBytes};
use proptest::prelude::*;

#[path = "../../../fuzz/netlink-parser/property.rs"]
mod property;

fn headers() -> impl Strategy<Value = Header> {
    any::<(u16, u16, u32, u32)>().prop_map(|(kind, flags, sequence, port_id)| Header { kind, flags, sequence, port_id })
}

fn payloads(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..longest)
}

/// Bytes that look like messages or attributes more often than chance has it: small lengths, mostly.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => (0_u32..80).prop_map(|length| length.to_ne_bytes().to_vec()),
        1 => any::<u32>().prop_map(|length| length.to_ne_bytes().to_vec()),
        2 => payloads(24),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn neli_bytes(value: &impl ToBytes) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    value.to_bytes(&mut bytes).unwrap();
    bytes.into_inner()
}

proptest! {
    #[test]
    fn messages_come_back_as_they_were(sent in proptest::collection::vec((headers(), payloads(70)), 0..12)) {
        let mut datagram = Vec::new();
        for (header, payload) in &sent {
            append_message(&mut datagram, *header, payload).unwrap();
        }
        prop_assert_eq!(datagram.len() % 4, 0);
        let found: Vec<_> = messages(&datagram).map(|one| one.map(|one| (one.header, one.payload.to_vec()))).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(&found, &sent);
        // The padding of the last message may be missing, as in what processes send each other.
        let missing = sent.last().map_or(0, |(_, payload)| payload.len().next_multiple_of(4) - payload.len());
        prop_assert_eq!(messages(&datagram[..datagram.len() - missing]).flatten().count(), sent.len());
    }

    #[test]
    fn attributes_come_back_as_they_were(sent in proptest::collection::vec((any::<u16>(), payloads(70)), 0..12)) {
        let mut bytes = Vec::new();
        for (kind, payload) in &sent {
            append_attribute(&mut bytes, *kind, payload).unwrap();
        }
        let found: Vec<_> = attributes(&bytes).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(found.len(), sent.len());
        for (one, (kind, payload)) in found.iter().zip(&sent) {
            prop_assert_eq!(one.kind | u16::from(one.nested) << 15 | u16::from(one.network_order) << 14, *kind);
            prop_assert!(one.kind < 1 << 14);
            prop_assert_eq!(one.payload, &payload[..]);
        }
    }

    #[test]
    fn nesting_comes_back_as_it_was(outer in 0_u16..1 << 14, sent in proptest::collection::vec((0_u16..1 << 14, payloads(40)), 0..8)) {
        let mut bytes = vec![1, 2, 3, 4];
        append_nested(&mut bytes, outer, |inside| {
            sent.iter().try_for_each(|(kind, payload)| append_attribute(inside, *kind, payload))
        }).unwrap();
        let found = attributes(&bytes[4..]).next().unwrap().unwrap();
        prop_assert!(found.nested && found.kind == outer);
        let inside: Vec<_> = attributes(found.payload).map(|one| one.map(|one| (one.kind, one.payload.to_vec()))).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(inside, sent);
    }

    #[test]
    fn any_bytes(bytes in hostile()) {
        property::holds(&bytes);
    }

    /// neli writes the same attribute.
    #[test]
    fn neli_agrees_on_attributes(kind in 0_u16..1 << 14, nested: bool, network_order: bool, payload in payloads(70)) {
        let attr_type = AttrTypeBuilder::<u16>::default().nla_type(kind).nla_nested(nested).nla_network_order(network_order).build().unwrap();
        let raw = u16::from(&attr_type);
        let theirs: Nlattr<u16, Buffer> = NlattrBuilder::default().nla_type(attr_type).nla_payload(Buffer::from(payload.clone())).build().unwrap();
        let mut ours = Vec::new();
        append_attribute(&mut ours, raw, &payload).unwrap();
        prop_assert_eq!(neli_bytes(&theirs), ours);
    }

    /// neli writes the same message when the payload needs no padding; with padding its length includes it.
    #[test]
    fn neli_agrees_on_messages(header in headers(), words in proptest::collection::vec(any::<u32>(), 0..20)) {
        // neli drops flags it has no name for, and treats control messages apart.
        let header = Header { kind: header.kind.max(16), flags: NlmF::from_bits_truncate(header.flags).bits(), ..header };
        let payload: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let theirs: Nlmsghdr<u16, Buffer> = NlmsghdrBuilder::default()
            .nl_type(header.kind)
            .nl_flags(NlmF::from_bits_truncate(header.flags))
            .nl_seq(header.sequence)
            .nl_pid(header.port_id)
            .nl_payload(NlPayload::Payload(Buffer::from(payload.clone())))
            .build()
            .unwrap();
        let mut ours = Vec::new();
        append_message(&mut ours, header, &payload).unwrap();
        prop_assert_eq!(neli_bytes(&theirs), ours);
    }
}

#[test]
fn each_way_to_be_malformed() {
    let mut good = Vec::new();
    append_message(&mut good, Header { kind: 16, ..Header::default() }, b"12345").unwrap();
    assert_eq!(good[..4], 21_u32.to_ne_bytes(), "exact, not rounded up");
    let after_good = |rest: &[u8]| messages(&[&good[..], rest].concat()).last().unwrap().unwrap_err();
    assert_eq!(after_good(&[0; 15]), Malformed::ShortHeader { offset: 24, left: 15 });
    assert_eq!(after_good(&[0; 16]), Malformed::LengthBelowHeader { offset: 24, length: 0 });
    let mut long = [0; 20];
    long[..4].copy_from_slice(&21_u32.to_ne_bytes());
    assert_eq!(after_good(&long), Malformed::LengthPastEnd { offset: 24, length: 21, left: 20 });
    long[..4].copy_from_slice(&u32::MAX.to_ne_bytes());
    assert_eq!(after_good(&long), Malformed::LengthPastEnd { offset: 24, length: u32::MAX as usize, left: 20 });

    let broken = |bytes: &[u8]| attributes(bytes).last().unwrap().unwrap_err();
    assert_eq!(broken(&[1, 2, 3]), Malformed::ShortHeader { offset: 0, left: 3 });
    assert_eq!(broken(&[0, 0, 1, 0]), Malformed::LengthBelowHeader { offset: 0, length: 0 });
    let five = 5_u16.to_ne_bytes();
    assert_eq!(broken(&[five[0], five[1], 0, 0]), Malformed::LengthPastEnd { offset: 0, length: 5, left: 4 });
    assert_eq!(messages(&[]).count() + attributes(&[]).count(), 0);
}

#[test]
fn too_long_leaves_no_trace() {
    let mut bytes = vec![9; 8];
    append_attribute(&mut bytes.clone(), 1, &[0; 65_531]).unwrap();
    let error = TooLong { length: 65_536, limit: 65_535 };
    assert_eq!(append_attribute(&mut bytes, 1, &[0; 65_532]), Err(error));
    let outcome = append_nested(&mut bytes, 1, |inside| {
        append_attribute(inside, 2, &[0; 40_000])?;
        append_attribute(inside, 3, &[0; 40_000])
    });
    assert_eq!(outcome, Err(TooLong { length: 4 + 2 * 40_004, limit: 65_535 }));
    assert_eq!(bytes, [9; 8]);
}

#[test]
fn a_million_attributes() {
    let mut bytes = Vec::new();
    for _ in 0..1_000_000 {
        append_attribute(&mut bytes, 1, &[]).unwrap();
    }
    assert_eq!(attributes(&bytes).flatten().count(), 1_000_000);
}

/// neli reads back what was written here, too.
#[test]
fn neli_reads_attributes() {
    let mut bytes = Vec::new();
    append_attribute(&mut bytes, 7, &5_u32.to_ne_bytes()).unwrap();
    let read = Nlattr::<u16, Buffer>::from_bytes(&mut Cursor::new(&bytes));
    assert_eq!(read.unwrap().nla_payload().as_ref(), 5_u32.to_ne_bytes());
}
