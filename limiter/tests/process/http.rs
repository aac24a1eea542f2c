//! Job: a plain client of HTTP. In: a request. Out: the answer. Invariant: one request on a connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::limiter::PATIENCE;

/// An answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Takes one apart that ends with its bytes.
    pub fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Self { status: status.expect("a status"), head: head.to_owned(), body: body.to_owned() }
    }

    /// The value of a field; empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(one, _)| one.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// Asks; `fields` are whole lines.
pub fn ask(limiter: SocketAddr, method: &str, target: &str, fields: &str, body: &str) -> Answer {
    let mut socket = TcpStream::connect(limiter).expect("it accepts a connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("an option");
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{fields}\r\n{body}"
    );
    // It may refuse a body before it has come.
    let _ = socket.write_all(request.as_bytes());
    let mut bytes = Vec::new();
    let ended = socket.read_to_end(&mut bytes);
    assert!(!bytes.is_empty(), "no answer to {target} {body}: {ended:?}");
    Answer::read(&bytes)
}

/// A check.
pub fn check(limiter: SocketAddr, body: &str) -> Answer {
    ask(limiter, "POST", "/check", "", body)
}
