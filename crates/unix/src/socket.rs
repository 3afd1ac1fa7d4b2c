//! A socket that carries bytes or messages: a stream, a datagram socket, a seqpacket connection.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use nearwire_event_loop::Readiness;
use rustix::io::{Errno, FdFlags};
use rustix::net::{RecvFlags, SendFlags, Shutdown, SocketFlags};

use crate::address::Address;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::name::Name;
use crate::sys::RawAddress;
use crate::{sys, wait};

/// Every send: a peer that is gone is an `EPIPE`, never a signal, and nothing waits inside the kernel.
pub(crate) const SEND: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);

/// One socket, non-blocking, closed on exec, registered with tokio for reading.
///
/// The `try_` methods are the system calls themselves. After `EAGAIN` wait with [`Readiness::poll_read`] or
/// [`Readiness::poll_write`]; the `async` methods do both.
///
/// Dropping it closes the descriptor, and removes the file that it was bound to if that is still its own.
#[derive(Debug)]
pub struct Socket {
    // Declared first, so that the name goes before the descriptor does.
    name: Option<Name>,
    readiness: Readiness,
    kind: Kind,
    /// Every message comes with a time, so that an empty one can be told from the end.
    timed: bool,
    /// The kernel has told that the peer closed without reading, and nobody here has been told yet.
    reset: AtomicBool,
    /// Of a datagram socket: [`OPEN`], [`CONNECTED`] or [`PEERS_ONLY`].
    senders: AtomicU8,
    local: Option<Arc<Address>>,
    peer: Option<Arc<Address>>,
}

/// A descriptor that could not be adopted, given back untouched.
#[derive(Debug)]
pub struct Rejected {
    /// Why.
    pub error: Error,
    /// The descriptor, open as before.
    pub fd: OwnedFd,
}

impl Socket {
    /// Two sockets connected to each other; `socketpair(2)`.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`.
    pub fn pair(kind: Kind) -> Result<(Self, Self)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (one, other) = rustix::net::socketpair(rustix::net::AddressFamily::UNIX, kind.socket_type(), flags, None)
            .map_err(Error::of("socketpair"))?;
        Ok((Self::own(one, kind)?, Self::own(other, kind)?))
    }

    /// A datagram socket without a name, which can send at once and receive once it is connected.
    ///
    /// # Errors
    /// `EINVAL` for another kind: a stream that is not connected reports a hang-up for ever, so those are made by
    /// [`Connecting`](crate::Connecting). Otherwise those of `socket(2)` and of [`Readiness::new`].
    pub fn unbound(kind: Kind) -> Result<Self> {
        if kind != Kind::Datagram {
            return Err(Error::explained(
                Errno::INVAL,
                "socket",
                format!("a {kind} socket is of no use before it is connected"),
            ));
        }
        Self::own(kind.create()?, kind)
    }

    /// Adopts a descriptor: of this kind, connected unless it is a datagram socket, not listening. It becomes
    /// non-blocking and closed on exec.
    ///
    /// # Errors
    /// Those of [`check`](Self::check), with the descriptor given back as it was.
    pub fn from_fd(fd: OwnedFd, kind: Kind) -> std::result::Result<Self, Rejected> {
        let adopt = || {
            Self::check(fd.as_fd(), kind)?;
            make_ours(fd.as_fd())?;
            tell_empty_from_end(fd.as_fd(), kind)
        };
        match adopt() {
            Ok(timed) => Ok(Self::of(fd, kind, timed)),
            Err(error) => Err(Rejected { error, fd }),
        }
    }

    /// Whether [`from_fd`](Self::from_fd) would take a descriptor. Nothing about it is changed.
    ///
    /// # Errors
    /// Those of [`Kind::of`]; `EPROTOTYPE` for another kind of socket; `EINVAL` for one that listens; `ENOTCONN` for
    /// a stream or a seqpacket socket that is not connected. The detail says what was found.
    pub fn check(fd: BorrowedFd<'_>, kind: Kind) -> Result<()> {
        kind.expect(fd)?;
        if sys::option::<i32>(fd, libc::SO_ACCEPTCONN).map_err(Error::of("getsockopt"))? != 0 {
            return Err(Error::explained(Errno::INVAL, "getsockopt", "the socket is a listening one"));
        }
        match sys::peer_name(fd) {
            Err(Errno::NOTCONN) if kind.is_connected_kind() => Err(Error::explained(
                Errno::NOTCONN,
                "getpeername",
                format!("the {kind} socket is not connected to anything"),
            )),
            _ => Ok(()),
        }
    }

    /// Takes a descriptor that is ours already: non-blocking, closed on exec and, but for datagrams, connected.
    pub(crate) fn own(fd: OwnedFd, kind: Kind) -> Result<Self> {
        let timed = tell_empty_from_end(fd.as_fd(), kind)?;
        Ok(Self::of(fd, kind, timed))
    }

    fn of(fd: OwnedFd, kind: Kind, timed: bool) -> Self {
        Self {
            name: None,
            readiness: Readiness::new(fd),
            kind,
            timed,
            reset: AtomicBool::new(false),
            senders: AtomicU8::new(OPEN),
            local: None,
            peer: None,
        }
    }

    pub(crate) fn with_local(mut self, address: Option<Arc<Address>>) -> Self {
        self.local = address;
        self
    }

    pub(crate) fn with_peer(mut self, address: Arc<Address>) -> Self {
        self.peer = Some(address);
        self
    }

    pub(crate) fn with_name(mut self, name: Option<Name>) -> Self {
        self.name = name;
        self
    }

    /// The kind it was made with.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Runs a system call that receives.
    ///
    /// That the peer closed without reading is told by the kernel before what the peer has sent: `sock_error()` comes first
    /// in `__skb_try_recv_datagram()` and in `do_recvmmsg()`. Here it is told last, in place of the end.
    ///
    /// Peeking (`MSG_PEEK` among the `flags`) leaves it to be told again.
    pub(crate) fn receiving<R>(
        &self,
        flags: i32,
        mut call: impl FnMut() -> std::result::Result<R, Errno>,
    ) -> std::result::Result<R, Errno> {
        loop {
            match call() {
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) if self.kind != Kind::Datagram => self.reset.store(true, Ordering::Relaxed),
                Err(Errno::AGAIN) => return self.end(flags).and(Err(Errno::AGAIN)),
                outcome => return outcome,
            }
        }
    }

    /// Notes that nothing was there to be taken: what comes to a connected datagram socket from now on is its peer's.
    ///
    /// Not to be told of peeking, which may begin behind what is queued (`SO_PEEK_OFF`).
    pub(crate) fn found_empty(&self) {
        // Unless it was connected elsewhere meanwhile, by another thread.
        let _ = self.senders.compare_exchange(CONNECTED, PEERS_ONLY, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The name that every message has which is received now, where that is known: it need not be copied with each.
    pub(crate) fn only_sender(&self) -> Option<RawAddress> {
        if self.senders.load(Ordering::Relaxed) != PEERS_ONLY {
            return None;
        }
        // Sending to a peer that is gone disconnects, and then anybody may send.
        let peer = sys::peer_name(self.as_fd()).ok();
        if peer.is_none() {
            self.senders.store(OPEN, Ordering::Relaxed);
        }
        peer
    }

    /// What the end of a connection is to be told as.
    pub(crate) fn end(&self, flags: i32) -> std::result::Result<(), Errno> {
        let reset = if flags & libc::MSG_PEEK == 0 {
            self.reset.swap(false, Ordering::Relaxed)
        } else {
            self.reset.load(Ordering::Relaxed)
        };
        if reset { Err(Errno::CONNRESET) } else { Ok(()) }
    }

    /// Whether every message comes with a time, so that an empty one can be told from the end of a connection.
    pub(crate) fn is_timed(&self) -> bool {
        self.timed
    }

    /// Its own name. One accepted from a [`Listener`](crate::Listener) has the listener's public name, whatever
    /// temporary one the kernel remembers.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    pub fn local_address(&self) -> Result<Address> {
        if let Some(address) = &self.local {
            return Ok(Address::clone(address));
        }
        sys::socket_name(self.as_fd()).map(Address::from).map_err(Error::of("getsockname"))
    }

    /// The other end's name; for one that connected, the name it asked for.
    ///
    /// # Errors
    /// `ENOTCONN` for a datagram socket that is not connected.
    pub fn peer_address(&self) -> Result<Address> {
        if let Some(address) = &self.peer {
            return Ok(Address::clone(address));
        }
        sys::peer_name(self.as_fd()).map(Address::from).map_err(Error::of("getpeername"))
    }

    /// Makes `address` the destination of a datagram socket, and the only sender it receives from.
    /// [`Address::Unnamed`] undoes that.
    ///
    /// # Errors
    /// `ECONNREFUSED` when no socket is bound there, `EPROTOTYPE` when one of another kind is, `EPERM` when it is
    /// connected to someone else, `EACCES`, `ENOENT`; `EOPNOTSUPP` for another kind than datagram.
    pub fn connect(&self, address: &Address) -> Result<()> {
        if self.kind != Kind::Datagram {
            let detail = format!("a {} socket connects once, before it becomes a Socket", self.kind);
            return Err(Error::explained(Errno::OPNOTSUPP, "connect", detail));
        }
        self.senders.store(OPEN, Ordering::Relaxed);
        if *address == Address::Unnamed {
            return rustix::net::connect_unspec(self.as_fd()).map_err(Error::of("connect"));
        }
        rustix::net::connect(self.as_fd(), &address.reach()?.raw).map_err(Error::of("connect"))?;
        self.senders.store(CONNECTED, Ordering::Relaxed);
        Ok(())
    }

    /// `recv(2)`: the bytes read, 0 at a stream's end. Descriptors that travel with them are closed by the kernel:
    /// receive those with [`try_receive_message`](Self::try_receive_message).
    ///
    /// # Errors
    /// `EAGAIN` when there is nothing; `ECONNRESET` when the peer closed without reading what was sent to it.
    pub fn try_read(&self, buffer: &mut [u8]) -> std::result::Result<usize, Errno> {
        loop {
            match rustix::net::recv(self.as_fd(), &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((_, length)) => return Ok(length),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// [`try_read`](Self::try_read) over and over for `micros` microseconds, for an answer that is about to come: it
    /// saves the way through the loop at the price of a busy processor.
    ///
    /// # Errors
    /// `EAGAIN` when the time is up; those of [`try_read`](Self::try_read).
    pub fn try_read_busy(&self, buffer: &mut [u8], micros: u32) -> std::result::Result<usize, Errno> {
        let first = self.try_read(buffer);
        if micros == 0 || first != Err(Errno::AGAIN) {
            return first;
        }
        let patience = Duration::from_micros(micros.into());
        let began = Instant::now();
        loop {
            // The clock costs a tenth of a failing recv, so it can be read each time round.
            match self.try_read(buffer) {
                Err(Errno::AGAIN) if began.elapsed() < patience => std::hint::spin_loop(),
                outcome => return outcome,
            }
        }
    }

    /// `send(2)`: how many bytes the kernel took; on a stream perhaps fewer than given.
    ///
    /// # Errors
    /// `EAGAIN` when there is no room; `EPIPE` when the peer is gone or this side was shut down; on messages
    /// `EMSGSIZE` when one exceeds `SO_SNDBUF`, `ECONNREFUSED` and then `ENOTCONN` when a datagram's peer died.
    pub fn try_write(&self, data: &[u8]) -> std::result::Result<usize, Errno> {
        loop {
            match rustix::net::send(self.as_fd(), data, SEND) {
                Err(Errno::INTR) => {}
                outcome => return outcome,
            }
        }
    }

    /// `sendmsg(2)` of several pieces as if they were one.
    ///
    /// # Errors
    /// Those of [`try_write`](Self::try_write); `EMSGSIZE` for more than 1,024 pieces.
    pub fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> std::result::Result<usize, Errno> {
        loop {
            let mut nothing = rustix::net::SendAncillaryBuffer::default();
            match rustix::net::sendmsg(self.as_fd(), pieces, &mut nothing, SEND) {
                Err(Errno::INTR) => {}
                outcome => return outcome,
            }
        }
    }

    /// Ends one direction or both; `shutdown(2)`. The peer reads what was sent, then the end.
    ///
    /// # Errors
    /// `ENOTCONN` when the socket is not connected.
    pub fn shutdown(&self, how: Shutdown) -> Result<()> {
        rustix::net::shutdown(self.as_fd(), how).map_err(Error::of("shutdown"))
    }

    /// Waits until there is something to read, then reads it: [`try_read`](Self::try_read) for tasks.
    ///
    /// # Errors
    /// Those of [`try_read`](Self::try_read) but `EAGAIN`.
    pub async fn read(&self, buffer: &mut [u8]) -> std::result::Result<usize, Errno> {
        self.reading(|socket| socket.try_read(buffer)).await
    }

    /// Reads until `buffer` is full.
    ///
    /// # Errors
    /// `ENODATA` when the stream ends before; those of [`read`](Self::read).
    pub async fn read_exact(&self, mut buffer: &mut [u8]) -> std::result::Result<(), Errno> {
        while !buffer.is_empty() {
            match self.read(buffer).await? {
                0 => return Err(Errno::NODATA),
                length => buffer = &mut buffer[length..],
            }
        }
        Ok(())
    }

    /// Sends some of `data`, or one whole message: [`try_write`](Self::try_write) for tasks.
    ///
    /// # Errors
    /// Those of [`try_write`](Self::try_write) but `EAGAIN`.
    pub async fn write(&self, data: &[u8]) -> std::result::Result<usize, Errno> {
        self.writing(|socket| socket.try_write(data)).await
    }

    /// Sends all of `data`: on a stream in as many pieces as it takes, otherwise as one message.
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    pub async fn write_all(&self, mut data: &[u8]) -> std::result::Result<(), Errno> {
        loop {
            let written = self.write(data).await?;
            data = &data[written..];
            if data.is_empty() {
                return Ok(());
            }
        }
    }

    /// Runs `attempt` until it no longer says `EAGAIN`, waiting for something to read in between.
    ///
    /// # Errors
    /// Those of `attempt`; `EIO` when the runtime has been shut down.
    pub async fn reading<R>(
        &self,
        mut attempt: impl FnMut(&Self) -> std::result::Result<R, Errno>,
    ) -> std::result::Result<R, Errno> {
        wait::reading(&self.readiness, || attempt(self)).await
    }

    /// Runs `attempt` until it no longer says `EAGAIN`, waiting for room in between. For a datagram to a destination
    /// that this socket is not connected to, use a [`Probe`](crate::Probe).
    ///
    /// # Errors
    /// Those of `attempt`; `EIO` when the runtime has been shut down; `EMFILE` when no descriptor is left to wait with.
    pub async fn writing<R>(
        &self,
        mut attempt: impl FnMut(&Self) -> std::result::Result<R, Errno>,
    ) -> std::result::Result<R, Errno> {
        wait::writing(&self.readiness, || attempt(self)).await
    }

    /// Waiting for this socket.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// The same, to change what is registered.
    pub fn readiness_mut(&mut self) -> &mut Readiness {
        &mut self.readiness
    }

    /// Gives the descriptor up. Nothing here touches it any more, and the file that it is bound to stays.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        if let Some(name) = self.name {
            name.forget();
        }
        if self.timed {
            // Ours alone: the next owner did not ask for control messages.
            let _ = sys::set_option(self.readiness.as_fd(), libc::SO_TIMESTAMPNS, 0);
        }
        self.readiness.into_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readiness.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.readiness.as_raw_fd()
    }
}

/// Anybody may send.
const OPEN: u8 = 0;
/// Only the peer may send, but messages of others may be queued from before.
const CONNECTED: u8 = 1;
/// It was found empty since it was connected.
const PEERS_ONLY: u8 = 2;

/// The kernel returns 0 for an empty seqpacket message and for the end alike. A message of a peer that has a name comes
/// with it, and nothing else does. Where the peer has none, an option has every message come with a time, which costs
/// each a tenth more; answers whether that was needed.
fn tell_empty_from_end(fd: BorrowedFd<'_>, kind: Kind) -> Result<bool> {
    // A name once given stays, also after the peer has closed.
    if kind != Kind::Seqpacket || sys::peer_name(fd).is_ok_and(|name| Address::from(name) != Address::Unnamed) {
        return Ok(false);
    }
    sys::set_option(fd, libc::SO_TIMESTAMPNS, 1).map_err(Error::of("setsockopt"))?;
    Ok(true)
}

/// What every descriptor of ours is: closed on exec, non-blocking.
pub(crate) fn make_ours(fd: BorrowedFd<'_>) -> Result<()> {
    rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC).map_err(Error::of("fcntl"))?;
    let flags = rustix::fs::fcntl_getfl(fd).map_err(Error::of("fcntl"))?;
    rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK).map_err(Error::of("fcntl"))
}
