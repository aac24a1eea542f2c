//! A connection in memory.
//!
//! Job: be the socket that the HTTP/2 library reads and writes. In: what was received. Out: what is to
//! be sent. Invariant: never waits for a socket: reading pends when all has been read, and writing
//! fails when more than [`OUT_BYTES_MAX`] has not been sent.

use std::cell::RefCell;
use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::limits::OUT_BYTES_MAX;

#[derive(Debug, Default)]
struct Buffers {
    incoming: Vec<u8>,
    /// How much of `incoming` has been read.
    read: usize,
    outgoing: Vec<u8>,
}

/// Both ends of the connection: the front has one, the library another.
#[derive(Clone, Debug, Default)]
pub struct Pipe(Rc<RefCell<Buffers>>);

impl Pipe {
    /// Puts received bytes in. Whoever does so polls the reader next: it is not woken.
    pub fn put(&self, bytes: &[u8]) {
        self.0.borrow_mut().incoming.extend_from_slice(bytes);
    }

    /// Exchanges the bytes to be sent with these. Before the library is polled this lends it the
    /// caller's buffer, and afterwards it gives the buffer back: nothing is copied.
    pub fn exchange_outgoing(&self, out: &mut Vec<u8>) {
        std::mem::swap(&mut self.0.borrow_mut().outgoing, out);
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>> {
        let mut buffers = self.0.borrow_mut();
        let rest = &buffers.incoming[buffers.read..];
        if rest.is_empty() {
            return Poll::Pending;
        }
        let length = rest.len().min(into.remaining());
        into.put_slice(&rest[..length]);
        buffers.read += length;
        if buffers.read == buffers.incoming.len() {
            buffers.incoming.clear();
            buffers.read = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Error>> {
        let outgoing = &mut self.0.borrow_mut().outgoing;
        if outgoing.len() + bytes.len() > OUT_BYTES_MAX {
            return Poll::Ready(Err(Error::new(ErrorKind::WriteZero, "the peer does not read")));
        }
        outgoing.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}
