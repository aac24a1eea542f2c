//! What every response that we make ourselves begins with.
//!
//! Job: reasons and the Connection field. In: a status, the client's version. Out: text, bytes.
//! Invariant: a client of HTTP/1.0 or 1.1 understands from it whether the connection goes on.

/// The text behind a status.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

/// The line about the connection's end, where the version alone does not say it.
pub fn write_connection(out: &mut Vec<u8>, client_minor: u8, keeps_alive: bool) {
    match (client_minor, keeps_alive) {
        (0, true) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        (_, true) => {}
        (_, false) => out.extend_from_slice(b"Connection: close\r\n"),
    }
}
