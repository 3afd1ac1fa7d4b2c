//! Descriptors and credentials beside the bytes: exactly once, closed on exec, none leaked.

mod common;

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;

use nearwire_unix::{AncillarySpace, Credentials, Kind, MOST_DESCRIPTORS, ReceiveFlags, Socket, features};
use rustix::io::Errno;

const KINDS: [Kind; 3] = [Kind::Stream, Kind::Datagram, Kind::Seqpacket];

fn pipe_with(text: &[u8]) -> OwnedFd {
    let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
    rustix::io::write(&writer, text).expect("writing");
    reader
}

#[tokio::test]
async fn descriptors_arrive_open_owned_and_closed_on_exec() {
    for kind in KINDS {
        let (one, other) = Socket::pair(kind).expect("a pair");
        let pipe = pipe_with(b"through");
        one.try_send_message(b"take", None, &[pipe.as_fd()], None).expect("sending");
        let mut buffer = [0; 16];
        let received = other.receive_message(&mut buffer, &mut AncillarySpace::new()).await.expect("receiving");
        assert_eq!((received.length, received.fds.len(), received.ancillary_truncated), (4, 1, false));
        let fd = received.fds.into_iter().next().expect("one");
        assert!(rustix::io::fcntl_getfd(&fd).expect("flags").contains(rustix::io::FdFlags::CLOEXEC));
        drop(pipe);
        let mut text = String::new();
        File::from(fd).read_to_string(&mut text).expect("reading");
        assert_eq!(text, "through");
    }
}

#[tokio::test]
async fn as_many_as_the_kernel_takes_and_one_more_is_refused_before() {
    for kind in KINDS {
        let (one, other) = Socket::pair(kind).expect("a pair");
        let pipe = pipe_with(b"");
        let mut fds = vec![pipe.as_fd(); MOST_DESCRIPTORS];
        one.try_send_message(b"x", None, &fds, None).expect("sending");
        let received = other.receive_message(&mut [0; 4], &mut AncillarySpace::new()).await.expect("receiving");
        assert_eq!((received.fds.len(), received.ancillary_truncated), (MOST_DESCRIPTORS, false));
        fds.push(pipe.as_fd());
        let error = one.try_send_message(b"x", None, &fds, None).expect_err("too many");
        assert_eq!(error.errno, Errno::INVAL);
        assert!(error.to_string().contains("254 descriptors"), "{error}");
    }
}

#[tokio::test]
async fn descriptors_without_bytes_are_refused_on_a_stream_and_travel_with_an_empty_message() {
    let pipe = pipe_with(b"");
    let (one, _other) = Socket::pair(Kind::Stream).expect("a pair");
    let error = one.try_send_message(b"", None, &[pipe.as_fd()], None).expect_err("they would be lost");
    assert_eq!(error.errno, Errno::INVAL);
    for kind in [Kind::Datagram, Kind::Seqpacket] {
        let (one, other) = Socket::pair(kind).expect("a pair");
        one.try_send_message(b"", None, &[pipe.as_fd()], None).expect("sending");
        let received = other.receive_message(&mut [0; 4], &mut AncillarySpace::new()).await.expect("receiving");
        assert_eq!((received.length, received.fds.len(), received.end), (0, 1, false));
    }
}

#[tokio::test]
async fn on_a_stream_a_read_stops_after_descriptors() {
    let (one, other) = Socket::pair(Kind::Stream).expect("a pair");
    let pipe = pipe_with(b"");
    one.try_write(b"A").expect("sending");
    one.try_send_message(b"B", None, &[pipe.as_fd()], None).expect("sending");
    one.try_write(b"C").expect("sending");
    let (mut buffer, mut space) = ([0; 16], AncillarySpace::new());
    let mut seen = Vec::new();
    let mut with_descriptor = Vec::new();
    while seen.len() < 3 {
        let received = other.receive_message(&mut buffer, &mut space).await.expect("receiving");
        seen.extend_from_slice(&buffer[..received.length]);
        if !received.fds.is_empty() {
            with_descriptor.push(buffer[received.length - 1]);
        }
    }
    assert_eq!(seen, b"ABC");
    assert_eq!(with_descriptor, b"B", "they came with the last byte of their piece");
}

#[tokio::test]
async fn a_partial_write_sends_descriptors_once() {
    let (one, other) = Socket::pair(Kind::Stream).expect("a pair");
    let pipe = pipe_with(b"");
    let data = vec![7; 2_000_000];
    let send =
        one.send_message(&data, std::slice::from_ref(&pipe).iter().map(AsFd::as_fd).collect::<Vec<_>>().leak(), None);
    let receive = async {
        let (mut buffer, mut space) = (vec![0; 65536], AncillarySpace::new());
        let (mut bytes, mut fds) = (0, 0);
        while bytes < data.len() {
            let received = other.receive_message(&mut buffer, &mut space).await.expect("receiving");
            bytes += received.length;
            fds += received.fds.len();
        }
        fds
    };
    let (sent, fds) = tokio::join!(send, receive);
    assert_eq!(sent, Ok(data.len()));
    assert_eq!(fds, 1);
}

#[tokio::test]
async fn peeking_leaves_the_message_and_its_descriptors() {
    let (one, other) = Socket::pair(Kind::Seqpacket).expect("a pair");
    let pipe = pipe_with(b"");
    one.try_send_message(b"look", None, &[pipe.as_fd()], None).expect("sending");
    let (mut buffer, mut space) = ([0; 16], AncillarySpace::new());
    assert_eq!(other.try_next_length(), Ok(4));
    for flags in [ReceiveFlags::PEEK, ReceiveFlags::PEEK, ReceiveFlags::NONE] {
        let received = other.try_receive_message(&mut buffer, &mut space, flags).expect("receiving");
        assert_eq!((received.length, received.fds.len()), (4, 1));
    }
    assert_eq!(other.try_next_length(), Err(Errno::AGAIN));
}

#[tokio::test]
async fn credentials_come_with_each_message_when_asked_for() {
    for kind in KINDS {
        let (one, other) = Socket::pair(kind).expect("a pair");
        other.options().set_pass_credentials(true).expect("the option");
        one.try_write(b"mine").expect("sending");
        let received = other.receive_message(&mut [0; 8], &mut AncillarySpace::new()).await.expect("receiving");
        assert_eq!(received.credentials, Some(Credentials::own()));
        one.try_send_message(b"mine", None, &[], Some(Credentials::own())).expect("sending");
        let received = other.receive_message(&mut [0; 8], &mut AncillarySpace::new()).await.expect("receiving");
        assert_eq!(received.credentials, Some(Credentials::own()));

        let chosen = Credentials { uid: 12_345, ..Credentials::own() };
        let outcome = one.try_send_message(b"forged", None, &[], Some(chosen));
        if rustix::process::geteuid().is_root() {
            outcome.expect("root may choose");
            let received = other.receive_message(&mut [0; 8], &mut AncillarySpace::new()).await.expect("receiving");
            assert_eq!(received.credentials, Some(chosen));
        } else {
            assert_eq!(outcome.expect_err("not permitted").errno, Errno::PERM);
        }
    }
}

#[tokio::test]
async fn a_pidfd_comes_with_each_message_when_asked_for() {
    if !features().expect("asking").pass_pidfd {
        println!("skipped: SO_PASSPIDFD needs Linux 6.5");
        return;
    }
    let (one, other) = Socket::pair(Kind::Datagram).expect("a pair");
    other.options().set_pass_pidfd(true).expect("the option");
    one.try_write(b"x").expect("sending");
    let received = other.receive_message(&mut [0; 8], &mut AncillarySpace::new()).await.expect("receiving");
    assert_points_at_us(&received.pidfd.expect("a pidfd"));
    let connected = one.peer_pidfd().expect("asking").expect("a peer");
    assert_points_at_us(&connected);
}

fn assert_points_at_us(pidfd: &OwnedFd) {
    let number = std::os::fd::AsRawFd::as_raw_fd(pidfd);
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).expect("fdinfo");
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).expect("a pidfd").trim();
    assert_eq!(pid, std::process::id().to_string());
    assert!(rustix::io::fcntl_getfd(pidfd).expect("flags").contains(rustix::io::FdFlags::CLOEXEC));
}

#[tokio::test]
async fn a_receiver_can_refuse_descriptors() {
    let (one, other) = Socket::pair(Kind::Stream).expect("a pair");
    if !features().expect("asking").pass_rights {
        println!("skipped: SO_PASSRIGHTS needs Linux 6.16");
        let error = other.options().set_pass_rights(false).expect_err("not there");
        assert!(error.to_string().contains("6.16"), "{error}");
        return;
    }
    other.options().set_pass_rights(false).expect("the option");
    let pipe = pipe_with(b"");
    let error = one.try_send_message(b"x", None, &[pipe.as_fd()], None).expect_err("refused");
    assert_eq!(error.errno, Errno::PERM);
    assert!(error.to_string().contains("SO_PASSRIGHTS"), "{error}");
}

#[tokio::test]
async fn timestamps_come_with_messages_when_asked_for() {
    let (one, other) = Socket::pair(Kind::Datagram).expect("a pair");
    other.options().set_timestamps(true).expect("the option");
    let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    one.try_write(b"x").expect("sending");
    let received = other.receive_message(&mut [0; 8], &mut AncillarySpace::new()).await.expect("receiving");
    let sent = received.timestamp.expect("a time");
    assert!(sent >= before && sent - before < std::time::Duration::from_secs(60));
}

/// Runs alone in a process of its own, for it lowers the number of descriptors that the process may have.
#[test]
fn descriptors_beyond_the_limit_are_reported_and_none_leaks() {
    const NAME: &str = "descriptors_beyond_the_limit_are_reported_and_none_leaks";
    if std::env::var_os("NEARWIRE_TEST_ALONE").is_none() {
        let mut alone = std::process::Command::new(std::env::current_exe().expect("this test"));
        alone.args(["--exact", NAME, "--nocapture"]).env("NEARWIRE_TEST_ALONE", "1");
        alone.arg0("nearwire-test");
        assert!(alone.status().expect("running alone").success());
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    runtime.block_on(async {
        let (one, other) = Socket::pair(Kind::Datagram).expect("a pair");
        let pipe = pipe_with(b"");
        let fds: Vec<BorrowedFd<'_>> = vec![pipe.as_fd(); 20];
        one.try_send_message(b"x", None, &fds, None).expect("sending");
        let open = common::open_descriptors();
        let limit = rustix::process::Rlimit { current: Some(open as u64 + 5), maximum: None };
        let old = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let limit = rustix::process::Rlimit { maximum: old.maximum, ..limit };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).expect("lowering the limit");
        let received = other.receive_message(&mut [0; 4], &mut AncillarySpace::new()).await.expect("receiving");
        assert!(received.ancillary_truncated);
        assert!(received.fds.len() < 20, "{}", received.fds.len());
        drop(received);
        rustix::process::setrlimit(rustix::process::Resource::Nofile, old).expect("raising it again");
        assert_eq!(common::open_descriptors(), open, "what did fit was closed");
    });
}
