//! Names of every kind and length, through the kernel and back.

mod common;

use common::{Directory, connect, listen};
use nearwire_unix::{Address, BindOptions, Kind, LONGEST_ABSTRACT_NAME, ListenOptions, Listener, Socket};
use rustix::io::Errno;

#[tokio::test]
async fn abstract_names_hold_any_bytes() {
    let id = std::process::id().to_ne_bytes();
    let full = [&id[..], &[0xff; LONGEST_ABSTRACT_NAME - 4]].concat();
    for name in [[&id[..], b"\0a\0\0b\0"].concat(), full] {
        let address = Address::Abstract(name);
        let listener = listen(Kind::Stream, &address);
        let _client = connect(Kind::Stream, &address);
        let server = listener.accept().await.expect("a connection");
        assert_eq!(server.local_address(), Ok(address));
        assert_eq!(server.peer_address(), Ok(Address::Unnamed));
    }
    let longer = Address::Abstract(vec![b'x'; LONGEST_ABSTRACT_NAME + 1]);
    let error = Listener::listen(Kind::Stream, &longer, &ListenOptions::default()).expect_err("too long");
    assert_eq!(error.errno, Errno::NAMETOOLONG);
}

#[tokio::test]
async fn the_kernel_chooses_a_name_when_asked() {
    let listener = listen(Kind::Seqpacket, &Address::Unnamed);
    assert!(matches!(listener.address(), Address::Abstract(name) if name.len() == 5));
    let _client = connect(Kind::Seqpacket, listener.address());
    listener.accept().await.expect("a connection");
}

#[tokio::test]
async fn paths_of_every_length_around_the_limit_and_far_beyond() {
    let directory = Directory::new();
    let deep = (0..40).fold(directory.path().to_path_buf(), |path, _| path.join("a-directory-of-some-length"));
    std::fs::create_dir_all(&deep).expect("directories");
    let base = directory.path().as_os_str().len() + 1;
    let mut paths: Vec<_> = (100..=112).map(|length| directory.join(&"n".repeat(length - base))).collect();
    paths.push(directory.join(&"n".repeat(250)));
    paths.push(deep.join("socket"));
    for path in paths {
        let address = Address::from(path.as_path());
        let listener = listen(Kind::Stream, &address);
        let client = connect(Kind::Stream, &address);
        let server = listener.accept().await.expect("a connection");
        assert_eq!(server.local_address(), Ok(address.clone()));
        assert_eq!(client.peer_address(), Ok(address.clone()));
        drop(listener);
        assert!(!path.exists());

        let receiver = Socket::bind_datagram(&address, &BindOptions::default()).expect("binding");
        let sender = Socket::unbound(Kind::Datagram).expect("a socket");
        sender.send_to(b"x", &address).await.expect("sending");
        assert_eq!(receiver.read(&mut [0; 4]).await, Ok(1));
    }
}

#[tokio::test]
async fn a_path_longer_than_the_kernel_opens_at_once() {
    use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
    let directory = Directory::new();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let (mut here, mut path) =
        (open(directory.path(), flags, Mode::empty()).expect("our directory"), directory.path().to_path_buf());
    let step = "d".repeat(200);
    while path.as_os_str().len() < 9000 {
        mkdirat(&here, step.as_str(), Mode::RWXU).expect("a directory");
        here = openat(&here, step.as_str(), flags, Mode::empty()).expect("the directory");
        path.push(&step);
    }
    let address = Address::from(path.join("socket").as_path());
    let listener = listen(Kind::Stream, &address);
    let client = connect(Kind::Stream, &address);
    let server = listener.accept().await.expect("a connection");
    client.write_all(b"far").await.expect("sending");
    assert_eq!(server.read(&mut [0; 8]).await, Ok(3));
}

#[tokio::test]
async fn what_cannot_be_a_name_is_refused_with_the_reason() {
    let directory = Directory::new();
    let long_name = directory.address(&"n".repeat(251));
    for (address, errno) in [
        (long_name, Errno::NAMETOOLONG),
        (Address::Path(b"a\0b".to_vec()), Errno::INVAL),
        (Address::Path(Vec::new()), Errno::INVAL),
        (directory.address("absent/socket"), Errno::NOENT),
        (directory.address("directory/"), Errno::ISDIR),
    ] {
        let error = Listener::listen(Kind::Stream, &address, &ListenOptions::default()).expect_err("impossible");
        assert_eq!(error.errno, errno, "{error}");
        assert!(error.detail.is_some(), "{error}");
    }
    assert!(directory.files().is_empty());
}

#[test]
fn socket_addresses_as_the_kernel_writes_them() {
    let family = 1_u16.to_ne_bytes();
    let read = |name: &[u8]| Address::from_sockaddr(&[&family[..], name].concat());
    assert_eq!(Address::from_sockaddr(&[]), Address::Unnamed);
    assert_eq!(read(b""), Address::Unnamed);
    assert_eq!(read(b"/a\0"), Address::Path(b"/a".to_vec()));
    assert_eq!(read(&[b'p'; 108]), Address::Path(vec![b'p'; 108]));
    assert_eq!(read(&[&[b'p'; 108][..], b"\0"].concat()), Address::Path(vec![b'p'; 108]));
    assert_eq!(read(b"\0"), Address::Abstract(Vec::new()));
    assert_eq!(read(b"\0a\0b\0"), Address::Abstract(b"a\0b\0".to_vec()));
    for address in [Address::Path(b"/tmp/x".to_vec()), Address::Abstract(b"\0y".to_vec()), Address::Unnamed] {
        assert_eq!(Address::from_sockaddr(&address.to_sockaddr().expect("short enough")), address);
    }
}
