//! The status of a running process, drawn in a terminal again and again.
//!
//! Job: read `/state.json` and show it. In: an address. Out: frames. Invariant: no answer holds it
//! longer than [`TIMEOUT`] or takes more memory than [`ANSWER_BYTES_MAX`]; a process that does not answer is
//! asked again.

use std::io::{self, IsTerminal, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use super::document::Document;
use super::{http, terminal};

/// For each step of a request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// The width of what is no terminal.
const WIDTH_DEFAULT: usize = 160;

/// Draws a frame each second until the output is closed, or only one.
///
/// # Errors
/// One line: with `once` when there is no answer, else when the output fails.
pub fn run(address: &str, once: bool) -> Result<(), String> {
    let mut out = io::stdout();
    if once {
        let text = terminal::draw(&fetch(address)?, width(), out.is_terminal());
        return out.write_all(text.as_bytes()).map_err(|error| error.to_string());
    }
    loop {
        let text = match fetch(address) {
            Ok(document) => terminal::draw(&document, width(), true),
            Err(error) => format!("{error}\n"),
        };
        // Overwrites the frame before line by line: a cleared screen would flicker.
        let frame = text.replace('\n', "\x1b[K\r\n");
        let written = out.write_all(format!("\x1b[H{frame}\x1b[J").as_bytes());
        match written.and_then(|()| out.flush()) {
            Ok(()) => thread::sleep(Duration::from_secs(1)),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Asks a process for its document.
///
/// # Errors
/// One line that says what is wrong, with the address.
pub fn fetch(address: &str) -> Result<Document, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("no status from {address}: {error}");
    let bytes = ask(address).map_err(|error| wrong(&error))?;
    let end = http::end_of_head(&bytes).ok_or_else(|| wrong(&"the answer is no HTTP"))?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        // What the peer says goes to a terminal.
        return Err(wrong(&head.lines().next().unwrap_or_default().escape_debug()));
    }
    Document::from_json(&bytes[end..]).map_err(|error| wrong(&error))
}

fn ask(address: &str) -> io::Result<Vec<u8>> {
    let mut failure = io::Error::other("the name has no address");
    for peer in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&peer, TIMEOUT) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                let request = format!("GET /state.json HTTP/1.1\r\nHost: {address}\r\n\r\n");
                stream.write_all(request.as_bytes())?;
                let mut bytes = Vec::new();
                stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
                return Ok(bytes);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Columns of the terminal that is the output.
fn width() -> usize {
    // SAFETY: `winsize` is four plain numbers, for which zeros are valid.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a `winsize`, which TIOCGWINSZ fills; the descriptor may be anything.
    let result = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    if result == 0 && size.ws_col > 0 { usize::from(size.ws_col) } else { WIDTH_DEFAULT }
}

#[cfg(test)]
mod tests {
    use super::super::document::tests::example;
    use super::super::{AdminServer, page};
    use super::*;

    #[test]
    fn the_document_comes_over_the_wire_as_it_was_made() {
        let any = ([127, 0, 0, 1], 0).into();
        let server = AdminServer::start(&[any], page::routes(example)).expect("a free port");
        let address = server.addresses()[0].to_string();
        assert_eq!(fetch(&address), Ok(example()));
        drop(server);
        let error = fetch(&address).expect_err("nobody listens");
        assert!(error.starts_with(&format!("no status from {address}: ")), "{error}");
    }

    #[test]
    fn an_address_that_serves_something_else_is_named() {
        let any = ([127, 0, 0, 1], 0).into();
        let server = AdminServer::start(&[any], Vec::new()).expect("a free port");
        let address = server.addresses()[0].to_string();
        let expected = format!("no status from {address}: HTTP/1.1 404 Not Found");
        assert_eq!(fetch(&address), Err(expected));
    }
}
