//! Receiving one message with everything that came beside it.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;

use crate::address::Address;
use crate::ancillary::writer::MOST_DESCRIPTORS;
use crate::kind::Kind;
use crate::peer::Credentials;
use crate::socket::Socket;
use crate::sys::{self, RawAddress, Reported};
use crate::wait;

/// `include/linux/socket.h`; not in libc for every target.
const SCM_SECURITY: i32 = 3;
const SCM_PIDFD: i32 = 4;

const HEADER: usize = size_of::<libc::cmsghdr>();
const WORD: usize = size_of::<usize>();
/// Where the payload begins: `CMSG_DATA`.
const PAYLOAD: usize = HEADER.next_multiple_of(WORD);
/// The longest label given room to: a page, as long as security modules make them.
const LABEL_ROOM: usize = 4096;

/// Eight-byte words of control data for everything at once: descriptors, credentials, a pidfd, a time, a label.
///
/// Never less than this, even where no descriptor is expected: room for one lets two in, and what does not fit is
/// lost.
pub(crate) const fn words_for(label: usize) -> usize {
    let bytes = space(MOST_DESCRIPTORS * 4) + space(12) + space(4) + space(size_of::<libc::timespec>()) + space(label);
    bytes.div_ceil(8)
}

const fn space(payload: usize) -> usize {
    PAYLOAD + payload.next_multiple_of(WORD)
}

/// Room for control data, to be kept between calls.
#[derive(Debug)]
pub struct AncillarySpace {
    words: Box<[u64]>,
}

impl AncillarySpace {
    /// Room for everything that the kernel can send with one message, about 5 KiB.
    #[must_use]
    pub fn new() -> Self {
        Self { words: vec![0; words_for(LABEL_ROOM)].into() }
    }
}

impl Default for AncillarySpace {
    fn default() -> Self {
        Self::new()
    }
}

/// How to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiveFlags(i32);

impl ReceiveFlags {
    /// Takes the message off the queue.
    pub const NONE: Self = Self(0);
    /// `MSG_PEEK`: leaves it there. Descriptors that come with it are duplicated each time.
    pub const PEEK: Self = Self(libc::MSG_PEEK);
}

/// What came beside the bytes. Descriptors that nobody takes out are closed with it.
#[derive(Debug, Default)]
pub struct Ancillary {
    /// `SCM_RIGHTS`: descriptors, closed on exec.
    pub fds: Vec<OwnedFd>,
    /// `SCM_CREDENTIALS`, with `SO_PASSCRED`: the sender. A privileged one may have chosen them.
    pub credentials: Option<Credentials>,
    /// `SCM_PIDFD`, with `SO_PASSPIDFD`: the sender's process.
    pub pidfd: Option<OwnedFd>,
    /// `SCM_SECURITY`, with `SO_PASSSEC`: the sender's label, without a trailing NUL.
    pub security_label: Option<Vec<u8>>,
    /// `SO_TIMESTAMPNS`: when it was sent, since 1970.
    pub timestamp: Option<Duration>,
}

/// One message, or a piece of a stream.
#[derive(Debug)]
pub struct Received {
    /// Bytes in the buffer.
    pub length: usize,
    /// Bytes of the message itself; more than `length` when the buffer was too small. On a stream `length`.
    pub full_length: usize,
    /// `MSG_TRUNC`: the buffer was too small and the rest is gone.
    pub truncated: bool,
    /// `MSG_CTRUNC`: something that came beside the bytes is gone: descriptors beyond this process's limit, a pidfd
    /// that could not be made.
    pub ancillary_truncated: bool,
    /// The sender's name, with datagrams; [`Address::Unnamed`] for one without.
    pub from: Option<Address>,
    /// `SCM_RIGHTS`: descriptors, closed on exec. Those that nobody takes are closed with this value.
    pub fds: Vec<OwnedFd>,
    /// `SCM_CREDENTIALS`, with `SO_PASSCRED`: the sender. A privileged one may have chosen them.
    pub credentials: Option<Credentials>,
    /// `SCM_PIDFD`, with `SO_PASSPIDFD`: the sender's process.
    pub pidfd: Option<OwnedFd>,
    /// `SCM_SECURITY`, with `SO_PASSSEC`: the sender's label, without a trailing NUL.
    pub security_label: Option<Vec<u8>>,
    /// `SO_TIMESTAMPNS`: when it was sent, since 1970. Always there on seqpacket sockets whose peer has no name.
    pub timestamp: Option<Duration>,
    /// The other side sends no more. An empty message is not the end.
    pub end: bool,
}

impl Socket {
    /// `recvmsg(2)`: one message, or what a stream has, with all that came beside it.
    ///
    /// On a stream the descriptors came with the last of the bytes: the kernel may put earlier ones before them,
    /// and stops after.
    ///
    /// # Errors
    /// `EAGAIN` when there is nothing; `ECONNRESET`.
    pub fn try_receive_message(
        &self,
        buffer: &mut [u8],
        space: &mut AncillarySpace,
        flags: ReceiveFlags,
    ) -> Result<Received, Errno> {
        let flags = flags.0 | self.count_all() | libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
        let mut from = RawAddress::EMPTY;
        let reported =
            self.receiving(flags, || sys::receive_message(self.as_fd(), buffer, &mut from, &mut space.words, flags))?;
        let end = self.is_end(reported, !buffer.is_empty());
        if end {
            self.end(flags)?;
        }
        let ancillary = parse(&sys::bytes_of(&space.words)[..reported.control]);
        Ok(Received {
            length: reported.length.min(buffer.len()),
            full_length: reported.length,
            truncated: reported.flags & libc::MSG_TRUNC != 0,
            ancillary_truncated: reported.flags & libc::MSG_CTRUNC != 0,
            from: (self.kind() == Kind::Datagram).then(|| from.into()),
            end,
            fds: ancillary.fds,
            credentials: ancillary.credentials,
            pidfd: ancillary.pidfd,
            security_label: ancillary.security_label,
            timestamp: ancillary.timestamp,
        })
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// Those of [`try_receive_message`](Self::try_receive_message) but `EAGAIN`.
    pub async fn receive_message(&self, buffer: &mut [u8], space: &mut AncillarySpace) -> Result<Received, Errno> {
        wait::reading(self.readiness(), || self.try_receive_message(buffer, space, ReceiveFlags::NONE)).await
    }

    /// The size of the next message, in bytes, without taking it; `MSG_PEEK|MSG_TRUNC`. An empty message and the end
    /// both are 0.
    ///
    /// # Errors
    /// `EAGAIN` when there is none. On a stream, `EOPNOTSUPP`.
    pub fn try_next_length(&self) -> Result<usize, Errno> {
        if self.kind() == Kind::Stream {
            return Err(Errno::OPNOTSUPP);
        }
        let flags = libc::MSG_PEEK | libc::MSG_TRUNC | libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
        // Without room for control data no descriptor is duplicated.
        let mut from = RawAddress::EMPTY;
        self.receiving(flags, || sys::receive_message(self.as_fd(), &mut [], &mut from, &mut [], flags))
            .map(|reported| reported.length)
    }

    /// The flag that has the kernel tell a message's whole length. On a stream it would discard the bytes instead; unix(7).
    pub(crate) fn count_all(&self) -> i32 {
        if self.kind() == Kind::Stream { 0 } else { libc::MSG_TRUNC }
    }

    /// Whether a length of 0 was the end.
    pub(crate) fn is_end(&self, reported: Reported, had_room: bool) -> bool {
        if reported.length > 0 {
            return false;
        }
        match self.kind() {
            Kind::Stream => had_room,
            Kind::Datagram => false,
            Kind::Seqpacket if reported.control > 0 || reported.flags & libc::MSG_CTRUNC != 0 => false,
            Kind::Seqpacket if !self.is_timed() => reported.name == 0,
            // Every message has its time with it, unless somebody switched that off.
            Kind::Seqpacket => sys::option::<i32>(self.as_fd(), libc::SO_TIMESTAMPNS) == Ok(1) || self.peer_is_done(),
        }
    }

    /// Whether the other side can send no more; something may still be unread.
    fn peer_is_done(&self) -> bool {
        let fd = self.as_fd();
        let mut events = [PollFd::new(&fd, PollFlags::RDHUP)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut events, Some(&now)).is_ok_and(|count| count > 0)
    }
}

/// Takes control data apart. `cmsg(3)`.
///
/// Every descriptor in it becomes owned, so that none can leak whatever else is wrong.
pub(crate) fn parse(control: &[u8]) -> Ancillary {
    let mut found = Ancillary::default();
    let mut rest = control;
    while let Some((size, after)) = rest.split_first_chunk().map(|(size, after)| (usize::from_ne_bytes(*size), after)) {
        let Some(payload) = rest.get(PAYLOAD..size) else { break };
        let (level, kind) = (number(after), number(&after[4..]));
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                found.fds.extend(payload.chunks_exact(4).map(|fd| sys::own(number(fd))));
            }
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if payload.len() >= 12 => {
                let part = |index: usize| number(&payload[index * 4..]).cast_unsigned();
                found.credentials = Some(Credentials { pid: part(0), uid: part(1), gid: part(2) });
            }
            // A negative number is an errno: the process is gone, or there was no descriptor left.
            (libc::SOL_SOCKET, SCM_PIDFD) if payload.len() >= 4 && number(payload) >= 0 => {
                found.pidfd = Some(sys::own(number(payload)));
            }
            (libc::SOL_SOCKET, SCM_SECURITY) => {
                found.security_label = Some(payload.strip_suffix(&[0]).unwrap_or(payload).to_vec());
            }
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                if let Some((seconds, rest)) = payload.split_first_chunk()
                    && let Some(nanoseconds) = rest.first_chunk()
                {
                    let [seconds, nanoseconds] = [*seconds, *nanoseconds].map(usize::from_ne_bytes);
                    found.timestamp = Some(Duration::new(seconds as u64, nanoseconds as u32));
                }
            }
            _ => {}
        }
        rest = rest.get(size.next_multiple_of(WORD)..).unwrap_or_default();
    }
    found
}

/// The `int` that `bytes` begin with.
fn number(bytes: &[u8]) -> i32 {
    bytes.first_chunk().map_or(-1, |number| i32::from_ne_bytes(*number))
}
