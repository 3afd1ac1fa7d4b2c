//! Memory files, `memfd_create(2)`: making, sealing, and mapping them into JavaScript.

use std::ffi::c_void;
use std::os::fd::{BorrowedFd, IntoRawFd};
use std::ptr;

use napi::bindgen_prelude::ArrayBuffer;
use napi::{Either, Env};
use napi_derive::napi;
use nearwire_unix::Error;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::adopt::borrowed;
use crate::failure::Failure;

/// A new memory file, closed on exec, that can be sealed.
#[napi]
pub fn create_memfd(name: String) -> Either<i32, Failure> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know how to forbid executing it.
    let made = rustix::fs::memfd_create(&*name, flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| rustix::fs::memfd_create(&*name, flags));
    match made {
        Ok(fd) => Either::A(fd.into_raw_fd()),
        Err(errno) => Either::B(error(errno, "memfd_create", None).into()),
    }
}

/// The seals of a file, `F_SEAL_*` of `fcntl(2)`; -1 for one that cannot have any.
#[napi]
pub fn get_seals(fd: i32) -> i32 {
    let seals = borrowed(fd, "fcntl").ok().and_then(|fd| rustix::fs::fcntl_get_seals(fd).ok());
    seals.and_then(|seals| i32::try_from(seals.bits()).ok()).unwrap_or(-1)
}

/// Adds seals.
#[napi]
pub fn add_seals(fd: i32, seals: u32) -> Option<Failure> {
    let add = |fd: BorrowedFd<'_>| {
        rustix::fs::fcntl_add_seals(fd, SealFlags::from_bits_retain(seals)).map_err(|errno| error(errno, "fcntl", None))
    };
    borrowed(fd, "fcntl").and_then(add).err().map(Failure::from)
}

/// Maps the first `length` bytes of a file that cannot shrink. `shared`: what is written goes to the file, and what
/// others write shows; otherwise it is a copy that begins to differ where it is written to. The mapping lasts as long as
/// the `ArrayBuffer`, not as the descriptor.
#[napi]
pub fn map_memory<'env>(
    env: &'env Env,
    fd: i32,
    length: i64,
    shared: bool,
) -> napi::Result<Either<ArrayBuffer<'env>, Failure>> {
    let mapping = match borrowed(fd, "mmap").and_then(|fd| Mapping::new(fd, length, shared)) {
        Ok(mapping) => mapping,
        Err(error) => return Ok(Either::B(error.into())),
    };
    let (start, length) = (mapping.start.cast::<u8>(), mapping.length);
    // SAFETY: the mapping is `length` bytes, can be read and written, cannot lose its file, and is there until `drop`.
    let buffer = unsafe { ArrayBuffer::from_external(env, start, length, mapping, |_, mapping| drop(mapping)) }?;
    if shared && !ptr::eq(buffer.as_ptr(), start) {
        // This runtime has copied it, which is not what was asked for.
        let detail = "this JavaScript runtime does not allow memory from outside".to_owned();
        return Ok(Either::B(error(Errno::OPNOTSUPP, "mmap", Some(detail)).into()));
    }
    Ok(Either::A(buffer))
}

struct Mapping {
    start: *mut c_void,
    length: usize,
}

impl Mapping {
    fn new(fd: BorrowedFd<'_>, length: i64, shared: bool) -> nearwire_unix::Result<Self> {
        let sealed = rustix::fs::fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(SealFlags::SHRINK));
        let size = rustix::fs::fstat(fd).map_err(|errno| error(errno, "fstat", None))?.st_size;
        if !sealed || length <= 0 || length > size {
            // Touching a page that a truncation took away is SIGBUS.
            let detail = format!("only bytes of a file that cannot shrink (F_SEAL_SHRINK) are mapped; it has {size}");
            return Err(error(Errno::INVAL, "mmap", Some(detail)));
        }
        let length = usize::try_from(length).map_err(|_| error(Errno::OVERFLOW, "mmap", None))?;
        let kind = if shared { MapFlags::SHARED } else { MapFlags::PRIVATE };
        // SAFETY: a new mapping, at a place that the kernel chooses, which no Rust reference points into.
        let start =
            unsafe { rustix::mm::mmap(ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, kind, fd, 0) }
                .map_err(|errno| error(errno, "mmap", None))?;
        Ok(Self { start, length })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what mmap gave; the ArrayBuffer that showed it is gone.
        let _ = unsafe { rustix::mm::munmap(self.start, self.length) };
    }
}

fn error(errno: Errno, syscall: &'static str, detail: Option<String>) -> Error {
    Error { errno, syscall, detail }
}
