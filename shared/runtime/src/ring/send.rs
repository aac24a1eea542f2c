//! Sending: one batch in flight per socket.
//!
//! Job: get all bytes of a batch to the kernel, in as few operations as it takes.
//! In: [`SendData`]. Out: `Sent` events, with the memory for reuse.
//! Invariant: the bytes and the message header stay where they are until the send has completed.

use std::ptr;

use io_uring::{opcode, squeue, types};

use super::operation::Operation;
use super::queue::Completion;
use super::socket::Writing;
use super::{Chunk, Errno, Event, NetRing, SendData};
use crate::buffers::BufferRing;
use crate::sockets::{Slot, SocketId};

/// Pieces that one operation gathers.
const PIECES: usize = 64;

/// Bytes of one operation: so often the owner can see that a long send makes progress.
const MAX_BYTES: usize = 1 << 20;

/// Message headers kept for reuse.
const SPARE_MESSAGES: usize = 64;

/// Header and pieces of a gathered send, at an address that stays.
pub(super) struct Message(Box<MessageParts>);

struct MessageParts {
    header: libc::msghdr,
    pieces: [libc::iovec; PIECES],
}

impl Message {
    fn new() -> Self {
        let piece = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: all-zero bytes are a valid `msghdr`: null pointers and zero lengths.
        let header = unsafe { std::mem::zeroed() };
        Self(Box::new(MessageParts { header, pieces: [piece; PIECES] }))
    }
}

/// The send in flight of a socket.
pub(super) struct Sending {
    data: SendData,
    /// Where the unsent rest begins: index of the piece, and offset in it.
    piece: usize,
    offset: usize,
    left: usize,
    message: Option<Message>,
}

impl Sending {
    /// The operation that sends the rest, or as much of it as one operation takes.
    fn entry(&mut self, fd: types::Fd, buffers: &BufferRing) -> squeue::Entry {
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        match &self.data {
            SendData::Buffer(bytes) => {
                let rest = &bytes[self.offset..];
                let length = rest.len().min(MAX_BYTES) as u32;
                opcode::Send::new(fd, rest.as_ptr(), length).flags(flags).build()
            }
            SendData::Chunks(chunks) => {
                let message = &mut *self.message.get_or_insert_with(Message::new).0;
                let mut offset = self.offset;
                let mut room = MAX_BYTES;
                let mut count = 0;
                for chunk in &chunks[self.piece..] {
                    let rest = &chunk.bytes(buffers)[offset..];
                    offset = 0;
                    if rest.is_empty() {
                        continue;
                    }
                    if count == PIECES || room == 0 {
                        break;
                    }
                    let length = rest.len().min(room);
                    room -= length;
                    message.pieces[count] =
                        libc::iovec { iov_base: rest.as_ptr().cast_mut().cast(), iov_len: length };
                    count += 1;
                }
                message.header.msg_iov = message.pieces.as_mut_ptr();
                message.header.msg_iovlen = count as _;
                opcode::SendMsg::new(fd, &raw const message.header).flags(flags as u32).build()
            }
        }
    }

    /// Notes that `sent` bytes of the rest have gone.
    fn advance(&mut self, sent: usize) {
        assert!(sent <= self.left, "the kernel sent more than it was given");
        self.left -= sent;
        match &self.data {
            SendData::Buffer(_) => self.offset += sent,
            SendData::Chunks(chunks) => {
                self.offset += sent;
                while let Some(chunk) = chunks.get(self.piece) {
                    let length = chunk.len();
                    if self.offset < length {
                        break;
                    }
                    self.offset -= length;
                    self.piece += 1;
                }
            }
        }
    }
}

impl NetRing {
    /// Sends all of `data`; `Event::Sent` says when that is done or has failed.
    ///
    /// # Panics
    /// If a send of this socket is in flight already, or its writing half has been shut down: the
    /// owner gathers its replies meanwhile.
    pub fn send(&mut self, id: SocketId, data: SendData) {
        let left = data.len();
        let message = if matches!(data, SendData::Chunks(_)) { self.messages.pop() } else { None };
        let socket = self.open_socket_mut(id);
        assert!(socket.sending.is_none(), "{id:?} has a send in flight");
        assert!(socket.writing == Writing::Open, "{id:?} has ended its writing half");
        socket.detaching = false;
        if left == 0 {
            socket.unsent = 0;
            let data = self.take_back(data);
            self.ready.push_back(Event::Sent { socket: id, data, result: Ok(()) });
            return;
        }
        socket.sending = Some(Sending { data, piece: 0, offset: 0, left, message });
        self.submit_send(id.0);
    }

    /// Whether a send is in flight.
    pub fn is_sending(&self, id: SocketId) -> bool {
        self.sockets.get(id.0).is_some_and(|socket| socket.sending.is_some())
    }

    /// Bytes that are not known to have gone: of the send in flight, or of the last one if that has
    /// failed. When they are all that it had, the peer has nothing of it.
    pub fn left_to_send(&self, id: SocketId) -> usize {
        let Some(socket) = self.sockets.get(id.0) else { return 0 };
        socket.sending.as_ref().map_or(socket.unsent, |sending| sending.left)
    }

    /// Releases the received buffers among what a send no longer needs.
    fn take_back(&mut self, mut data: SendData) -> SendData {
        if let SendData::Chunks(chunks) = &mut data {
            let is_received = |chunk: &mut Chunk| matches!(chunk, Chunk::Received { .. });
            for chunk in chunks.extract_if(.., is_received) {
                if let Chunk::Received { buffer, .. } = chunk {
                    self.buffers.release(buffer);
                }
            }
        }
        data
    }

    fn submit_send(&mut self, slot: Slot) {
        let Some(socket) = self.sockets.get_mut(slot) else { return };
        let fd = socket.ring_fd();
        let Some(sending) = socket.sending.as_mut() else { return };
        let entry = sending.entry(fd, &self.buffers).user_data(Operation::Send.on(slot));
        socket.in_flight += 1;
        // SAFETY: the bytes are on the heap (in vectors that nobody touches, or shared and
        // immutable) or in a received buffer, which goes back to the kernel only after `take_back`;
        // the header is boxed; and `Sending` keeps all of them until the completion.
        unsafe { self.queue.push(entry) };
    }

    pub(super) fn on_send(&mut self, slot: Slot, completion: Completion, events: &mut Vec<Event>) {
        let Some(socket) = self.sockets.get_mut(slot) else { return };
        socket.in_flight -= 1;
        let Some(sending) = socket.sending.as_mut() else { return };
        let result = match completion.result {
            sent @ 1.. => {
                sending.advance(sent as usize);
                if sending.left == 0 { Some(Ok(())) } else { None }
            }
            // A stream socket that takes nothing of something will take nothing ever.
            0 => Some(Err(Errno(libc::EPIPE))),
            error if error == -libc::EINTR || error == -libc::EAGAIN => None,
            error => Some(Err(Errno(-error))),
        };
        let result = match result {
            Some(result) => result,
            None if socket.closing => Err(Errno(libc::ECANCELED)),
            None => return self.submit_send(slot),
        };
        let Some(sending) = socket.sending.take() else { return };
        socket.unsent = sending.left;
        let ends = socket.writing == Writing::EndsAfterSend;
        if let Some(message) = sending.message
            && self.messages.len() < SPARE_MESSAGES
        {
            self.messages.push(message);
        }
        let data = self.take_back(sending.data);
        events.push(Event::Sent { socket: SocketId(slot), data, result });
        if ends {
            self.end_writing(slot);
        }
        self.finish_close(slot, events);
    }
}
