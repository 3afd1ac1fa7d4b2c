//! Waiting on many descriptors at once, whoever owns them.

use std::cell::RefCell;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd};
use std::rc::{Rc, Weak};
use std::task::Waker;

use napi::Either;
use napi::bindgen_prelude::Uint32Array;
use napi_derive::napi;
use nearwire_event_loop::Member;
use nearwire_unix::{Error, Interest, Many, Ready};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::adopt::borrowed;
use crate::event_loop::EventLoop;
use crate::failure::{CLOSED, Failure};
use crate::waiting::wait;

const READABLE: u32 = 1;
const WRITABLE: u32 = 2;
const HUNG_UP: u32 = 4;
const ERROR: u32 = 8;

/// A set of descriptors, each under a number of JavaScript's choice.
#[napi]
pub struct UnixMany {
    inner: Rc<Inner>,
}

struct Inner {
    event_loop: Rc<nearwire_event_loop::EventLoop>,
    slot: u32,
    many: RefCell<Option<Many>>,
    reader: Waker,
}

impl Inner {
    fn take(&self) -> Option<Many> {
        self.event_loop.leave(self.slot);
        self.many.take()
    }
}

impl Member for Inner {
    fn flush(&self) {}

    fn close(&self) {
        self.event_loop.with_driver(|_| drop(self.many.take()));
    }
}

#[napi]
impl UnixMany {
    /// An empty set.
    #[napi]
    pub fn open(event_loop: &EventLoop, slot: u32) -> Either<UnixMany, Failure> {
        let many = match event_loop.inner().with_driver(|_| Many::new()) {
            Some(Ok(many)) => many,
            Some(Err(error)) => return Either::B(error.into()),
            None => return Either::B(Failure::closed("epoll_create1")),
        };
        let inner = Rc::new(Inner {
            event_loop: Rc::clone(event_loop.inner()),
            slot,
            many: RefCell::new(Some(many)),
            reader: event_loop.inner().token_waker(slot * 2),
        });
        let member: Weak<dyn Member> = Rc::downgrade(&(Rc::clone(&inner) as Rc<dyn Member>));
        event_loop.inner().join(slot, member);
        Either::A(Self { inner })
    }

    /// Adds a descriptor, which stays its owner's. Ordinary files and folders are refused: they are always ready.
    #[napi]
    pub fn add(&self, fd: i32, readable: bool, writable: bool, token: u32) -> Option<Failure> {
        self.change(fd, |many, fd| {
            refuse_files(fd)?;
            many.add(fd, Interest { readable, writable }, token.into())
        })
    }

    /// Changes what a descriptor is waited for.
    #[napi]
    pub fn modify(&self, fd: i32, readable: bool, writable: bool) -> Option<Failure> {
        self.change(fd, |many, fd| many.modify(fd, Interest { readable, writable }))
    }

    /// Takes a descriptor out.
    #[napi]
    pub fn remove(&self, fd: i32) -> Option<Failure> {
        self.change(fd, Many::remove)
    }

    /// Empties the set, of what cannot be taken out, too.
    #[napi]
    pub fn renew(&self) -> Option<Failure> {
        let mut many = self.inner.many.borrow_mut();
        let renewed = many.as_ref().and_then(|_| self.inner.event_loop.with_driver(|_| Many::new()));
        match renewed {
            Some(Ok(renewed)) => {
                let old = many.replace(renewed);
                self.inner.event_loop.with_driver(|_| drop(old));
                None
            }
            Some(Err(error)) => Some(error.into()),
            None => Some(Failure::closed("epoll_create1")),
        }
    }

    /// Those that are ready, two numbers each: the token, and what it is ready for (1 reading, 2 writing, 4 hung up, 8 an
    /// error). About `most` of them. Or a negated errno, and after `-EAGAIN` the reading token.
    #[napi]
    pub fn ready(&self, most: u32) -> Either<Uint32Array, i32> {
        let mut many = self.inner.many.borrow_mut();
        let Some(many) = many.as_mut() else { return Either::B(-CLOSED.raw_os_error()) };
        let mut found = Vec::new();
        match many.try_ready(&mut found, most as usize) {
            Ok(_) => Either::A(Uint32Array::new(found.iter().flat_map(row).collect())),
            Err(Errno::AGAIN) => {
                let Inner { event_loop, reader, .. } = &*self.inner;
                let waiting = wait(event_loop, reader, |context| many.readiness().poll_read(context));
                Either::B(-waiting.err().unwrap_or(Errno::AGAIN).raw_os_error())
            }
            Err(errno) => Either::B(-errno.raw_os_error()),
        }
    }

    /// The set's own descriptor, which is readable when one of those in it is ready; -1 once it is gone.
    #[napi(getter)]
    pub fn fd(&self) -> i32 {
        self.inner.many.borrow().as_ref().map_or(-1, |many| many.readiness().as_raw_fd())
    }

    /// Closes the set, and none of what is in it.
    #[napi]
    pub fn close(&self) {
        let many = self.inner.take();
        self.inner.event_loop.with_driver(|_| drop(many));
    }

    /// Gives the set's own descriptor up without closing it; -1 when it is gone already.
    #[napi]
    pub fn detach(&self) -> i32 {
        let many = self.inner.take();
        let detached = self.inner.event_loop.with_driver(|_| many.map(|many| many.into_fd().into_raw_fd()));
        detached.flatten().unwrap_or(-1)
    }
}

impl UnixMany {
    fn change(
        &self,
        fd: i32,
        change: impl FnOnce(&mut Many, BorrowedFd<'_>) -> nearwire_unix::Result<()>,
    ) -> Option<Failure> {
        match self.inner.many.borrow_mut().as_mut() {
            Some(many) => borrowed(fd, "epoll_ctl").and_then(|fd| change(many, fd)).err().map(Failure::from),
            None => Some(Failure::closed("epoll_ctl")),
        }
    }
}

/// One that is ready as two numbers.
fn row(ready: &Ready) -> [u32; 2] {
    let flag = |on: bool, flag: u32| if on { flag } else { 0 };
    let flags = flag(ready.readable, READABLE)
        | flag(ready.writable, WRITABLE)
        | flag(ready.hung_up, HUNG_UP)
        | flag(ready.error, ERROR);
    [u32::try_from(ready.token).unwrap_or(u32::MAX), flags]
}

fn refuse_files(fd: BorrowedFd<'_>) -> nearwire_unix::Result<()> {
    let what = match rustix::fs::fstat(fd).map(|status| FileType::from_raw_mode(status.st_mode)) {
        Ok(FileType::RegularFile) => "an ordinary file",
        Ok(FileType::Directory) => "a folder",
        _ => return Ok(()),
    };
    let detail = format!("{what} is always ready, so there is nothing to wait for");
    Err(Error { errno: Errno::PERM, syscall: "epoll_ctl", detail: Some(detail) })
}
