//! Descriptors from elsewhere: checked before they are taken, and untouched when they are not.

mod common;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use nearwire_unix::{Kind, Listener, Socket, features};
use rustix::io::Errno;

#[tokio::test]
async fn sockets_of_the_right_kind_are_taken() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let socket = Socket::from_fd(ours.into(), Kind::Stream).expect("adopting");
    assert!(rustix::fs::fcntl_getfl(socket.as_fd()).expect("flags").contains(rustix::fs::OFlags::NONBLOCK));
    drop(theirs);
    assert_eq!(socket.read(&mut [0; 4]).await, Ok(0));

    let datagram = UnixDatagram::unbound().expect("a socket");
    Socket::from_fd(datagram.into(), Kind::Datagram).expect("a datagram socket needs no peer");
}

#[tokio::test]
async fn a_peer_that_is_already_gone_is_no_reason_to_refuse() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    drop(theirs);
    let socket = Socket::from_fd(ours.into(), Kind::Stream).expect("adopting");
    assert_eq!(socket.read(&mut [0; 4]).await, Ok(0));
}

#[tokio::test]
async fn everything_else_is_given_back_as_it_was() {
    let directory = common::Directory::new();
    let file: OwnedFd = std::fs::File::create(directory.join("file")).expect("a file").into();
    let (pipe, _writer) = rustix::pipe::pipe().expect("a pipe");
    let internet: OwnedFd = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket").into();
    let datagram: OwnedFd = UnixDatagram::unbound().expect("a socket").into();
    let listener: OwnedFd = UnixListener::bind(directory.join("listener")).expect("listening").into();
    let family = rustix::net::AddressFamily::UNIX;
    let unconnected = rustix::net::socket(family, rustix::net::SocketType::STREAM, None).expect("a socket");
    for (fd, errno, says) in [
        (file, Errno::NOTSOCK, "a regular file"),
        (pipe, Errno::NOTSOCK, "a pipe"),
        (internet, Errno::AFNOSUPPORT, "AF_INET"),
        (datagram, Errno::PROTOTYPE, "a datagram socket"),
        (listener, Errno::INVAL, "listening"),
        (unconnected, Errno::NOTCONN, "not connected"),
    ] {
        let before = rustix::fs::fcntl_getfl(&fd).expect("open");
        let rejected = Socket::from_fd(fd, Kind::Stream).expect_err(says);
        assert_eq!(rejected.error.errno, errno);
        assert!(rejected.error.to_string().contains(says), "{}", rejected.error);
        let fd = rejected.fd;
        assert_eq!(rustix::fs::fcntl_getfl(&fd).expect("still open"), before);
    }
    let (connected, _other) = UnixStream::pair().expect("a pair");
    let rejected = Listener::from_fd(connected.into()).expect_err("it does not listen");
    assert!(rejected.error.to_string().contains("does not listen"), "{}", rejected.error);
}

#[tokio::test]
async fn the_peer_is_who_the_kernel_says() {
    let (one, _other) = Socket::pair(Kind::Stream).expect("a pair");
    let peer = one.peer_credentials().expect("asking").expect("a peer");
    assert_eq!(peer, nearwire_unix::Credentials::own());
    if features().expect("asking").peer_groups {
        let mut groups = one.peer_groups().expect("asking").expect("a peer");
        let mut own: Vec<u32> =
            rustix::process::getgroups().expect("ours").into_iter().map(rustix::process::Gid::as_raw).collect();
        groups.sort_unstable();
        own.sort_unstable();
        assert_eq!(groups, own);
    }
    one.peer_security_label().expect("with or without a label");

    let address = common::abstract_address();
    let _receiver = Socket::bind_datagram(&address, &Default::default()).expect("binding");
    let sender = Socket::unbound(Kind::Datagram).expect("a socket");
    sender.connect(&address).expect("connecting");
    assert_eq!(sender.peer_credentials(), Ok(None), "the kernel has pid 0 and uid -1 to tell");
    assert_eq!(sender.peer_groups(), Ok(None));
    assert!(sender.peer_pidfd().expect("asking").is_none());
}
