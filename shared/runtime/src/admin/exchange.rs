//! One admin connection: read a request, answer, close.
//!
//! Job: move bytes under deadlines. In: an accepted connection and the routes. Out: one answer.
//! Invariant: reading ends at the first of a complete head, too many bytes, the deadline and the
//! end of the stream; sending ends at its own deadline. A change is carried out only once its whole body is
//! there.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::http::{self, AdminStatus, BodyLength, Head, Method};
use super::{
    ANSWER_TIMEOUT_MS, Access, AdminAnswer, AdminRoute, MAXIMUM_BODY_BYTES, MAXIMUM_HEAD_BYTES,
    Parameters, REQUEST_TIMEOUT_MS, guard,
};
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
pub(super) fn serve(stream: TcpStream, routes: &[AdminRoute]) -> io::Result<()> {
    // On some systems an accepted socket takes O_NONBLOCK over from the listener.
    stream.set_nonblocking(false)?;
    let mut input = Input::new(stream);
    let (head, refusal) = match input.read_head() {
        Ok(Some(head)) => (Some(head), None),
        Ok(None) => return Ok(()),
        Err(status) => (None, Some(status)),
    };
    let served = match (&head, refusal) {
        (Some(head), None) => answer(head, &mut input, routes),
        (_, status) => Err(Refusal::of(status.unwrap_or(AdminStatus::BadRequest))),
    };
    let Input { mut stream, .. } = input;
    let allow = served.as_ref().err().and_then(|refusal| refusal.allow);
    let (answer, content_type) = served.unwrap_or_else(Refusal::into_answer);
    let length = answer.body.len();
    let mut bytes =
        http::answer_head(answer.status, content_type, length, allow, clock::wall_clock_ms());
    if head.is_none_or(|head| head.method != Method::Head) {
        bytes.extend_from_slice(&answer.body);
    }
    send(&mut stream, &bytes)?;
    stream.shutdown(Shutdown::Write)?;
    linger(&mut stream);
    Ok(())
}

/// Why a request gets to no handler.
struct Refusal {
    status: AdminStatus,
    /// More than the status says.
    detail: Option<String>,
    /// The methods of the page, for 405.
    allow: Option<&'static str>,
}

impl Refusal {
    fn of(status: AdminStatus) -> Self {
        Self { status, detail: None, allow: None }
    }

    fn into_answer<'a>(self) -> (AdminAnswer, &'a str) {
        let body = match self.detail {
            Some(detail) => format!("{}: {detail}\n", self.status.reason()),
            None => format!("{}\n", self.status.reason()),
        };
        (AdminAnswer { status: self.status, body: body.into_bytes() }, PLAIN)
    }
}

impl From<AdminStatus> for Refusal {
    fn from(status: AdminStatus) -> Self {
        let detail = match status {
            AdminStatus::UnsupportedMediaType => {
                Some(format!("send application/json, or a form and the field {}", guard::MARK))
            }
            AdminStatus::Forbidden => Some("changes are not taken from other sites".to_owned()),
            _ => None,
        };
        Self { detail, ..Self::of(status) }
    }
}

/// Asks the handler of the page.
fn answer<'a>(
    head: &Head,
    input: &mut Input,
    routes: &'a [AdminRoute],
) -> Result<(AdminAnswer, &'a str), Refusal> {
    let route = find(head, routes)?;
    let parameters = match route.access {
        Access::Read => Parameters::from_form(head.query.as_bytes()),
        Access::Change => {
            guard::check(head)?;
            read_parameters(head, input)?
        }
    };
    Ok(((route.handler)(&parameters), route.content_type))
}

/// The route of a request, or why there is none.
fn find<'a>(head: &Head, routes: &'a [AdminRoute]) -> Result<&'a AdminRoute, Refusal> {
    let mut of_path = routes.iter().filter(|route| route.path == head.path).peekable();
    if of_path.peek().is_none() {
        return Err(AdminStatus::NotFound.into());
    }
    let (read, change): (Vec<_>, Vec<_>) = of_path.partition(|route| route.access == Access::Read);
    let wanted = match head.method {
        Method::Get | Method::Head => read.first(),
        Method::Post => change.first(),
        Method::Other => None,
    };
    let Some(route) = wanted else {
        let allow = match (read.is_empty(), change.is_empty()) {
            (false, true) => "GET, HEAD",
            (true, _) => "POST",
            (false, false) => "GET, HEAD, POST",
        };
        return Err(Refusal { allow: Some(allow), ..Refusal::of(AdminStatus::MethodNotAllowed) });
    };
    if route.access == Access::Read && head.body != BodyLength::Known(0) {
        return Err(AdminStatus::BadRequest.into());
    }
    Ok(route)
}

/// What the body of a change says.
fn read_parameters(head: &Head, input: &mut Input) -> Result<Parameters, Refusal> {
    let length = match head.body {
        BodyLength::Unknown => return Err(AdminStatus::LengthRequired.into()),
        BodyLength::Known(length) if length > MAXIMUM_BODY_BYTES => {
            return Err(AdminStatus::ContentTooLarge.into());
        }
        BodyLength::Known(length) => length,
    };
    if head.expects {
        return Err(AdminStatus::ExpectationFailed.into());
    }
    let body = input.read_body(length)?;
    match head.media_type.as_str() {
        _ if body.is_empty() => Ok(Parameters::default()),
        "application/json" => Parameters::from_json(body).map_err(|error| Refusal {
            detail: Some(error),
            ..Refusal::of(AdminStatus::BadRequest)
        }),
        "application/x-www-form-urlencoded" => Ok(Parameters::from_form(body)),
        _ => Err(AdminStatus::UnsupportedMediaType.into()),
    }
}

/// The bytes of a request as they come.
struct Input {
    stream: TcpStream,
    deadline_ms: i64,
    bytes: Vec<u8>,
    /// Where the body begins.
    head_length: usize,
}

impl Input {
    fn new(stream: TcpStream) -> Self {
        let deadline_ms = clock::monotonic_ms() + REQUEST_TIMEOUT_MS;
        Self { stream, deadline_ms, bytes: Vec::new(), head_length: 0 }
    }

    /// Reads up to the end of the head. `None` when the client closed without a word.
    fn read_head(&mut self) -> Result<Option<Head>, AdminStatus> {
        loop {
            if let Some(end) = http::end_of_head(&self.bytes) {
                self.head_length = end;
                return http::parse(&self.bytes[..end]).map(Some);
            }
            if self.bytes.len() == MAXIMUM_HEAD_BYTES {
                return Err(AdminStatus::RequestHeaderFieldsTooLarge);
            }
            match self.read_more(MAXIMUM_HEAD_BYTES) {
                Ok(0) if self.bytes.is_empty() => return Ok(None),
                Ok(0) => return Err(AdminStatus::BadRequest),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    return Err(AdminStatus::RequestTimeout);
                }
                // The connection is gone, and with it the need for an answer.
                Err(_) => return Ok(None),
            }
        }
    }

    /// Reads the body behind the head.
    fn read_body(&mut self, length: usize) -> Result<&[u8], AdminStatus> {
        let end = self.head_length + length;
        while self.bytes.len() < end {
            match self.read_more(end) {
                Ok(0) => return Err(AdminStatus::BadRequest),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    return Err(AdminStatus::RequestTimeout);
                }
                Err(_) => return Err(AdminStatus::BadRequest),
            }
        }
        Ok(&self.bytes[self.head_length..end])
    }

    /// One read, up to so many bytes in all.
    fn read_more(&mut self, limit: usize) -> io::Result<usize> {
        let before = self.bytes.len();
        self.bytes.resize(limit, 0);
        let result = read_before(&mut self.stream, self.deadline_ms, &mut self.bytes[before..]);
        self.bytes.truncate(before + result.as_ref().copied().unwrap_or(0));
        result
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
