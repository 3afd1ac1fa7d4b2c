//! `NETLINK_USERSOCK`: sockets that speak to each other by port id and by group, with nothing of the kernel's between.

mod common;

use common::{ROUTE, USERSOCK, drain, isolated, open};
use nearwire_netlink::{Delivery, Errno, OpenOptions, Socket};

fn member(groups: &[u32]) -> Socket {
    Socket::open(&OpenOptions { protocol: USERSOCK, groups: groups.to_vec(), ..OpenOptions::default() }).unwrap()
}

#[test]
fn by_port_id_with_any_bytes() {
    isolated("by_port_id_with_any_bytes", || async {
        let [from, to] = [open(USERSOCK), open(USERSOCK)];
        assert_eq!(from.try_send(b"x", to.port_id().unwrap(), 0), Ok(Delivery::Complete));
        let mut buffer = [0; 16];
        let received = to.try_receive(&mut buffer).unwrap();
        assert_eq!(&buffer[..received.length], b"x", "no header, no padding");
        assert_eq!(received.from_port, from.port_id().unwrap());
        assert_eq!((received.group, received.nsid), (Some(0), None));
    });
}

#[test]
fn absent_port_is_refused_by_name() {
    isolated("absent_port_is_refused_by_name", || async {
        let socket = open(USERSOCK);
        assert_eq!(socket.try_send(b"x", 77, 0), Err(Errno::CONNREFUSED));
        let error = socket.send(b"x", 77, 0).await.unwrap_err();
        assert!(error.detail.contains("nobody has port id 77"), "{error}");
        assert_eq!(socket.try_send(b"x", 0, 0), Err(Errno::CONNREFUSED), "no kernel side");
    });
}

#[test]
fn full_port_waits_until_it_is_drained() {
    isolated("full_port_waits_until_it_is_drained", || async {
        let [from, to] = [open(USERSOCK), open(USERSOCK)];
        let port = to.port_id().unwrap();
        let mut sent = 0_u32;
        while from.try_send(&sent.to_ne_bytes(), port, 0) == Ok(Delivery::Complete) {
            sent += 1;
        }
        assert_eq!(from.try_send(b"x", port, 0), Err(Errno::AGAIN));
        assert_eq!(
            from.explain_send(Errno::AGAIN, 1, port, 0).detail,
            format!("the receive buffer of port id {port} is full")
        );
        let last = sent.to_ne_bytes();
        let waiting = from.send(&last, port, 0);
        let draining = async {
            let mut buffer = [0; 4];
            for expected in 0..=sent {
                to.receive(&mut buffer).await.unwrap();
                assert_eq!(u32::from_ne_bytes(buffer), expected, "in order, none lost");
            }
        };
        let (outcome, ()) = tokio::join!(waiting, draining);
        outcome.unwrap();
        assert_eq!(to.memory().unwrap().drops, 0);
    });
}

/// The kernel delivers and yet says ECONNREFUSED, for it also unicasts to its own side, which the protocol lacks.
#[test]
fn group_without_a_port_is_success() {
    isolated("group_without_a_port_is_success", || async {
        let from = member(&[5]);
        let members = [member(&[5]), member(&[5, 6])];
        let others = [member(&[6]), member(&[])];
        assert_eq!(from.try_send(b"all", 0, 5), Ok(Delivery::Complete));
        for to in &members {
            let mut buffer = [0; 16];
            let received = to.try_receive(&mut buffer).unwrap();
            assert_eq!(&buffer[..received.length], b"all");
            assert_eq!((received.from_port, received.group), (from.port_id().unwrap(), Some(5)));
            assert_eq!(received.from_groups, 1 << 4);
            assert_eq!(drain(to), []);
        }
        assert_eq!(drain(&from), [], "not to itself");
        assert!(others.iter().all(|to| drain(to).is_empty()));
        // Nobody in the group is no error either.
        assert_eq!(from.try_send(b"none", 0, 9), Ok(Delivery::Complete));
    });
}

#[test]
fn group_and_port_at_once() {
    isolated("group_and_port_at_once", || async {
        let from = open(USERSOCK);
        let [both, one] = [member(&[3]), member(&[3])];
        let port = both.port_id().unwrap();
        assert_eq!(from.try_send(b"x", port, 3), Ok(Delivery::Complete));
        assert_eq!(drain(&one), [Ok(b"x".to_vec())]);
        assert_eq!(drain(&both), [Ok(b"x".to_vec())], "once, though it is in the group as well");
        assert_eq!(from.try_send(b"y", 77, 3), Ok(Delivery::GroupOnly(Errno::CONNREFUSED)));
        assert_eq!(drain(&one), [Ok(b"y".to_vec())]);
    });
}

#[test]
fn group_gets_it_once_while_the_port_makes_it_wait() {
    isolated("group_gets_it_once_while_the_port_makes_it_wait", || async {
        let from = open(USERSOCK);
        let [full, one] = [open(USERSOCK), member(&[3])];
        let port = full.port_id().unwrap();
        while from.try_send(b"fill", port, 0) == Ok(Delivery::Complete) {}
        let draining = async {
            let mut buffer = [0; 16];
            // The group has it before the port does.
            one.receive(&mut buffer).await.unwrap();
            loop {
                let received = full.receive(&mut buffer).await.unwrap();
                if &buffer[..received.length] == b"last" {
                    return;
                }
            }
        };
        let (outcome, ()) = tokio::join!(from.send(b"last", port, 3), draining);
        outcome.unwrap();
        assert_eq!(drain(&one), []);
    });
}

/// Of a full member only the kernel's own multicasts could hear, not those of processes, whatever the member asked for.
#[test]
fn full_member_hears_of_it_alone() {
    isolated("full_member_hears_of_it_alone", || async {
        for broadcast_error in [false, true] {
            let options = OpenOptions {
                protocol: USERSOCK,
                groups: vec![5],
                receive_buffer: Some(1),
                broadcast_error,
                ..OpenOptions::default()
            };
            let [from, full, other] = [open(USERSOCK), Socket::open(&options).unwrap(), member(&[5])];
            for _ in 0..50 {
                assert_eq!(from.try_send(b"news", 0, 5), Ok(Delivery::Complete));
                assert_eq!(drain(&other), [Ok(b"news".to_vec())]);
            }
            let heard = drain(&full);
            assert_eq!(heard[..2], [Err(Errno::NOBUFS), Ok(b"news".to_vec())]);
            // What has its errno, and what has its place in the buffer, are all there is of the fifty.
            assert_eq!(full.memory().unwrap().drops as usize, 50 - (heard.len() - 1));
        }
    });
}

#[test]
fn group_above_32_cannot_be_sent_to() {
    isolated("group_above_32_cannot_be_sent_to", || async {
        let socket = open(USERSOCK);
        assert_eq!(socket.try_send(b"x", 0, 33), Err(Errno::INVAL));
        assert!(socket.explain_send(Errno::INVAL, 1, 0, 33).detail.contains("group 33 cannot be sent to"));
        assert_eq!(socket.try_send(b"x", 0, 32), Ok(Delivery::Complete));
    });
}

#[test]
fn larger_than_the_send_buffer() {
    isolated("larger_than_the_send_buffer", || async {
        let options = OpenOptions { protocol: USERSOCK, send_buffer: Some(10_000), ..OpenOptions::default() };
        let from = Socket::open(&options).unwrap();
        let to = open(USERSOCK);
        let port = to.port_id().unwrap();
        let limit = from.send_limit().unwrap();
        assert_eq!(limit, 20_000 - 32, "the kernel doubles what it is asked for");
        assert_eq!(from.try_send(&vec![1; limit], port, 0), Ok(Delivery::Complete));
        let error = from.send(&vec![1; limit + 1], port, 0).await.unwrap_err();
        assert_eq!(error.errno, Errno::MSGSIZE);
        assert!(error.detail.contains("19969 bytes are more than the 19968"), "{error}");
    });
}

#[test]
fn nothing_to_send() {
    isolated("nothing_to_send", || async {
        let socket = open(USERSOCK);
        let errno = socket.try_send(b"", socket.port_id().unwrap(), 0).unwrap_err();
        assert_eq!(errno, Errno::NODATA);
        assert!(socket.explain_send(errno, 0, 1, 0).detail.contains("at least one byte"));
    });
}

/// The kernel's protocols are not for talking to each other.
#[test]
fn kernel_protocols_need_a_capability() {
    isolated("kernel_protocols_need_a_capability", || async {
        let [from, to] = [open(ROUTE), open(ROUTE)];
        let outcome = from.try_send(b"x", to.port_id().unwrap(), 0);
        // Root in the namespace has the capability; the sender's port id is what gives it away.
        assert_eq!(outcome, Ok(Delivery::Complete));
        let mut buffer = [0; 16];
        assert_eq!(to.try_receive(&mut buffer).unwrap().from_port, from.port_id().unwrap());
        assert!(from.explain_send(Errno::PERM, 1, 5, 0).detail.contains("CAP_NET_ADMIN"));
    });
}
