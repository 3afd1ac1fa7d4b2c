//! The three socket types of `AF_UNIX`, and telling them apart on a descriptor from elsewhere.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::error::{Error, Result};
use crate::sys;

/// A socket type; `unix(7)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `SOCK_STREAM`: bytes in order, no boundaries.
    Stream,
    /// `SOCK_DGRAM`: messages, in order and never dropped by the kernel; no connection needed.
    Datagram,
    /// `SOCK_SEQPACKET`: messages over a connection.
    Seqpacket,
}

impl Kind {
    pub(crate) fn socket_type(self) -> SocketType {
        match self {
            Self::Stream => SocketType::STREAM,
            Self::Datagram => SocketType::DGRAM,
            Self::Seqpacket => SocketType::SEQPACKET,
        }
    }

    fn from_raw(number: i32) -> Option<Self> {
        match number {
            libc::SOCK_STREAM => Some(Self::Stream),
            libc::SOCK_DGRAM => Some(Self::Datagram),
            libc::SOCK_SEQPACKET => Some(Self::Seqpacket),
            _ => None,
        }
    }

    /// Whether sockets of this type listen, accept and end.
    #[must_use]
    pub fn is_connected_kind(self) -> bool {
        self != Self::Datagram
    }

    /// A new descriptor of this type, closed on exec and non-blocking from birth.
    pub(crate) fn create(self) -> Result<OwnedFd> {
        rustix::net::socket_with(
            AddressFamily::UNIX,
            self.socket_type(),
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .map_err(Error::of("socket"))
    }

    /// Finds out what a descriptor from elsewhere is, without changing anything about it.
    ///
    /// # Errors
    /// `ENOTSOCK` for anything but a socket, `EAFNOSUPPORT` for another family, `EPROTONOSUPPORT` for a type of
    /// socket that `AF_UNIX` does not have. The detail says what was found.
    pub fn of(fd: impl AsFd) -> Result<Self> {
        let fd = fd.as_fd();
        let family = sys::option::<i32>(fd, libc::SO_DOMAIN).map_err(|errno| match errno {
            Errno::NOTSOCK => Error::explained(errno, "getsockopt", format!("the descriptor is {}", describe(fd))),
            other => Error::new(other, "getsockopt"),
        })?;
        if family != libc::AF_UNIX {
            return Err(Error::explained(
                Errno::AFNOSUPPORT,
                "getsockopt",
                format!("the descriptor is a socket of {}, not of AF_UNIX", family_name(family)),
            ));
        }
        let number = sys::option::<i32>(fd, libc::SO_TYPE).map_err(Error::of("getsockopt"))?;
        Self::from_raw(number).ok_or_else(|| {
            Error::explained(Errno::PROTONOSUPPORT, "getsockopt", format!("the socket is of type {number}"))
        })
    }

    /// [`of`](Self::of), and an error unless it is this kind.
    pub(crate) fn expect(self, fd: BorrowedFd<'_>) -> Result<()> {
        let found = Self::of(fd)?;
        if found == self {
            return Ok(());
        }
        Err(Error::explained(
            Errno::PROTOTYPE,
            "getsockopt",
            format!("the descriptor is a {found} socket, not a {self} one"),
        ))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Stream => "stream",
            Self::Datagram => "datagram",
            Self::Seqpacket => "seqpacket",
        })
    }
}

fn family_name(family: i32) -> String {
    match family {
        libc::AF_INET => "AF_INET".into(),
        libc::AF_INET6 => "AF_INET6".into(),
        libc::AF_NETLINK => "AF_NETLINK".into(),
        libc::AF_PACKET => "AF_PACKET".into(),
        libc::AF_VSOCK => "AF_VSOCK".into(),
        other => format!("family {other}"),
    }
}

fn describe(fd: BorrowedFd<'_>) -> &'static str {
    match rustix::fs::fstat(fd) {
        Ok(stat) => file_type(stat.st_mode),
        Err(_) => "not a socket",
    }
}

/// What `st_mode` says a file is, in words.
pub(crate) fn file_type(mode: u32) -> &'static str {
    use rustix::fs::FileType;
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a pipe",
        FileType::CharacterDevice => "a character device",
        FileType::BlockDevice => "a block device",
        FileType::Socket => "a socket",
        _ => "a file without a type, such as an epoll or event descriptor",
    }
}
