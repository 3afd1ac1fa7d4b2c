//! Attributes: `struct nlattr` of `linux/netlink.h` (and `struct rtattr`, which is the same), written and walked over
//! bytes that nobody vouches for.

use neli::consts::alignto;
use neli::genl::AttrType;

use crate::header::{Malformed, TooLong, pad};

/// The size of an attribute's header in bytes.
pub const HEADER_LENGTH: usize = 4;

/// `NLA_F_NESTED`.
const NESTED: u16 = libc::NLA_F_NESTED as u16;

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type without the two flags.
    pub kind: u16,
    /// `NLA_F_NESTED`: the payload is attributes. Many kernel families nest without saying so.
    pub nested: bool,
    /// `NLA_F_NET_BYTEORDER`: the payload is big-endian. Hardly any family says so, even where it is.
    pub network_order: bool,
    /// The payload, to the byte, without padding.
    pub payload: &'a [u8],
    /// Where the header starts in the bytes that were walked.
    pub offset: usize,
}

/// The attributes of some bytes, in order; a malformed one is the last item.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
}

/// Walks attributes, one level of them: for those inside a nested one, walk its payload. The padding after the last
/// one may be missing.
#[must_use]
pub fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { bytes, offset: 0 }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset;
        let rest = self.bytes.get(offset..).filter(|rest| !rest.is_empty())?;
        let outcome = first(rest, offset);
        self.offset = match &outcome {
            Ok(attribute) => offset + alignto(HEADER_LENGTH + attribute.payload.len()),
            Err(_) => self.bytes.len(),
        };
        Some(outcome)
    }
}

impl std::iter::FusedIterator for Attributes<'_> {}

fn first(rest: &[u8], offset: usize) -> Result<Attribute<'_>, Malformed> {
    let left = rest.len();
    let Some((&[l0, l1, k0, k1], _)) = rest.split_first_chunk::<HEADER_LENGTH>() else {
        return Err(Malformed::ShortHeader { offset, left });
    };
    let length = usize::from(u16::from_ne_bytes([l0, l1]));
    if length < HEADER_LENGTH {
        return Err(Malformed::LengthBelowHeader { offset, length });
    }
    let Some(payload) = rest.get(HEADER_LENGTH..length) else {
        return Err(Malformed::LengthPastEnd { offset, length, left });
    };
    let kind = AttrType::<u16>::from(u16::from_ne_bytes([k0, k1]));
    Ok(Attribute {
        kind: *kind.nla_type(),
        nested: *kind.nla_nested(),
        network_order: *kind.nla_network_order(),
        payload,
        offset,
    })
}

/// Appends an attribute: its header, its payload, and zeroes up to a multiple of 4. `kind` may carry the two flags.
///
/// # Errors
/// [`TooLong`] when header and payload are more than the 65,535 bytes that a u16 can say; nothing is appended then.
pub fn append_attribute(bytes: &mut Vec<u8>, kind: u16, payload: &[u8]) -> Result<(), TooLong> {
    let length = length_of(HEADER_LENGTH.saturating_add(payload.len()))?;
    pad(bytes);
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(payload);
    pad(bytes);
    Ok(())
}

/// Appends an attribute with `NLA_F_NESTED`, whose payload is what `fill` appends.
///
/// # Errors
/// Those of `fill`, and [`TooLong`] as for [`append_attribute`]; `bytes` is as it was before then.
pub fn append_nested(
    bytes: &mut Vec<u8>,
    kind: u16,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), TooLong>,
) -> Result<(), TooLong> {
    let before = bytes.len();
    let outcome = nest(bytes, kind, fill);
    if outcome.is_err() {
        bytes.truncate(before);
    }
    outcome
}

fn nest(bytes: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>) -> Result<(), TooLong>) -> Result<(), TooLong> {
    pad(bytes);
    let start = bytes.len();
    append_attribute(bytes, kind | NESTED, &[])?;
    fill(bytes)?;
    let length = length_of(bytes.len().saturating_sub(start))?;
    if let Some(field) = bytes.get_mut(start..start + 2) {
        field.copy_from_slice(&length.to_ne_bytes());
    }
    pad(bytes);
    Ok(())
}

fn length_of(length: usize) -> Result<u16, TooLong> {
    u16::try_from(length).map_err(|_| TooLong { length, limit: u16::MAX as usize })
}
