//! Classic BPF: which datagrams the kernel keeps from the socket.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use crate::error::Error;
use crate::sys;

/// One instruction of a classic BPF program, `struct sock_filter` of `linux/filter.h`.
///
/// A program sees a datagram from its netlink header on; loads of two and four bytes are big-endian, while a netlink
/// header is in the byte order of the machine. What the program returns is how many bytes to keep: 0 drops the
/// datagram without an overrun, anything less than its length cuts it short without a word from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The operation, `BPF_LD | BPF_H | BPF_ABS` and its like.
    pub code: u16,
    /// How many instructions to skip when a jump's condition holds.
    pub jump_true: u8,
    /// How many to skip when it does not.
    pub jump_false: u8,
    /// The operand.
    pub operand: u32,
}

/// Attaches a program in place of an earlier one.
pub(crate) fn attach(fd: BorrowedFd<'_>, program: &[Instruction]) -> Result<(), Error> {
    sys::attach_filter(fd, program).map_err(|errno| {
        let detail = if errno == Errno::INVAL { "not a valid classic BPF program" } else { "SO_ATTACH_FILTER" };
        Error::new(errno, "setsockopt", detail)
    })
}
