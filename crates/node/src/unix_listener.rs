//! A listening stream or seqpacket socket.

use std::cell::RefCell;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::rc::{Rc, Weak};
use std::task::Waker;

use napi::Either;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use nearwire_event_loop::Member;
use nearwire_unix::{ListenOptions, Listener, Takeover};
use rustix::io::Errno;

use crate::event_loop::EventLoop;
use crate::failure::{CLOSED, Failure};
use crate::unix_options::UnixReceiveOptions;
use crate::unix_socket::{UnixSocket, kind};
use crate::waiting::wait;
use crate::{address, adopt};

/// How to listen.
#[napi(object)]
pub struct UnixListenOptions {
    /// As for `listen(2)`.
    pub backlog: i32,
    /// Permission bits of the name, exactly these whatever the umask; without, 0777 less the umask.
    pub mode: Option<u32>,
    /// Whom to replace: nobody (0), a socket nobody listens on (1), a live one too (2).
    pub takeover: u32,
    /// Remove the name when the socket is closed, if it is still ours.
    pub unlink_on_close: bool,
    /// What accepted sockets inherit.
    pub receive: Option<UnixReceiveOptions>,
}

/// Whom to replace, from its number.
pub(crate) fn takeover(number: u32) -> Takeover {
    match number {
        0 => Takeover::Never,
        1 => Takeover::Stale,
        _ => Takeover::Live,
    }
}

impl From<UnixListenOptions> for ListenOptions {
    fn from(options: UnixListenOptions) -> Self {
        Self {
            backlog: options.backlog,
            mode: options.mode,
            takeover: takeover(options.takeover),
            unlink_on_close: options.unlink_on_close,
            inherited: options.receive.unwrap_or_default().inherited(),
        }
    }
}

/// A listening socket.
#[napi]
pub struct UnixListener {
    inner: Rc<Inner>,
}

struct Inner {
    event_loop: Rc<nearwire_event_loop::EventLoop>,
    slot: u32,
    listener: RefCell<Option<Listener>>,
    reader: Waker,
}

impl Member for Inner {
    fn flush(&self) {}

    fn close(&self) {
        self.event_loop.with_driver(|_| drop(self.listener.take()));
    }
}

#[napi]
impl UnixListener {
    /// Binds and listens.
    #[napi]
    pub fn listen(
        event_loop: &EventLoop,
        slot: u32,
        kind_number: i32,
        to: &[u8],
        options: UnixListenOptions,
    ) -> Either<UnixListener, Failure> {
        let made = event_loop
            .inner()
            .with_driver(|_| Listener::listen(kind(kind_number), &address::decode(to), &options.into()));
        Self::wrap(event_loop, slot, made)
    }

    /// Adopts a listening descriptor; on failure it stays the caller's, as it was.
    #[napi]
    pub fn adopt(event_loop: &EventLoop, slot: u32, kind_number: i32, fd: i32) -> Either<UnixListener, Failure> {
        let made = event_loop.inner().with_driver(|_| adopt::listener(fd, kind(kind_number)));
        Self::wrap(event_loop, slot, made)
    }

    /// The next connection, for which `slot` was kept; or a negated errno, and after `-EAGAIN` the token.
    #[napi]
    pub fn accept(&self, slot: u32) -> Either<UnixSocket, i32> {
        let listener = self.inner.listener.borrow();
        let Some(listener) = listener.as_ref() else { return Either::B(-CLOSED.raw_os_error()) };
        let event_loop = &self.inner.event_loop;
        let mut accepted = event_loop.with_driver(|_| listener.try_accept()).unwrap_or(Err(CLOSED));
        if matches!(accepted, Err(Errno::AGAIN)) {
            let waiting = wait(event_loop, &self.inner.reader, |context| listener.readiness().poll_read(context));
            accepted = waiting.and(accepted);
        }
        match accepted {
            Ok(socket) => Either::A(UnixSocket::enter(event_loop, slot, socket)),
            Err(errno) => Either::B(-errno.raw_os_error()),
        }
    }

    /// The descriptor, or -1 once it is gone.
    #[napi(getter)]
    pub fn fd(&self) -> i32 {
        self.inner.listener.borrow().as_ref().map_or(-1, |listener| listener.readiness().as_raw_fd())
    }

    /// The name that clients connect to.
    #[napi]
    pub fn address(&self) -> Either<Buffer, Failure> {
        match self.inner.listener.borrow().as_ref() {
            Some(listener) => Either::A(address::encode(listener.address())),
            None => Either::B(Failure::closed("getsockname")),
        }
    }

    /// Closes the descriptor, and removes its name if that was asked for and is still ours.
    #[napi]
    pub fn close(&self) {
        let listener = self.take();
        self.inner.event_loop.with_driver(|_| drop(listener));
    }

    /// Gives the descriptor up without closing it or removing its name; -1 when it is gone already.
    #[napi]
    pub fn detach(&self) -> i32 {
        let listener = self.take();
        let detached = self.inner.event_loop.with_driver(|_| listener.map(|listener| listener.into_fd().into_raw_fd()));
        detached.flatten().unwrap_or(-1)
    }
}

impl UnixListener {
    fn wrap(
        event_loop: &EventLoop,
        slot: u32,
        made: Option<nearwire_unix::Result<Listener>>,
    ) -> Either<UnixListener, Failure> {
        let listener = match made {
            Some(Ok(listener)) => listener,
            Some(Err(error)) => return Either::B(error.into()),
            None => return Either::B(Failure::closed("socket")),
        };
        let inner = Rc::new(Inner {
            event_loop: Rc::clone(event_loop.inner()),
            slot,
            listener: RefCell::new(Some(listener)),
            reader: event_loop.inner().token_waker(slot * 2),
        });
        let member: Weak<dyn Member> = Rc::downgrade(&(Rc::clone(&inner) as Rc<dyn Member>));
        event_loop.inner().join(slot, member);
        Either::A(Self { inner })
    }

    fn take(&self) -> Option<Listener> {
        self.inner.event_loop.leave(self.inner.slot);
        self.inner.listener.take()
    }
}
