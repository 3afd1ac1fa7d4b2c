//! Who is at the other end.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::socket::Socket;
use crate::sys;

/// A process and the user it runs as, as numbers of the reader's own namespaces; `unix(7)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// The process. 0 when it is in a PID namespace that the reader cannot see.
    pub pid: u32,
    /// Its effective user; 65534 when the reader's user namespace has no number for it.
    pub uid: u32,
    /// Its effective group; likewise.
    pub gid: u32,
}

impl Credentials {
    /// This process's, as it may send them without any privilege.
    #[must_use]
    pub fn own() -> Self {
        Self {
            pid: std::process::id(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        }
    }
}

impl Socket {
    /// `SO_PEERCRED`: who connected, listened, or made the pair, at that moment. The kernel vouches for it. `None`
    /// where the kernel has nothing to tell: a datagram socket that was not made as a pair.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    pub fn peer_credentials(&self) -> Result<Option<Credentials>> {
        let [pid, uid, gid] =
            sys::option::<[u32; 3]>(self.as_fd(), libc::SO_PEERCRED).map_err(Error::of("getsockopt"))?;
        Ok((uid != u32::MAX).then_some(Credentials { pid, uid, gid }))
    }

    /// `SO_PEERGROUPS`: the peer's supplementary groups at that same moment. `None` where there is no peer.
    ///
    /// # Errors
    /// `ENOPROTOOPT` before Linux 4.13.
    pub fn peer_groups(&self) -> Result<Option<Vec<u32>>> {
        match sys::option_list(self.as_fd(), libc::SO_PEERGROUPS, 64) {
            Ok(groups) => Ok(Some(groups)),
            Err(Errno::NODATA) => Ok(None),
            Err(errno) => Err(Error::new(errno, "getsockopt")),
        }
    }

    /// `SO_PEERPIDFD`: a descriptor of the peer's process, which no other process can take over as it can a number.
    /// `None` where there is no peer. A new descriptor each time, closed on exec.
    ///
    /// # Errors
    /// `ENOPROTOOPT` before Linux 6.5; `ESRCH` or `EINVAL` when the process is gone, depending on the kernel;
    /// `EMFILE`.
    pub fn peer_pidfd(&self) -> Result<Option<OwnedFd>> {
        match sys::option_descriptor(self.as_fd(), libc::SO_PEERPIDFD) {
            Ok(pidfd) => Ok(Some(pidfd)),
            Err(Errno::NODATA) => Ok(None),
            Err(Errno::NOPROTOOPT) => {
                Err(Error::explained(Errno::NOPROTOOPT, "getsockopt", "SO_PEERPIDFD needs Linux 6.5"))
            }
            Err(errno) => Err(Error::new(errno, "getsockopt")),
        }
    }

    /// `SO_PEERSEC`: the peer's security label, as the active security module writes it, without a trailing NUL.
    /// `None` when no module labels sockets.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    pub fn peer_security_label(&self) -> Result<Option<Vec<u8>>> {
        match sys::option_list::<u8>(self.as_fd(), libc::SO_PEERSEC, 256) {
            Ok(mut label) => {
                if label.last() == Some(&0) {
                    label.pop();
                }
                Ok((!label.is_empty()).then_some(label))
            }
            Err(Errno::NOPROTOOPT) => Ok(None),
            Err(errno) => Err(Error::new(errno, "getsockopt")),
        }
    }

    /// Options of the socket.
    #[must_use]
    pub fn options(&self) -> crate::options::Options<'_> {
        crate::options::Options::of(self.as_fd())
    }
}
