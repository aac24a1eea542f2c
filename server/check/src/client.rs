//! Job: a RESP2 client that leaves pipelining to its caller.
//! In: commands as words. Out: replies in the order of the commands.
//! Invariant: bytes leave only at `flush`; a reply that stays away longer than the timeout is an
//! error, so that a server that forgets a client fails a check instead of hanging it.
//! It shares no code with the server on purpose: a fault in the server's parser must not hide here.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest accepted bulk string in bytes; more than any check ever stores.
const MAX_BULK_BYTES: usize = 64 << 20;
/// Most accepted elements in one array.
const MAX_ARRAY_ITEMS: usize = 8 << 20;
/// Deepest accepted nesting of arrays.
const MAX_DEPTH: usize = 8;
const READ_CHUNK_BYTES: usize = 64 << 10;

/// A RESP2 reply (<https://redis.io/docs/latest/develop/reference/protocol-spec/>).
/// Null bulk strings and null arrays are both [`Reply::Null`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reply {
    /// `+OK`
    Status(String),
    /// `-ERR ...`
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$3`
    Bulk(Vec<u8>),
    /// `$-1` or `*-1`
    Null,
    /// `*2`
    Array(Vec<Reply>),
}

impl Reply {
    /// A bulk string.
    pub fn bulk(text: impl AsRef<[u8]>) -> Self {
        Self::Bulk(text.as_ref().to_vec())
    }

    /// The status `OK`.
    pub fn ok() -> Self {
        Self::Status("OK".to_owned())
    }

    /// The text of a bulk string or status that is valid UTF-8.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Bulk(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Status(text) => Some(text),
            _ => None,
        }
    }

    /// The integer of `:n`, or of a bulk string that spells one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            other => other.text()?.parse().ok(),
        }
    }

    /// The elements of an array.
    pub fn items(&self) -> Option<&[Reply]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(text) => write!(out, "+{text}"),
            Self::Error(text) => write!(out, "-{text}"),
            Self::Integer(number) => write!(out, ":{number}"),
            Self::Bulk(bytes) => write!(out, "{:?}", String::from_utf8_lossy(bytes)),
            Self::Null => out.write_str("nil"),
            Self::Array(items) => out.debug_list().entries(items).finish(),
        }
    }
}

/// One connection. Dropping it closes the socket.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    input_at: usize,
    output: Vec<u8>,
}

impl Connection {
    /// Connects, and lets every later read and write fail after `timeout` without progress.
    ///
    /// # Errors
    /// What the operating system says about the socket.
    pub fn open(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self { stream, input: Vec::new(), input_at: 0, output: Vec::new() })
    }

    /// Adds a command to what the next [`Connection::flush`] sends.
    pub fn queue<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        encode(words, &mut self.output);
    }

    /// Sends all queued commands in one write.
    ///
    /// # Errors
    /// The socket's error; a timeout when the server stopped reading.
    pub fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    /// Waits for the next reply.
    ///
    /// # Errors
    /// `InvalidData` for bytes that are no RESP2, `UnexpectedEof` when the server closed,
    /// `WouldBlock` or `TimedOut` when no reply came in time.
    pub fn read_reply(&mut self) -> io::Result<Reply> {
        loop {
            if let Some((reply, used)) = parse(&self.input[self.input_at..], 0)? {
                self.input_at += used;
                if self.input_at == self.input.len() {
                    self.input.clear();
                    self.input_at = 0;
                }
                return Ok(reply);
            }
            self.input.drain(..self.input_at);
            self.input_at = 0;
            let filled = self.input.len();
            self.input.resize(filled + READ_CHUNK_BYTES, 0);
            let outcome = self.stream.read(&mut self.input[filled..]);
            self.input.truncate(filled + *outcome.as_ref().unwrap_or(&0));
            if outcome? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed"));
            }
        }
    }

    /// Sends one command and waits for its reply. Nothing may be outstanding.
    ///
    /// # Errors
    /// As [`Connection::flush`] and [`Connection::read_reply`].
    pub fn command<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<Reply> {
        self.queue(words);
        self.flush()?;
        self.read_reply()
    }

    /// Sends all `commands` in one write and waits for all their replies.
    ///
    /// # Errors
    /// As [`Connection::flush`] and [`Connection::read_reply`].
    pub fn pipeline<W: AsRef<[u8]>>(&mut self, commands: &[Vec<W>]) -> io::Result<Vec<Reply>> {
        for words in commands {
            self.queue(words);
        }
        self.flush()?;
        commands.iter().map(|_| self.read_reply()).collect()
    }
}

/// Appends `words` to `output` as an array of bulk strings.
pub fn encode<W: AsRef<[u8]>>(words: &[W], output: &mut Vec<u8>) {
    output.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        let bytes = word.as_ref();
        output.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
        output.extend_from_slice(bytes);
        output.extend_from_slice(b"\r\n");
    }
}

/// One reply from the front of `input` with its length in bytes, or `None` if it is incomplete.
fn parse(input: &[u8], depth: usize) -> io::Result<Option<(Reply, usize)>> {
    let Some(line_end) = input.windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&input[..line_end]).map_err(|_| invalid(input))?;
    let used = line_end + 2;
    let (kind, rest) = text.split_at_checked(1).ok_or_else(|| invalid(input))?;
    let number = || rest.parse::<i64>().map_err(|_| invalid(input));
    let reply = match kind {
        "+" => Reply::Status(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Integer(number()?),
        "$" | "*" if number()? == -1 => Reply::Null,
        "$" => return parse_bulk(input, used, count(number()?, MAX_BULK_BYTES, input)?),
        "*" if depth < MAX_DEPTH => {
            return parse_array(input, used, count(number()?, MAX_ARRAY_ITEMS, input)?, depth);
        }
        _ => return Err(invalid(input)),
    };
    Ok(Some((reply, used)))
}

fn parse_bulk(input: &[u8], start: usize, length: usize) -> io::Result<Option<(Reply, usize)>> {
    let end = start + length;
    match input.get(end..end + 2) {
        None => Ok(None),
        Some(b"\r\n") => Ok(Some((Reply::Bulk(input[start..end].to_vec()), end + 2))),
        Some(_) => Err(invalid(input)),
    }
}

fn parse_array(
    input: &[u8],
    start: usize,
    length: usize,
    depth: usize,
) -> io::Result<Option<(Reply, usize)>> {
    let mut items = Vec::new();
    let mut used = start;
    for _ in 0..length {
        let Some((item, item_bytes)) = parse(&input[used..], depth + 1)? else {
            return Ok(None);
        };
        items.push(item);
        used += item_bytes;
    }
    Ok(Some((Reply::Array(items), used)))
}

fn count(number: i64, limit: usize, input: &[u8]) -> io::Result<usize> {
    usize::try_from(number).ok().filter(|&count| count <= limit).ok_or_else(|| invalid(input))
}

fn invalid(input: &[u8]) -> io::Error {
    let shown = String::from_utf8_lossy(&input[..input.len().min(80)]).into_owned();
    io::Error::new(io::ErrorKind::InvalidData, format!("not a RESP2 reply: {shown:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> Reply {
        let (reply, used) = parse(bytes, 0).expect("valid").expect("complete");
        assert_eq!(used, bytes.len());
        reply
    }

    #[test]
    fn every_kind_of_reply_is_read() {
        assert_eq!(whole(b"+OK\r\n"), Reply::ok());
        assert_eq!(whole(b"-ERR no\r\n"), Reply::Error("ERR no".to_owned()));
        assert_eq!(whole(b":-5\r\n"), Reply::Integer(-5));
        assert_eq!(whole(b"$-1\r\n"), Reply::Null);
        assert_eq!(whole(b"$2\r\n\r\n\r\n"), Reply::bulk("\r\n"));
        assert_eq!(
            whole(b"*3\r\n:1\r\n*-1\r\n*1\r\n$1\r\na\r\n"),
            Reply::Array(vec![
                Reply::Integer(1),
                Reply::Null,
                Reply::Array(vec![Reply::bulk("a")])
            ])
        );
    }

    #[test]
    fn a_reply_cut_at_any_byte_is_incomplete_and_not_wrong() {
        let bytes = b"*2\r\n$3\r\nabc\r\n*1\r\n:42\r\n";
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut], 0).expect("a prefix is never wrong"), None);
        }
    }

    #[test]
    fn bytes_that_are_no_reply_are_refused() {
        for bytes in
            [&b"?\r\n"[..], b"\r\n", b":x\r\n", b"$-2\r\n", b"$1\r\nabc", b"*99999999999\r\n"]
        {
            assert!(parse(bytes, 0).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn words_become_an_array_of_bulk_strings() {
        let mut output = Vec::new();
        encode(&["GET", "é"], &mut output);
        assert_eq!(output, "*2\r\n$3\r\nGET\r\n$2\r\né\r\n".as_bytes());
    }
}
