//! AF_VSOCK, as far as telling a service manager outside the virtual machine needs it; `vsock(7)`.

use std::mem::size_of;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};

use napi::Either;
use napi_derive::napi;
use nearwire_unix::Error;
use rustix::io::Errno;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType};

use crate::adopt::borrowed;
use crate::failure::Failure;

const ANY_CID: u32 = u32::MAX;
const LAST_PRIVILEGED_PORT: u32 = 1023;

/// `struct sockaddr_vm` of `linux/vm_sockets.h`.
#[repr(C)]
struct Address {
    family: u16,
    reserved: u16,
    port: u32,
    cid: u32,
    flags: u8,
    zero: [u8; 3],
}

impl Address {
    fn new(cid: u32, port: u32) -> Self {
        Self { family: AddressFamily::VSOCK.as_raw(), reserved: 0, port, cid, flags: 0, zero: [0; 3] }
    }
}

// SAFETY: the pointer is to the whole structure, in the kernel's own layout, and lives for the length of the call.
unsafe impl SocketAddrArg for Address {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f(std::ptr::from_ref(self).cast(), size_of::<Self>() as SocketAddrLen)
    }
}

/// A non-blocking socket that is connected, or about to be.
#[napi(object)]
pub struct VsockConnecting {
    /// The caller's.
    pub fd: i32,
    /// `SOCK_STREAM`, `SOCK_DGRAM` or `SOCK_SEQPACKET`, as a number.
    pub kind_number: i32,
}

/// Connects to a port of a context. Without a type the first that the kernel has of datagram, seqpacket and stream.
/// It is connected once it is writable and `vsock_failure()` has nothing to say.
#[napi]
pub fn connect_vsock(kind_number: Option<i32>, cid: u32, port: u32) -> Either<VsockConnecting, Failure> {
    let kinds = match kind_number {
        Some(1) => &[SocketType::STREAM][..],
        Some(2) => &[SocketType::DGRAM],
        Some(_) => &[SocketType::SEQPACKET],
        None => &[SocketType::DGRAM, SocketType::SEQPACKET, SocketType::STREAM],
    };
    match open(kinds).and_then(|(fd, kind)| connect(&fd, &Address::new(cid, port)).map(|()| (fd, kind))) {
        Ok((fd, kind)) => Either::A(VsockConnecting { fd: fd.into_raw_fd(), kind_number: kind.as_raw() as i32 }),
        Err(error) => Either::B(error.into()),
    }
}

/// Why connecting failed, if it did (`SO_ERROR`).
#[napi]
pub fn vsock_failure(fd: i32) -> Option<Failure> {
    match borrowed(fd, "connect").map(rustix::net::sockopt::socket_error) {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(errno)) | Err(errno)) => Some(failed("connect")(errno).into()),
        Err(error) => Some(error.into()),
    }
}

/// Ends writing.
#[napi]
pub fn shutdown_vsock(fd: i32) -> Option<Failure> {
    let end = |fd| rustix::net::shutdown(fd, Shutdown::Write).map_err(failed("shutdown"));
    borrowed(fd, "shutdown").and_then(end).err().map(Failure::from)
}

fn open(kinds: &[SocketType]) -> nearwire_unix::Result<(OwnedFd, SocketType)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let mut outcome = Err(Errno::SOCKTNOSUPPORT);
    for kind in kinds {
        outcome = rustix::net::socket_with(AddressFamily::VSOCK, *kind, flags, None).map(|fd| (fd, *kind));
        // Hypervisors without datagrams say the last of these.
        if !matches!(outcome, Err(Errno::SOCKTNOSUPPORT | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::NODEV)) {
            break;
        }
    }
    outcome.map_err(|errno| match errno {
        Errno::AFNOSUPPORT => {
            let detail = "the running kernel has no AF_VSOCK (CONFIG_VSOCKETS)".to_owned();
            Error { errno, syscall: "socket", detail: Some(detail) }
        }
        other => failed("socket")(other),
    })
}

fn connect(fd: &OwnedFd, to: &Address) -> nearwire_unix::Result<()> {
    // A port below 1024 tells the service manager that root speaks. Who may not have one does without.
    for port in (1..=LAST_PRIVILEGED_PORT).rev() {
        match rustix::net::bind(fd.as_fd(), &Address::new(ANY_CID, port)) {
            Err(Errno::ADDRINUSE) => {}
            Ok(()) | Err(Errno::ACCESS | Errno::PERM) => break,
            Err(errno) => return Err(failed("bind")(errno)),
        }
    }
    match rustix::net::connect(fd.as_fd(), to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(()),
        Err(errno) => Err(failed("connect")(errno)),
    }
}

fn failed(syscall: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error { errno, syscall, detail: None }
}
