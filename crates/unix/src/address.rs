//! Names of sockets, as bytes: a path of any length, an abstract name, or none.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::sys::RawAddress;

/// Bytes of `sun_path` in `struct sockaddr_un`.
pub(crate) const PATH_SPACE: usize = 108;
/// Bytes of the family before `sun_path`.
const FAMILY_BYTES: usize = 2;
/// The longest abstract name, in bytes: `sun_path` without its leading NUL.
pub const LONGEST_ABSTRACT_NAME: usize = PATH_SPACE - 1;

/// The name of an `AF_UNIX` socket; `unix(7)` under "Address format".
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A file, by the bytes of its path and without a terminating NUL. Of any length: what does not fit in the 108
    /// bytes of `sun_path` is reached through a descriptor.
    Path(Vec<u8>),
    /// A name that lives in the network namespace and leaves no file, without the leading NUL of `sun_path`; any
    /// bytes, NULs too, up to [`LONGEST_ABSTRACT_NAME`].
    Abstract(Vec<u8>),
    /// No name: a socket that was never bound. As a name to bind it asks the kernel for a free abstract one.
    Unnamed,
}

impl Address {
    /// Reads a `struct sockaddr_un` as the kernel gives it: the family, then as much of `sun_path` as counts.
    ///
    /// A path of all 108 bytes has no terminating NUL, or one beyond the structure; both are read whole.
    #[must_use]
    pub fn from_sockaddr(bytes: &[u8]) -> Self {
        let Some(name) = bytes.get(FAMILY_BYTES..) else { return Self::Unnamed };
        match name.split_first() {
            None => Self::Unnamed,
            Some((0, rest)) => Self::Abstract(rest.to_vec()),
            Some(_) => {
                let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
                Self::Path(name[..end].to_vec())
            }
        }
    }

    /// The bytes of a `struct sockaddr_un` for this name.
    ///
    /// # Errors
    /// `ENAMETOOLONG` for an abstract name over 107 bytes, or a path over 108, which only a descriptor
    /// can reach; `EINVAL` for a path that is empty or contains a NUL.
    pub fn to_sockaddr(&self) -> Result<Vec<u8>> {
        self.raw().map(|raw| raw.as_bytes().to_vec())
    }

    fn raw(&self) -> Result<RawAddress> {
        match self {
            Self::Path(path) => {
                check_path(path)?;
                if path.len() > PATH_SPACE {
                    return Err(Error::explained(
                        Errno::NAMETOOLONG,
                        "connect",
                        format!("the path has {} bytes; sun_path holds {PATH_SPACE}", path.len()),
                    ));
                }
                Ok(raw(&[path]))
            }
            Self::Abstract(name) if name.len() > LONGEST_ABSTRACT_NAME => Err(Error::explained(
                Errno::NAMETOOLONG,
                "connect",
                format!("the abstract name has {} bytes; at most {LONGEST_ABSTRACT_NAME} fit", name.len()),
            )),
            Self::Abstract(name) => Ok(raw(&[b"\0", name])),
            Self::Unnamed => Ok(raw(&[])),
        }
    }

    /// Makes the address of an existing socket usable in a system call. One whose path is too long for that is opened,
    /// which does not connect, and named by the descriptor.
    pub(crate) fn reach(&self) -> Result<Reached> {
        match self {
            Self::Path(path) if path.len() > PATH_SPACE => {
                check_path(path)?;
                let file = open_far(path, OFlags::PATH).map_err(Error::of("open"))?;
                Ok(Reached { raw: itself(&file), _file: Some(file) })
            }
            _ => Ok(Reached { raw: self.raw()?, _file: None }),
        }
    }
}

/// An address ready for a system call; keeps the file open that stands for a long path.
pub(crate) struct Reached {
    pub(crate) raw: RawAddress,
    _file: Option<OwnedFd>,
}

impl From<RawAddress> for Address {
    fn from(raw: RawAddress) -> Self {
        Self::from_sockaddr(raw.as_bytes())
    }
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Self {
        Self::Path(path.as_os_str().as_bytes().to_vec())
    }
}

/// As `ss(8)` writes it: a path as it is, an abstract name behind an `@`, `*` for none.
impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "{}", String::from_utf8_lossy(path)),
            Self::Abstract(name) => write!(formatter, "@{}", name.escape_ascii()),
            Self::Unnamed => formatter.write_str("*"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "Path({})", path.escape_ascii()),
            Self::Abstract(name) => write!(formatter, "Abstract({})", name.escape_ascii()),
            Self::Unnamed => formatter.write_str("Unnamed"),
        }
    }
}

fn raw(parts: &[&[u8]]) -> RawAddress {
    let mut address = RawAddress::EMPTY;
    address.bytes[..FAMILY_BYTES].copy_from_slice(&(libc::AF_UNIX as u16).to_ne_bytes());
    let mut end = FAMILY_BYTES;
    for part in parts {
        address.bytes[end..end + part.len()].copy_from_slice(part);
        end += part.len();
    }
    // A path counts its terminating NUL wherever there is room for one: some programs expect to find it.
    let is_path = end > FAMILY_BYTES && address.bytes[FAMILY_BYTES] != 0;
    address.length = if is_path { (end + 1).min(FAMILY_BYTES + PATH_SPACE) } else { end } as u32;
    address
}

fn check_path(path: &[u8]) -> Result<()> {
    if path.is_empty() {
        return Err(Error::explained(Errno::INVAL, "connect", "the path is empty"));
    }
    if path.contains(&0) {
        return Err(Error::explained(Errno::INVAL, "connect", "the path contains a NUL byte"));
    }
    Ok(())
}

/// The directory and the last component of a path, which must name a file.
pub(crate) fn split(path: &[u8]) -> Result<(&[u8], &[u8])> {
    check_path(path)?;
    let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
        None => (&b"."[..], path),
        Some(0) => (&b"/"[..], &path[1..]),
        Some(slash) => (&path[..slash], &path[slash + 1..]),
    };
    if matches!(name, b"" | b"." | b"..") {
        return Err(Error::explained(Errno::ISDIR, "bind", "the path names a directory, not a socket"));
    }
    Ok((parent, name))
}

/// A descriptor that stands for a directory and allows nothing but naming what is in it.
pub(crate) fn open_directory(path: &[u8]) -> Result<OwnedFd> {
    open_far(path, OFlags::PATH | OFlags::DIRECTORY).map_err(|errno| {
        let shown = String::from_utf8_lossy(path);
        Error::explained(errno, "open", format!("the directory {shown} cannot be opened: {errno}"))
    })
}

/// Opens a path of any length, in steps that are short enough for the kernel (`PATH_MAX`, 4,096 bytes).
fn open_far(path: &[u8], flags: OFlags) -> std::result::Result<OwnedFd, Errno> {
    const STEP: usize = 4000;
    let (mut here, mut rest): (Option<OwnedFd>, _) = (None, path);
    let open = |from: Option<&OwnedFd>, path: &[u8], flags: OFlags| {
        let from = from.map_or(CWD, AsFd::as_fd);
        rustix::fs::openat(from, path, flags | OFlags::CLOEXEC, Mode::empty())
    };
    while rest.len() > STEP {
        let slash = rest[1..STEP].iter().rposition(|byte| *byte == b'/').ok_or(Errno::NAMETOOLONG)? + 1;
        here = Some(open(here.as_ref(), &rest[..slash], OFlags::PATH | OFlags::DIRECTORY)?);
        let next = rest[slash..].iter().position(|byte| *byte != b'/').ok_or(Errno::ISDIR)?;
        rest = &rest[slash + next..];
    }
    open(here.as_ref(), rest, flags)
}

/// The address of a short name inside an open directory, whatever the length of the directory's own path.
pub(crate) fn through(directory: &OwnedFd, name: &[u8]) -> RawAddress {
    raw(&[format!("/proc/self/fd/{}/", directory.as_raw_fd()).as_bytes(), name])
}

/// The address of an open file.
fn itself(file: &OwnedFd) -> RawAddress {
    raw(&[format!("/proc/self/fd/{}", file.as_raw_fd()).as_bytes()])
}

/// The address of the socket `name` in an open directory, to connect to, and the descriptor that it goes through.
pub(crate) fn inside(directory: &OwnedFd, name: &[u8]) -> std::result::Result<(RawAddress, OwnedFd), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    Ok((itself(&file), file))
}
