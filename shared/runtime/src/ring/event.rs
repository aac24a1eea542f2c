//! What a net ring tells its owner, and what the owner hands it to send.
//!
//! Job: the vocabulary between a [`NetRing`](super::NetRing) and its core.
//! In: completions. Out: [`Event`] values, in the order in which the operations completed.
//! Invariant: an event names a socket that lived when the event was made; `Closed` or `Detached`
//! is its last.

use std::fmt;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;

use crate::buffers::{BufferRing, ReceivedBuffer};
use crate::sockets::{ListenerId, SocketId};

/// An error number of the kernel (`errno.h`).
#[derive(Copy, Clone, Eq, PartialEq, Hash)]
pub struct Errno(pub i32);

impl Errno {
    /// Whether a read or write failed because the peer is gone: the everyday end of a connection,
    /// not worth a warning.
    pub fn is_disconnect(self) -> bool {
        matches!(
            self.0,
            libc::ECONNRESET | libc::EPIPE | libc::ETIMEDOUT | libc::ECONNABORTED | libc::ECANCELED
        )
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({}: {self})", self.0)
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        io::Error::from_raw_os_error(errno.0)
    }
}

impl std::error::Error for Errno {}

/// Why nothing more will be received on a socket.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum ReceiveEnd {
    /// The peer has shut down its writing half.
    EndOfStream,
    /// The connection broke.
    Error(Errno),
}

/// A piece of a gathered send.
#[derive(Debug)]
pub enum Chunk {
    /// Bytes of this send alone; the memory comes back with [`Event::Sent`].
    Owned(Vec<u8>),
    /// Bytes that others read as well, for instance a value of the store.
    Shared(bytes::Bytes),
    /// A part of what this ring has received. The ring takes the buffer back by itself when the
    /// send has ended, well or not: such a chunk does not come back with [`Event::Sent`].
    Received {
        /// Where the bytes are.
        buffer: ReceivedBuffer,
        /// Which of them.
        range: Range<usize>,
    },
}

impl Chunk {
    /// Number of bytes.
    pub fn len(&self) -> usize {
        match self {
            Chunk::Owned(bytes) => bytes.len(),
            Chunk::Shared(bytes) => bytes.len(),
            Chunk::Received { range, .. } => range.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes.
    pub(super) fn bytes<'a>(&'a self, buffers: &'a BufferRing) -> &'a [u8] {
        match self {
            Chunk::Owned(bytes) => bytes,
            Chunk::Shared(bytes) => bytes,
            Chunk::Received { buffer, range } => &buffers.bytes(buffer)[range.clone()],
        }
    }
}

/// What one send carries.
#[derive(Debug)]
pub enum SendData {
    /// One piece.
    Buffer(Vec<u8>),
    /// Several pieces, sent in order without being copied together first.
    Chunks(Vec<Chunk>),
}

impl SendData {
    /// Bytes in all pieces together.
    pub fn len(&self) -> usize {
        match self {
            SendData::Buffer(bytes) => bytes.len(),
            SendData::Chunks(chunks) => chunks.iter().map(Chunk::len).sum(),
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Something that happened on a net ring.
///
/// After [`close`](super::NetRing::close) a socket delivers at most `Sent` (its buffers come back)
/// and then `Closed`. Events that had been delivered in the same batch before the owner called
/// `close` are still in the owner's vector: a `Received` among them must still be released.
#[derive(Debug)]
pub enum Event {
    /// A listener has a new connection. Call `start_receive` to read from it.
    Accepted {
        /// Whose connection it is.
        listener: ListenerId,
        /// The new socket.
        socket: SocketId,
    },
    /// Accepting failed, for instance with EMFILE. The ring rests the listener and tries again by
    /// itself, more and more seldom; `resume_accept` makes it try at once. Further failures are
    /// silent until a connection has been accepted.
    AcceptFailed {
        /// Which listener rests.
        listener: ListenerId,
        /// Why.
        errno: Errno,
    },
    /// A listener that was told to stop is closed: it accepts nothing more, and its id is dead.
    ListenerClosed {
        /// Which listener.
        listener: ListenerId,
    },
    /// A `connect` has ended. After an error the socket must still be closed.
    Connected {
        /// The socket that `connect` gave.
        socket: SocketId,
        /// Whether there is a connection now.
        result: Result<(), Errno>,
    },
    /// Bytes have come: see `NetRing::bytes`, and give the buffer back with `NetRing::release`.
    Received {
        /// From which socket.
        socket: SocketId,
        /// Where they are.
        buffer: ReceivedBuffer,
    },
    /// Nothing more will be received.
    ReceiveEnded {
        /// On which socket.
        socket: SocketId,
        /// Why.
        end: ReceiveEnd,
    },
    /// All of `data` is with the kernel, or it failed. Either way the memory comes back.
    Sent {
        /// On which socket.
        socket: SocketId,
        /// What `send` was given.
        data: SendData,
        /// Whether all of it was sent. If not, `NetRing::left_to_send` tells how much has not.
        result: Result<(), Errno>,
    },
    /// The socket is closed, nothing of it is in flight, and its id is dead.
    Closed {
        /// Which socket.
        socket: SocketId,
    },
    /// What `begin_detach` was called for: nothing of the socket is in flight, nothing that has
    /// come is lost, and its id is dead.
    Detached {
        /// Which socket it was.
        socket: SocketId,
        /// What another ring can adopt.
        fd: OwnedFd,
    },
    /// Another core or thread rang.
    Woken,
    /// The regular tick, see `RingSettings::tick_ms`.
    Tick,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_stay_small() {
        assert!(size_of::<Event>() <= 48, "{} bytes", size_of::<Event>());
    }
}
