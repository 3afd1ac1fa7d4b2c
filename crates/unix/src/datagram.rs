//! Datagram sockets with a name of their own.

use std::os::fd::AsFd;

use crate::address::Address;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::listener::Inherited;
use crate::name::{Claim, Takeover, claim_in_place};
use crate::socket::Socket;

/// How [`Socket::bind_datagram`] takes its name.
#[derive(Debug, Clone, Copy)]
pub struct BindOptions {
    /// Permission bits of the file, exactly these whatever the umask. Default: 0777 less the umask. Sending here
    /// needs write permission.
    pub mode: Option<u32>,
    /// What to do when the path is taken. Default [`Takeover::Stale`]. Taking over from a live socket leaves a moment
    /// in which senders get `ENOENT`.
    pub takeover: Takeover,
    /// Whether to remove the file at the end, if it is still ours. Default true.
    pub unlink_on_close: bool,
    /// What arrives with messages. Set before anybody can send.
    pub inherited: Inherited,
}

impl Default for BindOptions {
    fn default() -> Self {
        Self { mode: None, takeover: Takeover::default(), unlink_on_close: true, inherited: Inherited::default() }
    }
}

impl Socket {
    /// A datagram socket at `address`; [`Address::Unnamed`] asks the kernel for a free abstract name. Its file is
    /// removed when the socket is dropped.
    ///
    /// Peers see the name as it was bound. One over 108 bytes they see as a temporary one that cannot be answered: whoever wants answers binds a shorter name.
    ///
    /// # Errors
    /// As [`Listener::listen`](crate::Listener::listen).
    pub fn bind_datagram(address: &Address, options: &BindOptions) -> Result<Self> {
        let socket = Kind::Datagram.create()?;
        options.inherited.apply(socket.as_fd())?;
        let name = if let Address::Path(path) = address {
            let claim =
                Claim { takeover: options.takeover, mode: options.mode, unlink_on_close: options.unlink_on_close };
            Some(claim_in_place(socket.as_fd(), path, claim)?)
        } else {
            rustix::net::bind(&socket, &address.reach()?.raw).map_err(Error::of("bind"))?;
            None
        };
        let is_path = name.is_some();
        let socket = Self::own(socket, Kind::Datagram)?.with_name(name);
        Ok(if is_path { socket.with_local(Some(std::sync::Arc::new(address.clone()))) } else { socket })
    }
}
