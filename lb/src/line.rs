//! One socket of a relay: bytes that have come and are not used, bytes that are to go.
//!
//! Job: hold received buffers as long as they are useful without a copy, gather what is to be sent,
//! and keep one send in flight. In: events of the net ring. Out: slices to parse, sends.
//! Invariant: a receive is armed only by [`Line::receive`], which brings at most one buffer; so what a
//! line holds is bounded by one buffer beside what its owner chose to keep. Of the ring's buffers all
//! lines together leave some to those who have something to say.

use ringlet_runtime::ring::{Chunk, NetRing, ReceivedBuffer, SendData, SocketId};

use crate::limits::{COPIED_BYTES_MAX, LENT_BUFFERS_MAX, SPARE_BUFFERS_MAX, SPARE_BYTES_MAX};

/// What has come and is not used yet.
#[derive(Debug)]
enum Incoming {
    Nothing,
    /// As it lies in the ring's buffer: for as long as it is being worked on.
    Lent {
        buffer: ReceivedBuffer,
        start: usize,
    },
    /// Copied, because it has to wait.
    Kept {
        bytes: Vec<u8>,
        start: usize,
    },
}

/// Emptied buffers for reuse by all lines of a core.
#[derive(Debug, Default)]
pub struct Spares {
    buffers: Vec<Vec<u8>>,
    lists: Vec<Vec<Chunk>>,
}

impl Spares {
    /// An empty buffer.
    pub fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    /// Keeps a buffer for its memory.
    pub fn keep(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= SPARE_BYTES_MAX && self.buffers.len() < SPARE_BUFFERS_MAX {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }

    /// Keeps what a send has given back.
    pub fn keep_sent(&mut self, data: SendData) {
        match data {
            SendData::Buffer(buffer) => self.keep(buffer),
            SendData::Chunks(mut chunks) => {
                for chunk in chunks.drain(..) {
                    if let Chunk::Owned(buffer) = chunk {
                        self.keep(buffer);
                    }
                }
                if self.lists.len() < SPARE_BUFFERS_MAX {
                    self.lists.push(chunks);
                }
            }
        }
    }
}

/// One socket.
#[derive(Debug)]
pub struct Line {
    /// Which.
    pub socket: SocketId,
    incoming: Incoming,
    outgoing: Vec<Chunk>,
    outgoing_bytes: usize,
    sending_bytes: usize,
    is_sending: bool,
    is_receiving: bool,
    /// Nothing more will come: the peer has ended its half, or the connection is broken.
    pub has_ended: bool,
    /// The writing half ends when all is sent.
    ends_after_send: bool,
    /// It has been told to close; only `Sent` and `Closed` may follow.
    pub is_closing: bool,
}

impl Line {
    /// A line with nothing on it.
    #[must_use]
    pub fn new(socket: SocketId) -> Self {
        Self {
            socket,
            incoming: Incoming::Nothing,
            outgoing: Vec::new(),
            outgoing_bytes: 0,
            sending_bytes: 0,
            is_sending: false,
            is_receiving: false,
            has_ended: false,
            ends_after_send: false,
            is_closing: false,
        }
    }

    /// What has come and is not used.
    pub fn bytes<'a>(&'a self, ring: &'a NetRing) -> &'a [u8] {
        match &self.incoming {
            Incoming::Nothing => &[],
            Incoming::Lent { buffer, start } => &ring.bytes(buffer)[*start..],
            Incoming::Kept { bytes, start } => &bytes[*start..],
        }
    }

    /// Whether nothing has come that is not used.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        matches!(self.incoming, Incoming::Nothing)
    }

    /// Takes what a receive has brought.
    pub fn take(&mut self, buffer: ReceivedBuffer, ring: &mut NetRing, spares: &mut Spares) {
        self.is_receiving = false;
        self.keep(ring, spares);
        match &mut self.incoming {
            Incoming::Nothing => self.incoming = Incoming::Lent { buffer, start: 0 },
            Incoming::Kept { bytes, .. } => {
                bytes.extend_from_slice(ring.bytes(&buffer));
                ring.release(buffer);
            }
            Incoming::Lent { .. } => unreachable!("invariant: what was lent has just been copied"),
        }
    }

    /// Copies what is not used, so that the ring has its buffer back while it waits.
    pub fn keep(&mut self, ring: &mut NetRing, spares: &mut Spares) {
        if let Incoming::Lent { .. } = self.incoming {
            let mut bytes = spares.buffer();
            bytes.extend_from_slice(self.bytes(ring));
            self.drop_incoming(ring, spares);
            self.incoming = Incoming::Kept { bytes, start: 0 };
        }
    }

    /// Gives the ring its buffer back if it has few left: what is not used has to wait for the other
    /// side, which may take long.
    pub fn keep_if_scarce(&mut self, ring: &mut NetRing, spares: &mut Spares) {
        if ring.buffers_lent() > LENT_BUFFERS_MAX {
            self.keep(ring, spares);
        }
    }

    /// The first `count` bytes have been used.
    pub fn consume(&mut self, count: usize, ring: &mut NetRing, spares: &mut Spares) {
        let left = self.bytes(ring).len() - count;
        if left == 0 {
            return self.drop_incoming(ring, spares);
        }
        match &mut self.incoming {
            Incoming::Nothing => {}
            Incoming::Lent { start, .. } | Incoming::Kept { start, .. } => *start += count,
        }
    }

    /// All that has come has been used.
    pub fn drop_incoming(&mut self, ring: &mut NetRing, spares: &mut Spares) {
        match std::mem::replace(&mut self.incoming, Incoming::Nothing) {
            Incoming::Nothing => {}
            Incoming::Lent { buffer, .. } => ring.release(buffer),
            Incoming::Kept { bytes, .. } => spares.keep(bytes),
        }
    }

    /// Moves `count` bytes after `skip` unwanted ones to `to`, without a copy where that pays.
    pub fn forward(
        &mut self,
        skip: usize,
        count: usize,
        to: &mut Line,
        ring: &mut NetRing,
        spares: &mut Spares,
    ) {
        let length = self.bytes(ring).len();
        let is_whole = skip + count == length;
        if is_whole && count > COPIED_BYTES_MAX && ring.buffers_lent() <= LENT_BUFFERS_MAX {
            match std::mem::replace(&mut self.incoming, Incoming::Nothing) {
                Incoming::Nothing => {}
                Incoming::Lent { buffer, start } => {
                    to.push(Chunk::Received { buffer, range: start + skip..start + length }, count);
                }
                Incoming::Kept { bytes, start } if start + skip == 0 => {
                    to.push(Chunk::Owned(bytes), count);
                }
                Incoming::Kept { bytes, start } => {
                    to.write(spares).extend_from_slice(&bytes[start + skip..]);
                    to.outgoing_bytes += count;
                    spares.keep(bytes);
                }
            }
            return;
        }
        let bytes = &self.bytes(ring)[skip..skip + count];
        to.append(bytes, spares);
        self.consume(skip + count, ring, spares);
    }

    /// Adds bytes to what is to go.
    pub fn append(&mut self, bytes: &[u8], spares: &mut Spares) {
        self.write(spares).extend_from_slice(bytes);
        self.outgoing_bytes += bytes.len();
    }

    /// Adds a buffer to what is to go.
    pub fn append_buffer(&mut self, bytes: Vec<u8>) {
        let length = bytes.len();
        self.push(Chunk::Owned(bytes), length);
    }

    /// Adds what `fill` writes to what is to go.
    pub fn append_with<R>(
        &mut self,
        spares: &mut Spares,
        fill: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> R {
        let buffer = self.write(spares);
        let before = buffer.len();
        let result = fill(buffer);
        let written = buffer.len() - before;
        self.outgoing_bytes += written;
        result
    }

    /// The buffer at the end of what is to go.
    fn write(&mut self, spares: &mut Spares) -> &mut Vec<u8> {
        if !matches!(self.outgoing.last(), Some(Chunk::Owned(_))) {
            if self.outgoing.capacity() == 0
                && let Some(list) = spares.lists.pop()
            {
                self.outgoing = list;
            }
            self.outgoing.push(Chunk::Owned(spares.buffer()));
        }
        match self.outgoing.last_mut() {
            Some(Chunk::Owned(buffer)) => buffer,
            _ => unreachable!("invariant: an owned buffer has just been pushed"),
        }
    }

    fn push(&mut self, chunk: Chunk, length: usize) {
        self.outgoing.push(chunk);
        self.outgoing_bytes += length;
    }

    /// Whether bytes wait for the send in flight to end: then no more should come to this line.
    #[must_use]
    pub fn is_backlogged(&self) -> bool {
        self.is_sending && self.outgoing_bytes > 0
    }

    /// Whether nothing is to go and nothing on its way to the kernel.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        !self.is_sending && self.outgoing_bytes == 0
    }

    /// Sends what is to go, if no send is in flight.
    pub fn flush(&mut self, ring: &mut NetRing) {
        if self.is_closing || self.is_sending {
            return;
        }
        if self.outgoing_bytes == 0 {
            if self.ends_after_send {
                self.ends_after_send = false;
                ring.shutdown_write(self.socket);
            }
            return;
        }
        self.is_sending = true;
        self.sending_bytes = std::mem::take(&mut self.outgoing_bytes);
        let one = self.outgoing.len() == 1;
        let data = match self.outgoing.pop() {
            Some(Chunk::Owned(buffer)) if one => SendData::Buffer(buffer),
            Some(last) => {
                self.outgoing.push(last);
                SendData::Chunks(std::mem::take(&mut self.outgoing))
            }
            None => unreachable!("invariant: bytes are in chunks"),
        };
        ring.send(self.socket, data);
    }

    /// A send has ended. Returns how many bytes it had.
    pub fn sent(&mut self) -> usize {
        self.is_sending = false;
        std::mem::take(&mut self.sending_bytes)
    }

    /// Ends the writing half when all is sent.
    pub fn finish_writing(&mut self, ring: &mut NetRing) {
        self.ends_after_send = true;
        self.flush(ring);
    }

    /// Has the ring receive once more, if it does not and more may come.
    pub fn receive(&mut self, ring: &mut NetRing) {
        if !self.is_receiving && !self.has_ended && !self.is_closing {
            self.is_receiving = true;
            ring.receive_once(self.socket);
        }
    }

    /// The receive has ended without bytes.
    pub fn ended(&mut self) {
        self.is_receiving = false;
        self.has_ended = true;
    }

    /// Closes the socket and drops what is on the line. What has been sent still reaches the peer.
    pub fn close(&mut self, ring: &mut NetRing, spares: &mut Spares) {
        if self.start_closing(ring, spares) {
            ring.close(self.socket);
        }
    }

    /// Closes the socket so that the peer cannot take it for an orderly end.
    pub fn reset(&mut self, ring: &mut NetRing, spares: &mut Spares) {
        if self.start_closing(ring, spares) {
            ring.close_with_reset(self.socket);
        }
    }

    fn start_closing(&mut self, ring: &mut NetRing, spares: &mut Spares) -> bool {
        self.drop_incoming(ring, spares);
        self.outgoing_bytes = 0;
        for chunk in self.outgoing.drain(..) {
            match chunk {
                Chunk::Owned(buffer) => spares.keep(buffer),
                Chunk::Received { buffer, .. } => ring.release(buffer),
                Chunk::Shared(_) => {}
            }
        }
        !std::mem::replace(&mut self.is_closing, true)
    }
}
