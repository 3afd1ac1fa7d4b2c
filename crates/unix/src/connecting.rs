//! A connection on its way, tried again for as long as the other side's queue is full.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;

use crate::address::Address;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::name::{Claim, Name, Takeover, claim_in_place};
use crate::socket::Socket;

/// The name that the connecting side gives itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// This name. A path is taken over from a socket that no process holds, and removed with the connection.
    Address(Address),
    /// A free abstract name of the kernel's choice: five hexadecimal digits.
    Auto,
}

/// A socket that is not connected yet.
///
/// A full queue at the other side is `EAGAIN`, and no event tells when there is room: `POLLOUT` is set all the time.
/// So [`attempt`](Self::attempt) is called again, after a delay that grows, for as long as the caller is patient.
#[derive(Debug)]
pub struct Connecting {
    kind: Kind,
    socket: Option<(OwnedFd, Option<Name>)>,
}

impl Connecting {
    /// Makes the socket and binds it where that is asked for.
    ///
    /// # Errors
    /// `EADDRINUSE` when the name to bind is taken; otherwise as [`Listener::listen`](crate::Listener::listen).
    pub fn new(kind: Kind, bind: Option<Bind>) -> Result<Self> {
        let socket = kind.create()?;
        let name = match bind {
            // With a name of its own, the other side can tell its empty messages from its end without asking for times.
            None if kind == Kind::Seqpacket => bind_to(&socket, &Address::Unnamed).unwrap_or_default(),
            None => None,
            Some(Bind::Address(Address::Path(path))) => {
                let claim = Claim { takeover: Takeover::Stale, mode: None, unlink_on_close: true };
                Some(claim_in_place(socket.as_fd(), &path, claim)?)
            }
            Some(Bind::Address(address)) => bind_to(&socket, &address)?,
            Some(Bind::Auto) => bind_to(&socket, &Address::Unnamed)?,
        };
        Ok(Self { kind, socket: Some((socket, name)) })
    }

    /// Options of the socket, to set before anybody can send to it; `None` once it is connected.
    #[must_use]
    pub fn options(&self) -> Option<crate::options::Options<'_>> {
        self.socket.as_ref().map(|(socket, _)| crate::options::Options::of(socket.as_fd()))
    }

    /// Tries once. `None`: the other side's queue is full, try again later.
    ///
    /// # Errors
    /// `ENOENT`: there is no such path; `ECONNREFUSED`: nobody listens there; `EACCES`: no write permission on the
    /// socket, or no search permission on its way; `EPROTOTYPE`: the socket there is of another kind. `EISCONN` once
    /// it has succeeded.
    pub fn attempt(&mut self, address: &Address) -> Result<Option<Socket>> {
        let Some((socket, name)) = self.socket.take() else {
            return Err(Error::explained(Errno::ISCONN, "connect", "this connection was made already"));
        };
        loop {
            let outcome = address
                .reach()
                .and_then(|reached| rustix::net::connect(&socket, &reached.raw).map_err(Error::of("connect")));
            match outcome {
                Ok(()) => {
                    let connected = Socket::own(socket, self.kind)?;
                    return Ok(Some(connected.with_peer(Arc::new(address.clone())).with_name(name)));
                }
                Err(error) if error.errno == Errno::INTR => {}
                Err(error) => {
                    self.socket = Some((socket, name));
                    return if error.errno == Errno::AGAIN {
                        Ok(None)
                    } else {
                        Err(explain(error, address, self.kind))
                    };
                }
            }
        }
    }
}

fn bind_to(socket: &OwnedFd, address: &Address) -> Result<Option<Name>> {
    rustix::net::bind(socket, &address.reach()?.raw).map_err(Error::of("bind"))?;
    Ok(None)
}

/// Says what an error number of `connect(2)` means for this address.
fn explain(error: Error, address: &Address, kind: Kind) -> Error {
    if error.detail.is_some() {
        return error;
    }
    let detail = match (error.errno, address) {
        (Errno::CONNREFUSED, Address::Path(path)) => {
            use rustix::fs::{AtFlags, CWD, FileType, statat};
            match statat(CWD, path.as_slice(), AtFlags::empty()) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Socket => {
                    format!("{address} is {}, not a socket", crate::kind::file_type(stat.st_mode))
                }
                _ => format!("nobody listens at {address}: the file is there, the server is not"),
            }
        }
        (Errno::CONNREFUSED, _) => format!("nobody listens at {address}"),
        (Errno::NOENT, _) => format!("{address} does not exist"),
        (Errno::ACCESS, _) => format!(
            "no permission: connecting needs write permission on {address} and search permission on its directories"
        ),
        (Errno::PROTOTYPE, _) => format!("the socket at {address} is not a {kind} socket"),
        _ => return error,
    };
    Error { detail: Some(detail), ..error }
}
