//! The lock beside a name, held for the few system calls of claiming or giving up the name.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat, statat, unlinkat};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// How long to try for a lock that someone else holds. Holders need microseconds; one that keeps it longer was
/// stopped, or is another program that holds the same file for as long as it serves the name, as Wayland
/// compositors do.
const PATIENCE: Duration = Duration::from_millis(500);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(8);

/// `flock(2)` on `<name>.lock`. Dropping it removes the file and unlocks it, in this order.
///
/// Removing a lock file is safe here, because whoever locks one compares it with what the name stands for
/// afterwards, and starts again when that is another file or none. So nothing is left lying about.
pub(crate) struct Lock<'a> {
    directory: BorrowedFd<'a>,
    name: Vec<u8>,
    file: OwnedFd,
}

impl<'a> Lock<'a> {
    pub(crate) fn acquire(directory: BorrowedFd<'a>, name: &[u8]) -> Result<Self> {
        let name = [name, b".lock"].concat();
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_micros(50);
        loop {
            match attempt(directory, &name) {
                Ok(Some(file)) => return Ok(Self { directory, name, file }),
                Ok(None) => {}
                Err(errno) => return Err(explain(errno, &name)),
            }
            if waited >= PATIENCE {
                let shown = String::from_utf8_lossy(&name).into_owned();
                let detail = format!("another process holds the lock file {shown} and so claims the name");
                return Err(Error::explained(Errno::ADDRINUSE, "flock", detail));
            }
            std::thread::sleep(pause);
            waited += pause;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// One try: `None` when somebody else has the lock, or removed the file while we locked it.
fn attempt(directory: BorrowedFd<'_>, name: &[u8]) -> std::result::Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(directory, name, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => file,
        // Another user's lock file, which lives for microseconds: it counts as held.
        Err(Errno::ACCESS) if statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() => return Ok(None),
        Err(errno) => return Err(errno),
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(None),
        Err(errno) => return Err(errno),
    }
    let ours = fstat(&file)?;
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) if (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino) => Ok(Some(file)),
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn explain(errno: Errno, lock: &[u8]) -> Error {
    let lock = String::from_utf8_lossy(lock);
    let detail = match errno {
        Errno::ACCESS | Errno::PERM => "no permission to create files in the directory of the socket".to_owned(),
        Errno::ROFS => "the directory of the socket is on a read-only file system".to_owned(),
        Errno::LOOP => format!("{lock} is a symbolic link, and lock files are not followed"),
        Errno::NAMETOOLONG => format!("{lock} is longer than this file system allows"),
        other => format!("the lock file {lock} cannot be created: {other}"),
    };
    Error::explained(errno, "open", detail)
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // A file with something in it was not made by us.
        let is_ours = fstat(self.file.as_fd())
            .is_ok_and(|stat| stat.st_size == 0 && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        if is_ours {
            // What cannot be removed is harmless: the next claim locks the same file.
            let _ = unlinkat(self.directory, &self.name, AtFlags::empty());
        }
    }
}
