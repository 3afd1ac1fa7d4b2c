//! A network namespace for each test, and what the tests say to the kernel in it.
#![allow(dead_code, reason = "every test file is a crate of its own and uses only some of this")]

use std::process::Command;

use nearwire_netlink::header::{self, Header, Message};
use nearwire_netlink::{Errno, OpenOptions, Socket};
use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;
use rustix::thread::UnshareFlags;

pub(crate) const ROUTE: i32 = libc::NETLINK_ROUTE;
pub(crate) const USERSOCK: i32 = libc::NETLINK_USERSOCK;
pub(crate) const GENERIC: i32 = libc::NETLINK_GENERIC;

/// Runs `test` on a thread of its own, in a network namespace of its own, inside a tokio runtime of its own.
///
/// Root enters the namespace with that thread. Others need a user namespace, which only a single-threaded process may
/// enter: the test runs again in one, under unshare(1). Where that is refused the test is skipped, aloud.
#[track_caller]
pub(crate) fn isolated<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F + Send + 'static) {
    if std::env::var_os("NEARWIRE_TEST_ISOLATED").is_none() && !rustix::process::geteuid().is_root() {
        return again_in_user_namespace(name);
    }
    let thread = std::thread::spawn(move || {
        unshare_network();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // A hang is a failure with a name, not a stuck build.
            tokio::time::timeout(std::time::Duration::from_secs(30), test()).await.expect("the test hangs");
        });
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn again_in_user_namespace(name: &str) {
    let may = Command::new("unshare").args(["--user", "--map-root-user", "--net", "true"]).output();
    if !may.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED {name}: neither root nor allowed to make a user namespace ({may:?})");
        return;
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net"])
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env("NEARWIRE_TEST_ISOLATED", "1")
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprint!("{text}");
    assert!(output.status.success(), "{name} failed in its user namespace");
    assert!(text.contains("1 passed"), "no test is called {name}");
}

#[expect(unsafe_code, reason = "rustix's unshare is unsafe for the sake of CLONE_FILES, which is not used here")]
pub(crate) fn unshare_network() {
    // SAFETY: the descriptor table stays shared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
}

/// Runs ip(8), or another program, in the test's namespace.
#[track_caller]
pub(crate) fn run(command: &str) -> String {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
pub(crate) fn open(protocol: i32) -> Socket {
    Socket::open(&OpenOptions { protocol, ..OpenOptions::default() }).unwrap()
}

/// One message, as bytes.
pub(crate) fn message(kind: u16, flags: NlmF, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    header::append_message(&mut bytes, Header { kind, flags: flags.bits(), sequence, port_id: 0 }, payload).unwrap();
    bytes
}

/// `RTM_GETLINK` for all links, as a dump. `struct ifinfomsg` is 16 bytes.
pub(crate) fn link_dump(sequence: u32) -> Vec<u8> {
    message(Rtm::Getlink.into(), NlmF::REQUEST | NlmF::DUMP, sequence, &[0; 16])
}

/// `RTM_GETLINK` for one interface index.
pub(crate) fn link_request(index: i32, flags: NlmF, sequence: u32) -> Vec<u8> {
    let mut payload = [0; 16];
    payload[4..8].copy_from_slice(&index.to_ne_bytes());
    message(Rtm::Getlink.into(), NlmF::REQUEST | flags, sequence, &payload)
}

/// The messages of a datagram, all of which must be well formed.
#[track_caller]
pub(crate) fn walk(datagram: &[u8]) -> Vec<Message<'_>> {
    header::messages(datagram).collect::<Result<_, _>>().unwrap()
}

/// The errno at the start of an error's or a DONE's payload, as a positive number.
#[track_caller]
pub(crate) fn errno_in(message: &Message<'_>) -> i32 {
    -i32::from_ne_bytes(message.payload[..4].try_into().unwrap())
}

/// What is queued now, without waiting: the bytes of each datagram, or the errno in its place.
pub(crate) fn drain(socket: &Socket) -> Vec<Result<Vec<u8>, Errno>> {
    let mut found = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match socket.try_receive(&mut buffer) {
            Ok(received) => found.push(Ok(buffer[..received.length].to_vec())),
            Err(Errno::AGAIN) => return found,
            Err(errno) => found.push(Err(errno)),
        }
    }
}
