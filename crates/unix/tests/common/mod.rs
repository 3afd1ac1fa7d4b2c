//! What several tests need.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nearwire_unix::{Address, Connecting, Kind, ListenOptions, Listener, Socket};

/// A directory of one test's own, removed at its end.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("nearwire-{}-{count}", std::process::id()));
        std::fs::create_dir(&path).expect("a fresh directory");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn address(&self, name: &str) -> Address {
        Address::from(self.join(name).as_path())
    }

    /// The names of all files in it, sorted: what a test left behind.
    pub fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = std::fs::read_dir(&self.0)
            .expect("our directory")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An abstract name that no other test uses.
pub fn abstract_address() -> Address {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Address::Abstract(format!("nearwire-test-{}-{count}", std::process::id()).into_bytes())
}

pub fn listen(kind: Kind, address: &Address) -> Listener {
    Listener::listen(kind, address, &ListenOptions::default()).expect("listening")
}

pub fn connect(kind: Kind, address: &Address) -> Socket {
    Connecting::new(kind, None).expect("a socket").attempt(address).expect("connecting").expect("room in the queue")
}

/// Descriptors that this process has open.
pub fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("procfs").count() - 1
}
