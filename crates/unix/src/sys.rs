//! The system calls that rustix has no call for, or has one for that loses what this crate must report.
//!
//! Addresses are exchanged as raw bytes, because rustix's `SocketAddrUnix` cannot hold a path of 108 bytes.
//!
//! Messages go by `syscall(2)`: libc's own calls for them are points of cancellation, which in a process of several
//! threads costs a tenth of the call. Headers are zeroed first, padding included, as musl's own calls would do.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};

/// Bytes of a `struct sockaddr_un`, and the two that the kernel may report beyond it: a path of 108 bytes is given
/// back with a terminating NUL, and its length counts that.
pub(crate) const ADDRESS_SPACE: usize = 128;

/// A socket address as the kernel takes and gives it: the family, then `sun_path`.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct RawAddress {
    pub(crate) bytes: [u8; ADDRESS_SPACE],
    pub(crate) length: u32,
}

impl RawAddress {
    pub(crate) const EMPTY: Self = Self { bytes: [0; ADDRESS_SPACE], length: 0 };

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..(self.length as usize).min(ADDRESS_SPACE)]
    }
}

// SAFETY: the pointer handed to `f` points at `bytes`, which outlives the call and is longer than `length`; the type
// is aligned to 8 bytes, and its first two hold the family.
unsafe impl SocketAddrArg for RawAddress {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f(self.bytes.as_ptr().cast(), self.length.min(ADDRESS_SPACE as u32))
    }
}

fn check(outcome: libc::c_int) -> Result<(), Errno> {
    if outcome == 0 { Ok(()) } else { Err(last_errno()) }
}

fn count(outcome: isize) -> Result<usize, Errno> {
    usize::try_from(outcome).map_err(|_| last_errno())
}

fn last_errno() -> Errno {
    crate::error::errno_of(&io::Error::last_os_error())
}

type NameCall = unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

fn name(fd: BorrowedFd<'_>, call: NameCall) -> Result<RawAddress, Errno> {
    let mut address = RawAddress::EMPTY;
    let mut length = ADDRESS_SPACE as libc::socklen_t;
    // SAFETY: `call` is getsockname(2) or getpeername(2), which writes at most `length` bytes.
    check(unsafe { call(fd.as_raw_fd(), address.bytes.as_mut_ptr().cast(), &raw mut length) })?;
    address.length = length;
    Ok(address)
}

/// `getsockname(2)`.
pub(crate) fn socket_name(fd: BorrowedFd<'_>) -> Result<RawAddress, Errno> {
    name(fd, libc::getsockname)
}

/// `getpeername(2)`.
pub(crate) fn peer_name(fd: BorrowedFd<'_>) -> Result<RawAddress, Errno> {
    name(fd, libc::getpeername)
}

/// Types for which every pattern of bits is a value, so that the kernel may fill them.
///
/// # Safety
/// Implement it for plain data without padding only.
pub(crate) unsafe trait Plain: Copy + Default {}
// SAFETY: integers, and arrays of them, have neither padding nor forbidden values.
unsafe impl Plain for i32 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for [u32; 3] {}

/// `getsockopt(2)` at `SOL_SOCKET` for an option of fixed size.
pub(crate) fn option<T: Plain>(fd: BorrowedFd<'_>, option: i32) -> Result<T, Errno> {
    let mut value = T::default();
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, and `Plain` says that any bytes make a value.
    check(unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, (&raw mut value).cast(), &raw mut length)
    })?;
    Ok(value)
}

/// `getsockopt(2)` at `SOL_SOCKET` for an option whose size only the kernel knows: a list of `T`.
///
/// The kernel answers a buffer that is too small with `ERANGE` and the size that it needs.
pub(crate) fn option_list<T: Plain>(fd: BorrowedFd<'_>, option: i32, first_guess: usize) -> Result<Vec<T>, Errno> {
    let mut list = vec![T::default(); first_guess];
    loop {
        let mut length = (list.len() * size_of::<T>()) as libc::socklen_t;
        // SAFETY: `list` owns `length` bytes, and `Plain` says that any bytes make values.
        let outcome = check(unsafe {
            libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, list.as_mut_ptr().cast(), &raw mut length)
        });
        let needed = length as usize / size_of::<T>();
        match outcome {
            Ok(()) => {
                list.truncate(needed);
                return Ok(list);
            }
            Err(Errno::RANGE) if needed > list.len() => list.resize(needed, T::default()),
            Err(errno) => return Err(errno),
        }
    }
}

/// `getsockopt(2)` at `SOL_SOCKET` for an option that installs a descriptor.
pub(crate) fn option_descriptor(fd: BorrowedFd<'_>, name: i32) -> Result<OwnedFd, Errno> {
    option::<i32>(fd, name).map(own)
}

/// `setsockopt(2)` at `SOL_SOCKET` for an `int`.
pub(crate) fn set_option(fd: BorrowedFd<'_>, option: i32, value: i32) -> Result<(), Errno> {
    // SAFETY: the kernel reads the four bytes of `value`.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    })
}

/// `ioctl(2)` with a request that answers with one `int`: `SIOCINQ`, `SIOCOUTQ`.
pub(crate) fn queue_length(fd: BorrowedFd<'_>, request: libc::c_ulong) -> Result<usize, Errno> {
    let mut value: libc::c_int = 0;
    // SAFETY: both requests write one int.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request as _, &raw mut value) })?;
    usize::try_from(value).map_err(|_| Errno::INVAL)
}

/// Takes ownership of a descriptor that the kernel has just installed for us.
pub(crate) fn own(fd: libc::c_int) -> OwnedFd {
    // SAFETY: every caller has the number from the kernel, in this very call, and hands it to nobody else.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// What `recvmsg(2)` reports beside the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported {
    /// What the call returned: the bytes written, or with `MSG_TRUNC` the message's own length.
    pub(crate) length: usize,
    /// `msg_flags`.
    pub(crate) flags: i32,
    /// Bytes of control data.
    pub(crate) control: usize,
    /// Bytes of the sender's name; 0 for one without, and at the end.
    pub(crate) name: usize,
}

/// Control data as bytes; the words are only there to align it.
pub(crate) fn bytes_of(words: &[u64]) -> &[u8] {
    // SAFETY: the bytes of integers are bytes, all of them belong to the slice, and no alignment is too small for them.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// `recvmsg(2)`, with the sender's address and whatever control data fits in `control`.
pub(crate) fn receive_message(
    fd: BorrowedFd<'_>,
    data: &mut [u8],
    from: &mut RawAddress,
    control: &mut [u64],
    flags: i32,
) -> Result<Reported, Errno> {
    let mut part = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
    let mut header = empty_header();
    header.msg_name = from.bytes.as_mut_ptr().cast();
    header.msg_namelen = ADDRESS_SPACE as libc::socklen_t;
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(control) as _;
    // SAFETY: every pointer in the header points at memory borrowed for this call, with its true length.
    let length = count(unsafe { libc::syscall(libc::SYS_recvmsg, fd.as_raw_fd(), &raw mut header, flags) } as isize)?;
    from.length = header.msg_namelen;
    let (control, name) = (control_length(&header), header.msg_namelen as usize);
    Ok(Reported { length, flags: header.msg_flags, control, name })
}

#[allow(clippy::unnecessary_cast, reason = "musl's is a socklen_t, glibc's a size_t")]
fn control_length(header: &libc::msghdr) -> usize {
    header.msg_controllen as usize
}

fn empty_header() -> libc::msghdr {
    // SAFETY: all zeroes is a msghdr without name, parts or control data; musl's has private padding, so it cannot
    // be written as a literal.
    unsafe { MaybeUninit::<libc::msghdr>::zeroed().assume_init() }
}

/// Headers for `recvmmsg(2)` and `sendmmsg(2)`, kept between calls so that a batch costs no allocation.
///
/// The pointers inside are rebuilt at each call and mean nothing after it.
pub(crate) struct Headers {
    headers: Vec<libc::mmsghdr>,
    parts: Vec<libc::iovec>,
}

// SAFETY: the pointers are written and used within one call that borrows what they point at; between calls nobody
// follows them.
unsafe impl Send for Headers {}
// SAFETY: as above; a shared reference gives no access to them.
unsafe impl Sync for Headers {}

impl Headers {
    pub(crate) fn new(messages: usize, parts_each: usize) -> Self {
        let nothing = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        Self {
            headers: (0..messages).map(|_| libc::mmsghdr { msg_hdr: empty_header(), msg_len: 0 }).collect(),
            parts: vec![nothing; messages * parts_each],
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.headers.len()
    }

    /// `recvmmsg(2)`: message `i` goes to `data[i * slot..]`, what does not fit there to `overflow[i * spill..]`, its
    /// sender to `from[i]`, and its control data to `control[i * control_each..]`. At most `messages` of them.
    pub(crate) fn receive(&mut self, fd: BorrowedFd<'_>, room: Room<'_>, flags: i32) -> Result<usize, Errno> {
        let Room { messages, data, slot, overflow, spill, from, names, control, control_each } = room;
        let messages = messages.min(self.headers.len()).min(from.len());
        assert!(data.len() >= messages * slot && overflow.len() >= messages * spill);
        assert!(control.len() >= messages * control_each && self.parts.len() >= messages * 2);
        let (data, overflow, control) = (data.as_mut_ptr(), overflow.as_mut_ptr(), control.as_mut_ptr());
        for (index, address) in from.iter_mut().enumerate().take(messages) {
            let parts = &mut self.parts[index * 2..index * 2 + 2];
            // SAFETY: the assertions above keep both offsets inside their buffers.
            let (slot_at, spill_at) = unsafe { (data.add(index * slot), overflow.add(index * spill)) };
            parts[0] = libc::iovec { iov_base: slot_at.cast(), iov_len: slot };
            parts[1] = libc::iovec { iov_base: spill_at.cast(), iov_len: spill };
            let header = &mut self.headers[index].msg_hdr;
            (header.msg_name, header.msg_namelen) = match names {
                Names::Whole => (address.bytes.as_mut_ptr().cast(), ADDRESS_SPACE as libc::socklen_t),
                // How long it is the kernel says even where there is no room.
                Names::Length => (address.bytes.as_mut_ptr().cast(), 0),
                Names::None => (ptr::null_mut(), 0),
            };
            header.msg_iov = parts.as_mut_ptr();
            // One part is a faster way through the kernel than two of which one is empty.
            header.msg_iovlen = if spill == 0 { 1 } else { 2 };
            // SAFETY: as above.
            header.msg_control = unsafe { control.add(index * control_each) }.cast();
            header.msg_controllen = (control_each * size_of::<u64>()) as _;
            header.msg_flags = 0;
        }
        // SAFETY: the first `messages` headers point at memory that `room` borrows, none of it twice. The kernel
        // does not write a timeout that is null.
        let received = count(unsafe {
            libc::syscall(
                libc::SYS_recvmmsg,
                fd.as_raw_fd(),
                self.headers.as_mut_ptr(),
                messages as libc::c_uint,
                flags,
                ptr::null_mut::<libc::timespec>(),
            )
        } as isize)?;
        for (index, address) in from.iter_mut().take(received).enumerate() {
            address.length = if names == Names::Whole { self.headers[index].msg_hdr.msg_namelen } else { 0 };
        }
        Ok(received)
    }

    /// What the last [`receive`](Self::receive) reported of message `index`.
    pub(crate) fn reported(&self, index: usize) -> Reported {
        let header = &self.headers[index];
        Reported {
            length: header.msg_len as usize,
            flags: header.msg_hdr.msg_flags,
            control: control_length(&header.msg_hdr),
            name: header.msg_hdr.msg_namelen as usize,
        }
    }

    /// `sendmmsg(2)`: message `i` is `data[bounds[i]..bounds[i + 1]]`.
    pub(crate) fn send(
        &mut self,
        fd: BorrowedFd<'_>,
        data: &[u8],
        bounds: &[u32],
        to: Option<&RawAddress>,
        flags: i32,
    ) -> Result<usize, Errno> {
        let messages = bounds.len().saturating_sub(1).min(self.headers.len());
        for (index, bound) in bounds.windows(2).take(messages).enumerate() {
            let message = data.get(bound[0] as usize..bound[1] as usize).ok_or(Errno::INVAL)?;
            self.parts[index] = libc::iovec { iov_base: message.as_ptr().cast_mut().cast(), iov_len: message.len() };
            let header = &mut self.headers[index].msg_hdr;
            *header = empty_header();
            if let Some(to) = to {
                header.msg_name = to.bytes.as_ptr().cast_mut().cast();
                header.msg_namelen = to.length;
            }
            header.msg_iov = &raw mut self.parts[index];
            header.msg_iovlen = 1;
        }
        // SAFETY: the first `messages` headers point at `data` and `to`, borrowed for this call; sendmmsg(2) writes
        // nothing but each header's msg_len.
        count(unsafe {
            libc::syscall(
                libc::SYS_sendmmsg,
                fd.as_raw_fd(),
                self.headers.as_mut_ptr(),
                messages as libc::c_uint,
                flags,
            )
        } as isize)
    }
}

/// Where [`Headers::receive`] may write.
pub(crate) struct Room<'a> {
    pub(crate) messages: usize,
    pub(crate) data: &'a mut [u8],
    pub(crate) slot: usize,
    pub(crate) overflow: &'a mut [u8],
    pub(crate) spill: usize,
    pub(crate) from: &'a mut [RawAddress],
    pub(crate) names: Names,
    pub(crate) control: &'a mut [u64],
    pub(crate) control_each: usize,
}

/// What is asked of the senders' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Whole,
    Length,
    None,
}
