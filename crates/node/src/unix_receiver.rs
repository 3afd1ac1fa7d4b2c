//! Receiving messages in batches: into memory of our own, and from there, packed, into JavaScript's.
//!
//! The kernel needs a place for each message before it is known how long that is. Places that are large enough for any
//! message cost nothing until they are used, and copying what is in them keeps JavaScript's memory dense.

use std::cell::RefCell;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::rc::{Rc, Weak};

use napi::bindgen_prelude::{Int32Array, Uint8ArraySlice, Uint32Array};
use napi_derive::napi;
use nearwire_unix::{Ancillary, AncillarySpace, Kind, Placed, ReceiveBatch, ReceiveFlags};
use rustix::io::Errno;

use crate::failure::count;
use crate::unix_messages::Messages;
use crate::unix_socket::{Inner, UnixSocket, numbered};

/// Messages a `recvmmsg(2)`.
const MESSAGES: usize = 64;
/// Room for each: the kernel takes no message over 4 MiB and the 17 pages of its fragments, for the memory of one is
/// contiguous (`sock_alloc_send_pskb()`, `KMALLOC_MAX_SIZE`). Address space only, until it is used; not a power of two,
/// so that their beginnings do not compete for the same cache lines.
const SLOT: usize = (4 << 20) + (256 << 10) + 4096 + 192;
/// Room for each piece of a stream.
const PIECE: usize = 64 * 1024;
/// What a small message uses of it.
const SMALL: usize = 4096;
/// When more than this has been used beyond that, it is given back.
const MOST_KEPT: usize = 4 << 20;

/// Numbers of a row.
const COLUMNS: usize = 12;
/// Numbers of the head.
const HEAD: usize = 4;

/// Flags of a row.
const TRUNCATED: u32 = 1;
const ANCILLARY_TRUNCATED: u32 = 2;
const HAS_CREDENTIALS: u32 = 4;
const HAS_TIMESTAMP: u32 = 8;
const HAS_PIDFD: u32 = 16;
const HAS_LABEL: u32 = 32;

/// Where messages come in: a head, rows, descriptors and room, shared by all sockets of an environment.
#[napi]
pub struct UnixReceiver {
    scratch: Rc<RefCell<Scratch>>,
}

/// What the sockets share. JavaScript runs between the calls, not during them.
pub(crate) struct Scratch {
    head: Uint32Array,
    rows: Uint32Array,
    descriptors: Int32Array,
    batch: ReceiveBatch,
    slots: Vec<u8>,
    space: AncillarySpace,
    /// The message of the batch that is next to be handed over, and whose it is.
    next: usize,
    owner: Weak<Inner>,
    spilled: usize,
}

#[napi]
impl UnixReceiver {
    /// `head` says of the last call: the bytes used up to, those of all messages together when they did not fit (whoever
    /// sees that must call again at once with as much room), whether the senders' numbers began anew, and how many senders
    /// have one.
    ///
    /// `rows` has twelve numbers a message: offset, length, full length, flags (1 truncated, 2 something beside it is lost,
    /// 4 credentials, 8 a time, 16 a descriptor of the sender's process, 32 a label), the number of what came beside it or 0,
    /// the number of the sender or 0, pid, uid, gid, the time in nanoseconds since 1970, low and high half, and how many
    /// descriptors are handed over in `descriptors`: only of a message that comes alone.
    ///
    /// `descriptors` has room for those of one message and one of its sender's process. Those to be sent are there, too.
    #[napi(constructor)]
    pub fn new(head: Uint32Array, rows: Uint32Array, descriptors: Int32Array) -> Self {
        Self {
            scratch: Rc::new(RefCell::new(Scratch {
                head,
                rows,
                descriptors,
                batch: ReceiveBatch::new(MESSAGES, 0),
                slots: vec![0; MESSAGES * SLOT],
                space: AncillarySpace::new(),
                next: 0,
                owner: Weak::new(),
                spilled: 0,
            })),
        }
    }

    /// Has the next messages described in other rows: those before belong to batches that were handed out.
    #[napi]
    pub fn use_rows(&self, rows: Uint32Array) {
        self.scratch.borrow_mut().rows = rows;
    }
}

#[napi]
impl UnixSocket {
    /// Has messages of this socket go through what is shared: before the first is received, or sent with descriptors.
    #[napi]
    pub fn attach_receiver(&self, receiver: &UnixReceiver) {
        self.inner.with_messages(|messages| messages.scratch = Some(Rc::clone(&receiver.scratch)));
    }

    /// Copies the next message without taking it, or its beginning; its descriptors stay with it. Row `row`, or 0 at the
    /// end.
    #[napi]
    pub fn peek_message(&self, mut into: Uint8ArraySlice<'_>, start: u32, end: u32, row: u32) -> i32 {
        // SAFETY: JavaScript is not running while they are filled, and no other view of the bytes is held.
        let into = unsafe { into.as_mut() };
        let inner = &self.inner;
        let place = Place { start: start as usize, row: row as usize };
        count(through(inner, |scratch| scratch.one(inner, into, place, end as usize, ReceiveFlags::PEEK)))
    }

    /// The size of the next message; 0 for an empty one and at the end.
    #[napi]
    pub fn next_length(&self) -> i32 {
        let outcome = self.inner.with(nearwire_unix::Socket::try_next_length);
        count(self.inner.or_wait_to_read(outcome))
    }
}

/// Takes at most `most` messages and puts them into `into`, one after the other from `start`, of each at most `longest`
/// bytes, described from `row` on. Answers how many; 0 at the end of a connection, or when they did not fit; or a
/// negated errno: after `-EAGAIN` the reading token comes.
pub(crate) fn unix_receive_messages(
    socket: u32,
    into: &mut [u8],
    start: u32,
    row: u32,
    most: u32,
    longest: u32,
) -> i32 {
    numbered(socket, |inner| {
        let place = Place { start: start as usize, row: row as usize };
        through(inner, |scratch| scratch.receive(inner, into, place, most as usize, longest as usize))
    })
}

/// Takes what a stream has, with what came beside it, into `into[start..end]`: row `row`. 0 at the end.
pub(crate) fn unix_receive_bytes(socket: u32, into: &mut [u8], start: u32, end: u32, row: u32) -> i32 {
    numbered(socket, |inner| {
        let place = Place { start: start as usize, row: row as usize };
        through(inner, |scratch| scratch.one(inner, into, place, end as usize, ReceiveFlags::NONE))
    })
}

/// Where the next message goes: its bytes, and what is said of it.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    row: usize,
}

fn through(inner: &Inner, receive: impl FnOnce(&mut Scratch) -> Result<usize, Errno>) -> Result<usize, Errno> {
    let scratch = inner.with_messages(|messages| messages.scratch.clone()).ok_or(Errno::FAULT)?;
    let outcome = receive(&mut scratch.borrow_mut());
    inner.or_wait_to_read(outcome)
}

impl Scratch {
    /// Descriptors that JavaScript wants sent.
    pub(crate) fn descriptors(&self, count: usize) -> &[i32] {
        &self.descriptors[..count.min(self.descriptors.len())]
    }

    /// Hands descriptors over to JavaScript; answers how many there are besides that of a process.
    pub(crate) fn hand_over(&mut self, fds: Vec<OwnedFd>, pidfd: Option<OwnedFd>) -> Result<usize, Errno> {
        // SAFETY: JavaScript is not running, and no other view of it is held.
        let places = unsafe { self.descriptors.as_mut() };
        let count = fds.len();
        // What finds no place is closed.
        let places = places.get_mut(..count + usize::from(pidfd.is_some())).ok_or(Errno::FAULT)?;
        for (place, fd) in places.iter_mut().zip(fds.into_iter().chain(pidfd)) {
            *place = fd.into_raw_fd();
        }
        Ok(count)
    }

    fn receive(
        &mut self,
        inner: &Rc<Inner>,
        into: &mut [u8],
        Place { start, row }: Place,
        most: usize,
        longest: usize,
    ) -> Result<usize, Errno> {
        // SAFETY: JavaScript is not running, and no other view of the two is held.
        let (head, rows) = unsafe { (self.head.as_mut(), self.rows.as_mut()) };
        let head = head.first_chunk_mut::<HEAD>().ok_or(Errno::FAULT)?;
        let rows = rows.get_mut(row * COLUMNS..).ok_or(Errno::FAULT)?;
        let most = most.min(rows.len() / COLUMNS);
        let is_rest = self.next < self.batch.messages().len() && std::ptr::eq(self.owner.as_ptr(), Rc::as_ptr(inner));
        if !is_rest {
            self.next = 0;
        }
        *head = [0; HEAD];
        let kind = inner.with(|socket| Ok(socket.kind()))?;
        if !is_rest {
            let slot = if kind == Kind::Stream { PIECE } else { SLOT };
            let slots = &mut self.slots[..MESSAGES.min(most) * slot];
            inner.with(|socket| socket.try_receive_batch(&mut self.batch, slots, slot))?;
            // Not before it has succeeded: of a failure JavaScript looks at nothing else.
            head[2] = inner.with_messages(Messages::forget_senders).into();
            self.spilled +=
                self.batch.messages().iter().map(|message| message.length.saturating_sub(SMALL)).sum::<usize>();
        }
        let kept = |message: &Placed| message.length.min(longest);
        let needed = self.batch.messages().iter().map(kept).sum::<usize>();
        if into.len().saturating_sub(start) < needed {
            head[1] = needed as u32;
            self.owner = Rc::downgrade(inner);
            return Ok(0);
        }
        let (mut count, mut used, mut sender) = (0, start, 0);
        while count < most && self.next < self.batch.messages().len() {
            let placed = self.batch.messages()[self.next];
            let length = kept(&placed);
            let room = &mut into[used..used + length];
            room.copy_from_slice(&self.slots[placed.offset..placed.offset + length]);
            let row = &mut rows[count * COLUMNS..(count + 1) * COLUMNS];
            row[..3].copy_from_slice(&[used as u32, length as u32, placed.full_length as u32]);
            row[3] = flags(placed.truncated || length < placed.full_length, placed);
            // On a connection the kernel tells the peer's name, which a takeover may have left a temporary one.
            if kind == Kind::Datagram && (count == 0 || !self.batch.same_sender(self.next)) {
                sender = inner.with_messages(|all| all.number(self.batch.from(self.next)));
            }
            row[5] = sender;
            (row[4], row[11]) = (0, 0);
            if let Some(mut ancillary) = self.batch.take_ancillary(self.next)
                && describe(row, &mut ancillary, (most == 1).then_some(&mut self.descriptors))
            {
                row[4] = inner.with_messages(|all| all.hold(ancillary));
            }
            used += length;
            count += 1;
            self.next += 1;
        }
        head[0] = used as u32;
        head[3] = inner.with_messages(|all| all.senders()) as u32;
        if self.spilled > MOST_KEPT {
            self.slots = vec![0; MESSAGES * SLOT];
            self.spilled = 0;
        }
        Ok(count)
    }

    /// One message, or what a stream has, straight into JavaScript's memory.
    fn one(
        &mut self,
        inner: &Rc<Inner>,
        into: &mut [u8],
        Place { start, row }: Place,
        end: usize,
        how: ReceiveFlags,
    ) -> Result<usize, Errno> {
        let room = into.get_mut(start..end).ok_or(Errno::FAULT)?;
        let mut received = inner.with(|socket| socket.try_receive_message(room, &mut self.space, how))?;
        if received.end {
            return Ok(0);
        }
        if how == ReceiveFlags::PEEK {
            // The kernel has duplicated them.
            received.fds.clear();
            received.pidfd = None;
        }
        // SAFETY: as in `receive`.
        let (head, rows) = unsafe { (self.head.as_mut(), self.rows.as_mut()) };
        let head = head.first_chunk_mut::<HEAD>().ok_or(Errno::FAULT)?;
        let row = rows.get_mut(row * COLUMNS..(row + 1) * COLUMNS).ok_or(Errno::FAULT)?;
        let placed = Placed {
            offset: start,
            length: received.length,
            overflow: 0,
            full_length: received.full_length,
            truncated: received.truncated,
            ancillary_truncated: received.ancillary_truncated,
        };
        row[..3].copy_from_slice(&[start as u32, received.length as u32, received.full_length as u32]);
        row[3] = flags(received.truncated, placed);
        row[5] = received.from.take().map_or(0, |from| inner.with_messages(|all| all.number(from)));
        head[3] = inner.with_messages(|all| all.senders()) as u32;
        let mut ancillary = Ancillary {
            fds: received.fds,
            credentials: received.credentials,
            pidfd: received.pidfd,
            security_label: received.security_label,
            timestamp: received.timestamp,
        };
        let needs_owner = describe(row, &mut ancillary, Some(&mut self.descriptors));
        row[4] = if needs_owner { inner.with_messages(|all| all.hold(Box::new(ancillary))) } else { 0 };
        Ok(1)
    }
}

fn flags(truncated: bool, placed: Placed) -> u32 {
    (if truncated { TRUNCATED } else { 0 }) | (if placed.ancillary_truncated { ANCILLARY_TRUNCATED } else { 0 })
}

/// Fills in what came beside a message. Descriptors of one that is given out at once go with it; answers whether something
/// else is left that needs an owner.
fn describe(row: &mut [u32], ancillary: &mut Ancillary, alone: Option<&mut Int32Array>) -> bool {
    if let Some(credentials) = ancillary.credentials {
        row[3] |= HAS_CREDENTIALS;
        row[6..9].copy_from_slice(&[credentials.pid, credentials.uid, credentials.gid]);
    }
    if let Some(time) = ancillary.timestamp {
        row[3] |= HAS_TIMESTAMP;
        // Nanoseconds of the next five hundred years fit.
        let nanoseconds = time.as_nanos() as u64;
        row[9] = nanoseconds as u32;
        row[10] = (nanoseconds >> 32) as u32;
    }
    if ancillary.pidfd.is_some() {
        row[3] |= HAS_PIDFD;
    }
    if ancillary.security_label.is_some() {
        row[3] |= HAS_LABEL;
    }
    row[11] = 0;
    if let Some(descriptors) = alone
        && ancillary.fds.len() <= descriptors.len()
    {
        row[11] = ancillary.fds.len() as u32;
        // SAFETY: as in `Scratch::receive`.
        let numbers = unsafe { descriptors.as_mut() };
        for (number, fd) in numbers.iter_mut().zip(ancillary.fds.drain(..)) {
            *number = fd.into_raw_fd();
        }
    }
    !ancillary.fds.is_empty() || ancillary.pidfd.is_some() || ancillary.security_label.is_some()
}
