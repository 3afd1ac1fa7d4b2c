//! Waiting on many descriptors at once, as `select(2)` does, but without its limits: an epoll of its own.

use std::collections::HashMap;
use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::task::{Poll, ready};

use nearwire_event_loop::Readiness;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::time::Timespec;

use crate::error::{Error, Result, errno_of};

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest {
    /// Something to read, the end, or an error.
    pub readable: bool,
    /// Room to write, or an error.
    pub writable: bool,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        let mut flags = epoll::EventFlags::empty();
        if self.readable {
            flags |= epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
        }
        if self.writable {
            flags |= epoll::EventFlags::OUT;
        }
        flags
    }
}

/// A descriptor that needs no more waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The number that it was added with.
    pub token: u64,
    /// Reading will not block.
    pub readable: bool,
    /// Writing will not block.
    pub writable: bool,
    /// The other side is gone, or will send no more.
    pub hung_up: bool,
    /// Something is wrong with it, which reading or writing tells.
    pub error: bool,
}

/// A set of descriptors that belong to others, and which of them are ready.
///
/// Level-triggered: one that is ready is reported each time until somebody has dealt with it. The set does not own
/// what is in it; remove a descriptor before closing it.
pub struct Many {
    readiness: Readiness,
    tokens: HashMap<RawFd, u64>,
    // Regular files, which epoll refuses because they never block.
    always: HashMap<RawFd, Ready>,
    events: Vec<epoll::Event>,
}

impl Many {
    /// An empty set.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`.
    pub fn new() -> Result<Self> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(Error::of("epoll_create1"))?;
        Ok(Self { readiness: Readiness::new(set), tokens: HashMap::new(), always: HashMap::new(), events: Vec::new() })
    }

    /// Adds a descriptor under a number of the caller's choice. A regular file is ready at all times, as for
    /// `select(2)`.
    ///
    /// # Errors
    /// `EEXIST` when it is in the set already; `ENOSPC` when `/proc/sys/fs/epoll/max_user_watches` is used up.
    pub fn add(&mut self, fd: BorrowedFd<'_>, interest: Interest, token: u64) -> Result<()> {
        let raw = fd.as_raw_fd();
        match epoll::add(&self.readiness, fd, epoll::EventData::new_u64(token), interest.flags()) {
            Ok(()) => {
                self.tokens.insert(raw, token);
                Ok(())
            }
            Err(Errno::PERM) if self.always.contains_key(&raw) => Err(Error::new(Errno::EXIST, "epoll_ctl")),
            Err(Errno::PERM) => {
                self.always.insert(raw, always_ready(interest, token));
                Ok(())
            }
            Err(errno) => Err(Error::new(errno, "epoll_ctl")),
        }
    }

    /// Changes what a descriptor in the set is waited for.
    ///
    /// # Errors
    /// `ENOENT` when it is not in the set.
    pub fn modify(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> Result<()> {
        let raw = fd.as_raw_fd();
        if let Some(ready) = self.always.get_mut(&raw) {
            *ready = always_ready(interest, ready.token);
            return Ok(());
        }
        let token = *self.tokens.get(&raw).ok_or(Error::new(Errno::NOENT, "epoll_ctl"))?;
        epoll::modify(&self.readiness, fd, epoll::EventData::new_u64(token), interest.flags())
            .map_err(Error::of("epoll_ctl"))
    }

    /// Takes a descriptor out.
    ///
    /// # Errors
    /// `ENOENT` when it is not in the set.
    pub fn remove(&mut self, fd: BorrowedFd<'_>) -> Result<()> {
        let raw = fd.as_raw_fd();
        if self.always.remove(&raw).is_some() {
            return Ok(());
        }
        self.tokens.remove(&raw);
        epoll::delete(&self.readiness, fd).map_err(Error::of("epoll_ctl"))
    }

    /// How many descriptors are in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len() + self.always.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends those that are ready to `ready`, at most `most` of them beside regular files, and returns how many.
    /// When more are ready than that, they take turns.
    ///
    /// # Errors
    /// `EAGAIN` when none is.
    pub fn try_ready(&mut self, ready: &mut Vec<Ready>, most: usize) -> std::result::Result<usize, Errno> {
        let before = ready.len();
        ready.extend(self.always.values().filter(|one| one.readable || one.writable));
        self.events.clear();
        self.events.reserve(most.max(1));
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            match epoll::wait(&self.readiness, spare_capacity(&mut self.events), Some(&now)) {
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        ready.extend(self.events.drain(..).map(|event| report(event.flags, event.data.u64())));
        if ready.len() == before { Err(Errno::AGAIN) } else { Ok(ready.len() - before) }
    }

    /// Waits until at least one is ready.
    ///
    /// # Errors
    /// `EIO` when the runtime has been shut down.
    pub async fn ready(&mut self, most: usize) -> std::result::Result<Vec<Ready>, Errno> {
        let mut found = Vec::new();
        std::future::poll_fn(|cx| {
            loop {
                match self.try_ready(&mut found, most) {
                    Err(Errno::AGAIN) => ready!(self.readiness.poll_read(cx)).map_err(|error| errno_of(&error))?,
                    outcome => return Poll::Ready(outcome),
                }
            }
        })
        .await?;
        Ok(found)
    }

    /// The set's own descriptor, readable when one of those in it is ready. Regular files are not part of that.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.readiness.into_fd()
    }

    /// Waiting for this set: readable means that one of its descriptors is ready.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }
}

impl fmt::Debug for Many {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Many")
            .field("tokens", &self.tokens)
            .field("always", &self.always)
            .finish_non_exhaustive()
    }
}

fn always_ready(interest: Interest, token: u64) -> Ready {
    Ready { token, readable: interest.readable, writable: interest.writable, hung_up: false, error: false }
}

fn report(flags: epoll::EventFlags, token: u64) -> Ready {
    use epoll::EventFlags as Flags;
    Ready {
        token,
        readable: flags.intersects(Flags::IN | Flags::RDHUP | Flags::HUP | Flags::ERR),
        writable: flags.intersects(Flags::OUT | Flags::HUP | Flags::ERR),
        hung_up: flags.intersects(Flags::HUP | Flags::RDHUP),
        error: flags.contains(Flags::ERR),
    }
}
