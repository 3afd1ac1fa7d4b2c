//! Who is known by which port id.

mod common;

use common::{ROUTE, USERSOCK, isolated, open};
use nearwire_netlink::{Errno, OpenOptions, Socket};

#[test]
fn first_is_the_process_id_and_the_next_is_another() {
    isolated("first_is_the_process_id_and_the_next_is_another", || async {
        let first = open(ROUTE).port_id().unwrap();
        assert_eq!(first, std::process::id());
        let kept = open(ROUTE);
        let next = open(ROUTE);
        assert_eq!(kept.port_id().unwrap(), first, "free again");
        assert_ne!(next.port_id().unwrap(), first);
        assert_ne!(next.port_id().unwrap(), 0);
        // Port ids are a protocol's own.
        assert_eq!(open(USERSOCK).port_id().unwrap(), first);
    });
}

#[test]
fn explicit_one_is_kept_and_cannot_be_had_twice() {
    isolated("explicit_one_is_kept_and_cannot_be_had_twice", || async {
        let options = OpenOptions { protocol: USERSOCK, port_id: Some(4_000_000_001), ..OpenOptions::default() };
        let first = Socket::open(&options).unwrap();
        assert_eq!(first.port_id().unwrap(), 4_000_000_001);
        let error = Socket::open(&options).unwrap_err();
        assert_eq!((error.errno, error.syscall), (Errno::ADDRINUSE, "bind"));
        assert!(error.to_string().contains("port id 4000000001 of netlink protocol 2 is taken"), "{error}");
        drop(first);
        assert_eq!(Socket::open(&options).unwrap().port_id().unwrap(), 4_000_000_001);
    });
}

#[test]
fn protocol_without_a_module() {
    isolated("protocol_without_a_module", || async {
        for protocol in [17, 30, 31, 32, 4000, -1] {
            let error = Socket::open(&OpenOptions { protocol, ..OpenOptions::default() }).unwrap_err();
            assert_eq!((error.errno, error.syscall), (Errno::PROTONOSUPPORT, "socket"));
            assert!(error.detail.contains(&format!("no module serves netlink protocol {protocol}")), "{error}");
        }
    });
}
