//! Socket options, named as in `socket(7)` and `unix(7)`.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::sys;

/// Linux 6.16; not in libc yet. `include/uapi/asm-generic/socket.h`, except on parisc and sparc.
const SO_PASSRIGHTS: i32 = if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) { 0x5c } else { 83 };
/// `include/uapi/linux/sockios.h`.
const SIOCOUTQ: libc::c_ulong = libc::TIOCOUTQ as libc::c_ulong;
const SIOCINQ: libc::c_ulong = libc::FIONREAD as libc::c_ulong;

/// The options of one socket.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    fd: BorrowedFd<'a>,
}

impl<'a> Options<'a> {
    /// Those of a socket that need not be one of ours; of anything else, every option is `ENOTSOCK`.
    #[must_use]
    pub fn of(fd: BorrowedFd<'a>) -> Self {
        Self { fd }
    }

    fn get(self, option: i32) -> Result<i32> {
        sys::option(self.fd, option).map_err(|errno| explain(errno, "getsockopt", option))
    }

    fn set(self, option: i32, value: i32) -> Result<()> {
        sys::set_option(self.fd, option, value).map_err(|errno| explain(errno, "setsockopt", option))
    }

    fn set_flag(self, option: i32, on: bool) -> Result<()> {
        self.set(option, on.into())
    }

    /// `SO_SNDBUF`, in bytes, as the kernel counts: twice what was set, for its own bookkeeping is counted too.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`, as for every option here.
    pub fn send_buffer(self) -> Result<i32> {
        self.get(libc::SO_SNDBUF)
    }

    /// Sets `SO_SNDBUF`: how many bytes may be on their way from this socket. Also the limit of one message. The
    /// kernel doubles it, and silently caps it at `net.core.wmem_max`; with `CAP_NET_ADMIN` it is not capped.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`, as for every option here.
    pub fn set_send_buffer(self, bytes: i32) -> Result<()> {
        self.set_forced(libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, bytes)
    }

    /// `SO_RCVBUF`, in bytes. `AF_UNIX` does not use it: what is unread counts against the sender.
    ///
    /// # Errors
    /// As above.
    pub fn receive_buffer(self) -> Result<i32> {
        self.get(libc::SO_RCVBUF)
    }

    /// Sets `SO_RCVBUF`; see [`receive_buffer`](Self::receive_buffer).
    ///
    /// # Errors
    /// As above.
    pub fn set_receive_buffer(self, bytes: i32) -> Result<()> {
        self.set_forced(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, bytes)
    }

    fn set_forced(self, forced: i32, plain: i32, bytes: i32) -> Result<()> {
        match self.set(forced, bytes) {
            Err(error) if error.errno == Errno::PERM => self.set(plain, bytes),
            outcome => outcome,
        }
    }

    /// `SO_PASSCRED`: whether every message arrives with its sender's credentials.
    ///
    /// # Errors
    /// As above.
    pub fn pass_credentials(self) -> Result<bool> {
        self.get(libc::SO_PASSCRED).map(|value| value != 0)
    }

    /// Sets `SO_PASSCRED`. A socket without a name gets an abstract one when it connects or sends.
    ///
    /// # Errors
    /// As above.
    pub fn set_pass_credentials(self, on: bool) -> Result<()> {
        self.set_flag(libc::SO_PASSCRED, on)
    }

    /// `SO_PASSPIDFD`: whether every message arrives with a descriptor of its sender's process. Linux 6.5.
    ///
    /// # Errors
    /// `ENOPROTOOPT` when the kernel lacks it.
    pub fn pass_pidfd(self) -> Result<bool> {
        self.get(libc::SO_PASSPIDFD).map(|value| value != 0)
    }

    /// Sets `SO_PASSPIDFD`.
    ///
    /// # Errors
    /// `ENOPROTOOPT` when the kernel lacks it.
    pub fn set_pass_pidfd(self, on: bool) -> Result<()> {
        self.set_flag(libc::SO_PASSPIDFD, on)
    }

    /// `SO_PASSSEC`: whether every message arrives with its sender's security label.
    ///
    /// # Errors
    /// As above.
    pub fn pass_security(self) -> Result<bool> {
        self.get(libc::SO_PASSSEC).map(|value| value != 0)
    }

    /// Sets `SO_PASSSEC`. Without a security module that has labels nothing arrives.
    ///
    /// # Errors
    /// As above.
    pub fn set_pass_security(self, on: bool) -> Result<()> {
        self.set_flag(libc::SO_PASSSEC, on)
    }

    /// `SO_PASSRIGHTS`: whether descriptors may be sent to this socket. Linux 6.16.
    ///
    /// # Errors
    /// `ENOPROTOOPT` when the kernel lacks it.
    pub fn pass_rights(self) -> Result<bool> {
        self.get(SO_PASSRIGHTS).map(|value| value != 0)
    }

    /// Sets `SO_PASSRIGHTS`. Where it is off, whoever sends descriptors here gets `EPERM`.
    ///
    /// # Errors
    /// `ENOPROTOOPT` when the kernel lacks it.
    pub fn set_pass_rights(self, on: bool) -> Result<()> {
        self.set_flag(SO_PASSRIGHTS, on)
    }

    /// `SO_PEEK_OFF`: where the next peek begins, in bytes; -1 when peeking always begins at the front.
    ///
    /// # Errors
    /// As above.
    pub fn peek_offset(self) -> Result<i32> {
        self.get(libc::SO_PEEK_OFF)
    }

    /// Sets `SO_PEEK_OFF`.
    ///
    /// # Errors
    /// As above.
    pub fn set_peek_offset(self, bytes: i32) -> Result<()> {
        self.set(libc::SO_PEEK_OFF, bytes)
    }

    /// `SO_TIMESTAMPNS`: whether every message arrives with the time it was sent. Datagram and seqpacket only.
    ///
    /// # Errors
    /// As above.
    pub fn timestamps(self) -> Result<bool> {
        self.get(libc::SO_TIMESTAMPNS).map(|value| value != 0)
    }

    /// Sets `SO_TIMESTAMPNS`. It is always on for seqpacket sockets of this crate whose peer has no name: it is how an
    /// empty message is told from the end there, and switching it off leaves a guess in the case of an empty last message.
    ///
    /// # Errors
    /// As above.
    pub fn set_timestamps(self, on: bool) -> Result<()> {
        self.set_flag(libc::SO_TIMESTAMPNS, on)
    }

    /// `SIOCINQ`: unread bytes; for datagrams those of the next message. `unix(7)`.
    ///
    /// # Errors
    /// `EINVAL` for a listening socket.
    pub fn queued_in(self) -> Result<usize> {
        sys::queue_length(self.fd, SIOCINQ).map_err(Error::of("ioctl"))
    }

    /// `SIOCOUTQ`: memory that the peers' unread messages from here take, in bytes, with the kernel's bookkeeping.
    /// Sending blocks when it reaches [`send_buffer`](Self::send_buffer).
    ///
    /// # Errors
    /// `EINVAL` for a listening socket.
    pub fn queued_out(self) -> Result<usize> {
        sys::queue_length(self.fd, SIOCOUTQ).map_err(Error::of("ioctl"))
    }

    /// `SO_DOMAIN`: the address family; `AF_UNIX` is 1.
    ///
    /// # Errors
    /// As above.
    pub fn domain(self) -> Result<i32> {
        self.get(libc::SO_DOMAIN)
    }

    /// `SO_TYPE`, the number: 1 stream, 2 datagram, 5 seqpacket.
    ///
    /// # Errors
    /// As above.
    pub fn socket_type(self) -> Result<i32> {
        self.get(libc::SO_TYPE)
    }

    /// `SO_PROTOCOL`: 0 for every `AF_UNIX` socket.
    ///
    /// # Errors
    /// As above.
    pub fn protocol(self) -> Result<i32> {
        self.get(libc::SO_PROTOCOL)
    }

    /// `SO_ACCEPTCONN`: whether the socket listens.
    ///
    /// # Errors
    /// As above.
    pub fn is_listening(self) -> Result<bool> {
        self.get(libc::SO_ACCEPTCONN).map(|value| value != 0)
    }
}

fn explain(errno: Errno, syscall: &'static str, option: i32) -> Error {
    if errno != Errno::NOPROTOOPT {
        return Error::new(errno, syscall);
    }
    let needs = match option {
        SO_PASSRIGHTS => "SO_PASSRIGHTS needs Linux 6.16",
        libc::SO_PASSPIDFD => "SO_PASSPIDFD needs Linux 6.5",
        libc::SO_PEEK_OFF => "SO_PEEK_OFF on AF_UNIX needs Linux 3.4",
        _ => "the running kernel does not have this option",
    };
    Error::explained(errno, syscall, needs)
}

/// What of this crate the running kernel supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// `SO_PASSPIDFD`, Linux 6.5.
    pub pass_pidfd: bool,
    /// `SO_PEERPIDFD`, Linux 6.5.
    pub peer_pidfd: bool,
    /// `SO_PASSRIGHTS`, Linux 6.16.
    pub pass_rights: bool,
    /// `SO_PEERGROUPS`, Linux 4.13.
    pub peer_groups: bool,
    /// `SO_PEERSEC` has an answer: a security module that labels sockets is active.
    pub peer_security: bool,
    /// `SO_PEEK_OFF`, Linux 3.4.
    pub peek_offset: bool,
}

/// Asks the running kernel, by trying each option on a pair of sockets.
///
/// # Errors
/// Those of `socketpair(2)`.
pub fn features() -> Result<Features> {
    let flags = rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK;
    let stream = Kind::Stream.socket_type();
    let (one, _other) = rustix::net::socketpair(rustix::net::AddressFamily::UNIX, stream, flags, None)
        .map_err(Error::of("socketpair"))?;
    let options = Options::of(one.as_fd());
    Ok(Features {
        pass_pidfd: options.pass_pidfd().is_ok(),
        peer_pidfd: sys::option_descriptor(one.as_fd(), libc::SO_PEERPIDFD).is_ok(),
        pass_rights: options.pass_rights().is_ok(),
        peer_groups: sys::option_list::<u32>(one.as_fd(), libc::SO_PEERGROUPS, 64).is_ok(),
        peer_security: sys::option_list::<u8>(one.as_fd(), libc::SO_PEERSEC, 256).is_ok_and(|label| !label.is_empty()),
        peek_offset: options.peek_offset().is_ok(),
    })
}
