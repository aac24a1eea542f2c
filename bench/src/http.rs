//! Job: ask a server for one thing by HTTP.
//! In: an address, a path. Out: the connection, which stays open.
//! Invariant: only a whole response with the status 200 is an answer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ringlet_protocol::http1::ResponseHead;

use crate::generator::http::find_response;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Asks for `path` on a connection that stays open; the connection.
///
/// # Errors
/// A broken connection, an answer that is no response or has another status than 200.
pub fn ask(address: SocketAddr, path: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: bench\r\nUser-Agent: ringlet-bench\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let (mut head, mut answer, mut chunk) = (ResponseHead::default(), Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut chunk)? {
            0 => return Err(invalid("closed before its answer was whole")),
            count => answer.extend_from_slice(&chunk[..count]),
        }
        if let Some(length) = find_response(&mut head, false, &answer).map_err(|e| invalid(&e))? {
            return match head.status() {
                200 if length == answer.len() => Ok(stream),
                200 => Err(invalid("more than one answer")),
                status => Err(invalid(&format!("status {status}"))),
            };
        }
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// Asks a server that answers so, piece by piece, and closes then.
    fn ask_for(pieces: &'static [&'static str]) -> io::Result<TcpStream> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 1024];
            let count = stream.read(&mut request).expect("a request");
            assert!(request[..count].starts_with(b"GET /x HTTP/1.1\r\nHost: "));
            for piece in pieces {
                stream.write_all(piece.as_bytes()).expect("the client reads");
            }
        });
        let asked = ask(address, "/x");
        server.join().expect("it serves");
        asked
    }

    #[test]
    fn only_one_whole_answer_with_status_200_is_good() {
        ask_for(&["HTTP/1.1 200 OK\r\nContent-", "Length: 3\r\n\r\na", "bc"]).expect("whole");
        for (pieces, part) in [
            (&["HTTP/1.1 503 No\r\nContent-Length:0\r\n\r\n"][..], "503"),
            (&["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na"], "closed"),
            (&["HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab"], "more than one"),
            (&["+OK\r\n"], "no HTTP/1 response"),
        ] {
            let error = ask_for(pieces).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
