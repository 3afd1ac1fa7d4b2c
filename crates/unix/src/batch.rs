//! Many messages in one system call.

use std::fmt;
use std::os::fd::AsFd;

use rustix::io::Errno;

use crate::address::Address;
use crate::ancillary::{Ancillary, parse, words_for};
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::socket::Socket;
use crate::sys::{Headers, Names, RawAddress, Room, bytes_of};
use crate::wait;

/// Room for a label in each message of a batch; longer ones are reported as truncated.
const LABEL_ROOM: usize = 256;
/// The most messages that one system call takes: `UIO_MAXIOV`.
const MOST_MESSAGES: usize = 1024;

/// Where one message of a batch is, and what the kernel said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its first byte in the caller's buffer.
    pub offset: usize,
    /// How many of its bytes are there.
    pub length: usize,
    /// How many more are in [`ReceiveBatch::overflow`].
    pub overflow: usize,
    /// Bytes of the message itself.
    pub full_length: usize,
    /// Buffer and overflow together were too small, and the rest is gone.
    pub truncated: bool,
    /// Something that came beside the bytes is gone.
    pub ancillary_truncated: bool,
}

/// The messages of one `recvmmsg(2)`, and the room for the next; kept between calls.
///
/// A message longer than its slot of the caller's buffer goes on in an overflow area of this batch, so that slots
/// can be small without cutting anything. The area costs memory only once it is used.
pub struct ReceiveBatch {
    headers: Headers,
    from: Vec<RawAddress>,
    /// Whose all of them are.
    only_sender: Option<RawAddress>,
    control: Vec<u64>,
    overflow: Vec<u8>,
    spill: usize,
    placed: Vec<Placed>,
    ancillary: Vec<Option<Box<Ancillary>>>,
    end: bool,
}

impl ReceiveBatch {
    /// Room for so many messages (1 to 1,024), each with so many bytes beyond its slot.
    #[must_use]
    pub fn new(messages: usize, overflow_each: usize) -> Self {
        let messages = messages.clamp(1, MOST_MESSAGES);
        Self {
            headers: Headers::new(messages, 2),
            from: vec![RawAddress::EMPTY; messages],
            only_sender: None,
            control: vec![0; messages * words_for(LABEL_ROOM)],
            overflow: vec![0; messages * overflow_each],
            spill: overflow_each,
            placed: Vec::with_capacity(messages),
            ancillary: Vec::with_capacity(messages),
            end: false,
        }
    }

    /// How many messages it takes at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.headers.capacity()
    }

    /// The messages of the last call, in order.
    #[must_use]
    pub fn messages(&self) -> &[Placed] {
        &self.placed
    }

    /// The sender's name of message `index`, with datagrams.
    #[must_use]
    pub fn from(&self, index: usize) -> Address {
        self.only_sender.unwrap_or(self.from[index]).into()
    }

    /// Whether message `index` and the one before it have the same sender's name, at less than asking for both.
    #[must_use]
    pub fn same_sender(&self, index: usize) -> bool {
        index > 0 && (self.only_sender.is_some() || self.from[index].as_bytes() == self.from[index - 1].as_bytes())
    }

    /// What of message `index` did not fit its slot.
    #[must_use]
    pub fn overflow(&self, index: usize) -> &[u8] {
        &self.overflow[index * self.spill..][..self.placed[index].overflow]
    }

    /// What came beside message `index`, once. What nobody takes is closed by the next call.
    pub fn take_ancillary(&mut self, index: usize) -> Option<Box<Ancillary>> {
        self.ancillary[index].take()
    }

    /// Whether the other side of a connection ended after these messages.
    #[must_use]
    pub fn end(&self) -> bool {
        self.end
    }
}

impl fmt::Debug for ReceiveBatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ReceiveBatch")
            .field("messages", &self.placed)
            .field("ancillary", &self.ancillary)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// Room for the headers of many sends; kept between calls.
pub struct SendBatch {
    headers: Headers,
}

impl SendBatch {
    /// Room for so many messages a call (1 to 1,024).
    #[must_use]
    pub fn new(messages: usize) -> Self {
        Self { headers: Headers::new(messages.clamp(1, MOST_MESSAGES), 1) }
    }
}

impl fmt::Debug for SendBatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SendBatch").field("capacity", &self.headers.capacity()).finish()
    }
}

impl Socket {
    /// Takes all messages there are, at most as many as the batch and the buffer have room for: message `i` goes to
    /// `buffer[i * slot..]`. Returns how many; 0 only at the end of a connection. Of a stream each is what
    /// [`try_receive_message`](Self::try_receive_message) would give, and none is ever cut.
    ///
    /// # Errors
    /// `EAGAIN` when there is none; `ECONNRESET`; `EINVAL` for a slot of 0, and for a buffer smaller than one slot.
    pub fn try_receive_batch(
        &self,
        batch: &mut ReceiveBatch,
        buffer: &mut [u8],
        slot: usize,
    ) -> std::result::Result<usize, Errno> {
        batch.placed.clear();
        batch.ancillary.clear();
        batch.end = false;
        if slot == 0 || buffer.len() < slot {
            return Err(Errno::INVAL);
        }
        let messages = (buffer.len() / slot).min(batch.capacity());
        let words = words_for(LABEL_ROOM);
        // Asking costs as much as two or three names.
        batch.only_sender = if messages > 1 { self.only_sender() } else { None };
        let names = match self.kind() {
            Kind::Datagram if batch.only_sender.is_none() => Names::Whole,
            // Tells a message from the end.
            Kind::Seqpacket => Names::Length,
            Kind::Datagram | Kind::Stream => Names::None,
        };
        let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC | self.count_all();
        let count = self.receiving(flags, || {
            let room = Room {
                messages,
                data: &mut *buffer,
                slot,
                overflow: &mut batch.overflow,
                spill: batch.spill,
                from: &mut batch.from,
                names,
                control: &mut batch.control,
                control_each: words,
            };
            batch.headers.receive(self.as_fd(), room, flags)
        });
        if count == Err(Errno::AGAIN) {
            self.found_empty();
        }
        let count = count?;
        for index in 0..count {
            let reported = batch.headers.reported(index);
            // The kernel fills every remaining place of a batch with the same end.
            if self.is_end(reported, true) {
                batch.end = true;
                break;
            }
            batch.placed.push(Placed {
                offset: index * slot,
                length: reported.length.min(slot),
                overflow: reported.length.saturating_sub(slot).min(batch.spill),
                full_length: reported.length,
                truncated: reported.flags & libc::MSG_TRUNC != 0,
                ancillary_truncated: reported.flags & libc::MSG_CTRUNC != 0,
            });
            let control = &bytes_of(&batch.control[index * words..][..words])[..reported.control];
            batch.ancillary.push((!control.is_empty()).then(|| Box::new(parse(control))));
        }
        if batch.placed.is_empty() {
            self.end(flags)?;
        }
        Ok(batch.placed.len())
    }

    /// Waits for at least one message, then takes all there are.
    ///
    /// # Errors
    /// Those of [`try_receive_batch`](Self::try_receive_batch) but `EAGAIN`.
    pub async fn receive_batch(
        &self,
        batch: &mut ReceiveBatch,
        buffer: &mut [u8],
        slot: usize,
    ) -> std::result::Result<usize, Errno> {
        wait::reading(self.readiness(), || self.try_receive_batch(batch, buffer, slot)).await
    }

    /// Sends `data[bounds[i]..bounds[i + 1]]` as message `i`, for as many as the kernel takes and the batch has room
    /// for; `sendmmsg(2)`. Returns how many: an error shows when the message that meets it comes first.
    ///
    /// # Errors
    /// Those of [`try_write`](Self::try_write) for the first message; of [`connect`](Self::connect) with `to`;
    /// `EINVAL` for a stream and for bounds that are not ascending inside `data`.
    pub fn try_send_batch(
        &self,
        batch: &mut SendBatch,
        data: &[u8],
        bounds: &[u32],
        to: Option<&Address>,
    ) -> Result<usize> {
        if self.kind() == Kind::Stream {
            return Err(Error::explained(Errno::INVAL, "sendmmsg", "a stream has no messages"));
        }
        if bounds.len() < 2 {
            return Ok(0);
        }
        let reached = to.map(Address::reach).transpose()?;
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        loop {
            match batch.headers.send(self.as_fd(), data, bounds, reached.as_ref().map(|to| &to.raw), flags) {
                Err(Errno::INTR) => {}
                outcome => return outcome.map_err(Error::of("sendmmsg")),
            }
        }
    }
}
