//! Creating a socket.

use std::os::fd::{BorrowedFd, OwnedFd};

use neli::consts::socket::NlFamily;
use neli::socket::NlSocket;
use neli::utils::Groups;
use rustix::io::Errno;
use rustix::net::sockopt;

use crate::error::{Error, errno_of};
use crate::filter::{self, Instruction};
use crate::namespace::Namespace;
use crate::sys::{self, Switch};

/// What to create. The default is a `NETLINK_ROUTE` socket with a port id of the kernel's choice, no groups, and
/// packet information.
#[derive(Debug)]
pub struct OpenOptions {
    /// The protocol number, `NETLINK_ROUTE` and so on; any number may be tried, and the kernel loads the module
    /// `net-pf-16-proto-N` for it if there is one.
    pub protocol: i32,
    /// The port id to be known by. `None` leaves it to the kernel: the process id for the first socket of a protocol,
    /// some large number for the others.
    pub port_id: Option<u32>,
    /// Groups to join, by number (from 1), joined one by one and so of any number that the protocol has.
    pub groups: Vec<u32>,
    /// A classic BPF program that sees every datagram from the first one on; none if empty.
    pub filter: Vec<Instruction>,
    /// The network namespace to create it in, if not the calling thread's.
    pub namespace: Option<Namespace>,
    /// How many bytes to ask for with `SO_RCVBUFFORCE` or, without CAP_NET_ADMIN, `SO_RCVBUF`. The kernel doubles
    /// the number, raises small ones, and caps `SO_RCVBUF` at `net.core.rmem_max`; see
    /// [`Socket::memory`](crate::Socket::memory) for what came of it. Default: `net.core.rmem_default`.
    pub receive_buffer: Option<usize>,
    /// The same for `SO_SNDBUF`; no datagram can be larger than the result less 32 bytes.
    pub send_buffer: Option<usize>,
    /// `NETLINK_LISTEN_ALL_NSID`: also what is multicast in the namespaces that have an id in the socket's own.
    /// Needs CAP_NET_BROADCAST.
    pub listen_all_nsid: bool,
    /// `NETLINK_PKTINFO`: the group with each datagram. On by default: the address alone cannot name groups above 32.
    pub packet_info: bool,
    /// `NETLINK_CAP_ACK`: errors carry the header of the request, not all of it.
    pub cap_ack: bool,
    /// `NETLINK_EXT_ACK`: errors carry attributes that say what was wrong.
    pub ext_ack: bool,
    /// `NETLINK_GET_STRICT_CHK`: rtnetlink checks every header field of a dump request, and filters by them.
    pub strict_checking: bool,
    /// `NETLINK_BROADCAST_ERROR`: the kernel's own end hears `ENOBUFS` of its multicast when this socket was full.
    /// Processes that multicast do not: `netlink_sendmsg` ignores what the multicast gave.
    pub broadcast_error: bool,
    /// `NETLINK_NO_ENOBUFS`: overruns are not reported. What is lost is then lost silently; only the count of
    /// [`Memory::drops`](crate::Memory::drops) tells.
    pub no_enobufs: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            protocol: NlFamily::Route.into(),
            port_id: None,
            groups: Vec::new(),
            filter: Vec::new(),
            namespace: None,
            receive_buffer: None,
            send_buffer: None,
            listen_all_nsid: false,
            packet_info: true,
            cap_ack: false,
            ext_ack: false,
            strict_checking: false,
            broadcast_error: false,
            no_enobufs: false,
        }
    }
}

impl OpenOptions {
    /// A bound, non-blocking, close-on-exec socket.
    pub(crate) fn create(&self) -> Result<OwnedFd, Error> {
        match &self.namespace {
            None => self.create_here(),
            Some(namespace) => namespace.run(|| self.create_here()),
        }
    }

    fn create_here(&self) -> Result<OwnedFd, Error> {
        let protocol = self.protocol;
        let socket = NlSocket::new(NlFamily::from(protocol)).map_err(|error| {
            let detail = match errno_of(&error) {
                Errno::PROTONOSUPPORT => format!("no module serves netlink protocol {protocol}"),
                _ => format!("netlink protocol {protocol}"),
            };
            Error::from_io(&error, "socket", detail)
        })?;
        socket.nonblock().map_err(|error| Error::from_io(&error, "fcntl", ""))?;
        self.configure(&socket)?;
        // Options and the filter come first: from bind(2) on others can send to it, and nothing may arrive before the
        // socket is as it was asked for.
        socket.bind(self.port_id, Groups::empty()).map_err(|error| {
            let detail = match (errno_of(&error), self.port_id) {
                (Errno::ADDRINUSE, Some(id)) => {
                    format!("port id {id} of netlink protocol {protocol} is taken in this network namespace")
                }
                _ => String::new(),
            };
            Error::from_io(&error, "bind", detail)
        })?;
        for &group in &self.groups {
            join(&socket, protocol, group)?;
        }
        Ok(sys::into_fd(socket))
    }

    fn configure(&self, socket: &NlSocket) -> Result<(), Error> {
        sys::with_fd(socket, |fd| {
            if let Some(size) = self.receive_buffer {
                sockopt::set_socket_recv_buffer_size_force(fd, size)
                    .or_else(|errno| unless_unprivileged(errno, || sockopt::set_socket_recv_buffer_size(fd, size)))
                    .map_err(|errno| Error::new(errno, "setsockopt", "SO_RCVBUF"))?;
            }
            if let Some(size) = self.send_buffer {
                sockopt::set_socket_send_buffer_size_force(fd, size)
                    .or_else(|errno| unless_unprivileged(errno, || sockopt::set_socket_send_buffer_size(fd, size)))
                    .map_err(|errno| Error::new(errno, "setsockopt", "SO_SNDBUF"))?;
            }
            for (wanted, switch, name) in [
                (self.packet_info, Switch::PacketInfo, "NETLINK_PKTINFO"),
                (self.broadcast_error, Switch::BroadcastError, "NETLINK_BROADCAST_ERROR"),
                (self.no_enobufs, Switch::NoEnobufs, "NETLINK_NO_ENOBUFS"),
                (self.listen_all_nsid, Switch::ListenAllNsid, "NETLINK_LISTEN_ALL_NSID needs CAP_NET_BROADCAST"),
                (self.cap_ack, Switch::CapAck, "NETLINK_CAP_ACK"),
            ] {
                if wanted {
                    sys::set_switch(fd, switch).map_err(|errno| Error::new(errno, "setsockopt", name))?;
                }
            }
            if !self.filter.is_empty() {
                filter::attach(fd, &self.filter)?;
            }
            Ok(())
        })?;
        if self.ext_ack {
            socket.enable_ext_ack(true).map_err(|error| Error::from_io(&error, "setsockopt", "NETLINK_EXT_ACK"))?;
        }
        if self.strict_checking {
            socket
                .enable_strict_checking(true)
                .map_err(|error| Error::from_io(&error, "setsockopt", "NETLINK_GET_STRICT_CHK"))?;
        }
        Ok(())
    }
}

/// The FORCE options are refused with `EPERM` to those without CAP_NET_ADMIN in the first user namespace.
fn unless_unprivileged(errno: Errno, ordinary: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    if errno == Errno::PERM { ordinary() } else { Err(errno) }
}

/// Joins one group, through the option that knows groups of any number.
pub(crate) fn join(socket: &NlSocket, protocol: i32, group: u32) -> Result<(), Error> {
    socket.add_mcast_membership(only(group)?).map_err(|error| membership(&error, protocol, group))
}

/// Leaves one group; leaving one that was never joined is no error.
pub(crate) fn leave(socket: &NlSocket, protocol: i32, group: u32) -> Result<(), Error> {
    socket.drop_mcast_membership(only(group)?).map_err(|error| membership(&error, protocol, group))
}

/// One group as neli has it, which passes over group 0 without a word.
fn only(group: u32) -> Result<Groups, Error> {
    if group == 0 {
        return Err(Error::new(Errno::INVAL, "setsockopt", "netlink groups are numbered from 1"));
    }
    Ok(Groups::new_groups(&[group]))
}

fn membership(error: &std::io::Error, protocol: i32, group: u32) -> Error {
    let detail = match errno_of(error) {
        Errno::INVAL => format!("netlink protocol {protocol} has no group {group}"),
        Errno::PERM => format!(
            "group {group} of netlink protocol {protocol} is not open to everyone (most ask for CAP_NET_ADMIN in the \
             user namespace that owns the network namespace)"
        ),
        _ => format!("group {group} of netlink protocol {protocol}"),
    };
    Error::from_io(error, "setsockopt", detail)
}

/// Refuses a descriptor that is not a netlink socket, and gives its protocol number.
pub(crate) fn inspect(fd: BorrowedFd<'_>) -> Result<i32, Error> {
    let domain = sockopt::socket_domain(fd).map_err(|errno| {
        let detail = if errno == Errno::NOTSOCK { "the descriptor is not a socket" } else { "" };
        Error::new(errno, "getsockopt", detail)
    })?;
    if domain != rustix::net::AddressFamily::NETLINK {
        let detail = format!("the descriptor is a socket of address family {}, not AF_NETLINK", domain.as_raw());
        return Err(Error::new(Errno::AFNOSUPPORT, "getsockopt", detail));
    }
    let protocol = sockopt::socket_protocol(fd).map_err(|errno| Error::bare(errno, "getsockopt"))?;
    // NETLINK_ROUTE is 0, which rustix gives as none.
    Ok(protocol.map_or(0, |protocol| protocol.as_raw().get().cast_signed()))
}
