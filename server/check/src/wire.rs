//! Job: a client of RESP2 and RESP3 over TCP and unix sockets that hides nothing.
//! In: commands as words, or raw bytes. Out: [`Value`]s as they came.
//! Invariant: every read and write ends within the timeout, so that a server that forgets a client
//! fails a check instead of hanging it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::client::encode;
use crate::value::{Source, Value};

/// How long a reply may stay away. Generous: slow machines are no fault of the server.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(20);

const READ_CHUNK_BYTES: usize = 64 << 10;

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Address {
    /// A TCP port.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One connection. Dropping it closes the socket.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    input: Input,
}

#[derive(Debug)]
struct Input {
    bytes: Vec<u8>,
    at: usize,
}

impl Wire {
    /// Connects with [`REPLY_TIMEOUT`].
    ///
    /// # Errors
    /// What the operating system says about the socket.
    pub fn open(address: &Address) -> io::Result<Self> {
        let stream = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, REPLY_TIMEOUT)?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
        };
        let wire = Self { stream, input: Input { bytes: Vec::new(), at: 0 } };
        wire.stream.set_timeouts(REPLY_TIMEOUT)?;
        Ok(wire)
    }

    /// Connects and asks for RESP3.
    ///
    /// # Errors
    /// As [`Wire::open`]; `InvalidData` when `HELLO 3` is refused.
    pub fn open_resp3(address: &Address) -> io::Result<Self> {
        let mut wire = Self::open(address)?;
        match wire.call(&["HELLO", "3"])? {
            Value::Map(_) => Ok(wire),
            other => Err(io::Error::new(io::ErrorKind::InvalidData, other.to_string())),
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The socket's error; a timeout when the server stopped reading.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }

    /// Sends one command and does not wait.
    ///
    /// # Errors
    /// As [`Wire::send_raw`].
    pub fn send<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<()> {
        let mut output = Vec::new();
        encode(words, &mut output);
        self.send_raw(&output)
    }

    /// Waits for the next reply.
    ///
    /// # Errors
    /// `InvalidData` for bytes that are no reply, `UnexpectedEof` when the server closed,
    /// `WouldBlock` or `TimedOut` when no reply came in time.
    pub fn read(&mut self) -> io::Result<Value> {
        Value::read(&mut Reader { stream: &mut self.stream, input: &mut self.input })
    }

    /// The next reply if its first byte arrives within `wait`.
    ///
    /// # Errors
    /// As [`Wire::read`].
    pub fn read_within(&mut self, wait: Duration) -> io::Result<Option<Value>> {
        if self.input.rest().is_empty() {
            self.stream.set_timeouts(wait)?;
            let outcome = fill(&mut self.stream, &mut self.input);
            self.stream.set_timeouts(REPLY_TIMEOUT)?;
            match outcome {
                Err(error) if timed_out(&error) => return Ok(None),
                other => other?,
            }
        }
        self.read().map(Some)
    }

    /// Sends one command and waits for its reply. Nothing may be outstanding.
    ///
    /// # Errors
    /// As [`Wire::send_raw`] and [`Wire::read`].
    pub fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<Value> {
        self.send(words)?;
        self.read()
    }

    /// [`Wire::call`] with the words of `line`, which are parted by spaces.
    ///
    /// # Errors
    /// As [`Wire::call`].
    pub fn line(&mut self, line: &str) -> io::Result<Value> {
        self.call(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Sends all `commands` in one write and waits for all their replies.
    ///
    /// # Errors
    /// As [`Wire::call`].
    pub fn pipeline<W: AsRef<[u8]>>(&mut self, commands: &[Vec<W>]) -> io::Result<Vec<Value>> {
        let mut output = Vec::new();
        for words in commands {
            encode(words, &mut output);
        }
        self.send_raw(&output)?;
        commands.iter().map(|_| self.read()).collect()
    }

    /// Tells the server that nothing more will be sent.
    ///
    /// # Errors
    /// The socket's error.
    pub fn finish_sending(&mut self) -> io::Result<()> {
        match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// All bytes until the server closes. A reset counts as the end too.
    ///
    /// # Errors
    /// A timeout when the server does not close.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match fill(&mut self.stream, &mut self.input) {
                Ok(()) => {}
                Err(error) if closed(&error) => return Ok(self.input.rest().to_vec()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the server has closed the connection, whatever it sends before.
    ///
    /// # Errors
    /// A timeout when the server does not close.
    pub fn wait_closed(&mut self) -> io::Result<()> {
        self.read_to_end().map(|_| ())
    }
}

/// True when no byte came in time.
pub fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// True when the other side is gone, in whatever way.
pub fn closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

impl Stream {
    fn set_timeouts(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))
            }
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))
            }
        }
    }
}

impl Input {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let taken = self.rest()[..length].to_vec();
        self.at += length;
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        }
        taken
    }
}

/// Reads once; at least one byte is added.
fn fill(stream: &mut Stream, input: &mut Input) -> io::Result<()> {
    input.bytes.drain(..input.at);
    input.at = 0;
    let filled = input.bytes.len();
    // Doubling keeps the reading of one large value linear.
    input.bytes.resize(filled + filled.max(READ_CHUNK_BYTES), 0);
    let outcome = match stream {
        Stream::Tcp(stream) => stream.read(&mut input.bytes[filled..]),
        Stream::Unix(stream) => stream.read(&mut input.bytes[filled..]),
    };
    input.bytes.truncate(filled + *outcome.as_ref().unwrap_or(&0));
    match outcome? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed")),
        _ => Ok(()),
    }
}

struct Reader<'a> {
    stream: &'a mut Stream,
    input: &'a mut Input,
}

impl Source for Reader<'_> {
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let found = self.input.rest()[searched..].windows(2).position(|pair| pair == b"\r\n");
            if let Some(position) = found {
                let mut line = self.input.take(searched + position + 2);
                line.truncate(searched + position);
                return Ok(line);
            }
            searched = self.input.rest().len().saturating_sub(1);
            fill(self.stream, self.input)?;
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.input.rest().len() < length {
            fill(self.stream, self.input)?;
        }
        Ok(self.input.take(length))
    }
}
