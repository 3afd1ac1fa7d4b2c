//! Waiting until a datagram destination that one is not connected to has room.

use std::task::{Context, Poll, ready};

use nearwire_event_loop::Readiness;
use rustix::io::Errno;

use crate::address::Address;
use crate::error::{Error, Result, errno_of};
use crate::kind::Kind;
use crate::socket::Socket;

/// Tells when one destination takes datagrams again.
///
/// An unconnected socket is writable all the time, whether its destination is full or not, and no event comes when
/// that changes. A socket that is connected there does learn it, so this holds one, which never sends. It learns of
/// the receiver's death as well. `unix_dgram_poll()` in `net/unix/af_unix.c`.
#[derive(Debug)]
pub struct Probe {
    // None: the destination is connected to the sender, and only the sender's own memory limits it.
    destination: Option<Readiness>,
}

impl Probe {
    /// Watches `address`.
    ///
    /// # Errors
    /// Those of [`Socket::connect`]: `ECONNREFUSED`, `ENOENT` when the receiver is gone, which a send would meet too.
    pub fn new(address: &Address) -> Result<Self> {
        let socket = Kind::Datagram.create()?;
        match rustix::net::connect(&socket, &address.reach()?.raw) {
            Ok(()) => Ok(Self { destination: Some(Readiness::new(socket)) }),
            Err(Errno::PERM) => Ok(Self { destination: None }),
            Err(errno) => Err(Error::new(errno, "connect")),
        }
    }

    /// Waits until a send from `sender` to this destination is worth trying. Only after that gave `EAGAIN`.
    ///
    /// Two things can be full: the destination's queue, or the sender's own buffer, which the unread messages to all
    /// its destinations share. This waits for the one that is.
    ///
    /// # Errors
    /// `EIO` when the runtime has been shut down; `EMFILE` when no descriptor is left to wait with.
    pub fn poll_writable(&self, sender: &Socket, cx: &mut Context<'_>) -> Poll<std::result::Result<(), Errno>> {
        let options = sender.options();
        let (used, limit) = (options.queued_out(), options.send_buffer());
        let own_is_full = match (used, limit) {
            (Ok(used), Ok(limit)) => used >= usize::try_from(limit).unwrap_or(0),
            _ => false,
        };
        let waited = match &self.destination {
            Some(destination) if !own_is_full => ready!(destination.poll_write(cx)),
            _ => ready!(sender.readiness().poll_write(cx)),
        };
        Poll::Ready(waited.map_err(|error| errno_of(&error)))
    }

    /// The probe's own socket, to tell it apart; `None` where it needs none.
    #[must_use]
    pub fn readiness(&self) -> Option<&Readiness> {
        self.destination.as_ref()
    }
}

impl Socket {
    /// Sends one datagram to `to`, waiting for as long as its receiver is full.
    ///
    /// # Errors
    /// Those of [`try_send_message`](Self::try_send_message) but `EAGAIN`.
    pub async fn send_to(&self, data: &[u8], to: &Address) -> Result<usize> {
        let mut probe = None;
        std::future::poll_fn(|cx| {
            loop {
                match self.try_send_message(data, Some(to), &[], None) {
                    Err(error) if error.errno == Errno::AGAIN => {}
                    outcome => return Poll::Ready(outcome),
                }
                if probe.is_none() {
                    probe = Some(Probe::new(to)?);
                }
                if let Some(probe) = &probe {
                    ready!(probe.poll_writable(self, cx)).map_err(Error::of("poll"))?;
                }
            }
        })
        .await
    }
}
