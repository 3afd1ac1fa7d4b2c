//! Memory that netlink datagrams come into and requests go out of, handed over once: taking a typed array apart costs more
//! than the system call that fills it.

use std::cell::RefCell;
use std::rc::Rc;

use napi::bindgen_prelude::{Uint8Array, Uint32Array};
use napi_derive::napi;
use nearwire_netlink::{End, Socket, column};

/// Buffers that all sockets of a thread use in turn.
#[napi]
pub struct NetlinkBuffers {
    memory: Rc<RefCell<Memory>>,
}

/// What is shared. Sockets keep hold of it, for looking at an object that is passed costs as much as an array.
pub(crate) struct Memory {
    incoming: Uint8Array,
    outgoing: Uint8Array,
    table: Uint32Array,
}

#[napi]
impl NetlinkBuffers {
    /// `table` is rows of seven numbers: one about the batch and one for each datagram; see `netlink_receive()`.
    #[napi(constructor)]
    pub fn new(incoming: Uint8Array, outgoing: Uint8Array, table: Uint32Array) -> Self {
        Self { memory: Rc::new(RefCell::new(Memory { incoming, outgoing, table })) }
    }

    /// Puts others in the place of two of them.
    #[napi]
    pub fn replace(&self, incoming: Uint8Array, outgoing: Uint8Array) {
        let mut memory = self.memory.borrow_mut();
        memory.incoming = incoming;
        memory.outgoing = outgoing;
    }

    pub(crate) fn memory(&self) -> Rc<RefCell<Memory>> {
        Rc::clone(&self.memory)
    }
}

impl Memory {
    /// The first bytes of what goes out, if there are as many.
    pub(crate) fn outgoing(&self, length: u32) -> Option<&[u8]> {
        self.outgoing.get(..length as usize)
    }

    /// Receives at most `limit` datagrams and puts down what came of it; nothing when the socket has nothing.
    pub(crate) fn receive(&mut self, socket: &Socket, limit: u32) -> Option<u32> {
        // SAFETY: JavaScript is not running while they are written, and no other view of either is held.
        let (incoming, table) = unsafe { (self.incoming.as_mut(), self.table.as_mut()) };
        let (head, rows) = table.split_first_chunk_mut::<{ column::COUNT }>()?;
        let end = rows.len().min((limit as usize).saturating_mul(column::COUNT));
        let batch = socket.try_receive_batch(incoming, &mut rows[..end]);
        let (end, needed) = match batch.end {
            End::Drained if batch.rows == 0 => return None,
            End::Drained => (0, 0),
            End::BufferFull(needed) => (1, u32::try_from(needed).unwrap_or(u32::MAX)),
            End::TableFull => (2, 0),
            End::Failed => (3, 0),
        };
        // All are bounded by the lengths of arrays that JavaScript indexes with 32 bits.
        *head = [batch.rows as u32, batch.bytes as u32, end, needed, 0, 0, 0];
        Some(batch.rows as u32)
    }
}
