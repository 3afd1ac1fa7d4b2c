//! Descriptors that come from elsewhere, and that go there.

mod common;

use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use common::{ROUTE, USERSOCK, isolated, open};
use nearwire_netlink::{Errno, Socket};
use neli::consts::socket::NlFamily;
use neli::socket::NlSocket;
use neli::utils::Groups;
use rustix::io::FdFlags;

/// A socket as neli leaves it: blocking, and without packet information.
#[expect(unsafe_code, reason = "neli gives its descriptor up as a number only")]
fn from_neli(bind: bool) -> OwnedFd {
    let socket = NlSocket::new(NlFamily::Usersock).unwrap();
    if bind {
        socket.bind(Some(99), Groups::new_groups(&[3])).unwrap();
    }
    // SAFETY: the number was just given up by its owner.
    unsafe { OwnedFd::from_raw_fd(socket.into_raw_fd()) }
}

#[test]
fn bound_socket_goes_on_as_it_was() {
    isolated("bound_socket_goes_on_as_it_was", || async {
        let socket = Socket::from_fd(from_neli(true)).unwrap();
        assert_eq!((socket.protocol(), socket.port_id().unwrap(), socket.groups().unwrap()), (USERSOCK, 99, vec![3]));
        let mut buffer = [0; 8];
        assert_eq!(socket.try_receive(&mut buffer), Err(Errno::AGAIN), "no longer blocking");
        let _ = open(USERSOCK).try_send(b"x", 0, 3).unwrap();
        assert_eq!(socket.try_receive(&mut buffer).unwrap().group, Some(3), "with packet information");
    });
}

#[test]
fn unbound_socket_is_bound_by_its_first_send() {
    isolated("unbound_socket_is_bound_by_its_first_send", || async {
        let socket = Socket::from_fd(from_neli(false)).unwrap();
        assert_eq!(socket.port_id().unwrap(), 0);
        let to = open(USERSOCK);
        let _ = socket.try_send(b"x", to.port_id().unwrap(), 0).unwrap();
        let port = socket.port_id().unwrap();
        assert_ne!(port, 0);
        assert_eq!(to.try_receive(&mut [0; 8]).unwrap().from_port, port);
    });
}

#[test]
fn what_is_no_netlink_socket() {
    isolated("what_is_no_netlink_socket", || async {
        let file = std::fs::File::open("/dev/null").unwrap();
        let error = Socket::inspect(file.as_fd()).unwrap_err();
        assert_eq!((error.errno, error.detail.as_str()), (Errno::NOTSOCK, "the descriptor is not a socket"));
        let unix = UnixDatagram::unbound().unwrap();
        let error = Socket::inspect(unix.as_fd()).unwrap_err();
        assert_eq!(error.errno, Errno::AFNOSUPPORT);
        assert_eq!(error.detail, "the descriptor is a socket of address family 1, not AF_NETLINK");
        assert_eq!(Socket::from_fd(unix.into()).unwrap_err().errno, Errno::AFNOSUPPORT);
        assert_eq!(Socket::inspect(open(ROUTE).as_fd()).unwrap(), ROUTE);
    });
}

#[test]
fn descriptor_is_close_on_exec_and_can_be_given_up() {
    isolated("descriptor_is_close_on_exec_and_can_be_given_up", || async {
        let socket = open(USERSOCK);
        assert!(rustix::io::fcntl_getfd(&socket).unwrap().contains(FdFlags::CLOEXEC));
        let port = socket.port_id().unwrap();
        let fd = socket.into_fd();
        let again = Socket::from_fd(fd).unwrap();
        assert_eq!(again.port_id().unwrap(), port, "the same socket, never closed");
    });
}
