//! Streams: bytes, ends and failures, between two of ours and with the standard library's.

mod common;

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use common::{Directory, connect, listen};
use nearwire_unix::{Kind, Socket};
use rustix::io::Errno;
use rustix::net::Shutdown;

#[tokio::test]
async fn bytes_go_both_ways_over_a_file() {
    let directory = Directory::new();
    let address = directory.address("echo");
    let listener = listen(Kind::Stream, &address);
    let client = connect(Kind::Stream, &address);
    let server = listener.accept().await.expect("a connection");

    client.write_all(b"A").await.expect("sending");
    let mut buffer = [0; 8];
    assert_eq!(server.read(&mut buffer).await, Ok(1));
    assert_eq!(buffer[0], b'A');
    server.write_all(b"B").await.expect("sending");
    assert_eq!(client.read(&mut buffer).await, Ok(1));
    assert_eq!(buffer[0], b'B');

    assert_eq!(client.peer_address(), Ok(address.clone()), "the public name, not the temporary one");
    assert_eq!(server.local_address(), Ok(address));
}

#[tokio::test]
async fn the_standard_library_is_a_peer_in_both_roles() {
    let directory = Directory::new();
    let listener = listen(Kind::Stream, &directory.address("ours"));
    let mut theirs = UnixStream::connect(directory.join("ours")).expect("connecting");
    theirs.write_all(b"hello").expect("sending");
    let ours = listener.accept().await.expect("a connection");
    let mut buffer = [0; 5];
    ours.read_exact(&mut buffer).await.expect("reading");
    assert_eq!(&buffer, b"hello");

    let their_listener = UnixListener::bind(directory.join("theirs")).expect("listening");
    let ours = connect(Kind::Stream, &directory.address("theirs"));
    let (mut theirs, _) = their_listener.accept().expect("a connection");
    ours.write_all(b"again").await.expect("sending");
    theirs.read_exact(&mut buffer).expect("reading");
    assert_eq!(&buffer, b"again");
}

#[tokio::test]
async fn more_than_the_kernel_buffers_arrives_whole() {
    let (writer, reader) = Socket::pair(Kind::Stream).expect("a pair");
    let sent: Vec<u8> = (0..4_000_000_u32).map(|index| (index % 251) as u8).collect();
    let mut received = vec![0; sent.len()];
    let (wrote, read) = tokio::join!(writer.write_all(&sent), reader.read_exact(&mut received));
    wrote.expect("sending");
    read.expect("reading");
    assert!(sent == received);
}

#[tokio::test]
async fn half_close_ends_one_direction_only() {
    let (one, other) = Socket::pair(Kind::Stream).expect("a pair");
    one.write_all(b"last words").await.expect("sending");
    one.shutdown(Shutdown::Write).expect("half-close");
    let mut buffer = [0; 32];
    assert_eq!(other.read(&mut buffer).await, Ok(10));
    assert_eq!(other.read(&mut buffer).await, Ok(0));
    assert_eq!(one.try_write(b"more"), Err(Errno::PIPE), "and no signal");
    other.write_all(b"answer").await.expect("the other direction is open");
    assert_eq!(one.read(&mut buffer).await, Ok(6));
}

#[tokio::test]
async fn waiting_on_a_half_open_peer_does_not_spin() {
    let (one, other) = Socket::pair(Kind::Stream).expect("a pair");
    other.shutdown(Shutdown::Write).expect("half-close");
    let mut buffer = [0; 8];
    assert_eq!(one.read(&mut buffer).await, Ok(0));
    // The end is reported for ever; waiting for room to write must still wait.
    while one.try_write(&[0; 4096]).is_ok() {}
    let before = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let waited = tokio::time::timeout(Duration::from_millis(200), one.write(b"x")).await;
    let after = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    assert!(waited.is_err(), "nobody reads, so there is no room");
    let used = Duration::new(after.tv_sec as u64, after.tv_nsec as u32)
        - Duration::new(before.tv_sec as u64, before.tv_nsec as u32);
    assert!(used < Duration::from_millis(50), "used {used:?} of processor");
}

#[tokio::test]
async fn closing_with_unread_data_is_a_reset_after_the_data() {
    let (one, other) = Socket::pair(Kind::Stream).expect("a pair");
    one.write_all(b"never read").await.expect("sending");
    other.write_all(b"sent before").await.expect("sending");
    drop(other);
    let mut buffer = [0; 32];
    assert_eq!(one.read(&mut buffer).await, Ok(11));
    assert_eq!(one.read(&mut buffer).await, Err(Errno::CONNRESET));
}

#[tokio::test]
async fn connections_that_nobody_accepted_are_reset() {
    let directory = Directory::new();
    let address = directory.address("short-lived");
    let listener = listen(Kind::Stream, &address);
    let client = connect(Kind::Stream, &address);
    drop(listener);
    assert_eq!(client.read(&mut [0; 8]).await, Err(Errno::CONNRESET));
}

#[tokio::test]
async fn a_busy_read_gives_up_in_time_and_takes_what_comes() {
    let (one, other) = Socket::pair(Kind::Stream).expect("a pair");
    let began = Instant::now();
    assert_eq!(one.try_read_busy(&mut [0; 8], 2_000), Err(Errno::AGAIN));
    assert!(began.elapsed() >= Duration::from_micros(2_000));

    let writer = std::thread::spawn(move || other.try_write(b"now"));
    let mut buffer = [0; 8];
    assert_eq!(one.try_read_busy(&mut buffer, 10_000_000), Ok(3));
    writer.join().expect("the thread").expect("sending");
}

#[tokio::test]
async fn every_descriptor_is_closed_on_exec_and_non_blocking() {
    let directory = Directory::new();
    let address = directory.address("flags");
    let listener = listen(Kind::Stream, &address);
    let client = connect(Kind::Stream, &address);
    let server = listener.accept().await.expect("a connection");
    let (one, other) = Socket::pair(Kind::Stream).expect("a pair");
    for fd in [listener.as_fd(), client.as_fd(), server.as_fd(), one.as_fd(), other.as_fd()] {
        assert!(rustix::io::fcntl_getfd(fd).expect("flags").contains(rustix::io::FdFlags::CLOEXEC));
        assert!(rustix::fs::fcntl_getfl(fd).expect("flags").contains(rustix::fs::OFlags::NONBLOCK));
    }
}

#[tokio::test]
async fn several_pieces_go_as_one() {
    let (one, other) = Socket::pair(Kind::Stream).expect("a pair");
    let pieces = [std::io::IoSlice::new(b"ab"), std::io::IoSlice::new(b""), std::io::IoSlice::new(b"cde")];
    assert_eq!(one.try_write_vectored(&pieces), Ok(5));
    let mut buffer = [0; 8];
    assert_eq!(other.read(&mut buffer).await, Ok(5));
    assert_eq!(&buffer[..5], b"abcde");
}
