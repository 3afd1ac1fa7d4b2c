//! Groups of any number, and which of them a datagram came by.

mod common;

use common::{GENERIC, ROUTE, USERSOCK, drain, isolated, open, run};
use nearwire_netlink::{Errno, OpenOptions, Socket};

/// `RTNLGRP_NEXTHOP` of linux/rtnetlink.h, the last that a mask can name; neli's own masks lose it.
const NEXTHOP: u32 = 32;
/// `RTNLGRP_TUNNEL`, which no mask can name.
const TUNNEL: u32 = 35;

fn member(protocol: i32, groups: &[u32], packet_info: bool) -> Socket {
    let groups = groups.to_vec();
    Socket::open(&OpenOptions { protocol, groups, packet_info, ..OpenOptions::default() }).unwrap()
}

#[test]
fn joined_left_and_listed() {
    isolated("joined_left_and_listed", || async {
        let socket = member(ROUTE, &[36, 1, NEXTHOP, 33], true);
        assert_eq!(socket.groups().unwrap(), [1, NEXTHOP, 33, 36]);
        socket.join(TUNNEL).unwrap();
        socket.join(TUNNEL).unwrap();
        socket.leave(33).unwrap();
        socket.leave(34).unwrap();
        assert_eq!(socket.groups().unwrap(), [1, NEXTHOP, TUNNEL, 36]);
        assert_eq!(open(ROUTE).groups().unwrap(), []);
    });
}

#[test]
fn group_that_the_protocol_lacks() {
    isolated("group_that_the_protocol_lacks", || async {
        let error = open(USERSOCK).join(33).unwrap_err();
        assert_eq!((error.errno, error.syscall), (Errno::INVAL, "setsockopt"));
        assert_eq!(error.detail, "netlink protocol 2 has no group 33");
        let options = OpenOptions { protocol: USERSOCK, groups: vec![1, u32::MAX], ..OpenOptions::default() };
        assert_eq!(Socket::open(&options).unwrap_err().detail, "netlink protocol 2 has no group 4294967295");
        assert!(open(ROUTE).join(0).unwrap_err().detail.contains("numbered from 1"));
        assert!(open(ROUTE).leave(0).unwrap_err().detail.contains("numbered from 1"));
    });
}

#[test]
fn event_of_group_32() {
    isolated("event_of_group_32", || async {
        let sockets = [member(ROUTE, &[NEXTHOP], true), member(ROUTE, &[NEXTHOP], false)];
        run("ip link set lo up");
        run("ip nexthop add id 5 blackhole");
        let mut buffer = vec![0; 1 << 16];
        let received = sockets[0].try_receive(&mut buffer).unwrap();
        assert_eq!((received.from_port, received.group, received.group_number()), (0, Some(32), 32));
        let received = sockets[1].try_receive(&mut buffer).unwrap();
        assert_eq!((received.from_groups, received.group, received.group_number()), (1 << 31, None, 32));
    });
}

/// Only packet information tells the group: the mask in the address is that of another one.
#[test]
fn event_of_a_group_above_32() {
    isolated("event_of_a_group_above_32", || async {
        let socket = member(ROUTE, &[TUNNEL], true);
        let vxlan = std::process::Command::new("ip")
            .args(["link", "add", "vx", "type", "vxlan", "external", "vnifilter", "dstport", "4789"])
            .output();
        if !vxlan.as_ref().is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED event_of_a_group_above_32: this kernel has no vxlan with vnifilter ({vxlan:?})");
            return;
        }
        run("bridge vni add vni 5 dev vx");
        let mut buffer = vec![0; 1 << 16];
        let received = socket.try_receive(&mut buffer).unwrap();
        assert_eq!((received.from_port, received.group, received.group_number()), (0, Some(TUNNEL), TUNNEL));
        assert_ne!(received.from_groups, 1 << 31);
        socket.leave(TUNNEL).unwrap();
        run("bridge vni delete vni 5 dev vx");
        assert_eq!(drain(&socket), []);
    });
}

/// What was sent before a socket left is still queued, and still says by which group it came.
#[test]
fn what_was_queued_before_leaving() {
    isolated("what_was_queued_before_leaving", || async {
        let socket = member(ROUTE, &[libc::RTNLGRP_LINK], true);
        run("ip link add v0 type veth peer name v1");
        socket.leave(libc::RTNLGRP_LINK).unwrap();
        let mut buffer = vec![0; 1 << 16];
        assert_eq!(socket.try_receive(&mut buffer).unwrap().group, Some(libc::RTNLGRP_LINK));
    });
}

#[test]
fn generic_netlink_group() {
    isolated("generic_netlink_group", || async {
        // `notify` of nlctrl is GENL_ID_CTRL, the one group of a number known beforehand.
        let socket = member(GENERIC, &[16], true);
        assert_eq!(socket.groups().unwrap(), [16]);
    });
}
