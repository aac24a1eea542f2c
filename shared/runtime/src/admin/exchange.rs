//! One admin connection: read a request, answer, close.
//!
//! Job: move bytes under deadlines. In: an accepted connection and the routes. Out: one answer.
//! Invariant: reading ends at the first of a complete head, too many bytes, the deadline and the
//! end of the stream; sending ends at its own deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::http::{self, AdminStatus, Method, Request};
use super::{ANSWER_TIMEOUT_MS, AdminAnswer, AdminRoute, MAXIMUM_HEAD_BYTES, REQUEST_TIMEOUT_MS};
use crate::clock;

/// After an answer so much more is read and thrown away, for so long, unless the client closes
/// first: to close with bytes unread resets the connection, and that could destroy the answer.
const LINGER_BYTES: usize = 64 * 1024;
const LINGER_MS: i64 = 500;
/// The content type of answers that come from no route.
const PLAIN: &str = "text/plain; charset=utf-8";

/// Reads the request, answers it and closes the connection.
///
/// # Errors
/// When the connection fails or the client is too slow to take the answer.
pub(super) fn serve(mut stream: TcpStream, routes: &[AdminRoute]) -> io::Result<()> {
    // On some systems an accepted socket takes O_NONBLOCK over from the listener.
    stream.set_nonblocking(false)?;
    let request = match read_request(&mut stream) {
        Ok(Some(request)) => Ok(request),
        Ok(None) => return Ok(()),
        Err(status) => Err(status),
    };
    let head_only = matches!(&request, Ok(request) if request.method == Method::Head);
    let (answer, content_type) = match request.and_then(|request| find(&request, routes)) {
        Ok(route) => ((route.handler)(), route.content_type),
        Err(status) => {
            let body = format!("{}\n", status.reason()).into_bytes();
            (AdminAnswer { status, body }, PLAIN)
        }
    };
    let mut bytes =
        http::answer_head(answer.status, content_type, answer.body.len(), clock::wall_clock_ms());
    if !head_only {
        bytes.extend_from_slice(&answer.body);
    }
    send(&mut stream, &bytes)?;
    stream.shutdown(Shutdown::Write)?;
    linger(&mut stream);
    Ok(())
}

/// Reads up to the end of the head. `None` when the client closed without a word.
fn read_request(stream: &mut TcpStream) -> Result<Option<Request>, AdminStatus> {
    let deadline_ms = clock::monotonic_ms() + REQUEST_TIMEOUT_MS;
    let mut buffer = [0; MAXIMUM_HEAD_BYTES];
    let mut length = 0;
    loop {
        if let Some(end) = http::end_of_head(&buffer[..length]) {
            return http::parse(&buffer[..end]).map(Some);
        }
        if length == buffer.len() {
            return Err(AdminStatus::RequestHeaderFieldsTooLarge);
        }
        match read_before(stream, deadline_ms, &mut buffer[length..]) {
            Ok(0) if length == 0 => return Ok(None),
            Ok(0) => return Err(AdminStatus::BadRequest),
            Ok(count) => length += count,
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                return Err(AdminStatus::RequestTimeout);
            }
            // The connection is gone, and with it the need for an answer.
            Err(_) => return Ok(None),
        }
    }
}

fn send(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    let deadline_ms = clock::monotonic_ms() + ANSWER_TIMEOUT_MS;
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(time_left(deadline_ms)?))?;
        match stream.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if is_to_be_repeated(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads what is left of the request, within bounds. What comes of it does not matter.
fn linger(stream: &mut TcpStream) {
    let deadline_ms = clock::monotonic_ms() + LINGER_MS;
    let mut waste = [0; 4096];
    let mut left = LINGER_BYTES;
    while let Ok(count) = read_before(stream, deadline_ms, &mut waste) {
        if count == 0 || count > left {
            return;
        }
        left -= count;
    }
}

/// One read that ends at the deadline with `TimedOut`.
fn read_before(stream: &mut TcpStream, deadline_ms: i64, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.set_read_timeout(Some(time_left(deadline_ms)?))?;
        match stream.read(buffer) {
            Err(error) if is_to_be_repeated(&error) => {}
            result => return result,
        }
    }
}

/// The deadline decides about a socket's own timeout, which the kernel may round.
fn is_to_be_repeated(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn time_left(deadline_ms: i64) -> io::Result<Duration> {
    let left_ms = deadline_ms - clock::monotonic_ms();
    match u64::try_from(left_ms) {
        Ok(left_ms) if left_ms > 0 => Ok(Duration::from_millis(left_ms)),
        _ => Err(ErrorKind::TimedOut.into()),
    }
}

/// The route of a request, or the status that says why there is none.
fn find<'a>(request: &Request, routes: &'a [AdminRoute]) -> Result<&'a AdminRoute, AdminStatus> {
    let route = routes.iter().find(|route| route.path == request.path);
    let route = route.ok_or(AdminStatus::NotFound)?;
    match request.method {
        Method::Other => Err(AdminStatus::MethodNotAllowed),
        Method::Get | Method::Head if request.has_body => Err(AdminStatus::BadRequest),
        Method::Get | Method::Head => Ok(route),
    }
}
