//! The buffer in which JavaScript coalesces small writes, flushed before the loop blocks.

use napi::bindgen_prelude::{Int32Array, Uint8Array};
use nearwire_unix::Socket;
use rustix::io::Errno;

/// Where the bytes in the buffer end; zero when it is empty.
const TAIL: usize = 0;
/// Where the bytes begin that the kernel has not taken yet.
const HEAD: usize = 1;
/// The errno of a flush that failed while JavaScript was not looking.
const ERRNO: usize = 2;

/// A buffer shared with JavaScript, which writes at the tail, and the three numbers above.
pub(crate) struct Outbox {
    buffer: Uint8Array,
    control: Int32Array,
}

impl Outbox {
    pub(crate) fn new(buffer: Uint8Array, control: Int32Array) -> Option<Self> {
        (control.len() > ERRNO).then_some(Self { buffer, control })
    }

    /// Replaces the buffer by a larger one, into which JavaScript has copied what was in it.
    pub(crate) fn replace(&mut self, buffer: Uint8Array) {
        self.buffer = buffer;
    }

    /// Writes what is buffered and then `rest`, with as few calls as the kernel allows; answers how much of `rest` went
    /// out.
    pub(crate) fn write_through(&mut self, socket: &Socket, rest: &[u8]) -> Result<usize, Errno> {
        let mut written = 0;
        loop {
            let (head, tail) = self.bounds();
            if head == tail && written == rest.len() {
                return Ok(written);
            }
            let pending = &self.buffer[head..tail];
            let outcome = match (pending.is_empty(), written == rest.len()) {
                (true, _) => socket.try_write(&rest[written..]),
                (_, true) => socket.try_write(pending),
                (false, false) => socket
                    .try_write_vectored(&[std::io::IoSlice::new(pending), std::io::IoSlice::new(&rest[written..])]),
            };
            match outcome {
                Ok(count) => {
                    let from_buffer = count.min(tail - head);
                    self.advance(head + from_buffer, tail);
                    written += count - from_buffer;
                }
                Err(Errno::AGAIN) if written > 0 => return Ok(written),
                Err(errno) => return Err(errno),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.control[TAIL] == 0
    }

    /// Leaves the errno for JavaScript and forgets what can never be written.
    pub(crate) fn fail(&mut self, errno: Errno) {
        // SAFETY: JavaScript is not running, and Rust holds no other view of the array.
        let control = unsafe { self.control.as_mut() };
        control[ERRNO] = errno.raw_os_error();
        control[TAIL] = 0;
        control[HEAD] = 0;
    }

    /// The unwritten part, clamped to the buffer: JavaScript could have written anything.
    fn bounds(&self) -> (usize, usize) {
        let tail = usize::try_from(self.control[TAIL]).unwrap_or(0).min(self.buffer.len());
        let head = usize::try_from(self.control[HEAD]).unwrap_or(0).min(tail);
        (head, tail)
    }

    fn advance(&mut self, head: usize, tail: usize) {
        // SAFETY: as in `fail`.
        let control = unsafe { self.control.as_mut() };
        let empty = head == tail;
        control[HEAD] = if empty { 0 } else { i32::try_from(head).unwrap_or(i32::MAX) };
        control[TAIL] = if empty { 0 } else { i32::try_from(tail).unwrap_or(i32::MAX) };
    }
}
