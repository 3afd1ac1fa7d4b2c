//! One AF_UNIX socket: its descriptor, its waits, and the stream of bytes through it.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use napi::Either;
use napi::bindgen_prelude::{Buffer, Int32Array, Uint8Array};
use napi_derive::napi;
use nearwire_event_loop::{Member, Readiness};
use nearwire_unix::{Kind, Socket};
use rustix::io::Errno;
use rustix::net::Shutdown;

use crate::event_loop::EventLoop;
use crate::failure::{CLOSED, Failure, count};
use crate::numbers::{Number, Numbers};
use crate::outbox::Outbox;
use crate::unix_messages::Messages;
use crate::waiting::wait;
use crate::{address, adopt};

/// Which of the three AF_UNIX socket types, numbered as `SOCK_STREAM`, `SOCK_DGRAM` and `SOCK_SEQPACKET` are.
pub(crate) fn kind(number: i32) -> Kind {
    match number {
        2 => Kind::Datagram,
        5 => Kind::Seqpacket,
        _ => Kind::Stream,
    }
}

/// An AF_UNIX socket. Reads and writes answer a count or a negated errno; after `-EAGAIN` the socket's token comes when
/// it is worth trying again.
#[napi]
pub struct UnixSocket {
    pub(crate) inner: Rc<Inner>,
    number: Number<Inner>,
}

thread_local! {
    static SOCKETS: Numbers<Inner> = const { Numbers::new() };
}

/// The socket that has the number.
pub(crate) fn by_number(number: u32) -> Option<Rc<Inner>> {
    SOCKETS.with(|sockets| sockets.get(number))
}

/// Runs `call` on the socket that has the number; a count or a negated errno.
pub(crate) fn numbered(number: u32, call: impl FnOnce(&Rc<Inner>) -> Result<usize, Errno>) -> i32 {
    count(by_number(number).map_or(Err(CLOSED), |inner| call(&inner)))
}

/// After so many attempts to read that did not have to wait, nobody need be told that the next will not.
const STREAK: u8 = 16;

pub(crate) struct Inner {
    pub(crate) event_loop: Rc<nearwire_event_loop::EventLoop>,
    slot: u32,
    pub(crate) socket: RefCell<Option<Socket>>,
    /// Boxed: most sockets of a busy server are idle, and have none.
    outbox: RefCell<Option<Box<Outbox>>>,
    /// Likewise; a stream of bytes has none until it sends or receives a message.
    pub(crate) messages: RefCell<Option<Box<Messages>>>,
    /// The loop is held while an outbox has something that the kernel has not, unless the socket is unreferenced.
    holding: Cell<bool>,
    referenced: Cell<bool>,
    busy_microseconds: Cell<u32>,
    /// How many attempts to read in a row did not have to wait.
    streak: Cell<u8>,
    reader: Waker,
    pub(crate) writer: Waker,
}

impl Inner {
    /// Runs `with` on the open socket.
    pub(crate) fn with<R>(&self, with: impl FnOnce(&Socket) -> Result<R, Errno>) -> Result<R, Errno> {
        self.socket.borrow().as_ref().map_or(Err(CLOSED), with)
    }

    /// Asks for the reading token when `outcome` is that nothing is there yet.
    pub(crate) fn or_wait_to_read<R>(&self, outcome: Result<R, Errno>) -> Result<R, Errno> {
        if matches!(outcome, Err(Errno::AGAIN)) {
            self.streak.set(0);
            return self.wait(&self.reader, Readiness::poll_read).and(outcome);
        }
        self.streak.set(self.streak.get().saturating_add(1));
        // Nobody waits: whoever does is the next to try.
        if self.streak.get() == STREAK
            && let Some(socket) = self.socket.borrow_mut().as_mut()
        {
            socket.readiness_mut().rest_reading();
        }
        outcome
    }

    /// Asks for the writing token when `outcome` is that there is no room yet.
    pub(crate) fn or_wait_to_write<R>(&self, outcome: Result<R, Errno>) -> Result<R, Errno> {
        match outcome {
            Err(Errno::AGAIN) => self.wait(&self.writer, Readiness::poll_write).and(outcome),
            _ => outcome,
        }
    }

    fn wait(
        &self,
        waker: &Waker,
        poll: fn(&Readiness, &mut Context<'_>) -> Poll<std::io::Result<()>>,
    ) -> Result<(), Errno> {
        self.with(|socket| wait(&self.event_loop, waker, |context| poll(socket.readiness(), context)))
    }

    fn flush_outbox(&self, rest: &[u8]) -> Result<usize, Errno> {
        let mut outbox = self.outbox.borrow_mut();
        let outcome = self.with(|socket| match outbox.as_mut() {
            Some(outbox) => outbox.write_through(socket, rest),
            None => socket.try_write(rest),
        });
        let empty = outbox.as_ref().is_none_or(|outbox| outbox.is_empty());
        drop(outbox);
        let failed = matches!(outcome, Err(errno) if errno != Errno::AGAIN);
        if empty || failed {
            self.release();
        }
        if matches!(outcome, Ok(written) if written < rest.len()) {
            self.wait(&self.writer, Readiness::poll_write)?;
        }
        self.or_wait_to_write(outcome)
    }

    fn hold(&self) {
        if self.referenced.get() && !self.holding.replace(true) {
            self.event_loop.hold();
        }
    }

    pub(crate) fn release(&self) {
        if self.holding.replace(false) {
            self.event_loop.release();
        }
    }

    fn take(&self) -> Option<Socket> {
        self.release();
        self.outbox.take();
        self.messages.take();
        self.event_loop.leave(self.slot);
        self.socket.take()
    }
}

impl Member for Inner {
    fn flush(&self) {
        if self.messages.borrow().is_some() {
            self.flush_messages_before_blocking();
        }
        if self.outbox.borrow().is_none() {
            return;
        }
        match self.flush_outbox(&[]) {
            Ok(_) | Err(Errno::AGAIN) => {}
            Err(errno) => {
                if let Some(outbox) = self.outbox.borrow_mut().as_mut() {
                    outbox.fail(errno);
                }
                self.writer.wake_by_ref();
            }
        }
    }

    fn close(&self) {
        self.messages.take();
        self.event_loop.with_driver(|_| drop(self.socket.take()));
    }
}

#[napi]
impl UnixSocket {
    /// Two connected sockets of a kind.
    #[napi]
    pub fn pair(
        event_loop: &EventLoop,
        kind_number: i32,
        left_slot: u32,
        right_slot: u32,
    ) -> Either<Vec<UnixSocket>, Failure> {
        let made = event_loop.inner().with_driver(|_| Socket::pair(kind(kind_number)));
        match made {
            Some(Ok((left, right))) => {
                Either::A(vec![Self::wrap(event_loop, left_slot, left), Self::wrap(event_loop, right_slot, right)])
            }
            Some(Err(error)) => Either::B(error.into()),
            None => Either::B(Failure::closed("socketpair")),
        }
    }

    /// Adopts a descriptor; on failure it stays the caller's, as it was.
    #[napi]
    pub fn adopt(event_loop: &EventLoop, slot: u32, kind_number: i32, fd: i32) -> Either<UnixSocket, Failure> {
        match event_loop.inner().with_driver(|_| adopt::socket(fd, kind(kind_number))) {
            Some(Ok(socket)) => Either::A(Self::wrap(event_loop, slot, socket)),
            Some(Err(error)) => Either::B(error.into()),
            None => Either::B(Failure::closed("getsockopt")),
        }
    }

    /// The descriptor, or -1 once it is gone.
    #[napi(getter)]
    pub fn fd(&self) -> i32 {
        self.inner.socket.borrow().as_ref().map_or(-1, |socket| socket.readiness().as_raw_fd())
    }

    /// Closes the descriptor.
    #[napi]
    pub fn close(&self) {
        let socket = self.inner.take();
        self.inner.event_loop.with_driver(|_| drop(socket));
    }

    /// Gives the descriptor up without closing it; -1 when it is gone already.
    #[napi]
    pub fn detach(&self) -> i32 {
        let socket = self.inner.take();
        self.inner.event_loop.with_driver(|_| socket.map_or(-1, |socket| socket.into_fd().into_raw_fd())).unwrap_or(-1)
    }

    /// What functions know the socket by, for as long as this object is there.
    #[napi(getter)]
    pub fn number(&self) -> u32 {
        self.number.get()
    }

    /// How long `unix_read()` tries before it waits, in microseconds.
    #[napi]
    pub fn busy_poll(&self, microseconds: u32) {
        self.inner.busy_microseconds.set(microseconds);
    }

    /// Whether what is in an outbox keeps the process alive; it does unless told otherwise.
    #[napi]
    pub fn reference(&self, on: bool) {
        self.inner.referenced.set(on);
        let has_unsent = self.inner.outbox.borrow().as_ref().is_some_and(|outbox| !outbox.is_empty())
            || self.inner.messages.borrow().as_ref().is_some_and(|messages| messages.has_unsent());
        if !on {
            self.inner.release();
        } else if has_unsent {
            self.inner.hold();
        }
    }

    /// Writes what is in the outbox: zero when all of it went out.
    #[napi]
    pub fn flush(&self) -> i32 {
        count(self.inner.flush_outbox(&[]))
    }

    /// Sets up the outbox: a buffer that JavaScript appends to, and `[tail, head, errno]`.
    #[napi]
    pub fn open_outbox(&self, buffer: Uint8Array, control: Int32Array) -> bool {
        let outbox = Outbox::new(buffer, control);
        let opened = outbox.is_some();
        *self.inner.outbox.borrow_mut() = outbox.map(Box::new);
        opened
    }

    /// Replaces the outbox's buffer by a larger one with the same content.
    #[napi]
    pub fn grow_outbox(&self, buffer: Uint8Array) {
        if let Some(outbox) = self.inner.outbox.borrow_mut().as_mut() {
            outbox.replace(buffer);
        }
    }

    /// Shuts down reading (0), writing (1) or both (2), as `shutdown(2)` numbers them.
    #[napi]
    pub fn shutdown(&self, how: i32) -> Option<Failure> {
        let how = match how {
            0 => Shutdown::Read,
            1 => Shutdown::Write,
            _ => Shutdown::Both,
        };
        match self.inner.socket.borrow().as_ref() {
            Some(socket) => socket.shutdown(how).err().map(Failure::from),
            None => Some(Failure::closed("shutdown")),
        }
    }

    /// The socket's own address.
    #[napi]
    pub fn local_address(&self) -> Either<Buffer, Failure> {
        self.address("getsockname", Socket::local_address)
    }

    /// The address of the peer.
    #[napi]
    pub fn remote_address(&self) -> Either<Buffer, Failure> {
        self.address("getpeername", Socket::peer_address)
    }
}

/// Reads into `into[start..end]`. Zero is the end of the stream.
pub(crate) fn unix_read(socket: u32, into: &mut [u8], start: u32, end: u32) -> i32 {
    numbered(socket, |inner| {
        let room = into.get_mut(start as usize..end as usize).ok_or(Errno::FAULT)?;
        let busy = inner.busy_microseconds.get();
        let outcome =
            inner.with(|socket| if busy == 0 { socket.try_read(room) } else { socket.try_read_busy(room, busy) });
        inner.or_wait_to_read(outcome)
    })
}

/// Writes what is in the outbox and then `from[start..end]`; answers how much of the latter went out. Less than all of
/// it, or `-EAGAIN`, means that the writing token comes.
pub(crate) fn unix_write(socket: u32, from: &[u8], start: u32, end: u32) -> i32 {
    numbered(socket, |inner| inner.flush_outbox(from.get(start as usize..end as usize).ok_or(Errno::FAULT)?))
}

/// Has the outbox flushed before the loop blocks or the process ends, and keeps it alive until it is.
pub(crate) fn unix_mark_dirty(socket: u32) -> i32 {
    numbered(socket, |inner| {
        inner.hold();
        inner.event_loop.mark_dirty(Rc::clone(inner) as Rc<dyn Member>);
        Ok(0)
    })
}

impl UnixSocket {
    pub(crate) fn wrap(event_loop: &EventLoop, slot: u32, socket: Socket) -> Self {
        Self::enter(event_loop.inner(), slot, socket)
    }

    pub(crate) fn enter(event_loop: &Rc<nearwire_event_loop::EventLoop>, slot: u32, socket: Socket) -> Self {
        let inner = Rc::new(Inner {
            event_loop: Rc::clone(event_loop),
            slot,
            socket: RefCell::new(Some(socket)),
            outbox: RefCell::default(),
            messages: RefCell::default(),
            holding: Cell::default(),
            referenced: Cell::new(true),
            busy_microseconds: Cell::default(),
            streak: Cell::default(),
            reader: event_loop.token_waker(slot * 2),
            writer: event_loop.token_waker(slot * 2 + 1),
        });
        let member: Weak<dyn Member> = Rc::downgrade(&(Rc::clone(&inner) as Rc<dyn Member>));
        event_loop.join(slot, member);
        let number = Number::give(&SOCKETS, Rc::clone(&inner));
        Self { inner, number }
    }

    fn address(
        &self,
        syscall: &str,
        get: fn(&Socket) -> nearwire_unix::Result<nearwire_unix::Address>,
    ) -> Either<Buffer, Failure> {
        match self.inner.socket.borrow().as_ref().map(get) {
            Some(Ok(found)) => Either::A(address::encode(&found)),
            Some(Err(error)) => Either::B(error.into()),
            None => Either::B(Failure::closed(syscall)),
        }
    }
}
