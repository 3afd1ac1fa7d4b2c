//! Who is at the other end of a connection.

use std::os::fd::IntoRawFd;

use napi::bindgen_prelude::{Buffer, Either3, Null};
use napi_derive::napi;

use crate::failure::Failure;
use crate::unix_socket::UnixSocket;

/// The process at the other end, as it was when the connection was made.
#[napi(object)]
pub struct UnixPeer {
    pub pid: u32,
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

fn told<T>(found: nearwire_unix::Result<Option<T>>) -> Either3<T, Failure, Null> {
    match found {
        Ok(Some(found)) => Either3::A(found),
        Ok(None) => Either3::C(Null),
        Err(error) => Either3::B(error.into()),
    }
}

#[napi]
impl UnixSocket {
    /// The peer's process and user; null where the kernel has nothing to tell.
    #[napi]
    pub fn peer(&self) -> Either3<UnixPeer, Failure, Null> {
        let socket = self.inner.socket.borrow();
        let Some(socket) = socket.as_ref() else { return Either3::B(Failure::closed("getsockopt")) };
        told(socket.peer_credentials().and_then(|found| {
            let Some(found) = found else { return Ok(None) };
            let groups = match socket.peer_groups() {
                Ok(groups) => groups.unwrap_or_default(),
                Err(error) if error.errno == rustix::io::Errno::NOPROTOOPT => Vec::new(),
                Err(error) => return Err(error),
            };
            Ok(Some(UnixPeer { pid: found.pid, uid: found.uid, gid: found.gid, groups }))
        }))
    }

    /// A new descriptor of the peer's process, the caller's.
    #[napi]
    pub fn peer_pidfd(&self) -> Either3<i32, Failure, Null> {
        let socket = self.inner.socket.borrow();
        let Some(socket) = socket.as_ref() else { return Either3::B(Failure::closed("getsockopt")) };
        told(socket.peer_pidfd().map(|pidfd| pidfd.map(IntoRawFd::into_raw_fd)))
    }

    /// The peer's security label.
    #[napi]
    pub fn peer_security_label(&self) -> Either3<Buffer, Failure, Null> {
        let socket = self.inner.socket.borrow();
        let Some(socket) = socket.as_ref() else { return Either3::B(Failure::closed("getsockopt")) };
        told(socket.peer_security_label().map(|label| label.map(Buffer::from)))
    }
}
