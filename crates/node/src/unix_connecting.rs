//! A socket on its way to a listener.

use std::cell::RefCell;

use napi::bindgen_prelude::Either3;
use napi::{Either, bindgen_prelude::Null};
use napi_derive::napi;
use nearwire_unix::{Bind, Connecting};

use crate::address;
use crate::event_loop::EventLoop;
use crate::failure::Failure;
use crate::unix_options::UnixReceiveOptions;
use crate::unix_socket::{UnixSocket, kind};

/// A stream or seqpacket socket that is not connected yet.
#[napi]
pub struct UnixConnecting {
    connecting: RefCell<Option<Connecting>>,
}

#[napi]
impl UnixConnecting {
    /// `bind`: the name to bind first; empty lets the kernel choose an abstract one.
    #[napi]
    pub fn open(
        kind_number: i32,
        bind: Option<&[u8]>,
        receive: Option<UnixReceiveOptions>,
    ) -> Either<UnixConnecting, Failure> {
        let bind = bind.map(|name| if name.is_empty() { Bind::Auto } else { Bind::Address(address::decode(name)) });
        let made = Connecting::new(kind(kind_number), bind).and_then(|connecting| {
            // Before anybody can send: the credentials of what came earlier would be missing.
            receive.zip(connecting.options()).map_or(Ok(()), |(receive, options)| receive.apply(options))?;
            Ok(connecting)
        });
        match made {
            Ok(connecting) => Either::A(Self { connecting: RefCell::new(Some(connecting)) }),
            Err(error) => Either::B(error.into()),
        }
    }

    /// The connected socket, or null while the listener's backlog is full: there is no event for that, so try again.
    #[napi]
    pub fn attempt(&self, event_loop: &EventLoop, slot: u32, to: &[u8]) -> Either3<UnixSocket, Failure, Null> {
        let mut connecting = self.connecting.borrow_mut();
        let Some(open) = connecting.as_mut() else { return Either3::B(Failure::closed("connect")) };
        match event_loop.inner().with_driver(|_| open.attempt(&address::decode(to))) {
            Some(Ok(Some(socket))) => {
                connecting.take();
                Either3::A(UnixSocket::wrap(event_loop, slot, socket))
            }
            Some(Ok(None)) => Either3::C(Null),
            Some(Err(error)) => Either3::B(error.into()),
            None => Either3::B(Failure::closed("connect")),
        }
    }

    /// Gives up.
    #[napi]
    pub fn close(&self) {
        self.connecting.take();
    }
}
