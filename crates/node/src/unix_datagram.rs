//! Datagram sockets: a name of their own, a destination, and waiting for one that is full.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};

use napi::Either;
use napi_derive::napi;
use nearwire_unix::{BindOptions, Kind, Probe, Socket};

use crate::address;
use crate::event_loop::EventLoop;
use crate::failure::Failure;
use crate::unix_listener::takeover;
use crate::unix_options::UnixReceiveOptions;
use crate::unix_socket::UnixSocket;

/// How to bind.
#[napi(object)]
pub struct UnixBindOptions {
    /// Permission bits of the name.
    pub mode: Option<u32>,
    /// Whom to replace: nobody (0), a socket that no process holds (1), a live one too (2).
    pub takeover: u32,
    /// Remove the name when the socket is closed, if it is still ours.
    pub unlink_on_close: bool,
    /// What arrives with messages.
    pub receive: UnixReceiveOptions,
}

#[napi]
impl UnixSocket {
    /// A datagram socket at `to`; without one, at an abstract name of the kernel's choice.
    #[napi]
    pub fn bind_datagram(
        event_loop: &EventLoop,
        slot: u32,
        to: Option<&[u8]>,
        options: UnixBindOptions,
    ) -> Either<UnixSocket, Failure> {
        let name = to.map_or(nearwire_unix::Address::Unnamed, address::decode);
        let how = BindOptions {
            mode: options.mode,
            takeover: takeover(options.takeover),
            unlink_on_close: options.unlink_on_close,
            inherited: options.receive.inherited(),
        };
        let made = event_loop.inner().with_driver(|_| {
            let socket = Socket::bind_datagram(&name, &how)?;
            options.receive.apply_rest(socket.options())?;
            Ok(socket)
        });
        Self::made(event_loop, slot, made)
    }

    /// A datagram socket without a name.
    #[napi]
    pub fn unbound_datagram(
        event_loop: &EventLoop,
        slot: u32,
        options: UnixReceiveOptions,
    ) -> Either<UnixSocket, Failure> {
        let made = event_loop.inner().with_driver(|_| {
            let socket = Socket::unbound(Kind::Datagram)?;
            options.apply(socket.options())?;
            Ok(socket)
        });
        Self::made(event_loop, slot, made)
    }

    /// Makes `to` the destination of a datagram socket; without one it has none any more.
    #[napi]
    pub fn connect(&self, to: Option<&[u8]>) -> Option<Failure> {
        let to = to.map_or(nearwire_unix::Address::Unnamed, address::decode);
        match self.inner.socket.borrow().as_ref() {
            Some(socket) => socket.connect(&to).err().map(Failure::from),
            None => Some(Failure::closed("connect")),
        }
    }
}

impl UnixSocket {
    fn made(
        event_loop: &EventLoop,
        slot: u32,
        made: Option<nearwire_unix::Result<Socket>>,
    ) -> Either<UnixSocket, Failure> {
        match made {
            Some(Ok(socket)) => Either::A(Self::wrap(event_loop, slot, socket)),
            Some(Err(error)) => Either::B(error.into()),
            None => Either::B(Failure::closed("socket")),
        }
    }
}

/// Tells when a datagram destination has room; see [`Probe`].
#[napi]
pub struct UnixProbe {
    event_loop: Rc<nearwire_event_loop::EventLoop>,
    probe: RefCell<Option<Probe>>,
    waker: Waker,
}

#[napi]
impl UnixProbe {
    /// Watches a destination. The writing token of `slot` comes when it has room, or is gone.
    #[napi]
    pub fn open(event_loop: &EventLoop, slot: u32, to: &[u8]) -> Either<UnixProbe, Failure> {
        match event_loop.inner().with_driver(|_| Probe::new(&address::decode(to))) {
            Some(Ok(probe)) => Either::A(Self {
                event_loop: Rc::clone(event_loop.inner()),
                probe: RefCell::new(Some(probe)),
                waker: event_loop.inner().token_waker(slot * 2 + 1),
            }),
            Some(Err(error)) => Either::B(error.into()),
            None => Either::B(Failure::closed("connect")),
        }
    }

    /// After a send to it gave `EAGAIN`. 0: this probe's token will come; 1: the sender's own buffer is what is full, and
    /// its writing token will come; 2: there is room already.
    #[napi]
    pub fn wait(&self, sender: &UnixSocket) -> i32 {
        let probe = self.probe.borrow();
        let own_is_full = || {
            sender.inner.with(|socket| {
                let options = socket.options();
                let (Ok(used), Ok(limit)) = (options.queued_out(), options.send_buffer()) else { return Ok(false) };
                Ok(used >= usize::try_from(limit).unwrap_or(0))
            }) == Ok(true)
        };
        match probe.as_ref().and_then(Probe::readiness) {
            Some(destination) if !own_is_full() => {
                let mut context = Context::from_waker(&self.waker);
                let ready = self.event_loop.with_driver(|_| destination.poll_write(&mut context).is_ready());
                if ready == Some(true) { 2 } else { 0 }
            }
            _ => {
                let _ = sender.inner.or_wait_to_write::<()>(Err(rustix::io::Errno::AGAIN));
                1
            }
        }
    }

    /// Stops watching.
    #[napi]
    pub fn close(&self) {
        self.event_loop.with_driver(|_| drop(self.probe.take()));
    }
}
