//! PING for servers that speak Redis's protocol.
//!
//! Job: ask for `+PONG`, after AUTH if there is a password. In: replies. Out: a verdict, with the
//! error of the server as its reason: `-LOADING`, `-NOAUTH` and `-MASTERDOWN` all mean that it
//! cannot serve. Invariant: a reply is kept up to its bound; any other reply than the expected one
//! fails.

use ringlet_protocol::command::write_command;
use ringlet_protocol::resp_value::Value;

use super::{Conversation, Verdict};
use crate::limits::PROBE_REPLY_BYTES_MAX;

/// See the file's header.
#[derive(Debug)]
pub(super) struct Resp {
    request: Vec<u8>,
    /// Replies that are still to come, the next one last.
    expected: Vec<&'static str>,
    received: Vec<u8>,
}

impl Resp {
    pub(super) fn new(password: Option<&str>) -> Self {
        let mut request = Vec::new();
        let mut expected = vec!["PONG"];
        if let Some(password) = password {
            write_command(&mut request, ["AUTH", password].map(str::as_bytes));
            expected.push("OK");
        }
        write_command(&mut request, ["PING"].map(str::as_bytes));
        Self { request, expected, received: Vec::new() }
    }
}

impl Conversation for Resp {
    fn start(&mut self, out: &mut Vec<u8>) -> Verdict {
        out.append(&mut self.request);
        Verdict::More
    }

    fn receive(&mut self, bytes: &[u8]) -> Verdict {
        self.received.extend_from_slice(bytes);
        while let Some(expected) = self.expected.last() {
            match Value::parse(&self.received) {
                Ok(None) if self.received.len() > PROBE_REPLY_BYTES_MAX => {
                    return Verdict::failed("the reply is too long");
                }
                Ok(None) => return Verdict::More,
                Ok(Some((Value::Simple(text), length))) if text == expected.as_bytes() => {
                    self.received.drain(..length);
                    self.expected.pop();
                }
                Ok(Some((Value::Error(text), _))) => {
                    return Verdict::failed(format!("-{}", String::from_utf8_lossy(&text)));
                }
                Ok(Some(_)) => return Verdict::failed(format!("the reply is not +{expected}")),
                Err(error) => return Verdict::failed(error.to_string()),
            }
        }
        Verdict::Passed
    }

    fn end_of_stream(&mut self) -> Verdict {
        Verdict::failed("the connection ended before the reply")
    }
}
