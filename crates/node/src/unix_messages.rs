//! What a socket keeps for its messages: those that wait to be sent, and what came beside those that were received
//! and nobody has taken yet.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use napi::Either;
use napi::bindgen_prelude::{Buffer, Int32Array, Uint8Array, Uint32Array};
use napi_derive::napi;
use nearwire_event_loop::Member;
use nearwire_unix::{Address, Ancillary, Credentials, SendBatch, Socket};
use rustix::io::Errno;

use crate::address;
use crate::failure::{CLOSED, Failure, count};
use crate::unix_receiver::Scratch;
use crate::unix_socket::{Inner, UnixSocket, by_number, numbered};

/// Messages a `sendmmsg(2)`: as many as JavaScript has sent at once.
const BATCH: usize = 64;
/// How many senders' names are remembered by number; then the numbering begins anew.
const MOST_SENDERS: usize = 1024;

/// What only sockets that carry messages have.
#[derive(Default)]
pub(crate) struct Messages {
    outbox: Option<MessageOutbox>,
    /// What all sockets of the environment share.
    pub(crate) scratch: Option<Rc<RefCell<Scratch>>>,
    held: HashMap<u32, Box<Ancillary>, BuildHasherDefault<Spread>>,
    last_held: u32,
    senders: HashMap<Address, u32>,
    names: Vec<Address>,
    last_sender: u32,
}

impl Messages {
    /// Keeps what came beside a message until JavaScript takes it; answers the number to take it by, never 0.
    pub(crate) fn hold(&mut self, ancillary: Box<Ancillary>) -> u32 {
        self.last_held = self.last_held.checked_add(1).unwrap_or(1);
        // Numbers come round after four billion messages; whoever kept one unclaimed that long has it closed.
        self.held.insert(self.last_held, ancillary);
        self.last_held
    }

    /// The number of a sender's name, 0 for one without.
    pub(crate) fn number(&mut self, from: Address) -> u32 {
        if from == Address::Unnamed {
            return 0;
        }
        if self.last_sender > 0 && self.names[self.last_sender as usize - 1] == from {
            return self.last_sender;
        }
        if let Some(number) = self.senders.get(&from) {
            self.last_sender = *number;
            return *number;
        }
        self.names.push(from.clone());
        // Bounded by MOST_SENDERS and one batch.
        let number = self.names.len() as u32;
        self.senders.insert(from, number);
        self.last_sender = number;
        number
    }

    /// Whether the outbox has something that the kernel has not.
    pub(crate) fn has_unsent(&self) -> bool {
        self.outbox.as_ref().map(MessageOutbox::pending).is_some_and(|(head, end)| head < end)
    }

    /// How many senders have a number.
    pub(crate) fn senders(&self) -> usize {
        self.names.len()
    }

    /// Forgets the senders when there are too many of them; answers whether it did. Only between batches.
    pub(crate) fn forget_senders(&mut self) -> bool {
        if self.names.len() < MOST_SENDERS {
            return false;
        }
        self.names.clear();
        self.senders.clear();
        self.last_sender = 0;
        true
    }
}

/// A hash for numbers that we give ourselves: nobody can choose those that collide, so a multiplication does.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Messages that JavaScript has coalesced for one destination: their bytes, where each ends, and four numbers.
struct MessageOutbox {
    data: Uint8Array,
    bounds: Uint32Array,
    control: Int32Array,
    to: Option<Address>,
    batch: SendBatch,
}

/// How many messages there are; zero when there is none.
const COUNT: usize = 0;
/// How many of them the kernel has taken.
const HEAD: usize = 1;
/// The errno of a flush that failed while JavaScript was not looking; -1 when its destination was full.
const ERRNO: usize = 2;
/// Counts the times that the loop was about to block.
const TURN: usize = 3;

impl MessageOutbox {
    fn pending(&self) -> (usize, usize) {
        let most = self.bounds.len().saturating_sub(1);
        let end = usize::try_from(self.control[COUNT]).unwrap_or(0).min(most);
        (usize::try_from(self.control[HEAD]).unwrap_or(0).min(end), end)
    }

    fn set(&mut self, at: usize, value: i32) {
        // SAFETY: JavaScript is not running, and Rust holds no other view of the array.
        let control = unsafe { self.control.as_mut() };
        control[at] = value;
    }

    /// Sends what is pending, as far as the kernel takes it.
    fn flush(&mut self, socket: &Socket) -> Result<(), nearwire_unix::Error> {
        loop {
            let (head, end) = self.pending();
            if head == end {
                self.set(HEAD, 0);
                self.set(COUNT, 0);
                return Ok(());
            }
            let bounds = &self.bounds[head..=end];
            let sent = socket.try_send_batch(&mut self.batch, &self.data, bounds, self.to.as_ref())?;
            self.set(HEAD, (head + sent) as i32);
        }
    }
}

impl Inner {
    /// Runs `with` on what this socket keeps for its messages.
    pub(crate) fn with_messages<R>(&self, with: impl FnOnce(&mut Messages) -> R) -> R {
        with(self.messages.borrow_mut().get_or_insert_default())
    }

    /// Flushes the outbox; after `EAGAIN` on the socket's own destination the writing token comes.
    fn flush_messages(&self) -> Result<(), Errno> {
        let (outcome, connected) = {
            let mut messages = self.messages.borrow_mut();
            let Some(outbox) = messages.as_mut().and_then(|messages| messages.outbox.as_mut()) else { return Ok(()) };
            let outcome = self.with(|socket| outbox.flush(socket).map_err(|error| error.errno));
            (outcome, outbox.to.is_none())
        };
        if outcome != Err(Errno::AGAIN) {
            self.release();
        }
        if connected { self.or_wait_to_write(outcome) } else { outcome }
    }

    /// The same when nobody has asked: the outcome is left for JavaScript.
    pub(crate) fn flush_messages_before_blocking(&self) {
        let outcome = self.flush_messages();
        let mut messages = self.messages.borrow_mut();
        let Some(outbox) = messages.as_mut().and_then(|messages| messages.outbox.as_mut()) else { return };
        let turn = outbox.control[TURN].wrapping_add(1);
        outbox.set(TURN, turn);
        let report = match outcome {
            Ok(()) => return,
            Err(Errno::AGAIN) => -1,
            Err(errno) => errno.raw_os_error(),
        };
        outbox.set(ERRNO, report);
        // Where the socket is connected, the token comes when there is room.
        if report > 0 || outbox.to.is_some() {
            self.writer.wake_by_ref();
        }
    }

    fn send(
        &self,
        data: &[u8],
        to: Option<&Address>,
        fds: &[i32],
        credentials: Option<Credentials>,
    ) -> Result<usize, nearwire_unix::Error> {
        let closed = || nearwire_unix::Error { errno: CLOSED, syscall: "sendmsg", detail: None };
        if fds.iter().any(|fd| *fd < 0) {
            return Err(closed());
        }
        // SAFETY: a borrowed descriptor is its number (`repr(transparent)`), and none is negative. They are borrowed for one
        // system call, which fails without an effect when one is not open.
        let fds = unsafe { std::slice::from_raw_parts(fds.as_ptr().cast::<BorrowedFd<'_>>(), fds.len()) };
        match self.socket.borrow().as_ref() {
            Some(socket) => socket.try_send_message(data, to, fds, credentials),
            None => Err(closed()),
        }
    }
}

/// Who sends, with a message that says so.
#[napi(object)]
pub struct UnixCredentials {
    pub pid: u32,
    pub uid: u32,
    pub gid: u32,
}

impl From<UnixCredentials> for Credentials {
    fn from(UnixCredentials { pid, uid, gid }: UnixCredentials) -> Self {
        Self { pid, uid, gid }
    }
}

impl From<Credentials> for UnixCredentials {
    fn from(Credentials { pid, uid, gid }: Credentials) -> Self {
        Self { pid, uid, gid }
    }
}

#[napi]
impl UnixSocket {
    /// Sets up the outbox of messages: a buffer and a table of ends that JavaScript appends to, and
    /// `[count, head, errno, turn]`. The first of the ends is 0.
    #[napi]
    pub fn open_message_outbox(&self, data: Uint8Array, bounds: Uint32Array, control: Int32Array) -> bool {
        if control.len() <= TURN {
            return false;
        }
        let outbox = MessageOutbox { data, bounds, control, to: None, batch: SendBatch::new(BATCH) };
        self.inner.with_messages(|messages| messages.outbox = Some(outbox));
        true
    }

    /// Replaces the buffer of the outbox by a larger one with the same content.
    #[napi]
    pub fn grow_message_outbox(&self, data: Uint8Array) {
        self.inner.with_messages(|messages| {
            if let Some(outbox) = messages.outbox.as_mut() {
                outbox.data = data;
            }
        });
    }

    /// Where the messages in the outbox go: an address, or where the socket is connected.
    #[napi]
    pub fn address_message_outbox(&self, to: Option<&[u8]>) {
        let to = to.map(address::decode);
        self.inner.with_messages(|messages| {
            if let Some(outbox) = messages.outbox.as_mut() {
                outbox.to = to;
            }
        });
    }

    /// The security label that came with a received message, by the number in its row.
    #[napi]
    pub fn security_label(&self, number: u32) -> Option<Buffer> {
        let messages = self.inner.messages.borrow();
        messages.as_ref()?.held.get(&number)?.security_label.clone().map(Buffer::from)
    }

    /// Closes what came beside a received message, if nobody has taken it.
    #[napi]
    pub fn drop_ancillary(&self, number: u32) {
        if let Some(messages) = self.inner.messages.borrow_mut().as_mut() {
            messages.held.remove(&number);
        }
    }

    /// The name of the sender with this number.
    #[napi]
    pub fn sender(&self, number: u32) -> Option<Buffer> {
        let messages = self.inner.messages.borrow();
        messages.as_ref()?.names.get((number as usize).checked_sub(1)?).map(address::encode)
    }
}

/// Sends one message with `send(2)`, at once: a count or a negated errno. The first of a turn of the loop: the outbox
/// counts turns, so that JavaScript knows when the next one is the first again.
pub(crate) fn unix_send(socket: u32, data: &[u8]) -> i32 {
    numbered(socket, |inner| {
        let sent = inner.with(|socket| socket.try_write(data));
        if sent.is_ok() {
            inner.event_loop.mark_dirty(Rc::clone(inner) as Rc<dyn Member>);
        }
        inner.or_wait_to_write(sent)
    })
}

/// Sends one message, with what goes beside it, to `to` or to where the socket is connected: a count, `-EAGAIN`, or why
/// not. The first so many of the shared descriptors go with it; they stay the caller's. On a stream, less than all of
/// `data` may go out, and the descriptors are gone then. After `-EAGAIN` the writing token comes, unless there was a
/// `to`.
pub(crate) fn unix_send_message(
    socket: u32,
    data: &[u8],
    to: Option<&[u8]>,
    fds: u32,
    credentials: Option<UnixCredentials>,
) -> Either<i32, Failure> {
    let Some(inner) = by_number(socket) else { return Either::B(Failure::closed("sendmsg")) };
    let to = to.map(address::decode);
    let credentials = credentials.map(Credentials::from);
    let scratch = inner.with_messages(|messages| messages.scratch.clone());
    let sent = match scratch {
        Some(scratch) => inner.send(data, to.as_ref(), scratch.borrow().descriptors(fds as usize), credentials),
        None => inner.send(data, to.as_ref(), &[], credentials),
    };
    match sent {
        Err(error) if error.errno == Errno::AGAIN => {
            let again = Err(Errno::AGAIN);
            Either::A(count(if to.is_none() { inner.or_wait_to_write(again) } else { again }))
        }
        Err(error) => Either::B(error.into()),
        Ok(sent) => {
            if to.is_some() {
                inner.event_loop.mark_dirty(Rc::clone(&inner) as Rc<dyn Member>);
            }
            Either::A(count(Ok(sent)))
        }
    }
}

/// Hands over the descriptors that came with a received message, by the number in its row: puts them into the shared array,
/// one of the sender's process behind the others, and answers how many others there are. `-ENOENT` when they were taken
/// already.
pub(crate) fn unix_take_descriptors(socket: u32, number: u32) -> i32 {
    numbered(socket, |inner| {
        let (found, scratch) =
            inner.with_messages(|messages| (messages.held.remove(&number), messages.scratch.clone()));
        let (found, scratch) = (found.ok_or(Errno::NOENT)?, scratch.ok_or(Errno::FAULT)?);
        scratch.borrow_mut().hand_over(found.fds, found.pidfd)
    })
}

/// Sends what is in the outbox of messages: zero when all of it went out, or a negated errno that its first message met.
pub(crate) fn unix_flush_messages(socket: u32) -> i32 {
    numbered(socket, |inner| inner.flush_messages().map(|()| 0))
}
