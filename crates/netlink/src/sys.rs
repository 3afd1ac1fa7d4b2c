//! The calls that rustix and neli do not offer: socket options of netlink's own, and receiving with a sender, packet
//! information and a full length.

use std::io;
use std::mem::{ManuallyDrop, size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use neli::socket::NlSocket;
use rustix::io::Errno;

use crate::filter::Instruction;
use crate::socket::{Memory, Received};

/// The socket options that neli has no call for; each takes an int, 0 or 1.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Switch {
    PacketInfo,
    BroadcastError,
    NoEnobufs,
    ListenAllNsid,
    CapAck,
}

impl Switch {
    const fn option(self) -> libc::c_int {
        match self {
            Self::PacketInfo => libc::NETLINK_PKTINFO,
            Self::BroadcastError => libc::NETLINK_BROADCAST_ERROR,
            Self::NoEnobufs => libc::NETLINK_NO_ENOBUFS,
            Self::ListenAllNsid => libc::NETLINK_LISTEN_ALL_NSID,
            Self::CapAck => libc::NETLINK_CAP_ACK,
        }
    }
}

/// Takes the descriptor out of neli's hands: [`nearwire_event_loop::Readiness`] owns descriptors, not sockets.
pub(crate) fn into_fd(socket: NlSocket) -> OwnedFd {
    // SAFETY: into_raw_fd gives up ownership of a descriptor that is open, and nothing else has it.
    unsafe { OwnedFd::from_raw_fd(socket.into_raw_fd()) }
}

/// Lends the descriptor to neli for one of its calls.
pub(crate) fn with_neli<R>(fd: BorrowedFd<'_>, call: impl FnOnce(&NlSocket) -> R) -> R {
    // SAFETY: the descriptor stays open while it is borrowed, and ManuallyDrop keeps neli from closing it.
    let lent = ManuallyDrop::new(unsafe { NlSocket::from_raw_fd(fd.as_raw_fd()) });
    call(&lent)
}

/// Lends neli's descriptor to calls that are not neli's.
pub(crate) fn with_fd<R>(socket: &NlSocket, call: impl FnOnce(BorrowedFd<'_>) -> R) -> R {
    // SAFETY: neli keeps the descriptor open for as long as the socket lives, which is longer than the call.
    call(unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) })
}

fn set_option<T>(fd: BorrowedFd<'_>, level: libc::c_int, option: libc::c_int, value: &T) -> Result<(), Errno> {
    // SAFETY: the pointer and the length describe `value`, which outlives the call; every caller passes the type
    // that the option takes.
    let outcome = unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, option, std::ptr::from_ref(value).cast(), size_of::<T>() as _)
    };
    if outcome == 0 { Ok(()) } else { Err(last_errno()) }
}

pub(crate) fn set_switch(fd: BorrowedFd<'_>, switch: Switch) -> Result<(), Errno> {
    set_option(fd, libc::SOL_NETLINK, switch.option(), &(1 as libc::c_int))
}

/// `SO_ATTACH_FILTER`.
pub(crate) fn attach_filter(fd: BorrowedFd<'_>, program: &[Instruction]) -> Result<(), Errno> {
    let mut program: Vec<libc::sock_filter> = program
        .iter()
        .map(|one| libc::sock_filter { code: one.code, jt: one.jump_true, jf: one.jump_false, k: one.operand })
        .collect();
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    set_option(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &libc::sock_fprog { len, filter: program.as_mut_ptr() })
}

/// `SO_DETACH_FILTER`.
pub(crate) fn detach_filter(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &(0 as libc::c_int))
}

/// `SO_MEMINFO`, of which kernels before 4.16 fill in fewer fields; they stay 0.
pub(crate) fn memory(fd: BorrowedFd<'_>) -> Result<Memory, Errno> {
    let mut values = [0_u32; 16];
    let mut length = size_of::<[u32; 16]>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `values`, and any bytes make a u32.
    let outcome = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            values.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if outcome != 0 {
        return Err(last_errno());
    }
    let at = |index: libc::c_int| values[index as usize];
    Ok(Memory {
        queued: at(libc::SK_MEMINFO_RMEM_ALLOC),
        receive_buffer: at(libc::SK_MEMINFO_RCVBUF),
        send_buffer: at(libc::SK_MEMINFO_SNDBUF),
        drops: at(libc::SK_MEMINFO_DROPS),
    })
}

/// The length of the next datagram, left where it is.
pub(crate) fn peek_length(fd: BorrowedFd<'_>) -> Result<usize, Errno> {
    let flags = libc::MSG_PEEK | libc::MSG_TRUNC | libc::MSG_DONTWAIT;
    loop {
        // SAFETY: a null buffer of length 0 is never written to.
        let length = unsafe { libc::recv(fd.as_raw_fd(), std::ptr::null_mut(), 0, flags) };
        match usize::try_from(length) {
            Ok(length) => return Ok(length),
            Err(_) => match last_errno() {
                Errno::INTR => {}
                errno => return Err(errno),
            },
        }
    }
}

/// `recvfrom(2)`, once, without waiting, of a socket that has nothing beside its datagrams.
pub(crate) fn receive_plain(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Received, Errno> {
    // SAFETY: all zeroes is a valid sockaddr_nl.
    let mut sender: libc::sockaddr_nl = unsafe { zeroed() };
    let mut sender_length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    let full_length = loop {
        // Not by libc's own call, as in `receive`.
        // SAFETY: buffer, sender and length are of the lengths given beside them, alive and writable.
        let length = unsafe {
            libc::syscall(
                libc::SYS_recvfrom,
                fd.as_raw_fd(),
                buffer.as_mut_ptr(),
                buffer.len(),
                flags,
                &raw mut sender,
                &raw mut sender_length,
            )
        };
        match usize::try_from(length) {
            Ok(length) => break length,
            Err(_) => match last_errno() {
                Errno::INTR => {}
                errno => return Err(errno),
            },
        }
    };
    Ok(Received {
        length: full_length.min(buffer.len()),
        full_length,
        truncated: full_length > buffer.len(),
        from_port: sender.nl_pid,
        from_groups: sender.nl_groups,
        group: None,
        nsid: None,
    })
}

/// Room for the control messages of netlink (two of four bytes) and for what else an adopted socket may have asked
/// for (credentials, a security label).
#[repr(C, align(8))]
struct Control([u8; 256]);

/// `recvmsg(2)`, once, without waiting.
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Received, Errno> {
    let mut control = Control([0; 256]);
    // SAFETY: all zeroes is a valid sockaddr_nl.
    let mut sender: libc::sockaddr_nl = unsafe { zeroed() };
    let mut parts = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeroes is a valid msghdr, with null pointers of length 0. (musl pads it, so it cannot be written
    // as a literal.)
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_name = (&raw mut sender).cast();
    message.msg_namelen = size_of::<libc::sockaddr_nl>() as _;
    message.msg_iov = &raw mut parts;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC | libc::MSG_CMSG_CLOEXEC;
    let full_length = loop {
        // libc's own recvmsg() is a point of cancellation, which in a process of several threads costs a tenth of the call.
        // SAFETY: name, vector and control point to memory of the lengths given beside them, all alive and writable.
        let length = unsafe { libc::syscall(libc::SYS_recvmsg, fd.as_raw_fd(), &raw mut message, flags) };
        match usize::try_from(length) {
            Ok(length) => break length,
            Err(_) => match last_errno() {
                Errno::INTR => {}
                errno => return Err(errno),
            },
        }
    };
    let mut group = None;
    let mut nsid = None;
    // SAFETY: `message` is as recvmsg left it, and its control buffer is alive; CMSG_FIRSTHDR gives null when there
    // is no whole header in it.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give headers that lie inside the control buffer, or null.
        let (level, kind, length) = unsafe { ((*header).cmsg_level, (*header).cmsg_type, (*header).cmsg_len) };
        // SAFETY: CMSG_LEN only calculates.
        if level == libc::SOL_NETLINK && length >= unsafe { libc::CMSG_LEN(4) } as _ {
            // SAFETY: the length just checked says that four bytes follow the header; they need not be aligned.
            let value: u32 = unsafe { libc::CMSG_DATA(header).cast::<u32>().read_unaligned() };
            match kind {
                libc::NETLINK_PKTINFO => group = Some(value),
                libc::NETLINK_LISTEN_ALL_NSID => nsid = Some(value.cast_signed()),
                _ => {}
            }
        }
        // SAFETY: as for CMSG_FIRSTHDR; `header` came from it or from here.
        header = unsafe { libc::CMSG_NXTHDR(&raw const message, header) };
    }
    Ok(Received {
        length: full_length.min(buffer.len()),
        full_length,
        truncated: message.msg_flags & libc::MSG_TRUNC != 0,
        from_port: sender.nl_pid,
        from_groups: sender.nl_groups,
        group,
        nsid,
    })
}

fn last_errno() -> Errno {
    crate::error::errno_of(&io::Error::last_os_error())
}
