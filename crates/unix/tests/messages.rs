//! Boundaries: empty messages, truncation, ends; one by one and in batches.

mod common;

use std::os::fd::AsFd;

use common::{Directory, abstract_address, connect, listen};
use nearwire_unix::{Address, AncillarySpace, BindOptions, Kind, ReceiveBatch, ReceiveFlags, SendBatch, Socket};
use rustix::io::Errno;
use rustix::net::Shutdown;

#[tokio::test]
async fn an_empty_message_is_no_end_even_when_the_peer_is_gone() {
    for close in [false, true] {
        let (one, other) = Socket::pair(Kind::Seqpacket).expect("a pair");
        one.try_write(b"").expect("sending");
        one.try_write(b"x").expect("sending");
        one.try_write(b"").expect("sending");
        if close {
            drop(one);
        } else {
            one.shutdown(Shutdown::Write).expect("half-close");
        }
        let (mut buffer, mut space) = ([0; 8], AncillarySpace::new());
        let mut seen = Vec::new();
        loop {
            let received = other.receive_message(&mut buffer, &mut space).await.expect("receiving");
            if received.end {
                break;
            }
            seen.push(received.length);
        }
        assert_eq!(seen, [0, 1, 0]);
    }
}

#[tokio::test]
async fn ends_are_told_from_empty_messages_on_accepted_and_adopted_sockets() {
    let address = abstract_address();
    let listener = listen(Kind::Seqpacket, &address);
    let client = connect(Kind::Seqpacket, &address);
    client.try_write(b"").expect("sending");
    drop(client);
    let server = listener.accept().await.expect("a connection").into_fd();
    let server = Socket::from_fd(server, Kind::Seqpacket).expect("adopting");
    let (mut buffer, mut space) = ([0; 8], AncillarySpace::new());
    let empty = server.receive_message(&mut buffer, &mut space).await.expect("receiving");
    assert!(!empty.end && empty.timestamp.is_none(), "the client's name suffices");
    assert!(server.receive_message(&mut buffer, &mut space).await.expect("receiving").end);
}

#[tokio::test]
async fn ends_of_a_peer_without_a_name_are_told_from_its_empty_messages() {
    let address = abstract_address();
    let Address::Abstract(name) = &address else { panic!("abstract") };
    let listener = listen(Kind::Seqpacket, &address);
    let client = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::SEQPACKET, None);
    let client = client.expect("a socket");
    let to = rustix::net::SocketAddrUnix::new_abstract_name(name).expect("a name");
    rustix::net::connect(&client, &to).expect("connecting");
    rustix::net::send(&client, b"", rustix::net::SendFlags::empty()).expect("sending");
    drop(client);
    let server = listener.accept().await.expect("a connection");
    let (mut buffer, mut space) = ([0; 8], AncillarySpace::new());
    let empty = server.receive_message(&mut buffer, &mut space).await.expect("receiving");
    assert!(!empty.end && empty.timestamp.is_some());
    assert!(server.receive_message(&mut buffer, &mut space).await.expect("receiving").end);
}

#[tokio::test]
async fn truncation_is_reported_with_the_whole_size() {
    for kind in [Kind::Datagram, Kind::Seqpacket] {
        let (one, other) = Socket::pair(kind).expect("a pair");
        one.try_write(&[1; 1000]).expect("sending");
        one.try_write(&[2; 10]).expect("sending");
        assert_eq!(other.try_next_length(), Ok(1000));
        let (mut buffer, mut space) = ([0; 10], AncillarySpace::new());
        let first = other.try_receive_message(&mut buffer, &mut space, ReceiveFlags::NONE).expect("receiving");
        assert_eq!((first.length, first.full_length, first.truncated), (10, 1000, true));
        let second = other.try_receive_message(&mut buffer, &mut space, ReceiveFlags::NONE).expect("receiving");
        assert_eq!((second.length, second.full_length, second.truncated), (10, 10, false));
    }
}

#[tokio::test]
async fn batches_keep_order_boundaries_descriptors_and_the_end() {
    let (one, other) = Socket::pair(Kind::Seqpacket).expect("a pair");
    let data = b"aabbbcccc";
    let mut send = SendBatch::new(16);
    assert_eq!(one.try_send_batch(&mut send, data, &[0, 2, 2, 5, 9], None), Ok(4));
    let (pipe, _writer) = rustix::pipe::pipe().expect("a pipe");
    one.try_send_message(b"with", None, &[pipe.as_fd()], None).expect("sending");
    one.try_write(b"").expect("sending");
    drop(one);

    let mut batch = ReceiveBatch::new(16, 64);
    let mut buffer = [0; 16 * 3];
    let count = other.receive_batch(&mut batch, &mut buffer, 3).await.expect("receiving");
    let whole: Vec<Vec<u8>> = (0..count)
        .map(|index| {
            let placed = batch.messages()[index];
            [&buffer[placed.offset..placed.offset + placed.length], batch.overflow(index)].concat()
        })
        .collect();
    assert_eq!(whole, [&b"aa"[..], b"", b"bbb", b"cccc", b"with", b""]);
    assert!(batch.end());
    assert!(batch.messages().iter().all(|placed| !placed.truncated && !placed.ancillary_truncated));
    let fds: Vec<usize> =
        (0..count).map(|index| batch.take_ancillary(index).map_or(0, |beside| beside.fds.len())).collect();
    assert_eq!(fds, [0, 0, 0, 0, 1, 0]);
    assert_eq!(other.receive_batch(&mut batch, &mut buffer, 3).await, Ok(0));
    assert!(batch.end());
}

#[tokio::test]
async fn a_batch_reports_what_even_the_overflow_could_not_hold() {
    let (one, other) = Socket::pair(Kind::Datagram).expect("a pair");
    one.try_write(&[9; 100]).expect("sending");
    one.try_write(&[8; 3]).expect("sending");
    let mut batch = ReceiveBatch::new(4, 10);
    let mut buffer = [0; 4 * 8];
    assert_eq!(other.try_receive_batch(&mut batch, &mut buffer, 8), Ok(2));
    let first = batch.messages()[0];
    assert_eq!((first.length, first.overflow, first.full_length, first.truncated), (8, 10, 100, true));
    assert_eq!(batch.messages()[1].length, 3);
    assert!(!batch.messages()[1].truncated);
    assert_eq!(other.try_receive_batch(&mut batch, &mut buffer, 8), Err(Errno::AGAIN));
}

#[tokio::test]
async fn senders_are_known_and_can_be_answered() {
    let directory = Directory::new();
    let (server_name, client_name) = (directory.address("server"), directory.address("client"));
    let server = Socket::bind_datagram(&server_name, &BindOptions::default()).expect("binding");
    let client = Socket::bind_datagram(&client_name, &BindOptions::default()).expect("binding");
    let nameless = Socket::unbound(Kind::Datagram).expect("a socket");
    client.send_to(b"question", &server_name).await.expect("sending");
    nameless.send_to(b"anonymous", &server_name).await.expect("sending");

    let mut batch = ReceiveBatch::new(4, 0);
    let mut buffer = [0; 64];
    assert_eq!(server.receive_batch(&mut batch, &mut buffer, 16).await, Ok(2));
    assert_eq!(batch.from(0), client_name);
    assert_eq!(batch.from(1), Address::Unnamed);
    server.send_to(b"answer", &batch.from(0)).await.expect("sending");
    let received = client.receive_message(&mut buffer, &mut AncillarySpace::new()).await.expect("receiving");
    assert_eq!((received.length, received.from), (6, Some(server_name)));
}

#[tokio::test]
async fn failures_of_datagrams_are_the_kernels() {
    let (one, other) = Socket::pair(Kind::Datagram).expect("a pair");
    let too_long = vec![0; one.options().send_buffer().expect("the option") as usize + 1];
    assert_eq!(one.try_write(&too_long), Err(Errno::MSGSIZE));
    drop(other);
    assert_eq!(one.try_write(b"x"), Err(Errno::CONNREFUSED));
    assert_eq!(one.try_write(b"x"), Err(Errno::NOTCONN));
    let absent = one.try_send_message(b"x", Some(&abstract_address()), &[], None).expect_err("nobody");
    assert_eq!(absent.errno, Errno::CONNREFUSED);
}

#[tokio::test]
async fn queue_lengths_tell_what_is_unread() {
    let (one, other) = Socket::pair(Kind::Stream).expect("a pair");
    assert_eq!((one.options().queued_out(), other.options().queued_in()), (Ok(0), Ok(0)));
    one.try_write(&[0; 500]).expect("sending");
    assert_eq!(other.options().queued_in(), Ok(500));
    assert!(one.options().queued_out().expect("asking") >= 500);
}

/// Nothing can come any more, and yet the kernel says `EAGAIN`: a wait that believed it would never end, or spin.
#[tokio::test]
async fn a_datagram_socket_whose_reading_was_shut_down_says_so_once_it_is_empty() {
    let (one, other) = Socket::pair(Kind::Datagram).expect("a pair");
    one.try_write(b"before").expect("sending");
    other.shutdown(Shutdown::Read).expect("shutting down");
    let (mut buffer, mut space) = ([0; 8], AncillarySpace::new());
    assert_eq!(other.receive_message(&mut buffer, &mut space).await.expect("receiving").length, 6);
    for _ in 0..2 {
        let outcome = other.receive_message(&mut buffer, &mut space).await.map(|received| received.length);
        assert_eq!(outcome, Err(Errno::SHUTDOWN));
    }
}

#[tokio::test]
async fn a_wait_learns_that_reading_was_shut_down() {
    let (_one, other) = Socket::pair(Kind::Datagram).expect("a pair");
    let adopted = other.as_fd().try_clone_to_owned().expect("a duplicate");
    let waiting = tokio::spawn(async move {
        let (mut buffer, mut space) = ([0; 8], AncillarySpace::new());
        other.receive_message(&mut buffer, &mut space).await.map(|received| received.length)
    });
    tokio::task::yield_now().await;
    rustix::net::shutdown(adopted, Shutdown::Read).expect("shutting down");
    assert_eq!(waiting.await.expect("no panic"), Err(Errno::SHUTDOWN));
}
