//! Many datagrams in one go, into one buffer.

use std::os::fd::AsFd;

use neli::consts::socket::NlFamily;
use rustix::io::Errno;

use crate::socket::Socket;
use crate::sys;

/// The columns of a row of the table that [`Socket::try_receive_batch`] fills.
pub mod column {
    /// Where the datagram starts in the buffer; a multiple of 8.
    pub const OFFSET: usize = 0;
    /// How many bytes of it are there.
    pub const LENGTH: usize = 1;
    /// How many it had; larger than the length if it was cut short. For a row with [`flag::ERRNO`](super::flag::ERRNO),
    /// the errno.
    pub const FULL_LENGTH: usize = 2;
    /// The sender's port id, 0 for the kernel.
    pub const FROM_PORT: usize = 3;
    /// The group's number, 0 for unicast.
    pub const GROUP: usize = 4;
    /// The id of another network namespace plus 1, 0 for the socket's own.
    pub const NSID: usize = 5;
    /// See [`flag`](super::flag).
    pub const FLAGS: usize = 6;
    /// How many columns a row has.
    pub const COUNT: usize = 7;
}

/// The bits of [`column::FLAGS`].
pub mod flag {
    /// The datagram was cut short.
    pub const TRUNCATED: u32 = 1;
    /// No datagram but an errno, in [`column::FULL_LENGTH`](super::column::FULL_LENGTH): `ENOBUFS` is an overrun,
    /// here in the order in which the kernel reported it.
    pub const ERRNO: u32 = 2;
}

/// What a batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How many rows of the table are filled.
    pub rows: usize,
    /// How many bytes of the buffer are used, with the padding between datagrams.
    pub bytes: usize,
    /// Why it ended.
    pub end: End,
}

/// Why a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing more was queued: wait before the next.
    Drained,
    /// The next datagram, of this many bytes, does not fit into what is left of the buffer. If no row was filled,
    /// the buffer is too short for it altogether.
    BufferFull(usize),
    /// The table has no row left.
    TableFull,
    /// The last row is an errno other than `ENOBUFS`.
    Failed,
}

/// With this much room, what a kernel protocol sends fits without looking. Dumps come in datagrams of at most 32 KiB;
/// single messages can be larger (a packet on its way through nfnetlink_queue: 64 KiB; nfnetlink_log: 128 KiB).
const AMPLE: usize = 256 * 1024;

/// Offsets are multiples of this, so that numbers inside are as aligned as the kernel made them.
const ALIGNMENT: usize = 8;

/// The numbers below this are the kernel's own (`linux/netlink.h`).
const FIRST_UNASSIGNED: i32 = 22;

impl Socket {
    /// Receives what is queued into one buffer: one row of seven numbers a datagram (see [`mod@column`]) in `table`,
    /// whole rows of which are used. An overrun is a row of its own, where the kernel reported it, and does not end
    /// the batch. A datagram that does not fit stays queued; only one of more than 256 KiB from a kernel protocol could
    /// be cut short, and its row would say so.
    ///
    /// A loop of `recvmsg(2)`: `recvmmsg(2)` saves a fifth of the time on floods of small datagrams (382 against 475
    /// ns each), but needs a slot of the greatest length for each, and so fills a buffer of 1 MiB after 32. What
    /// arrives is looked at before it is taken (another 220 ns) only if it might not fit: always on protocols whose
    /// senders are processes, and on the kernel's own once less than 256 KiB is left.
    pub fn try_receive_batch(&self, buffer: &mut [u8], table: &mut [u32]) -> Batch {
        let fd = self.as_fd();
        // Offsets and lengths are u32.
        let reach = buffer.len().min(u32::MAX as usize);
        let kernel_only =
            (0..FIRST_UNASSIGNED).contains(&self.protocol()) && self.protocol() != NlFamily::Usersock.into();
        let mut rows = 0;
        let mut bytes = 0_usize;
        for row in table.chunks_exact_mut(column::COUNT) {
            let start = bytes.next_multiple_of(ALIGNMENT);
            let room = reach.saturating_sub(start);
            let received = if kernel_only && room >= AMPLE {
                self.try_receive(&mut buffer[start..reach])
            } else {
                match sys::peek_length(fd) {
                    Ok(length) if length > room => return Batch { rows, bytes, end: End::BufferFull(length) },
                    Ok(_) => self.try_receive(&mut buffer[start.min(reach)..reach]),
                    Err(errno) => Err(errno),
                }
            };
            match received {
                Ok(received) => {
                    row[column::OFFSET] = start as u32;
                    row[column::LENGTH] = received.length as u32;
                    row[column::FULL_LENGTH] = u32::try_from(received.full_length).unwrap_or(u32::MAX);
                    row[column::FROM_PORT] = received.from_port;
                    row[column::GROUP] = received.group_number();
                    row[column::NSID] = received.nsid.map_or(0, |nsid| nsid.cast_unsigned().wrapping_add(1));
                    row[column::FLAGS] = if received.truncated { flag::TRUNCATED } else { 0 };
                    bytes = start + received.length;
                }
                Err(Errno::AGAIN) => return Batch { rows, bytes, end: End::Drained },
                Err(errno) => {
                    row.fill(0);
                    row[column::OFFSET] = bytes as u32;
                    row[column::FULL_LENGTH] = errno.raw_os_error().cast_unsigned();
                    row[column::FLAGS] = flag::ERRNO;
                    if errno != Errno::NOBUFS {
                        return Batch { rows: rows + 1, bytes, end: End::Failed };
                    }
                }
            }
            rows += 1;
        }
        Batch { rows, bytes, end: End::TableFull }
    }
}
