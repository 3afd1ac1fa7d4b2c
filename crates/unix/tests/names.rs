//! Claiming names: nothing foreign deleted, nothing left behind, no moment in which it does not work.

mod common;

use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Directory, connect, listen};
use nearwire_unix::{BindOptions, Kind, ListenOptions, Listener, Socket, Takeover};
use rustix::io::Errno;

fn options(takeover: Takeover) -> ListenOptions {
    ListenOptions { takeover, ..ListenOptions::default() }
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_only_when_allowed() {
    let directory = Directory::new();
    let address = directory.address("stale");
    drop(UnixListener::bind(directory.join("stale")).expect("listening"));

    let error = Listener::listen(Kind::Stream, &address, &options(Takeover::Never)).expect_err("taken");
    assert_eq!(error.errno, Errno::ADDRINUSE);
    let listener = Listener::listen(Kind::Stream, &address, &options(Takeover::Stale)).expect("replaced");
    let _client = connect(Kind::Stream, &address);
    listener.try_accept().expect("a connection");
    listener.close().expect("closing");
    assert!(directory.files().is_empty(), "{:?}", directory.files());
}

#[tokio::test]
async fn a_live_socket_is_not_stale_and_is_left_undisturbed() {
    let directory = Directory::new();
    let theirs = UnixListener::bind(directory.join("live")).expect("listening");
    theirs.set_nonblocking(true).expect("non-blocking");
    let error =
        Listener::listen(Kind::Stream, &directory.address("live"), &options(Takeover::Stale)).expect_err("taken");
    assert_eq!(error.errno, Errno::ADDRINUSE);
    assert!(theirs.accept().is_err(), "the question was not a connection that it must accept");

    let _receiver = UnixDatagram::bind(directory.join("datagram")).expect("binding");
    let error = Listener::listen(Kind::Stream, &directory.address("datagram"), &options(Takeover::Stale));
    assert_eq!(error.expect_err("taken").errno, Errno::ADDRINUSE);
    assert_eq!(directory.files(), ["datagram", "live"]);
}

#[tokio::test]
async fn a_socket_that_is_bound_and_does_not_listen_yet_is_not_stale() {
    let directory = Directory::new();
    let bound = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None);
    let bound = bound.expect("a socket");
    let name = rustix::net::SocketAddrUnix::new(directory.join("bound")).expect("an address");
    rustix::net::bind(&bound, &name).expect("binding");
    let error = Listener::listen(Kind::Stream, &directory.address("bound"), &options(Takeover::Stale));
    assert_eq!(error.expect_err("taken").errno, Errno::ADDRINUSE);
}

#[tokio::test]
async fn nothing_but_a_socket_is_ever_replaced() {
    let directory = Directory::new();
    std::fs::write(directory.join("file"), "precious").expect("a file");
    std::os::unix::fs::symlink("file", directory.join("link")).expect("a link");
    std::fs::create_dir(directory.join("directory")).expect("a directory");
    for (name, what) in [("file", "a regular file"), ("link", "a symbolic link"), ("directory", "a directory")] {
        for takeover in [Takeover::Never, Takeover::Stale, Takeover::Live] {
            let error = Listener::listen(Kind::Stream, &directory.address(name), &options(takeover)).expect_err(name);
            assert_eq!(error.errno, Errno::ADDRINUSE);
            assert!(error.to_string().contains(what), "{error}");
            let bind = BindOptions { takeover, ..BindOptions::default() };
            let error = Socket::bind_datagram(&directory.address(name), &bind).expect_err(name);
            assert_eq!(error.errno, Errno::ADDRINUSE);
        }
    }
    assert_eq!(std::fs::read_to_string(directory.join("file")).expect("still there"), "precious");
    assert_eq!(directory.files(), ["directory", "file", "link"]);
}

#[tokio::test]
async fn a_live_listener_is_taken_over_without_a_gap() {
    let directory = Directory::new();
    let address = directory.address("busy");
    let path = directory.join("busy");
    let mut current = listen(Kind::Stream, &address);
    let stop = Arc::new(AtomicBool::new(false));
    let clients = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut connections = 0;
            while !stop.load(Ordering::Relaxed) {
                UnixStream::connect(&path).expect("always somebody there");
                connections += 1;
            }
            connections
        }
    });
    for _ in 0..300 {
        let next = Listener::listen(Kind::Stream, &address, &options(Takeover::Live)).expect("taking over");
        // The kernel finds the file first and the socket that is bound to it second. Only the client's arrival at the
        // new one tells that it is not between the two any more, on its way to the old one.
        while next.try_accept().is_err() && !clients.is_finished() {
            while current.try_accept().is_ok() {}
            std::thread::yield_now();
        }
        current = next;
    }
    stop.store(true, Ordering::Relaxed);
    while !clients.is_finished() {
        let _ = current.try_accept();
        std::thread::yield_now();
    }
    assert!(clients.join().expect("no client failed") > 0);
    assert_eq!(directory.files(), ["busy"]);
}

#[tokio::test]
async fn closing_never_removes_a_successor() {
    let directory = Directory::new();
    let address = directory.address("handed-on");
    let old = listen(Kind::Stream, &address);
    let new = Listener::listen(Kind::Stream, &address, &options(Takeover::Live)).expect("taking over");
    old.close().expect("closing");
    let _client = connect(Kind::Stream, &address);
    new.try_accept().expect("the name is the successor's");
}

#[tokio::test]
async fn a_name_given_up_or_kept_on_purpose_stays() {
    let directory = Directory::new();
    let detached = listen(Kind::Stream, &directory.address("detached")).into_fd();
    assert_eq!(directory.files(), ["detached"]);
    let adopted = Listener::from_fd(detached).expect("adopting");
    assert_eq!(adopted.kind(), Kind::Stream);
    drop(adopted);
    assert_eq!(directory.files(), ["detached"], "an adopted listener never removes a file");

    let keep = ListenOptions { unlink_on_close: false, ..ListenOptions::default() };
    drop(Listener::listen(Kind::Stream, &directory.address("kept"), &keep).expect("listening"));
    assert_eq!(directory.files(), ["detached", "kept"]);
}

#[tokio::test]
async fn the_mode_is_exact_and_there_from_the_beginning() {
    let directory = Directory::new();
    for mode in [0o600, 0o666, 0o777, 0o620] {
        let exact = ListenOptions { mode: Some(mode), ..ListenOptions::default() };
        let _listener = Listener::listen(Kind::Stream, &directory.address("mode"), &exact).expect("listening");
        let metadata = std::fs::symlink_metadata(directory.join("mode")).expect("the socket");
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o7777, mode);
        let bind = BindOptions { mode: Some(mode), ..BindOptions::default() };
        let _datagram = Socket::bind_datagram(&directory.address("datagram"), &bind).expect("binding");
        let metadata = std::fs::symlink_metadata(directory.join("datagram")).expect("the socket");
        assert_eq!(metadata.permissions().mode() & 0o7777, mode);
    }
}

#[tokio::test]
async fn of_many_who_claim_a_stale_name_at_once_one_gets_it() {
    let directory = Directory::new();
    for _ in 0..20 {
        let path = directory.join("contested");
        drop(UnixListener::bind(&path).expect("listening"));
        let runtime = tokio::runtime::Handle::current();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let claims: Vec<_> = (0..8)
                .map(|_| {
                    let (runtime, address) = (runtime.clone(), directory.address("contested"));
                    scope.spawn(move || {
                        let _context = runtime.enter();
                        Listener::listen(Kind::Stream, &address, &options(Takeover::Stale))
                    })
                })
                .collect();
            claims.into_iter().map(|claim| claim.join().expect("the thread")).collect()
        });
        let winners: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
        assert_eq!(winners.len(), 1);
        assert!(
            outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(|error| error.errno == Errno::ADDRINUSE)
        );
        let _client = connect(Kind::Stream, &directory.address("contested"));
        winners[0].try_accept().expect("the winner has the name");
        drop(outcomes);
        assert!(directory.files().is_empty(), "{:?}", directory.files());
    }
}

#[tokio::test]
async fn a_lock_that_somebody_keeps_is_an_error_and_their_file_stays() {
    let directory = Directory::new();
    let held = std::fs::File::create(directory.join("wayland-0.lock")).expect("a lock file");
    rustix::fs::flock(held.as_fd(), rustix::fs::FlockOperation::LockExclusive).expect("locking");
    let error = Listener::listen(Kind::Stream, &directory.address("wayland-0"), &ListenOptions::default());
    let error = error.expect_err("held");
    assert_eq!(error.errno, Errno::ADDRINUSE);
    assert!(error.to_string().contains("wayland-0.lock"), "{error}");
    assert_eq!(directory.files(), ["wayland-0.lock"]);

    std::fs::write(directory.join("data.lock"), "not a lock").expect("a file");
    drop(listen(Kind::Stream, &directory.address("data")));
    assert_eq!(std::fs::read_to_string(directory.join("data.lock")).expect("still there"), "not a lock");
}

#[tokio::test]
async fn a_directory_without_permission_says_so() {
    let directory = Directory::new();
    if std::fs::metadata(directory.path()).expect("metadata").uid() == 0 {
        println!("skipped: as root every directory is writable; run the tests as another user too");
        return;
    }
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o500)).expect("chmod");
    let error = Listener::listen(Kind::Stream, &directory.address("name"), &ListenOptions::default());
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).expect("chmod");
    let error = error.expect_err("not writable");
    assert_eq!(error.errno, Errno::ACCESS);
    assert!(error.to_string().contains("permission"), "{error}");
}

#[tokio::test]
async fn datagram_names_are_taken_over_and_removed_likewise() {
    let directory = Directory::new();
    let address = directory.address("log");
    drop(UnixDatagram::bind(directory.join("log")).expect("binding"));
    let first = Socket::bind_datagram(&address, &BindOptions::default()).expect("a stale name");
    let error = Socket::bind_datagram(&address, &BindOptions::default()).expect_err("a live one");
    assert_eq!(error.errno, Errno::ADDRINUSE);
    let live = BindOptions { takeover: Takeover::Live, ..BindOptions::default() };
    let second = Socket::bind_datagram(&address, &live).expect("taking over");
    drop(first);
    assert_eq!(directory.files(), ["log"]);
    drop(second);
    assert!(directory.files().is_empty());
}
