//! Claiming a path for a socket without a race, and giving it up without touching anybody else's.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawMode, chmodat, fchmod, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use crate::address::{Address, PATH_SPACE, inside, open_directory, split, through};
use crate::error::{Error, Result};
use crate::kind::{Kind, file_type};
use crate::lock::Lock;
use crate::sys::RawAddress;

/// What to do when the path is taken. Whatever is chosen, only a socket is ever replaced: any other file stays, and
/// the claim fails with `EADDRINUSE`, saying what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Takeover {
    /// Fail with `EADDRINUSE`, even when the socket there belongs to no process any more.
    Never,
    /// Replace a socket that no process holds; fail with `EADDRINUSE` when one does, listening or not.
    #[default]
    Stale,
    /// Replace a live one too. A listener does so without a gap: every `connect` reaches the old one or the new. The
    /// old one is to listen until the new one has been reached: `connect` looks the file up before it looks for the
    /// socket (`unix_find_bsd`), and is refused (`ECONNREFUSED`) when that closes in between.
    Live,
}

/// How to claim a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) takeover: Takeover,
    /// Permission bits of the file; `None` leaves it to the umask, `Some` is exact.
    pub(crate) mode: Option<u32>,
    pub(crate) unlink_on_close: bool,
}

/// A claimed path: the directory, held open, and the inode that is ours in it.
///
/// Dropping it removes the file if that is still our inode, compared under the same lock that claims take.
#[derive(Debug)]
pub(crate) struct Name {
    directory: OwnedFd,
    name: Vec<u8>,
    device: u64,
    inode: u64,
    unlink: bool,
}

impl Name {
    /// Leaves the file alone from now on.
    pub(crate) fn forget(mut self) {
        self.unlink = false;
    }

    /// Removes the file, as dropping does, and says when that failed. A file that is not ours any more is no failure.
    pub(crate) fn release(mut self) -> Result<()> {
        self.remove()
    }

    fn remove(&mut self) -> Result<()> {
        if !std::mem::replace(&mut self.unlink, false) {
            return Ok(());
        }
        // Without the lock first: most often, after a take-over, there is nothing to do.
        if !self.is_ours() {
            return Ok(());
        }
        let _lock = Lock::acquire(self.directory.as_fd(), &self.name)?;
        if !self.is_ours() {
            return Ok(());
        }
        match unlinkat(&self.directory, &self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Error::new(errno, "unlink")),
        }
    }

    fn is_ours(&self) -> bool {
        statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (self.device, self.inode))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // Nobody is left to tell. What stays behind is a stale socket, which the next claim replaces.
        let _ = self.remove();
    }
}

/// Binds `socket` under a temporary name, lets `prepare` finish it (a listener listens), and moves it to `path`.
///
/// The name appears with its mode and ready to use, or not at all.
pub(crate) fn claim_by_rename(
    socket: BorrowedFd<'_>,
    path: &[u8],
    claim: Claim,
    prepare: impl FnOnce() -> Result<()>,
) -> Result<Name> {
    let (parent, name) = split(path)?;
    let directory = open_directory(parent)?;
    let _lock = Lock::acquire(directory.as_fd(), name)?;
    clear_the_way(&directory, path, name, claim.takeover)?;

    narrow_mode(socket, claim.mode)?;
    let temporary = bind_temporary(socket, &directory, parent, name)?;
    let finish = || {
        prepare()?;
        let stat = own_stat(&directory, &temporary)?;
        widen_mode(&directory, &temporary, &stat, claim.mode)?;
        renameat(&directory, &temporary, &directory, name).map_err(Error::of("rename"))?;
        Ok(stat)
    };
    let stat = finish().inspect_err(|_| {
        let _ = unlinkat(&directory, &temporary, AtFlags::empty());
    })?;
    drop(_lock);
    Ok(named(directory, name, &stat, claim))
}

/// Binds `socket` to `path` itself, for a socket whose peers answer to the name it was bound with.
///
/// Replacing a live one leaves a moment in which the path does not exist: the kernel remembers the name that was
/// bound, so a datagram socket cannot be bound elsewhere and moved.
///
/// A path that does not fit in an address cannot be answered to in any case, so it is claimed by renaming.
pub(crate) fn claim_in_place(socket: BorrowedFd<'_>, path: &[u8], claim: Claim) -> Result<Name> {
    if path.len() > PATH_SPACE {
        return claim_by_rename(socket, path, claim, || Ok(()));
    }
    let (parent, name) = split(path)?;
    let directory = open_directory(parent)?;
    let raw = Address::Path(path.to_vec()).reach()?.raw;
    let _lock = Lock::acquire(directory.as_fd(), name)?;
    let aside = match clear_the_way(&directory, path, name, claim.takeover)? {
        Way::Free => None,
        Way::Socket => Some(set_aside(&directory, name)?),
    };

    let finish = || {
        narrow_mode(socket, claim.mode)?;
        bind(socket, &raw)?;
        let stat = own_stat(&directory, name)?;
        widen_mode(&directory, name, &stat, claim.mode)?;
        Ok(stat)
    };
    let outcome = finish();
    if let Some(aside) = aside {
        let _ = match &outcome {
            Ok(_) => unlinkat(&directory, &aside, AtFlags::empty()),
            Err(_) => renameat(&directory, &aside, &directory, name),
        };
    }
    let stat = outcome?;
    drop(_lock);
    Ok(named(directory, name, &stat, claim))
}

fn named(directory: OwnedFd, name: &[u8], stat: &rustix::fs::Stat, claim: Claim) -> Name {
    Name { directory, name: name.to_vec(), device: stat.st_dev, inode: stat.st_ino, unlink: claim.unlink_on_close }
}

/// What stands at the path once it may be claimed.
enum Way {
    Free,
    Socket,
}

fn clear_the_way(directory: &OwnedFd, path: &[u8], name: &[u8], takeover: Takeover) -> Result<Way> {
    let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(Way::Free),
        Err(errno) => return Err(Error::new(errno, "lstat")),
    };
    let in_use = |why: &str| {
        let detail = format!("{} {why}", String::from_utf8_lossy(path));
        Err(Error::explained(Errno::ADDRINUSE, "bind", detail))
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return in_use(&format!("is {}, which is never replaced", file_type(stat.st_mode)));
    }
    match takeover {
        Takeover::Live => Ok(Way::Socket),
        Takeover::Never => in_use("is a socket, and taking over was not asked for"),
        Takeover::Stale => match holder(directory, name)? {
            Holder::Nobody => Ok(Way::Socket),
            Holder::SomeProcess => in_use("is a socket that a running process holds"),
            Holder::Unknown => {
                in_use("is a socket without write permission, so that whether a process holds it cannot be told")
            }
        },
    }
}

enum Holder {
    Nobody,
    SomeProcess,
    Unknown,
}

/// Whether a process holds the socket of that name.
///
/// The question is a `connect` of a datagram socket. A listener answers `EPROTOTYPE` and is left undisturbed, where
/// a connection that it would have to accept is not; and so does a socket that is bound and does not listen yet,
/// which must not be mistaken for a stale one. `unix_find_bsd()` in `net/unix/af_unix.c`.
fn holder(directory: &OwnedFd, name: &[u8]) -> Result<Holder> {
    let probe = Kind::Datagram.create()?;
    let outcome = inside(directory, name).and_then(|(address, _open)| rustix::net::connect(&probe, &address));
    match outcome {
        Ok(()) | Err(Errno::PROTOTYPE | Errno::PERM) => Ok(Holder::SomeProcess),
        Err(Errno::CONNREFUSED) => Ok(Holder::Nobody),
        Err(Errno::ACCESS) => Ok(Holder::Unknown),
        // It went away by itself while we asked.
        Err(Errno::NOENT) => Ok(Holder::Nobody),
        Err(errno) => Err(Error::new(errno, "connect")),
    }
}

/// The kernel gives the file the mode of the socket's own inode, less the umask: never more than was asked for.
fn narrow_mode(socket: BorrowedFd<'_>, mode: Option<u32>) -> Result<()> {
    match mode {
        None => Ok(()),
        Some(mode) => fchmod(socket, Mode::from_raw_mode(mode as RawMode & 0o7777)).map_err(Error::of("fchmod")),
    }
}

/// Gives back what the umask took, on the inode itself and not on whatever has its name by now.
fn widen_mode(directory: &OwnedFd, name: &[u8], stat: &rustix::fs::Stat, mode: Option<u32>) -> Result<()> {
    let Some(mode) = mode else { return Ok(()) };
    let wanted = Mode::from_raw_mode(mode as RawMode & 0o7777);
    if Mode::from_raw_mode(stat.st_mode) == wanted {
        return Ok(());
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty()).map_err(Error::of("open"))?;
    let opened = rustix::fs::fstat(&file).map_err(Error::of("fstat"))?;
    if (opened.st_dev, opened.st_ino) != (stat.st_dev, stat.st_ino) {
        return Err(Error::explained(Errno::STALE, "chmod", "the socket's file was replaced while it was claimed"));
    }
    let through_descriptor = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    chmodat(CWD, through_descriptor.as_str(), wanted, AtFlags::empty()).map_err(Error::of("chmod"))
}

fn own_stat(directory: &OwnedFd, name: &[u8]) -> Result<rustix::fs::Stat> {
    statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(Error::of("lstat"))
}

fn bind(socket: BorrowedFd<'_>, address: &RawAddress) -> Result<()> {
    rustix::net::bind(socket, address).map_err(|errno| match errno {
        Errno::ACCESS => Error::explained(errno, "bind", "no permission to create files in the directory"),
        other => Error::new(other, "bind"),
    })
}

/// Binds a name that nobody has yet, and returns it.
///
/// Tools such as `ss(8)` go on showing it, so where it fits it is the public path with something behind.
fn bind_temporary(socket: BorrowedFd<'_>, directory: &OwnedFd, parent: &[u8], name: &[u8]) -> Result<Vec<u8>> {
    loop {
        let mark = unique_mark();
        let readable = [name, b".", mark.as_bytes()].concat();
        let full = [parent, b"/", &readable].concat();
        let (temporary, raw) = if full.len() < PATH_SPACE {
            (readable, Address::Path(full).reach()?.raw)
        } else {
            let short = [b".", mark.as_bytes()].concat();
            let raw = through(directory, &short);
            (short, raw)
        };
        match bind(socket, &raw) {
            Err(error) if error.errno == Errno::ADDRINUSE => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(temporary),
        }
    }
}

/// Moves the file away under a name of its own, so that it can come back if the claim fails.
fn set_aside(directory: &OwnedFd, name: &[u8]) -> Result<Vec<u8>> {
    let aside = [b".", unique_mark().as_bytes()].concat();
    renameat(directory, name, directory, &aside).map_err(Error::of("rename"))?;
    Ok(aside)
}

/// Twelve characters that no other claim in the same directory uses at the same time: the process and a counter.
fn unique_mark() -> String {
    static CLAIMS: AtomicU32 = AtomicU32::new(0);
    let count = CLAIMS.fetch_add(1, Ordering::Relaxed) & 0xffff;
    // The clock tells apart processes of the same number in two PID namespaces.
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let mixed = (now.tv_nsec as u32).rotate_left(16) ^ std::process::id();
    format!("{mixed:08x}{count:04x}")
}
