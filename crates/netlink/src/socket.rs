//! The socket.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use nearwire_event_loop::Readiness;
use rustix::fs::OFlags;
use rustix::io::{Errno, FdFlags};
use rustix::net::SendFlags;
use rustix::net::netlink::SocketAddrNetlink;

use crate::delivery::Delivery;
use crate::error::Error;
use crate::filter::{self, Instruction};
use crate::open::{self, OpenOptions};
use crate::pace::Pace;
use crate::sys::{self, Switch};

/// The bytes of `SO_SNDBUF` that no datagram can use (`netlink_sendmsg`).
const SEND_OVERHEAD: usize = 32;

/// An AF_NETLINK socket: non-blocking, close-on-exec, waited for by tokio.
///
/// Every `try_` method makes its system call at once; after `EAGAIN`, [`poll_receive`](Self::poll_receive) or
/// [`poll_send`](Self::poll_send) says when to try again. One task may wait in each direction: a second one takes
/// the first one's place.
#[derive(Debug)]
pub struct Socket {
    readiness: Readiness,
    protocol: i32,
    pace: Pace,
    /// Made here, and without options that put something beside its datagrams: nothing but the sender comes with them,
    /// and what is sent without an address goes to the kernel. Shorter ways through the kernel serve it.
    plain: bool,
}

/// One datagram's particulars. Its bytes are the first [`length`](Self::length) of the buffer given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// How many bytes are in the buffer.
    pub length: usize,
    /// How many the datagram had.
    pub full_length: usize,
    /// Whether the kernel cut it short; the rest is gone.
    pub truncated: bool,
    /// The sender's port id, 0 for the kernel. Answers of kernel protocols are to be believed from 0 only.
    pub from_port: u32,
    /// The group as a bit mask, as the kernel puts it in the sender's address: meaningless for groups above 32.
    pub from_groups: u32,
    /// The group it was multicast to, 0 for unicast; `None` without packet information.
    pub group: Option<u32>,
    /// The id of the network namespace it comes from, when that is not the socket's own (with
    /// [`listen_all_nsid`](OpenOptions::listen_all_nsid)).
    pub nsid: Option<i32>,
}

impl Received {
    /// The group's number, by packet information or else by the lowest bit of the mask; 0 for unicast, and without
    /// packet information also for groups above 32.
    #[must_use]
    pub fn group_number(&self) -> u32 {
        self.group.unwrap_or(if self.from_groups == 0 { 0 } else { self.from_groups.trailing_zeros() + 1 })
    }
}

/// What `SO_MEMINFO` says of the socket, in bytes as the kernel accounts them (with its own overhead).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Taken by datagrams not yet received.
    pub queued: u32,
    /// How much may be taken (`SO_RCVBUF`).
    pub receive_buffer: u32,
    /// The limit of one datagram, and 32 bytes (`SO_SNDBUF`).
    pub send_buffer: u32,
    /// How many datagrams were dropped because there was no room.
    pub drops: u32,
}

impl Socket {
    /// Creates and binds a socket.
    ///
    /// # Errors
    /// - `EPROTONOSUPPORT`: no module serves the protocol.
    /// - `EADDRINUSE`: the port id is taken.
    /// - `EINVAL`: the protocol has no such group, or the filter is no program. `EPERM`: a group or an option asks for a capability.
    /// - `ENOENT`, `EINVAL`, `EPERM` of entering a namespace; see setns(2).
    /// - `EMFILE`, `ENFILE`.
    pub fn open(options: &OpenOptions) -> Result<Self, Error> {
        let fd = options.create()?;
        let plain = !options.packet_info && !options.listen_all_nsid;
        Ok(Self::own(fd, options.protocol, plain))
    }

    /// Whether a descriptor could become a [`Socket`]; gives its protocol number.
    ///
    /// # Errors
    /// `EBADF`; `ENOTSOCK`; `EAFNOSUPPORT` for a socket of another family.
    pub fn inspect(fd: BorrowedFd<'_>) -> Result<i32, Error> {
        open::inspect(fd)
    }

    /// Adopts a netlink socket: makes it non-blocking and close-on-exec, and asks for packet information. An unbound
    /// one stays so until its first send. Closes it on failure: ask [`inspect`](Self::inspect) first where that
    /// matters.
    ///
    /// # Errors
    /// Those of [`inspect`](Self::inspect).
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Error> {
        let protocol = open::inspect(fd.as_fd())?;
        let fcntl = |errno| Error::bare(errno, "fcntl");
        let flags = rustix::fs::fcntl_getfl(&fd).map_err(fcntl)?;
        rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK).map_err(fcntl)?;
        rustix::io::fcntl_setfd(&fd, FdFlags::CLOEXEC).map_err(fcntl)?;
        sys::set_switch(fd.as_fd(), Switch::PacketInfo).map_err(|errno| Error::bare(errno, "setsockopt"))?;
        Ok(Self::own(fd, protocol, false))
    }

    fn own(fd: OwnedFd, protocol: i32, plain: bool) -> Self {
        Self { readiness: Readiness::new(fd), protocol, pace: Pace::new(), plain }
    }

    /// The protocol number.
    #[must_use]
    pub fn protocol(&self) -> i32 {
        self.protocol
    }

    /// The port id it is known by; 0 only for an adopted socket that nobody bound.
    ///
    /// # Errors
    /// Those of getsockname(2).
    pub fn port_id(&self) -> Result<u32, Error> {
        sys::with_neli(self.as_fd(), |socket| socket.pid()).map_err(|error| Error::from_io(&error, "getsockname", ""))
    }

    /// The groups it is in, in ascending order.
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub fn groups(&self) -> Result<Vec<u32>, Error> {
        sys::with_neli(self.as_fd(), |socket| socket.list_mcast_membership())
            .map(|groups| groups.to_vec())
            .map_err(|error| Error::from_io(&error, "getsockopt", "NETLINK_LIST_MEMBERSHIPS"))
    }

    /// Joins a group, by number from 1; joining twice is no error.
    ///
    /// # Errors
    /// `EINVAL`: the protocol has no such group. `EPERM`: not open to everyone.
    pub fn join(&self, group: u32) -> Result<(), Error> {
        sys::with_neli(self.as_fd(), |socket| open::join(socket, self.protocol, group))
    }

    /// Leaves a group. What it sent before is still queued.
    ///
    /// # Errors
    /// `EINVAL`: the protocol has no such group.
    pub fn leave(&self, group: u32) -> Result<(), Error> {
        sys::with_neli(self.as_fd(), |socket| open::leave(socket, self.protocol, group))
    }

    /// Sends one datagram, all of it or nothing: to a port (0 is the kernel), to a group (0 is none), or to both.
    /// Members of the group other than the port and the sender itself get it.
    ///
    /// Only groups 1 to 32 can be sent to: the address is a mask, of which the kernel takes the lowest bit. Higher
    /// ones are the kernel's alone to send to.
    ///
    /// # Errors
    /// - `EAGAIN`: the port's receive buffer is full; [`poll_send`](Self::poll_send) waits.
    /// - `ECONNREFUSED`: nobody has the port id, or the protocol has no kernel side here.
    /// - `EMSGSIZE`: larger than [`send_limit`](Self::send_limit).
    /// - `EPERM`: a kernel protocol, and a destination other than the kernel, without CAP_NET_ADMIN.
    /// - `EINVAL`: a group above 32. `ENODATA`: no bytes. `ENOBUFS`: no memory.
    ///
    /// [`explain_send`](Self::explain_send) puts them into words.
    pub fn try_send(&self, data: &[u8], to_port: u32, group: u32) -> Result<Delivery, Errno> {
        let mask = match group {
            0 => 0,
            1..=32 => 1 << (group - 1),
            _ => return Err(Errno::INVAL),
        };
        let address = SocketAddrNetlink::new(to_port, mask);
        let outcome = loop {
            let outcome = if self.plain && to_port == 0 && group == 0 {
                rustix::net::send(self, data, SendFlags::DONTWAIT)
            } else {
                rustix::net::sendto(self, data, SendFlags::DONTWAIT, &address)
            };
            match outcome {
                Err(Errno::INTR) => {}
                outcome => break outcome,
            }
        };
        if outcome.is_ok() {
            self.pace.succeeded();
        }
        Delivery::of(outcome, to_port, group)
    }

    /// The largest datagram that can be sent, in bytes: `SO_SNDBUF` less 32.
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub fn send_limit(&self) -> Result<usize, Error> {
        rustix::net::sockopt::socket_send_buffer_size(self)
            .map(|size| size.saturating_sub(SEND_OVERHEAD))
            .map_err(|errno| Error::new(errno, "getsockopt", "SO_SNDBUF"))
    }

    /// What an errno of [`try_send`](Self::try_send) means for that datagram.
    #[must_use]
    pub fn explain_send(&self, errno: Errno, length: usize, to_port: u32, group: u32) -> Error {
        let protocol = self.protocol;
        let detail = match errno {
            Errno::MSGSIZE => match self.send_limit() {
                Ok(limit) => format!("{length} bytes are more than the {limit} that SO_SNDBUF allows (its size - 32)"),
                Err(_) => format!("{length} bytes are more than SO_SNDBUF allows (its size - 32)"),
            },
            Errno::CONNREFUSED if to_port == 0 => {
                format!("netlink protocol {protocol} has no kernel side in this network namespace")
            }
            Errno::CONNREFUSED => {
                format!("nobody has port id {to_port} of netlink protocol {protocol} in this network namespace")
            }
            Errno::AGAIN => format!("the receive buffer of port id {to_port} is full"),
            Errno::PERM => format!(
                "netlink protocol {protocol} lets only CAP_NET_ADMIN send to others than the kernel (port id \
                 {to_port}, group {group})"
            ),
            Errno::INVAL if group > 32 => {
                format!("group {group} cannot be sent to: a netlink address names groups 1 to 32 only")
            }
            Errno::NODATA => "a netlink datagram has at least one byte".into(),
            _ => String::new(),
        };
        Error::new(errno, "sendto", detail)
    }

    /// Receives one datagram. A buffer too short for it loses the rest, and [`Received::truncated`] says so;
    /// [`next_length`](Self::next_length) tells beforehand.
    ///
    /// # Errors
    /// - `EAGAIN`: nothing is queued; [`poll_receive`](Self::poll_receive) waits.
    /// - `ENOBUFS`: there was no room, and datagrams were lost. Said once, and before those that are still queued:
    ///   go on receiving. Requests may have lost their answers, and events are missing.
    /// - Others: a dump that the kernel could not go on with.
    pub fn try_receive(&self, buffer: &mut [u8]) -> Result<Received, Errno> {
        if self.plain { sys::receive_plain(self.as_fd(), buffer) } else { sys::receive(self.as_fd(), buffer) }
    }

    /// The length of the next datagram in bytes, which stays queued.
    ///
    /// # Errors
    /// Those of [`try_receive`](Self::try_receive); an `ENOBUFS` said here is not said again.
    pub fn next_length(&self) -> Result<usize, Errno> {
        sys::peek_length(self.as_fd())
    }

    /// Waits, after `EAGAIN` of a receive, until trying again makes sense: try at every poll, and call this when that
    /// found nothing. Wakes may be spurious.
    ///
    /// # Errors
    /// When the runtime has been shut down.
    pub fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.readiness.poll_read(cx)
    }

    /// Waits, after `EAGAIN` of a send, until trying again makes sense: 50 microseconds at first and up to 10
    /// milliseconds later, for the kernel tells a waiting sender nothing. Try at every poll, as for receiving.
    ///
    /// # Errors
    /// Those of timerfd_create(2), the first time; when the runtime has been shut down.
    pub fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pace.poll(cx)
    }

    /// [`try_send`](Self::try_send) that waits for a full port. A group gets the datagram once, however long the
    /// port makes it wait.
    ///
    /// # Errors
    /// Those of [`try_send`](Self::try_send) but `EAGAIN`. When a group was named and the port is absent, the group
    /// has the datagram all the same.
    pub async fn send(&self, data: &[u8], to_port: u32, group: u32) -> Result<(), Error> {
        let mut group_left = group;
        poll_fn(|cx| {
            loop {
                let errno = match self.try_send(data, to_port, group_left) {
                    Ok(Delivery::Complete) => return Poll::Ready(Ok(())),
                    Ok(Delivery::GroupOnly(errno)) => {
                        group_left = 0;
                        errno
                    }
                    Err(errno) => errno,
                };
                if errno != Errno::AGAIN {
                    return Poll::Ready(Err(self.explain_send(errno, data.len(), to_port, group)));
                }
                match self.poll_send(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Error::from_io(&error, "timerfd", ""))),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// [`try_receive`](Self::try_receive) that waits for a datagram.
    ///
    /// # Errors
    /// Those of [`try_receive`](Self::try_receive) but `EAGAIN`.
    pub async fn receive(&self, buffer: &mut [u8]) -> Result<Received, Error> {
        poll_fn(|cx| {
            loop {
                match self.try_receive(buffer) {
                    Ok(received) => return Poll::Ready(Ok(received)),
                    Err(Errno::AGAIN) => {}
                    Err(errno) => return Poll::Ready(Err(explain_receive(errno))),
                }
                match self.poll_receive(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Error::from_io(&error, "epoll_wait", ""))),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Buffers and drops, in one getsockopt(2).
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub fn memory(&self) -> Result<Memory, Error> {
        sys::memory(self.as_fd()).map_err(|errno| Error::new(errno, "getsockopt", "SO_MEMINFO"))
    }

    /// Attaches a classic BPF program; it takes the place of an earlier one.
    ///
    /// # Errors
    /// `EINVAL`: not a valid program (1 to 4096 instructions, ending in a return). `ENOMEM`: larger than
    /// `net.core.optmem_max` allows. `EPERM`: the filter was locked.
    pub fn attach_filter(&self, program: &[Instruction]) -> Result<(), Error> {
        filter::attach(self.as_fd(), program)
    }

    /// Takes the filter off.
    ///
    /// # Errors
    /// `ENOENT`: there is none. `EPERM`: it was locked.
    pub fn detach_filter(&self) -> Result<(), Error> {
        sys::detach_filter(self.as_fd()).map_err(|errno| Error::new(errno, "setsockopt", "SO_DETACH_FILTER"))
    }

    /// What it waits with.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Gives the descriptor up, non-blocking as it is; nothing of tokio's touches it any more.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.readiness.into_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readiness.as_fd()
    }
}

fn explain_receive(errno: Errno) -> Error {
    let detail = match errno {
        Errno::NOBUFS => "the receive buffer was full and datagrams were lost; those before are still queued",
        _ => "",
    };
    Error::new(errno, "recvmsg", detail)
}
