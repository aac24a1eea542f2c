//! Job: the little HTTP that a load generator needs: write requests, find the ends of responses.
//! In: a path, received bytes. Out: encoded requests, lengths of responses.
//! Invariant: only responses with Content-Length are understood, which is what the backends send.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::load::Reply;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// More than any head that a backend or a proxy makes.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// Appends a GET request for `path`.
pub fn get(path: &str, output: &mut Vec<u8>) {
    output.extend_from_slice(b"GET ");
    output.extend_from_slice(path.as_bytes());
    output.extend_from_slice(b" HTTP/1.1\r\nHost: bench\r\nUser-Agent: ringlet-bench\r\n\r\n");
}

/// The first response in `input`, or `None` if it is not complete; any status but 200 is an error
/// reply.
///
/// # Errors
/// `InvalidData` for bytes that begin no response, and for one without Content-Length.
pub fn skip_response(input: &[u8]) -> io::Result<Option<Reply>> {
    let version = b"HTTP/1.1 ";
    if !input.starts_with(&version[..version.len().min(input.len())]) {
        return Err(invalid());
    }
    let Some(head_length) = input.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if input.len() > MAX_HEAD_BYTES { Err(invalid()) } else { Ok(None) };
    };
    let head = std::str::from_utf8(&input[..head_length]).map_err(|_| invalid())?;
    let body_length: usize = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or_else(invalid)?;
    let length = head_length + 4 + body_length;
    let error = !head[version.len()..].starts_with("200");
    Ok((input.len() >= length).then_some(Reply { length, error }))
}

/// Asks for `path` on a connection that stays open; the connection.
///
/// # Errors
/// A broken connection, an answer that is no response or has another status than 200.
pub fn ask(address: SocketAddr, path: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let mut request = Vec::new();
    get(path, &mut request);
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk)? {
            0 => return Err(invalid()),
            count => answer.extend_from_slice(&chunk[..count]),
        }
        match skip_response(&answer)? {
            None => {}
            Some(reply) if reply.error || reply.length < answer.len() => return Err(invalid()),
            Some(_) => return Ok(stream),
        }
    }
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an answer that is no response with a length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_skipped_whole_and_never_cut() {
        let good: &[u8] = b"HTTP/1.1 200 OK\r\nX: y\r\ncontent-length: 6\r\n\r\na\r\n\r\nb";
        let bad: &[u8] = b"HTTP/1.1 503 No\r\nContent-Length:0\r\n\r\n";
        for (response, error) in [(good, false), (bad, true)] {
            let with_more = [response, b"HTTP/1.1 200"].concat();
            let found = skip_response(&with_more).expect("valid").expect("complete");
            assert_eq!(found, Reply { length: response.len(), error });
            for cut in 0..response.len() {
                assert_eq!(skip_response(&response[..cut]).expect("a prefix"), None);
            }
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(skip_response(b"+OK\r\n").is_err());
        assert!(skip_response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(skip_response(&[b"HTTP/1.1 200 ", &[b'x'; MAX_HEAD_BYTES][..]].concat()).is_err());
    }
}
