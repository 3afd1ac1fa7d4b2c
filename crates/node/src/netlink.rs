//! One AF_NETLINK socket: its descriptor, its waits, and datagrams in batches.

use std::cell::RefCell;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use napi::Either;
use napi_derive::napi;
use nearwire_event_loop::Member;
use nearwire_netlink::{Delivery, Error, Socket};
use rustix::io::Errno;

use crate::event_loop::EventLoop;
use crate::failure::{CLOSED, Failure};
use crate::netlink_buffers::{Memory, NetlinkBuffers};
use crate::netlink_options::{NetlinkOpenOptions, instructions, with_number};
use crate::numbers::{Number, Numbers};
use crate::waiting::wait;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            errno: error.errno.raw_os_error(),
            syscall: error.syscall.into(),
            detail: Some(error.detail).filter(|detail| !detail.is_empty()),
        }
    }
}

/// Subtracted from a negated errno to tell two kinds of failure apart: a send that reached its group and not its port,
/// an exchange that sent nothing. Errnos are below it.
const OFFSET: i32 = 4096;

/// A netlink socket. Sends and receives answer a count or a negated errno; after `-EAGAIN` the socket's token comes when
/// it is worth trying again.
#[napi]
pub struct NetlinkSocket {
    inner: Rc<Inner>,
    number: Number<Inner>,
}

thread_local! {
    static SOCKETS: Numbers<Inner> = const { Numbers::new() };
}

/// The socket that has the number.
fn by_number(number: u32) -> Option<Rc<Inner>> {
    SOCKETS.with(|sockets| sockets.get(number))
}

struct Inner {
    event_loop: Rc<nearwire_event_loop::EventLoop>,
    slot: u32,
    socket: RefCell<Option<Socket>>,
    memory: Rc<RefCell<Memory>>,
    reader: Waker,
    writer: Waker,
}

impl Inner {
    /// Asks for a token, and answers `EAGAIN`; or why none will come.
    fn wait(&self, waker: &Waker, poll: fn(&Socket, &mut Context<'_>) -> Poll<std::io::Result<()>>) -> Errno {
        let socket = self.socket.borrow();
        let Some(socket) = socket.as_ref() else { return CLOSED };
        match wait(&self.event_loop, waker, |context| poll(socket, context)) {
            Ok(()) => Errno::AGAIN,
            Err(errno) => errno,
        }
    }

    /// Asks for the writing token when `errno` is that there is no room yet.
    fn or_wait_to_send(&self, errno: Errno) -> Errno {
        if errno == Errno::AGAIN { self.wait(&self.writer, Socket::poll_send) } else { errno }
    }

    fn receive(&self, limit: u32) -> i32 {
        let rows = match self.socket.borrow().as_ref() {
            Some(socket) => self.memory.borrow_mut().receive(socket, limit),
            None => return -CLOSED.raw_os_error(),
        };
        if let Some(rows) = rows {
            return rows as i32;
        }
        -self.wait(&self.reader, Socket::poll_receive).raw_os_error()
    }

    fn take(&self) -> Option<Socket> {
        self.event_loop.leave(self.slot);
        self.socket.take()
    }
}

impl Member for Inner {
    /// Nothing is ever held back: a datagram is sent or refused at once.
    fn flush(&self) {}

    fn close(&self) {
        self.event_loop.with_driver(|_| drop(self.socket.take()));
    }
}

#[napi]
impl NetlinkSocket {
    /// Creates and binds a socket.
    #[napi]
    pub fn open(
        event_loop: &EventLoop,
        slot: u32,
        buffers: &NetlinkBuffers,
        options: NetlinkOpenOptions,
    ) -> Either<NetlinkSocket, Failure> {
        let opened =
            options.into_crate_options().map(|options| event_loop.inner().with_driver(|_| Socket::open(&options)));
        Self::made(event_loop, slot, buffers, opened, "socket")
    }

    /// Adopts a descriptor; one that is not a netlink socket stays the caller's, as it was.
    #[napi]
    pub fn adopt(
        event_loop: &EventLoop,
        slot: u32,
        buffers: &NetlinkBuffers,
        fd: i32,
    ) -> Either<NetlinkSocket, Failure> {
        let adopted = with_number(fd, Socket::inspect).map(|_| {
            event_loop.inner().with_driver(|_| {
                // SAFETY: it is an open netlink socket, as was just seen, and JavaScript hands it over.
                Socket::from_fd(unsafe { OwnedFd::from_raw_fd(fd) })
            })
        });
        Self::made(event_loop, slot, buffers, adopted, "getsockopt")
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

    /// The protocol number, or -1 once the descriptor is gone.
    #[napi(getter)]
    pub fn protocol(&self) -> i32 {
        self.inner.socket.borrow().as_ref().map_or(-1, Socket::protocol)
    }

    /// The port id; 0 only for an adopted socket that nobody bound.
    #[napi]
    pub fn port_id(&self) -> Either<u32, Failure> {
        self.ask("getsockname", Socket::port_id)
    }

    /// The groups it is in, in ascending order.
    #[napi]
    pub fn groups(&self) -> Either<Vec<u32>, Failure> {
        self.ask("getsockopt", Socket::groups)
    }

    /// Joins a group.
    #[napi]
    pub fn join(&self, group: u32) -> Option<Failure> {
        self.tell(|socket| socket.join(group))
    }

    /// Leaves a group.
    #[napi]
    pub fn leave(&self, group: u32) -> Option<Failure> {
        self.tell(|socket| socket.leave(group))
    }

    /// Puts an errno of `netlink_send()` into words.
    #[napi]
    pub fn explain_send(&self, errno: i32, length: u32, to_port: u32, group: u32) -> Failure {
        match self.inner.socket.borrow().as_ref() {
            Some(socket) => {
                socket.explain_send(Errno::from_raw_os_error(errno), length as usize, to_port, group).into()
            }
            None => Failure::closed("sendto"),
        }
    }

    /// `[queued, receive buffer, send buffer, drops]`, of which the first three are bytes as the kernel accounts them.
    #[napi]
    pub fn memory(&self) -> Either<Vec<u32>, Failure> {
        self.ask("getsockopt", |socket| {
            socket.memory().map(|memory| vec![memory.queued, memory.receive_buffer, memory.send_buffer, memory.drops])
        })
    }

    /// Attaches a classic BPF program: four numbers an instruction, `code, jt, jf, k`.
    #[napi]
    pub fn attach_filter(&self, program: &[u32]) -> Option<Failure> {
        self.tell(|socket| socket.attach_filter(&instructions(program)?))
    }

    /// Takes the filter off.
    #[napi]
    pub fn detach_filter(&self) -> Option<Failure> {
        self.tell(Socket::detach_filter)
    }
}

impl NetlinkSocket {
    /// `made` is an error, or nothing when the environment is ending, or what the crate made of it.
    fn made(
        event_loop: &EventLoop,
        slot: u32,
        buffers: &NetlinkBuffers,
        made: Result<Option<Result<Socket, Error>>, Error>,
        syscall: &str,
    ) -> Either<NetlinkSocket, Failure> {
        match made {
            Ok(Some(Ok(socket))) => Either::A(Self::enter(event_loop.inner(), slot, buffers, socket)),
            Ok(Some(Err(error))) | Err(error) => Either::B(error.into()),
            Ok(None) => Either::B(Failure::closed(syscall)),
        }
    }

    fn enter(
        event_loop: &Rc<nearwire_event_loop::EventLoop>,
        slot: u32,
        buffers: &NetlinkBuffers,
        socket: Socket,
    ) -> Self {
        let inner = Rc::new(Inner {
            event_loop: Rc::clone(event_loop),
            slot,
            socket: RefCell::new(Some(socket)),
            memory: buffers.memory(),
            reader: event_loop.token_waker(slot * 2),
            writer: event_loop.token_waker(slot * 2 + 1),
        });
        let member: Weak<dyn Member> = Rc::downgrade(&(Rc::clone(&inner) as Rc<dyn Member>));
        event_loop.join(slot, member);
        let number = Number::give(&SOCKETS, Rc::clone(&inner));
        Self { inner, number }
    }

    fn ask<R>(&self, syscall: &str, ask: impl FnOnce(&Socket) -> Result<R, Error>) -> Either<R, Failure> {
        match self.inner.socket.borrow().as_ref().map(ask) {
            Some(Ok(found)) => Either::A(found),
            Some(Err(error)) => Either::B(error.into()),
            None => Either::B(Failure::closed(syscall)),
        }
    }

    fn tell(&self, tell: impl FnOnce(&Socket) -> Result<(), Error>) -> Option<Failure> {
        match self.ask("setsockopt", tell) {
            Either::A(()) => None,
            Either::B(failure) => Some(failure),
        }
    }
}

/// Sends `data[start..end]` as one datagram to a port (0 is the kernel), to a group (0 is none), or to both.
///
/// Zero: all of it is where it should be. `-errno`: it is nowhere. `-4096 - errno`: the group has it, the port has not;
/// whoever tries again leaves the group out. After EAGAIN, alone or less 4096, the writing token comes.
pub(crate) fn netlink_send(socket: u32, data: &[u8], start: u32, end: u32, to_port: u32, group: u32) -> i32 {
    let Some(inner) = by_number(socket) else { return -CLOSED.raw_os_error() };
    let Some(datagram) = data.get(start as usize..end as usize) else {
        return -Errno::FAULT.raw_os_error();
    };
    let outcome = match inner.socket.borrow().as_ref() {
        Some(socket) => socket.try_send(datagram, to_port, group),
        None => Err(CLOSED),
    };
    let (errno, offset) = match outcome {
        Ok(Delivery::Complete) => return 0,
        Ok(Delivery::GroupOnly(errno)) => (errno, OFFSET),
        Err(errno) => (errno, 0),
    };
    -inner.or_wait_to_send(errno).raw_os_error() - offset
}

/// Sends the first `length` outgoing bytes to a port (0 is the kernel) and receives at once, at most `limit` datagrams:
/// what the kernel is asked it has mostly answered by then.
///
/// Answers as `netlink_receive()` does, so `-EAGAIN` is said of receiving; or `-4096 - errno` when nothing was sent, after
/// EAGAIN with the writing token to come.
pub(crate) fn netlink_exchange(socket: u32, length: u32, to_port: u32, limit: u32) -> i32 {
    let Some(inner) = by_number(socket) else { return -CLOSED.raw_os_error() - OFFSET };
    let outcome = match (inner.socket.borrow().as_ref(), inner.memory.borrow().outgoing(length)) {
        (Some(socket), Some(request)) => socket.try_send(request, to_port, 0).map(drop),
        (None, _) => Err(CLOSED),
        (_, None) => Err(Errno::FAULT),
    };
    match outcome {
        Ok(()) => inner.receive(limit),
        Err(errno) => -inner.or_wait_to_send(errno).raw_os_error() - OFFSET,
    }
}

/// Receives what is queued, at most `limit` datagrams. Answers how many rows the table got, or a negated errno when there
/// is none: after `-EAGAIN` the reading token comes.
///
/// The table is rows of seven numbers. The first row is about the batch: rows after it, bytes used, why it ended (0
/// nothing more was queued, 1 the buffer is full, 2 the table or the limit is, 3 the last row is an errno), and the length
/// of the datagram that did not fit. The others: offset (a multiple of 8), length, full length, port id of the sender,
/// group, network namespace id plus 1 or 0 for the socket's own, flags (1 cut short, 2 not a datagram but an errno, which
/// is in place of the full length).
///
/// With 1 for a reason and no rows, the buffer is too short for the next datagram altogether.
pub(crate) fn netlink_receive(socket: u32, limit: u32) -> i32 {
    by_number(socket).map_or(-CLOSED.raw_os_error(), |inner| inner.receive(limit))
}
