//! What JavaScript asks for when it opens a netlink socket.

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use napi::bindgen_prelude::Uint32Array;
use napi_derive::napi;
use nearwire_netlink::{Errno, Error, Instruction, Namespace, OpenOptions};

/// What to open. Everything but the protocol may be left out; the defaults are those of the crate: a port id of the
/// kernel's choice, no groups, the caller's network namespace, packet information.
#[napi(object)]
#[derive(Default)]
pub struct NetlinkOpenOptions {
    /// The protocol number.
    pub protocol: i32,
    /// 1 to 4294967295.
    pub port_id: Option<u32>,
    /// Group numbers, from 1.
    pub groups: Option<Vec<u32>>,
    /// A classic BPF program: four numbers an instruction, `code, jt, jf, k`.
    pub filter: Option<Uint32Array>,
    /// A file name under `/run/netns`.
    pub namespace_name: Option<String>,
    /// The path of a namespace file.
    pub namespace_path: Option<String>,
    /// A descriptor of a namespace file, which stays the caller's.
    pub namespace_fd: Option<i32>,
    /// Bytes to ask for with `SO_RCVBUF`; the kernel doubles them.
    pub receive_buffer: Option<u32>,
    /// Bytes to ask for with `SO_SNDBUF`; the kernel doubles them.
    pub send_buffer: Option<u32>,
    /// `NETLINK_LISTEN_ALL_NSID`.
    pub listen_all_nsid: Option<bool>,
    /// `NETLINK_PKTINFO`, on unless told otherwise.
    pub packet_info: Option<bool>,
    /// `NETLINK_CAP_ACK`.
    pub cap_ack: Option<bool>,
    /// `NETLINK_EXT_ACK`.
    pub ext_ack: Option<bool>,
    /// `NETLINK_GET_STRICT_CHK`.
    pub strict_checking: Option<bool>,
    /// `NETLINK_BROADCAST_ERROR`.
    pub broadcast_error: Option<bool>,
    /// `NETLINK_NO_ENOBUFS`.
    pub no_enobufs: Option<bool>,
}

impl NetlinkOpenOptions {
    pub(crate) fn into_crate_options(self) -> Result<OpenOptions, Error> {
        let namespace = match (self.namespace_name, self.namespace_path, self.namespace_fd) {
            (Some(name), _, _) => Some(Namespace::Name(name)),
            (_, Some(path), _) => Some(Namespace::Path(path.into())),
            (_, _, Some(fd)) => Some(Namespace::Fd(duplicate(fd)?)),
            (None, None, None) => None,
        };
        let filter = self.filter.as_deref().map(instructions).transpose()?;
        let defaults = OpenOptions::default();
        Ok(OpenOptions {
            protocol: self.protocol,
            port_id: self.port_id,
            groups: self.groups.unwrap_or_default(),
            filter: filter.unwrap_or_default(),
            namespace,
            receive_buffer: self.receive_buffer.map(|size| size as usize),
            send_buffer: self.send_buffer.map(|size| size as usize),
            listen_all_nsid: self.listen_all_nsid.unwrap_or(defaults.listen_all_nsid),
            packet_info: self.packet_info.unwrap_or(defaults.packet_info),
            cap_ack: self.cap_ack.unwrap_or(defaults.cap_ack),
            ext_ack: self.ext_ack.unwrap_or(defaults.ext_ack),
            strict_checking: self.strict_checking.unwrap_or(defaults.strict_checking),
            broadcast_error: self.broadcast_error.unwrap_or(defaults.broadcast_error),
            no_enobufs: self.no_enobufs.unwrap_or(defaults.no_enobufs),
        })
    }
}

/// A classic BPF program out of four numbers an instruction.
pub(crate) fn instructions(numbers: &[u32]) -> Result<Vec<Instruction>, Error> {
    numbers.chunks(4).map(instruction).collect::<Option<_>>().ok_or_else(|| Error {
        errno: Errno::INVAL,
        syscall: "setsockopt",
        detail: "an instruction is four numbers: code (16 bits), jt, jf (8 bits), k (32 bits)".into(),
    })
}

fn instruction(numbers: &[u32]) -> Option<Instruction> {
    let &[code, jump_true, jump_false, operand] = numbers else { return None };
    Some(Instruction {
        code: code.try_into().ok()?,
        jump_true: jump_true.try_into().ok()?,
        jump_false: jump_false.try_into().ok()?,
        operand,
    })
}

/// A descriptor that JavaScript knows by its number, borrowed for the time of one call.
pub(crate) fn with_number<R>(fd: RawFd, with: impl FnOnce(BorrowedFd<'_>) -> Result<R, Error>) -> Result<R, Error> {
    let closed =
        || Err(Error { errno: Errno::BADF, syscall: "fcntl", detail: format!("there is no open descriptor {fd}") });
    if fd < 0 {
        return closed();
    }
    // SAFETY: only used while this call lasts, in which JavaScript cannot close it; a number that is not in use makes
    // the first system call fail, without an effect.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    if rustix::io::fcntl_getfd(borrowed).is_err() {
        return closed();
    }
    with(borrowed)
}

fn duplicate(fd: RawFd) -> Result<OwnedFd, Error> {
    with_number(fd, |fd| {
        rustix::io::fcntl_dupfd_cloexec(fd, 0).map_err(|errno| Error {
            errno,
            syscall: "fcntl",
            detail: "duplicating the network namespace's descriptor".into(),
        })
    })
}
