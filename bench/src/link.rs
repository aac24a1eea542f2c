//! Job: one connection of the load generator.
//! In: requests in its output, reads when there is something. Out: received bytes in its input.
//! Invariant: nothing here waits: what a socket does not take stays in the output.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Poll, Token};

/// A connection and what waits on it.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    /// Requests; [`Link::flush`] sends them.
    pub output: Vec<u8>,
    output_at: usize,
    /// Received bytes that nobody has taken.
    pub input: Vec<u8>,
    /// Intended times of the requests without reply, or `None` for filling.
    pub outstanding: VecDeque<Option<u64>>,
}

impl Link {
    /// Connects, and registers with `poll`.
    ///
    /// # Errors
    /// The connection cannot be made.
    pub fn open(address: SocketAddr, poll: &Poll, token: Token) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, token, Interest::READABLE)?;
        Ok(Self {
            stream,
            output: Vec::new(),
            output_at: 0,
            input: Vec::new(),
            outstanding: VecDeque::new(),
        })
    }

    /// Sends as much as the socket takes; the loop comes back for the rest.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.output_at < self.output.len() {
            match self.stream.write(&self.output[self.output_at..]) {
                Ok(count) => self.output_at += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.output_at = 0;
        Ok(())
    }

    /// Appends what one read gives to the input; true if there may be more.
    ///
    /// # Errors
    /// The connection is broken or closed.
    pub fn read(&mut self, scratch: &mut [u8]) -> io::Result<bool> {
        match self.stream.read(scratch) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed")),
            Ok(count) => {
                self.input.extend_from_slice(&scratch[..count]);
                // A short read has emptied the socket (epoll(7) on edge-triggered use).
                Ok(count == scratch.len())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }
}
