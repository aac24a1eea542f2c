//! Job: one connection, and the messages of HTTP/1 that come over it.
//! In: bytes of a socket. Out: messages with their parts, or how the connection ended before one was
//! whole. Invariant: every wait has a deadline; a message is whole only if its framing says so.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long anything may take that is waited for.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// How a connection ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum End {
    Closed,
    Reset,
}

/// A message as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// First line and fields, with the empty line.
    pub head: String,
    /// The content, without chunk sizes.
    pub body: Vec<u8>,
    /// Lines of the trailer section.
    pub trailer: String,
    /// All its bytes.
    pub bytes: Vec<u8>,
}

impl Message {
    /// The status of a response, 0 for a request.
    pub fn status(&self) -> u16 {
        let words = self.head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        words.and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The values of a field, joined; none without it.
    pub fn field(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect();
        (!values.is_empty()).then(|| values.join("|"))
    }

    pub fn first_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection of either kind.
pub trait Socket: Read + Write + Send {
    fn wait_at_most(&self, time: Duration) -> io::Result<()>;
    fn end_writing(&self) -> io::Result<()>;
}

impl Socket for TcpStream {
    fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }

    fn end_writing(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Socket for UnixStream {
    fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }

    fn end_writing(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// One connection.
pub struct Wire {
    socket: Box<dyn Socket>,
    /// What has come and was not asked for yet.
    ahead: Vec<u8>,
}

impl Wire {
    pub fn new(socket: impl Socket + 'static) -> Self {
        socket.wait_at_most(DEADLINE).expect("a deadline");
        Self { socket: Box::new(socket), ahead: Vec::new() }
    }

    /// Shortens the deadline of all waits.
    pub fn wait_at_most(&self, time: Duration) {
        self.socket.wait_at_most(time).expect("a deadline");
    }

    /// Sends all of it. A peer that is gone is seen when something is read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.socket.write_all(bytes.as_ref());
    }

    /// Sends what the peer takes; how many bytes that were.
    pub fn send_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    pub fn end_writing(&self) {
        let _ = self.socket.end_writing();
    }

    /// Waits for more bytes.
    fn more(&mut self) -> Result<(), End> {
        let mut buffer = [0; 64 << 10];
        match self.socket.read(&mut buffer) {
            Ok(0) => Err(End::Closed),
            Ok(length) => {
                self.ahead.extend_from_slice(&buffer[..length]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("nothing came in time after {:?}", String::from_utf8_lossy(&self.ahead))
            }
            Err(_) => Err(End::Reset),
        }
    }

    /// Exactly so many bytes.
    pub fn read_exactly(&mut self, count: usize) -> Result<Vec<u8>, End> {
        while self.ahead.len() < count {
            self.more()?;
        }
        Ok(self.ahead.drain(..count).collect())
    }

    /// One byte; what came with it stays in the kernel, and makes a reset of the close that follows.
    pub fn take_byte(&mut self) {
        self.socket.read_exact(&mut [0]).expect("a byte");
    }

    /// Whatever comes first.
    pub fn read_some(&mut self) -> Result<Vec<u8>, End> {
        if self.ahead.is_empty() {
            self.more()?;
        }
        Ok(std::mem::take(&mut self.ahead))
    }

    /// All bytes until the connection ends, and how it did.
    pub fn read_to_end(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Err(end) = self.more() {
                return (std::mem::take(&mut self.ahead), end);
            }
        }
    }

    fn read_through(&mut self, mark: &[u8]) -> Result<Vec<u8>, End> {
        loop {
            let found = self.ahead.windows(mark.len()).position(|window| window == mark);
            if let Some(at) = found {
                return self.read_exactly(at + mark.len());
            }
            self.more()?;
        }
    }

    /// First line and fields of a message.
    pub fn read_head(&mut self) -> Result<Message, End> {
        let bytes = self.read_through(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Message { head, bytes, ..Message::default() })
    }

    /// The body of a message whose head has come; to the end of the connection if nothing else is said.
    pub fn read_body(&mut self, message: &mut Message, to_end: bool) -> Result<(), End> {
        if message.field("Transfer-Encoding").is_some() {
            return self.read_chunks(message);
        }
        let body = match message.field("Content-Length") {
            Some(length) => self.read_exactly(length.parse().expect("one length"))?,
            None if to_end => match self.read_to_end() {
                (body, End::Closed) => body,
                (_, End::Reset) => return Err(End::Reset),
            },
            None => Vec::new(),
        };
        message.bytes.extend_from_slice(&body);
        message.body = body;
        Ok(())
    }

    fn read_chunks(&mut self, message: &mut Message) -> Result<(), End> {
        loop {
            let line = self.read_through(b"\r\n")?;
            message.bytes.extend_from_slice(&line);
            let digits = std::str::from_utf8(&line[..line.len() - 2]).expect("a chunk size");
            let size = usize::from_str_radix(digits, 16).expect("a chunk size and nothing else");
            if size == 0 {
                break;
            }
            let data = self.read_exactly(size + 2)?;
            assert!(data.ends_with(b"\r\n"), "a chunk of {size} bytes has no end");
            message.body.extend_from_slice(&data[..size]);
            message.bytes.extend_from_slice(&data);
        }
        loop {
            let line = self.read_through(b"\r\n")?;
            message.bytes.extend_from_slice(&line);
            if line == b"\r\n" {
                return Ok(());
            }
            message.trailer.push_str(&String::from_utf8_lossy(&line));
        }
    }

    /// A whole request.
    pub fn read_request(&mut self) -> Result<Message, End> {
        let mut message = self.read_head()?;
        self.read_body(&mut message, false)?;
        Ok(message)
    }

    /// A whole response to anything but HEAD.
    pub fn read_response(&mut self) -> Result<Message, End> {
        let mut message = self.read_head()?;
        if !matches!(message.status(), 100..=199 | 204 | 304) {
            self.read_body(&mut message, true)?;
        }
        Ok(message)
    }

    /// The same of a peer that must not fail.
    pub fn response(&mut self) -> Message {
        self.read_response().unwrap_or_else(|end| panic!("no whole response: {end:?}"))
    }

    /// Sends a request and reads the response.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Message {
        self.send(request);
        self.response()
    }
}
