//! A full queue at the listener: never mistaken for a connection, and connected to as soon as there is room.

mod common;

use common::{Directory, connect};
use nearwire_unix::{Bind, Connecting, Kind, ListenOptions, Listener};
use rustix::io::Errno;

#[tokio::test]
async fn a_full_queue_says_not_yet_and_the_same_attempt_succeeds_later() {
    for kind in [Kind::Stream, Kind::Seqpacket] {
        let directory = Directory::new();
        let address = directory.address("full");
        let options = ListenOptions { backlog: 2, ..ListenOptions::default() };
        let listener = Listener::listen(kind, &address, &options).expect("listening");
        let _queued: Vec<_> = (0..3).map(|_| connect(kind, &address)).collect();

        let mut fourth = Connecting::new(kind, None).expect("a socket");
        for _ in 0..3 {
            assert!(fourth.attempt(&address).expect("no failure").is_none(), "listen(2) admits three");
        }
        listener.try_accept().expect("the first");
        let socket = fourth.attempt(&address).expect("connecting").expect("room now");
        assert_eq!(fourth.attempt(&address).expect_err("done").errno, Errno::ISCONN);

        for _ in 0..2 {
            listener.try_accept().expect("the queued");
        }
        let accepted = listener.try_accept().expect("the fourth");
        socket.write_all(b"x").await.expect("it is a real connection");
        assert_eq!(accepted.read(&mut [0; 4]).await, Ok(1));
    }
}

#[tokio::test]
async fn the_connecting_side_can_have_a_name_of_its_own() {
    let directory = Directory::new();
    let address = directory.address("server");
    let listener = Listener::listen(Kind::Stream, &address, &ListenOptions::default()).expect("listening");

    let own = directory.address("client");
    let mut named = Connecting::new(Kind::Stream, Some(Bind::Address(own.clone()))).expect("binding");
    let client = named.attempt(&address).expect("connecting").expect("room");
    let server = listener.accept().await.expect("a connection");
    assert_eq!(server.peer_address(), Ok(own));
    drop(client);
    assert_eq!(directory.files(), ["server"], "its file goes with it, and no lock file stays");

    let mut automatic = Connecting::new(Kind::Stream, Some(Bind::Auto)).expect("binding");
    let _client = automatic.attempt(&address).expect("connecting").expect("room");
    let server = listener.accept().await.expect("a connection");
    let name = server.peer_address().expect("a name");
    assert!(matches!(&name, nearwire_unix::Address::Abstract(name) if name.len() == 5), "{name}");
}

#[tokio::test]
async fn failures_to_connect_say_what_is_wrong() {
    let directory = Directory::new();
    let attempt = |kind, name: &str| {
        let mut connecting = Connecting::new(kind, None).expect("a socket");
        connecting.attempt(&directory.address(name)).expect_err("this cannot work")
    };

    assert_eq!(attempt(Kind::Stream, "absent").errno, Errno::NOENT);

    std::fs::write(directory.join("file"), "data").expect("a file");
    let error = attempt(Kind::Stream, "file");
    assert_eq!(error.errno, Errno::CONNREFUSED);
    assert!(error.to_string().contains("a regular file, not a socket"), "{error}");

    drop(std::os::unix::net::UnixListener::bind(directory.join("stale")).expect("listening"));
    let error = attempt(Kind::Stream, "stale");
    assert_eq!(error.errno, Errno::CONNREFUSED);
    assert!(error.to_string().contains("nobody listens"), "{error}");

    let _listener = common::listen(Kind::Stream, &directory.address("stream"));
    assert_eq!(attempt(Kind::Seqpacket, "stream").errno, Errno::PROTOTYPE);
}
