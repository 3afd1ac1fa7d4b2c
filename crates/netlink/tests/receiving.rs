//! Receiving, one datagram at a time: lengths, truncation, overruns, and waiting.

mod common;

use common::{USERSOCK, drain, isolated, open};
use nearwire_netlink::{Delivery, Errno, OpenOptions, Socket};

fn member(options: OpenOptions) -> Socket {
    Socket::open(&OpenOptions { protocol: USERSOCK, groups: vec![1], ..options }).unwrap()
}

#[test]
fn truncation_is_told_and_the_length_known_beforehand() {
    isolated("truncation_is_told_and_the_length_known_beforehand", || async {
        let [from, to] = [open(USERSOCK), open(USERSOCK)];
        let port = to.port_id().unwrap();
        for data in [b"0123456789".as_slice(), b"next"] {
            let _ = from.try_send(data, port, 0).unwrap();
        }
        assert_eq!((to.next_length(), to.next_length()), (Ok(10), Ok(10)));
        let mut buffer = [0; 4];
        let received = to.try_receive(&mut buffer).unwrap();
        assert_eq!((received.length, received.full_length, received.truncated), (4, 10, true));
        assert_eq!(&buffer, b"0123");
        let received = to.try_receive(&mut buffer).unwrap();
        assert_eq!((received.length, received.full_length, received.truncated), (4, 4, false));
        assert_eq!(&buffer, b"next", "the rest of a truncated datagram is gone");
        assert_eq!(to.next_length(), Err(Errno::AGAIN));
    });
}

/// An empty buffer is no special case.
#[test]
fn no_room_at_all() {
    isolated("no_room_at_all", || async {
        let [from, to] = [open(USERSOCK), open(USERSOCK)];
        let _ = from.try_send(b"abc", to.port_id().unwrap(), 0).unwrap();
        let received = to.try_receive(&mut []).unwrap();
        assert_eq!((received.length, received.full_length, received.truncated), (0, 3, true));
    });
}

#[test]
fn overrun_is_told_once_before_what_is_still_queued() {
    isolated("overrun_is_told_once_before_what_is_still_queued", || async {
        let from = open(USERSOCK);
        let to = member(OpenOptions { receive_buffer: Some(1), ..OpenOptions::default() });
        for number in 0..100_u32 {
            assert_eq!(from.try_send(&number.to_ne_bytes(), 0, 1), Ok(Delivery::Complete));
        }
        let found = drain(&to);
        assert_eq!(found[0], Err(Errno::NOBUFS));
        let kept: Vec<_> =
            found[1..].iter().map(|one| u32::from_ne_bytes(one.clone().unwrap().try_into().unwrap())).collect();
        assert!(
            !kept.is_empty() && kept.iter().copied().eq(0..kept.len() as u32),
            "the first ones, in order: {kept:?}"
        );
        assert_eq!(to.memory().unwrap().drops as usize, 100 - kept.len(), "every one is accounted for");
        let _ = from.try_send(b"more", 0, 1).unwrap();
        assert_eq!(drain(&to), [Ok(b"more".to_vec())]);
    });
}

#[test]
fn overrun_can_be_kept_quiet_but_is_still_counted() {
    isolated("overrun_can_be_kept_quiet_but_is_still_counted", || async {
        let from = open(USERSOCK);
        let to = member(OpenOptions { receive_buffer: Some(1), no_enobufs: true, ..OpenOptions::default() });
        for _ in 0..100 {
            let _ = from.try_send(b"x", 0, 1).unwrap();
        }
        let found = drain(&to);
        assert!(found.iter().all(Result::is_ok));
        assert_eq!(found.len() + to.memory().unwrap().drops as usize, 100);
    });
}

#[test]
fn buffer_sizes_are_what_memory_says() {
    isolated("buffer_sizes_are_what_memory_says", || async {
        let options = OpenOptions { receive_buffer: Some(50_000), send_buffer: Some(60_000), ..OpenOptions::default() };
        let socket = member(options);
        let memory = socket.memory().unwrap();
        assert_eq!((memory.receive_buffer, memory.send_buffer, memory.drops), (100_000, 120_000, 0));
        assert_eq!(memory.queued, 0);
        let _ = open(USERSOCK).try_send(&[0; 1000], socket.port_id().unwrap(), 0).unwrap();
        assert!(socket.memory().unwrap().queued > 1000);
    });
}

#[test]
fn waits_for_a_sender_on_another_thread() {
    isolated("waits_for_a_sender_on_another_thread", || async {
        let [from, to] = [open(USERSOCK), open(USERSOCK)];
        let port = to.port_id().unwrap();
        let (waits, waiting) = std::sync::mpsc::channel();
        // The sender is a thread of its own, so that nothing but the descriptor can wake the receiver.
        let sender = std::thread::spawn(move || {
            for round in waiting {
                let round: u32 = round;
                let address = rustix::net::netlink::SocketAddrNetlink::new(port, 0);
                rustix::net::sendto(&from, &round.to_ne_bytes(), rustix::net::SendFlags::DONTWAIT, &address).unwrap();
            }
        });
        let mut buffer = [0; 4];
        for round in 0..500_u32 {
            assert_eq!(to.try_receive(&mut buffer), Err(Errno::AGAIN));
            let mut told = false;
            std::future::poll_fn(|cx| {
                let outcome = std::pin::pin!(to.receive(&mut buffer)).poll(cx);
                if !told {
                    assert!(outcome.is_pending());
                    told = true;
                    waits.send(round).unwrap();
                }
                outcome
            })
            .await
            .unwrap();
            assert_eq!(u32::from_ne_bytes(buffer), round);
        }
        drop(waits);
        sender.join().unwrap();
    });
}
