//! Sending one message with descriptors and credentials.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, UCred};
use rustix::process::{Gid, Pid, Uid};

use crate::address::Address;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::peer::Credentials;
use crate::socket::{SEND, Socket};
use crate::wait;

/// Descriptors that fit in one message: `SCM_MAX_FD` of `include/net/scm.h`.
pub const MOST_DESCRIPTORS: usize = 253;

/// Room for that many, and for credentials.
const SPACE: usize = rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS), ScmCredentials(1));

impl Socket {
    /// `sendmsg(2)`: bytes or one message, with descriptors and credentials beside it.
    ///
    /// The kernel duplicates the descriptors; the caller's stay open. On a stream the count may be smaller than
    /// `data`: the descriptors went with the first byte, and the rest must be sent without them.
    ///
    /// # Errors
    /// Before any system call: `EINVAL` for more than [`MOST_DESCRIPTORS`], for descriptors or credentials without
    /// bytes on a stream (the kernel would report success and deliver nothing), for a process number of 0.
    /// From the kernel: `EAGAIN`; `EBADF` for a descriptor that is not open; `ETOOMANYREFS` when too many are on
    /// their way; `EPERM` for credentials that are not the sender's own, or for descriptors that the receiver
    /// refuses; `EMSGSIZE`; `ENOTCONN`; `EISCONN` for `to` on a connection; and those of [`connect`](Self::connect).
    pub fn try_send_message(
        &self,
        data: &[u8],
        to: Option<&Address>,
        fds: &[BorrowedFd<'_>],
        credentials: Option<Credentials>,
    ) -> Result<usize> {
        self.refuse_what_would_be_lost(data, fds, credentials)?;
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        if let Some(credentials) = credentials {
            control.push(SendAncillaryMessage::ScmCredentials(as_kernel(credentials)?));
        }
        let reached = to.map(Address::reach).transpose()?;
        let parts = [IoSlice::new(data)];
        loop {
            let outcome = match &reached {
                None => rustix::net::sendmsg(self.as_fd(), &parts, &mut control, SEND),
                Some(to) => rustix::net::sendmsg_addr(self.as_fd(), &to.raw, &parts, &mut control, SEND),
            };
            match outcome {
                Ok(sent) => return Ok(sent),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(explain(errno, !fds.is_empty(), credentials)),
            }
        }
    }

    /// Sends all of `data`, and the descriptors exactly once.
    ///
    /// # Errors
    /// Those of [`try_send_message`](Self::try_send_message) but `EAGAIN`.
    pub async fn send_message(
        &self,
        data: &[u8],
        fds: &[BorrowedFd<'_>],
        credentials: Option<Credentials>,
    ) -> Result<usize> {
        let mut refused = None;
        let sent = wait::writing(self.readiness(), || {
            self.try_send_message(data, None, fds, credentials).map_err(|error| {
                let errno = error.errno;
                refused = Some(error);
                errno
            })
        })
        .await
        .map_err(|errno| refused.take().unwrap_or_else(|| Error::new(errno, "sendmsg")))?;
        if self.kind() == Kind::Stream && sent < data.len() {
            self.write_all(&data[sent..]).await.map_err(Error::of("send"))?;
        }
        Ok(data.len())
    }

    fn refuse_what_would_be_lost(
        &self,
        data: &[u8],
        fds: &[BorrowedFd<'_>],
        credentials: Option<Credentials>,
    ) -> Result<()> {
        let refuse = |detail: String| Err(Error::explained(Errno::INVAL, "sendmsg", detail));
        if fds.len() > MOST_DESCRIPTORS {
            return refuse(format!("{} descriptors; at most {MOST_DESCRIPTORS} fit in a message", fds.len()));
        }
        if self.kind() == Kind::Stream && data.is_empty() && (!fds.is_empty() || credentials.is_some()) {
            return refuse("descriptors and credentials travel with bytes on a stream: send at least one".into());
        }
        Ok(())
    }
}

fn as_kernel(credentials: Credentials) -> Result<UCred> {
    let pid = i32::try_from(credentials.pid).ok().and_then(Pid::from_raw);
    let Some(pid) = pid else {
        let detail = format!("{} is not the number of a process", credentials.pid);
        return Err(Error::explained(Errno::INVAL, "sendmsg", detail));
    };
    if credentials.uid == u32::MAX || credentials.gid == u32::MAX {
        return Err(Error::explained(Errno::INVAL, "sendmsg", "4294967295 is not the number of a user or group"));
    }
    Ok(UCred { pid, uid: Uid::from_raw(credentials.uid), gid: Gid::from_raw(credentials.gid) })
}

fn explain(errno: Errno, has_fds: bool, credentials: Option<Credentials>) -> Error {
    let detail = match errno {
        Errno::TOOMANYREFS => {
            "more descriptors of this user are on their way than RLIMIT_NOFILE allows, or descriptors of sockets are \
             nested too deep; the receivers must take them first"
        }
        Errno::PERM if credentials.is_some_and(|sent| sent != Credentials::own()) => {
            "only a privileged process may send credentials that are not its own"
        }
        Errno::PERM if has_fds => "the receiver refuses descriptors (SO_PASSRIGHTS is off)",
        Errno::BADF if has_fds => "one of the descriptors is not open",
        Errno::MSGSIZE => "the message is larger than SO_SNDBUF allows",
        _ => return Error::new(errno, "sendmsg"),
    };
    Error::explained(errno, "sendmsg", detail)
}
