//! What a send reached, when it goes to a group and to a port at once.

use rustix::io::Errno;

/// How far a send that the kernel took has gone.
///
/// `netlink_sendmsg` (net/netlink/af_netlink.c) sends to the group first and ignores what that gives, then always
/// unicasts, to port 0 (the kernel) when no port was named, and returns what the unicast gave. So with a group:
///
/// - `ECONNREFUSED` without a port means only that the protocol has no kernel side, as with `NETLINK_USERSOCK`:
///   the group has the datagram, and that is success.
/// - `ECONNREFUSED` or `EAGAIN` with a port means that the group has the datagram and the port does not. Sending the
///   same again would reach the group twice: repeat it with group 0.
///
/// Members of the group whose buffer is full miss the datagram and see `ENOBUFS` themselves; the sender is told
/// nothing of it, not even by members with [broadcast errors](crate::OpenOptions::broadcast_error).
#[must_use = "a send to a group and a port may have reached the group alone"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Everything that was asked for.
    Complete,
    /// The group has it; the port refused it with this errno (`ECONNREFUSED` absent, `EAGAIN` full).
    GroupOnly(Errno),
}

impl Delivery {
    /// Reads the outcome of `sendto(2)` by the rule above.
    pub(crate) fn of(outcome: Result<usize, Errno>, to_port: u32, group: u32) -> Result<Self, Errno> {
        match outcome {
            Ok(_) => Ok(Self::Complete),
            Err(Errno::CONNREFUSED) if group != 0 && to_port == 0 => Ok(Self::Complete),
            Err(errno @ (Errno::CONNREFUSED | Errno::AGAIN)) if group != 0 => Ok(Self::GroupOnly(errno)),
            Err(errno) => Err(errno),
        }
    }
}
