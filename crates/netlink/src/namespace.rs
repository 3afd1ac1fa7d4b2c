//! Sockets that live in another network namespace.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Error, errno_of};

/// Where ip-netns(8) keeps the namespaces it names.
const NAMED: &str = "/run/netns";

/// The network namespace a socket is created in; it stays there for life.
#[derive(Debug)]
pub enum Namespace {
    /// One that `ip netns add` made: a file name under `/run/netns`.
    Name(String),
    /// A namespace file: `/proc/<pid>/ns/net`, or wherever one is mounted.
    Path(PathBuf),
    /// An open namespace file.
    Fd(OwnedFd),
}

impl Namespace {
    /// Runs `create` inside the namespace, on a thread of its own that ends with it.
    ///
    /// setns(2) moves the calling thread for good. Node's and tokio's threads are shared, so none of them may move,
    /// not even for the length of one call: a panic or a signal in between would leave it there.
    pub(crate) fn run<R: Send>(&self, create: impl FnOnce() -> Result<R, Error> + Send) -> Result<R, Error> {
        let opened;
        let file = match self {
            Self::Fd(fd) => fd.as_fd(),
            Self::Name(name) => {
                opened = open_named(name)?;
                opened.as_fd()
            }
            Self::Path(path) => {
                opened = open(path, || format!("no network namespace file at {}", path.display()))?;
                opened.as_fd()
            }
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name("netns".into())
                .spawn_scoped(scope, || {
                    move_into_link_name_space(file, Some(LinkNameSpaceType::Network))
                        .map_err(|errno| Error::new(errno, "setns", self.why_not(errno)))?;
                    create()
                })
                .map_err(|error| Error::new(errno_of(&error), "clone", "no thread to enter the namespace with"))?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn why_not(&self, errno: Errno) -> String {
        let which = match self {
            Self::Name(name) => format!("{NAMED}/{name}"),
            Self::Path(path) => path.display().to_string(),
            Self::Fd(_) => "the descriptor".into(),
        };
        match errno {
            Errno::INVAL => format!("{which} is not a network namespace"),
            Errno::PERM => format!(
                "entering {which} needs CAP_SYS_ADMIN, in the user namespace that owns it and in the caller's own"
            ),
            _ => which,
        }
    }
}

fn open_named(name: &str) -> Result<OwnedFd, Error> {
    // A name is one path component: anything else would name a file elsewhere.
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        return Err(Error::new(Errno::INVAL, "open", format!("{name:?} is not a file name under {NAMED}")));
    }
    open(&Path::new(NAMED).join(name), || format!("no network namespace is named {name:?} (see ip-netns(8))"))
}

fn open(path: &Path, absent: impl FnOnce() -> String) -> Result<OwnedFd, Error> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| {
        let detail = if errno == Errno::NOENT { absent() } else { path.display().to_string() };
        Error::new(errno, "open", detail)
    })
}
