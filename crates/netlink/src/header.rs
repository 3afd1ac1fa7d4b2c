//! Messages: `struct nlmsghdr` of `linux/netlink.h`, written and walked over bytes that nobody vouches for.

use neli::consts::alignto;

/// The size of a header in bytes.
pub const HEADER_LENGTH: usize = 16;

/// What stands before every message but for its length, which follows from the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `nlmsg_type`: below 16 control messages (see [`neli::consts::nl::Nlmsg`]), above it the protocol's own.
    pub kind: u16,
    /// `nlmsg_flags` (see [`neli::consts::nl::NlmF`]).
    pub flags: u16,
    /// `nlmsg_seq`: an answer carries its request's.
    pub sequence: u32,
    /// `nlmsg_pid`: the port id the answer went to. The kernel ignores it in requests.
    pub port_id: u32,
}

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its header.
    pub header: Header,
    /// What follows the header, to the byte, without padding.
    pub payload: &'a [u8],
    /// Where the header starts in the datagram.
    pub offset: usize,
}

/// Why a datagram cannot be walked further. Nothing after that point can be found: lengths are all there is to go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer bytes are left than a header has.
    ShortHeader {
        /// Where the header would start.
        offset: usize,
        /// How many bytes are left.
        left: usize,
    },
    /// The length is less than that of a header; zero is such a length.
    LengthBelowHeader {
        /// Where the header starts.
        offset: usize,
        /// What it says.
        length: usize,
    },
    /// The length reaches past the end.
    LengthPastEnd {
        /// Where the header starts.
        offset: usize,
        /// What it says.
        length: usize,
        /// How many bytes are left from there.
        left: usize,
    },
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::ShortHeader { offset, left } => {
                write!(f, "{left} bytes at offset {offset} are too few for a header")
            }
            Self::LengthBelowHeader { offset, length } => {
                write!(f, "the length {length} at offset {offset} is less than that of the header itself")
            }
            Self::LengthPastEnd { offset, length, left } => {
                write!(f, "the length {length} at offset {offset} is more than the {left} bytes left")
            }
        }
    }
}

impl std::error::Error for Malformed {}

/// What is too long for the number that has to say how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// How long it would be, with its header.
    pub length: usize,
    /// The most that can be said.
    pub limit: usize,
}

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes with the header are more than {}", self.length, self.limit)
    }
}

impl std::error::Error for TooLong {}

/// The messages of a datagram, in order; a malformed one is the last item.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    datagram: &'a [u8],
    offset: usize,
}

/// Walks a datagram. An empty one has no messages; the padding after the last message may be missing.
#[must_use]
pub fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages { datagram, offset: 0 }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset;
        let rest = self.datagram.get(offset..).filter(|rest| !rest.is_empty())?;
        let outcome = first(rest, offset);
        // Padding may be missing at the very end, so the step can go past it; `get` above takes that.
        self.offset = match &outcome {
            Ok(message) => offset + alignto(HEADER_LENGTH + message.payload.len()),
            Err(_) => self.datagram.len(),
        };
        Some(outcome)
    }
}

impl std::iter::FusedIterator for Messages<'_> {}

fn first(rest: &[u8], offset: usize) -> Result<Message<'_>, Malformed> {
    let left = rest.len();
    let Some((header, _)) = rest.split_first_chunk::<HEADER_LENGTH>() else {
        return Err(Malformed::ShortHeader { offset, left });
    };
    let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, p0, p1, p2, p3] = *header;
    let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
    if length < HEADER_LENGTH {
        return Err(Malformed::LengthBelowHeader { offset, length });
    }
    let Some(payload) = rest.get(HEADER_LENGTH..length) else {
        return Err(Malformed::LengthPastEnd { offset, length, left });
    };
    let header = Header {
        kind: u16::from_ne_bytes([k0, k1]),
        flags: u16::from_ne_bytes([f0, f1]),
        sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
        port_id: u32::from_ne_bytes([p0, p1, p2, p3]),
    };
    Ok(Message { header, payload, offset })
}

/// Appends a message: its header, its payload, and zeroes up to a multiple of 4. The header's length is exact: neli's
/// builder rounds it up, and a payload of 5 bytes would arrive as 8.
///
/// # Errors
/// [`TooLong`] when header and payload are more than a u32 can say; nothing is appended then.
pub fn append_message(datagram: &mut Vec<u8>, header: Header, payload: &[u8]) -> Result<(), TooLong> {
    let exact = HEADER_LENGTH.saturating_add(payload.len());
    let length = u32::try_from(exact).map_err(|_| TooLong { length: exact, limit: u32::MAX as usize })?;
    pad(datagram);
    datagram.reserve(alignto(exact));
    datagram.extend_from_slice(&length.to_ne_bytes());
    datagram.extend_from_slice(&header.kind.to_ne_bytes());
    datagram.extend_from_slice(&header.flags.to_ne_bytes());
    datagram.extend_from_slice(&header.sequence.to_ne_bytes());
    datagram.extend_from_slice(&header.port_id.to_ne_bytes());
    datagram.extend_from_slice(payload);
    pad(datagram);
    Ok(())
}

pub(crate) fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(alignto(bytes.len()), 0);
}
