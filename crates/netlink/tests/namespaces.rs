//! Sockets in another network namespace, made without moving the thread that asks.

mod common;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use common::{ROUTE, drain, errno_in, isolated, link_dump, message, open, run, unshare_network, walk};
use nearwire_netlink::attribute::{append_attribute, attributes};
use nearwire_netlink::{Errno, Namespace, OpenOptions, Socket};
use neli::consts::nl::{NlmF, Nlmsg};
use neli::consts::rtnl::Rtm;
use rustix::thread::UnshareFlags;

fn here() -> PathBuf {
    std::fs::read_link("/proc/thread-self/ns/net").unwrap()
}

/// A `/run/netns` that nobody else sees, with one namespace called `there`, which has a link called `far`.
#[expect(unsafe_code, reason = "rustix's unshare is unsafe for the sake of CLONE_FILES, which is not used here")]
fn make_there() {
    // SAFETY: the descriptor table stays shared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }.unwrap();
    run("mount --make-rprivate /");
    run("mount -t tmpfs tmpfs /run");
    run("ip netns add there");
    run("ip -n there link add far type veth peer name near");
}

fn open_in(namespace: Namespace) -> Result<Socket, nearwire_netlink::Error> {
    Socket::open(&OpenOptions { namespace: Some(namespace), ..OpenOptions::default() })
}

fn link_names(socket: &Socket) -> Vec<String> {
    let _ = socket.try_send(&link_dump(1), 0, 0).unwrap();
    let mut names = Vec::new();
    for datagram in drain(socket) {
        for message in walk(&datagram.unwrap()) {
            if message.header.kind == u16::from(Rtm::Newlink) {
                let name =
                    attributes(&message.payload[16..]).flatten().find(|one| one.kind == libc::IFLA_IFNAME).unwrap();
                names.push(String::from_utf8(name.payload.to_vec()).unwrap().trim_end_matches('\0').to_owned());
            }
        }
    }
    names.sort();
    names
}

#[test]
fn by_name_path_and_descriptor() {
    isolated("by_name_path_and_descriptor", || async {
        let before = here();
        make_there();
        let file = || OwnedFd::from(File::open("/run/netns/there").unwrap());
        for namespace in
            [Namespace::Name("there".into()), Namespace::Path("/run/netns/there".into()), Namespace::Fd(file())]
        {
            let socket = open_in(namespace).unwrap();
            assert_eq!(link_names(&socket), ["far", "lo", "near"]);
            assert_eq!(here(), before, "the calling thread stays where it is");
        }
        assert!(!link_names(&open(ROUTE)).contains(&"far".to_owned()));
    });
}

#[test]
fn what_is_no_namespace() {
    isolated("what_is_no_namespace", || async {
        make_there();
        let refused = |namespace| {
            let error = open_in(namespace).unwrap_err();
            (error.errno, error.syscall, error.detail)
        };
        let (errno, syscall, detail) = refused(Namespace::Name("nowhere".into()));
        assert_eq!((errno, syscall), (Errno::NOENT, "open"));
        assert!(detail.contains("no network namespace is named \"nowhere\""), "{detail}");
        for name in ["", ".", "..", "../netns/there", "/proc/self/ns/net"] {
            let (errno, _, detail) = refused(Namespace::Name(name.into()));
            assert_eq!(errno, Errno::INVAL);
            assert!(detail.contains("is not a file name under /run/netns"), "{detail}");
        }
        assert_eq!(refused(Namespace::Path("/run/netns/nowhere".into())).0, Errno::NOENT);
        let (errno, syscall, detail) = refused(Namespace::Path("/proc/self/ns/uts".into()));
        assert_eq!((errno, syscall), (Errno::INVAL, "setns"));
        assert_eq!(detail, "/proc/self/ns/uts is not a network namespace");
        assert_eq!(refused(Namespace::Fd(File::open("/").unwrap().into())).0, Errno::INVAL);
    });
}

#[test]
fn errors_of_the_socket_come_through() {
    isolated("errors_of_the_socket_come_through", || async {
        make_there();
        let options =
            OpenOptions { protocol: 31, namespace: Some(Namespace::Name("there".into())), ..OpenOptions::default() };
        assert_eq!(Socket::open(&options).unwrap_err().errno, Errno::PROTONOSUPPORT);
    });
}

/// A socket that listens to every namespace with an id in its own hears of links elsewhere, and where.
#[test]
fn events_of_other_namespaces() {
    isolated("events_of_other_namespaces", || async {
        let options = OpenOptions { groups: vec![libc::RTNLGRP_LINK], listen_all_nsid: true, ..OpenOptions::default() };
        let socket = Socket::open(&options).unwrap();
        let (send, receive) = std::sync::mpsc::channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let elsewhere = std::thread::spawn(move || {
            unshare_network();
            send.send(File::open("/proc/thread-self/ns/net").unwrap()).unwrap();
            wait.recv().unwrap();
            run("ip link add far type veth peer name near");
        });
        let file = receive.recv().unwrap();
        // RTM_NEWNSID (88): NETNSA_NSID (1) is the id, NETNSA_FD (3) the namespace.
        let mut payload = vec![0; 4];
        append_attribute(&mut payload, 1, &42_u32.to_ne_bytes()).unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
        append_attribute(&mut payload, 3, &fd.to_ne_bytes()).unwrap();
        let requests = open(ROUTE);
        let _ = requests.try_send(&message(88, NlmF::REQUEST | NlmF::ACK, 1, &payload), 0, 0).unwrap();
        let answer = drain(&requests).remove(0).unwrap();
        assert_eq!((walk(&answer)[0].header.kind, errno_in(&walk(&answer)[0])), (Nlmsg::Error.into(), 0));
        go.send(()).unwrap();
        elsewhere.join().unwrap();
        let mut buffer = vec![0; 1 << 16];
        let received = socket.try_receive(&mut buffer).unwrap();
        assert_eq!((received.nsid, received.group), (Some(42), Some(libc::RTNLGRP_LINK)));
        run("ip link add x type veth peer name y");
        loop {
            let received = socket.try_receive(&mut buffer).unwrap();
            if received.nsid.is_none() {
                break;
            }
        }
    });
}
