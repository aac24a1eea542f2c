//! Job: see whether a server serves.
//! In: how to ask (`ping`, `tcp`, `http /path`), an address. Out: yes or no.
//! Invariant: asking takes a bounded time, whatever is at the address.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ringlet_base::config::shown;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Where the status of an HTTP response begins and ends.
const STATUS: std::ops::Range<usize> = "HTTP/1.1 ".len().."HTTP/1.1 200".len();

/// How to see that a server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// It accepts a connection.
    Tcp,
    /// It answers PING as Redis does, or refuses it for want of a password.
    Ping,
    /// It answers GET for the path with a status below 500.
    Http(String),
}

impl Ready {
    /// Reads `ping`, `tcp`, `http` or `http /path`.
    ///
    /// # Errors
    /// What may be said.
    pub fn read(text: &str) -> Result<Self, String> {
        match text.split_once(' ').unwrap_or((text, "/")) {
            ("tcp", "/") => Ok(Self::Tcp),
            ("ping", "/") => Ok(Self::Ping),
            ("http", path)
                if path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic()) =>
            {
                Ok(Self::Http(path.to_owned()))
            }
            _ => Err(format!("\"{}\" is none of `ping`, `tcp`, `http`, `http /path`", shown(text))),
        }
    }

    /// Whether the server at `address` serves.
    pub fn is_seen_at(&self, address: SocketAddr) -> bool {
        match self {
            Self::Tcp => TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).is_ok(),
            Self::Ping => {
                let answer = answer(address, b"*1\r\n$4\r\nPING\r\n", "+PONG".len());
                answer.is_some_and(|answer| answer == b"+PONG" || answer == b"-NOAU")
            }
            Self::Http(path) => {
                let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
                let answer = answer(address, request.as_bytes(), STATUS.end);
                answer.is_some_and(|answer| {
                    answer.starts_with(b"HTTP/1.") && matches!(answer[STATUS.start], b'1'..=b'4')
                })
            }
        }
    }
}

/// The first bytes of an answer.
fn answer(address: SocketAddr, request: &[u8], count: usize) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).ok()?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).ok()?;
    stream.write_all(request).ok()?;
    let mut answer = vec![0; count];
    stream.read_exact(&mut answer).ok()?;
    Some(answer)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn the_ways_to_ask_are_read() {
        assert_eq!(Ready::read("tcp"), Ok(Ready::Tcp));
        assert_eq!(Ready::read("ping"), Ok(Ready::Ping));
        assert_eq!(Ready::read("http"), Ok(Ready::Http("/".to_owned())));
        assert_eq!(Ready::read("http /a?b"), Ok(Ready::Http("/a?b".to_owned())));
        for text in ["", "udp", "http a", "ping /x", "http /a b", "http /\r\n"] {
            assert!(Ready::read(text).is_err(), "{text}");
        }
    }

    /// What is seen of a server that answers `says` and closes.
    fn seen(ready: &Ready, says: &'static [u8]) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let count = stream.read(&mut [0; 1024]).expect("a request");
            assert!(count > 0);
            stream.write_all(says).expect("a client that listens");
        });
        let seen = ready.is_seen_at(address);
        server.join().expect("it ends");
        seen
    }

    #[test]
    fn only_the_right_answer_is_one() {
        assert!(seen(&Ready::Ping, b"+PONG\r\n"));
        assert!(seen(&Ready::Ping, b"-NOAUTH Authentication required.\r\n"));
        assert!(!seen(&Ready::Ping, b"-LOADING\r\n"));
        assert!(!seen(&Ready::Ping, b""));
        let http = Ready::Http("/".to_owned());
        assert!(seen(&http, b"HTTP/1.1 404 Not Found\r\n\r\n"));
        assert!(!seen(&http, b"HTTP/1.1 503 Service Unavailable\r\n\r\n"));
        assert!(!seen(&http, b"HTTP/1.1"));
    }

    #[test]
    fn nobody_is_not_ready() {
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
        for ready in [Ready::Tcp, Ready::Ping, Ready::Http("/".to_owned())] {
            assert!(!ready.is_seen_at(address), "{ready:?}");
        }
    }
}
