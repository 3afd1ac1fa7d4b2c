//! Requests to the kernel: the answer is queued before the send returns, dumps end with DONE, and what netlink says
//! about dumps and errors is in the bytes.

mod common;

use common::{ROUTE, drain, errno_in, isolated, link_dump, link_request, message, open, run, walk};
use nearwire_netlink::attribute::attributes;
use nearwire_netlink::{Errno, OpenOptions, Socket};
use neli::consts::nl::{NlmF, Nlmsg, NlmsgerrAttr};
use neli::consts::rtnl::Rtm;

#[test]
fn answer_is_there_when_send_returns() {
    isolated("answer_is_there_when_send_returns", || async {
        let socket = open(ROUTE);
        let _ = socket.try_send(&link_request(1, NlmF::empty(), 7), 0, 0).unwrap();
        let mut buffer = [0; 1 << 16];
        let received = socket.try_receive(&mut buffer).unwrap();
        assert_eq!((received.from_port, received.group_number(), received.truncated), (0, 0, false));
        let messages = walk(&buffer[..received.length]);
        assert_eq!(messages[0].header.kind, u16::from(Rtm::Newlink));
        assert_eq!((messages[0].header.sequence, messages[0].header.port_id), (7, socket.port_id().unwrap()));
        assert_eq!(socket.try_receive(&mut buffer), Err(Errno::AGAIN));
    });
}

#[test]
fn dump_ends_with_done() {
    isolated("dump_ends_with_done", || async {
        for index in 0..40 {
            run(&format!("ip link add a{index} type veth peer name b{index}"));
        }
        let socket = open(ROUTE);
        let _ = socket.try_send(&link_dump(3), 0, 0).unwrap();
        let mut links = 0;
        let mut done = false;
        for datagram in drain(&socket) {
            for message in walk(&datagram.unwrap()) {
                assert!(!done, "nothing follows DONE");
                assert_eq!(message.header.sequence, 3);
                assert_ne!(message.header.flags & NlmF::MULTI.bits(), 0);
                if message.header.kind == u16::from(Nlmsg::Done) {
                    assert_eq!(errno_in(&message), 0);
                    done = true;
                } else {
                    assert_eq!(message.header.kind, u16::from(Rtm::Newlink));
                    links += 1;
                }
            }
        }
        let shown = run("ip -o link show").lines().count();
        assert!(done);
        assert_eq!(links, shown);
        assert!(links >= 81, "the loopback and forty pairs");
    });
}

/// The kernel keeps one dump for a socket: whoever wants several must queue them or use several sockets.
#[test]
fn second_dump_is_busy() {
    isolated("second_dump_is_busy", || async {
        // So many that the first dump cannot end within the send.
        for index in 0..100 {
            run(&format!("ip link add a{index} type veth peer name b{index}"));
        }
        let socket = open(ROUTE);
        let _ = socket.try_send(&link_dump(1), 0, 0).unwrap();
        let _ = socket.try_send(&link_dump(2), 0, 0).unwrap();
        let mut ends = Vec::new();
        for datagram in drain(&socket) {
            for message in walk(&datagram.unwrap()) {
                if message.header.kind == u16::from(Nlmsg::Done) || message.header.kind == u16::from(Nlmsg::Error) {
                    ends.push((message.header.sequence, message.header.kind, errno_in(&message)));
                }
            }
        }
        ends.sort_unstable();
        assert_eq!(ends, [(1, Nlmsg::Done.into(), 0), (2, Nlmsg::Error.into(), libc::EBUSY)]);
    });
}

/// Asks for a link of an impossible name, in a way that the kernel explains.
fn refused(socket: &Socket) -> Vec<u8> {
    let mut payload = vec![0; 16];
    // IFLA_MTU of one byte: too short for its policy.
    nearwire_netlink::attribute::append_attribute(&mut payload, libc::IFLA_MTU, &[1]).unwrap();
    let request = message(Rtm::Newlink.into(), NlmF::REQUEST | NlmF::ACK | NlmF::CREATE, 9, &payload);
    let _ = socket.try_send(&request, 0, 0).unwrap();
    drain(socket).remove(0).unwrap()
}

#[test]
fn extended_ack_is_in_the_bytes() {
    isolated("extended_ack_is_in_the_bytes", || async {
        let options = OpenOptions { ext_ack: true, cap_ack: true, ..OpenOptions::default() };
        let answer = refused(&Socket::open(&options).unwrap());
        let error = walk(&answer)[0];
        assert_eq!(error.header.kind, u16::from(Nlmsg::Error));
        assert_ne!(errno_in(&error), 0);
        assert_ne!(error.header.flags & NlmF::ACK_TLVS.bits(), 0);
        // Capped, so the attributes follow the errno and the request's header at once.
        assert_ne!(error.header.flags & NlmF::CAPPED.bits(), 0);
        let found: Vec<_> = attributes(&error.payload[4 + 16..]).collect::<Result<_, _>>().unwrap();
        assert!(found.iter().any(|one| one.kind == u16::from(NlmsgerrAttr::Msg) && one.payload.ends_with(b"\0")));
        let offset = found.iter().find(|one| one.kind == u16::from(NlmsgerrAttr::Offset)).unwrap();
        assert_eq!(offset.payload, 32_u32.to_ne_bytes(), "the attribute follows two headers of 16 bytes");
    });
}

#[test]
fn without_extended_ack_there_are_no_attributes() {
    isolated("without_extended_ack_there_are_no_attributes", || async {
        let answer = refused(&open(ROUTE));
        let error = walk(&answer)[0];
        assert_ne!(errno_in(&error), 0);
        assert_eq!(error.header.flags & (NlmF::ACK_TLVS | NlmF::CAPPED).bits(), 0);
        // The errno, and all of the request: header, ifinfomsg, attribute.
        assert_eq!(error.payload.len(), 4 + 16 + 16 + 8);
    });
}

#[test]
fn capped_ack_carries_the_header_only() {
    isolated("capped_ack_carries_the_header_only", || async {
        let options = OpenOptions { cap_ack: true, ..OpenOptions::default() };
        let answer = refused(&Socket::open(&options).unwrap());
        let error = walk(&answer)[0];
        assert_ne!(error.header.flags & NlmF::CAPPED.bits(), 0);
        assert_eq!(error.payload.len(), 4 + 16);
    });
}

/// A dump request whose header names an interface type: ignored by default, refused under strict checking.
#[test]
fn strict_checking_refuses_sloppy_headers() {
    isolated("strict_checking_refuses_sloppy_headers", || async {
        let mut sloppy = [0; 16];
        sloppy[2] = 7;
        let request = message(Rtm::Getlink.into(), NlmF::REQUEST | NlmF::DUMP, 1, &sloppy);
        for (strict_checking, expected) in [(false, 0), (true, libc::EINVAL)] {
            let socket = Socket::open(&OpenOptions { strict_checking, ..OpenOptions::default() }).unwrap();
            let _ = socket.try_send(&request, 0, 0).unwrap();
            let datagrams: Vec<_> = drain(&socket).into_iter().map(Result::unwrap).collect();
            let last = *walk(datagrams.last().unwrap()).last().unwrap();
            assert_eq!(errno_in(&last), expected, "strict checking {strict_checking}");
        }
    });
}

/// Nothing at all comes back: whoever sends requests needs a timeout.
#[test]
fn malformed_length_is_dropped_in_silence() {
    isolated("malformed_length_is_dropped_in_silence", || async {
        let socket = open(ROUTE);
        let mut request = link_request(1, NlmF::ACK, 1);
        request[..4].copy_from_slice(&4096_u32.to_ne_bytes());
        let _ = socket.try_send(&request, 0, 0).unwrap();
        assert_eq!(drain(&socket), []);
    });
}
