//! A socket that others connect to.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use nearwire_event_loop::Readiness;
use rustix::io::Errno;
use rustix::net::SocketFlags;

use crate::address::Address;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::name::{Claim, Name, Takeover, claim_by_rename};
use crate::socket::{Rejected, Socket, make_ours};
use crate::{sys, wait};

/// How a [`Listener`] takes its name and what it lets through.
#[derive(Debug, Clone, Copy)]
pub struct ListenOptions {
    /// How many connections wait to be accepted, plus one; capped by `net.core.somaxconn`. Default 511.
    pub backlog: i32,
    /// Permission bits of the file, exactly these whatever the umask. Default: 0777 less the umask. Connecting needs
    /// write permission.
    pub mode: Option<u32>,
    /// What to do when the path is taken. Default [`Takeover::Stale`].
    pub takeover: Takeover,
    /// Whether to remove the file at the end, if it is still ours. Default true.
    pub unlink_on_close: bool,
    /// What every accepted socket inherits. Set before anybody can connect.
    pub inherited: Inherited,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 511,
            mode: None,
            takeover: Takeover::default(),
            unlink_on_close: true,
            inherited: Inherited::default(),
        }
    }
}

/// Options that accepted sockets take over from their listener; `unix(7)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inherited {
    /// `SO_PASSCRED`: credentials with every message. Default false.
    pub pass_credentials: bool,
    /// `SO_PASSPIDFD`: a pidfd of the sender with every message. Default false.
    pub pass_pidfd: bool,
    /// `SO_PASSSEC`: the sender's security label with every message. Default false.
    pub pass_security: bool,
    /// `SO_PASSRIGHTS`: whether descriptors may be sent here. Default true.
    pub pass_rights: bool,
}

impl Default for Inherited {
    fn default() -> Self {
        Self { pass_credentials: false, pass_pidfd: false, pass_security: false, pass_rights: true }
    }
}

impl Inherited {
    pub(crate) fn apply(self, fd: BorrowedFd<'_>) -> Result<()> {
        let options = crate::options::Options::of(fd);
        if self.pass_credentials {
            options.set_pass_credentials(true)?;
        }
        if self.pass_pidfd {
            options.set_pass_pidfd(true)?;
        }
        if self.pass_security {
            options.set_pass_security(true)?;
        }
        if !self.pass_rights {
            options.set_pass_rights(false)?;
        }
        Ok(())
    }
}

/// A listening stream or seqpacket socket. Connections that nobody accepted get `ECONNRESET` when it is dropped.
#[derive(Debug)]
pub struct Listener {
    // Declared first, so that the name goes before the descriptor does.
    name: Option<Name>,
    readiness: Readiness,
    kind: Kind,
    address: Arc<Address>,
    renamed: bool,
}

impl Listener {
    /// Listens at `address`. A path appears at once with its mode, and whoever sees it can connect;
    /// [`Address::Unnamed`] asks the kernel for a free abstract name.
    ///
    /// May pause for up to half a second when another process is claiming the same path.
    ///
    /// # Errors
    /// `EADDRINUSE`: the name is taken, and the detail says by what; `EACCES`: no permission to create files in the
    /// directory; `ENOENT`, `ENOTDIR`: there is no such directory; `ENAMETOOLONG` when the last component exceeds
    /// 250 bytes, or an abstract name 107; `EINVAL` for an impossible name;
    /// `EOPNOTSUPP` for a datagram socket.
    pub fn listen(kind: Kind, address: &Address, options: &ListenOptions) -> Result<Self> {
        if kind == Kind::Datagram {
            return Err(Error::explained(Errno::OPNOTSUPP, "listen", "datagram sockets do not listen"));
        }
        let socket = kind.create()?;
        options.inherited.apply(socket.as_fd())?;
        let listen = || rustix::net::listen(&socket, options.backlog).map_err(Error::of("listen"));
        let name = if let Address::Path(path) = address {
            let claim =
                Claim { takeover: options.takeover, mode: options.mode, unlink_on_close: options.unlink_on_close };
            Some(claim_by_rename(socket.as_fd(), path, claim, listen)?)
        } else {
            rustix::net::bind(&socket, &address.reach()?.raw).map_err(Error::of("bind"))?;
            listen()?;
            None
        };
        let address = match address {
            Address::Unnamed => {
                sys::socket_name(socket.as_fd()).map(Address::from).map_err(Error::of("getsockname"))?
            }
            named => named.clone(),
        };
        let renamed = name.is_some();
        Ok(Self { name, readiness: Readiness::new(socket), kind, address: Arc::new(address), renamed })
    }

    /// Adopts a listening descriptor: one handed over by a service manager or another process. It becomes
    /// non-blocking and closed on exec; its file is never removed.
    ///
    /// # Errors
    /// Those of [`check`](Self::check), with the descriptor given back as it was.
    pub fn from_fd(fd: OwnedFd) -> std::result::Result<Self, Rejected> {
        let adopt = || -> Result<(Kind, Address)> {
            let kind = Self::check(fd.as_fd())?;
            let address = sys::socket_name(fd.as_fd()).map(Address::from).map_err(Error::of("getsockname"))?;
            make_ours(fd.as_fd())?;
            Ok((kind, address))
        };
        let (kind, address) = match adopt() {
            Ok(found) => found,
            Err(error) => return Err(Rejected { error, fd }),
        };
        Ok(Self { name: None, readiness: Readiness::new(fd), kind, address: Arc::new(address), renamed: false })
    }

    /// Whether [`from_fd`](Self::from_fd) would take a descriptor, and of which kind it is.
    ///
    /// # Errors
    /// Those of [`Kind::of`]; `EINVAL` for a socket that does not listen.
    pub fn check(fd: BorrowedFd<'_>) -> Result<Kind> {
        let kind = Kind::of(fd)?;
        if sys::option::<i32>(fd, libc::SO_ACCEPTCONN).map_err(Error::of("getsockopt"))? == 0 {
            let detail = format!("the {kind} socket does not listen");
            return Err(Error::explained(Errno::INVAL, "getsockopt", detail));
        }
        Ok(kind)
    }

    /// Stream or seqpacket.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The name that others connect to. `getsockname(2)` may tell another one: the temporary name that it was bound
    /// with before it was moved here.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Takes the next connection; `accept4(2)`, non-blocking and closed on exec.
    ///
    /// # Errors
    /// `EAGAIN` when nobody waits; `EMFILE`, `ENFILE`, `ENOMEM`: the connection stays in the queue.
    pub fn try_accept(&self) -> std::result::Result<Socket, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        loop {
            match rustix::net::accept_with(self.as_fd(), flags) {
                Ok(fd) => {
                    let socket = Socket::own(fd, self.kind).map_err(|error| error.errno)?;
                    return Ok(socket.with_local(self.renamed.then(|| Arc::clone(&self.address))));
                }
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// Those of [`try_accept`](Self::try_accept) but `EAGAIN`.
    pub async fn accept(&self) -> std::result::Result<Socket, Errno> {
        wait::reading(&self.readiness, || self.try_accept()).await
    }

    /// Options of the listening socket.
    #[must_use]
    pub fn options(&self) -> crate::options::Options<'_> {
        crate::options::Options::of(self.as_fd())
    }

    /// Waiting for this listener: readable means that a connection waits.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Removes the file if it is ours, then closes; dropping does the same, without a word when it fails.
    ///
    /// # Errors
    /// `EADDRINUSE` when another process keeps the lock; those of `unlink(2)`. The listener is closed all the same.
    pub fn close(self) -> Result<()> {
        self.name.map_or(Ok(()), Name::release)
    }

    /// Gives the descriptor up, still listening. Nothing here touches it any more, and its file stays.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        if let Some(name) = self.name {
            name.forget();
        }
        self.readiness.into_fd()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readiness.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.readiness.as_raw_fd()
    }
}
