//! The conversation of one probe, without its socket.
//!
//! Job: say what to send to a server and what its answer means. In: a check and its address; the
//! bytes that come. Out: bytes to send once connected, and a verdict. Invariant: no answer panics,
//! and none makes a probe keep more than a bounded number of bytes; a verdict other than
//! [`Verdict::More`] is the last word.
//!
//! Each kind of check is one file and one row in [`Probe::new`]. Connecting, the deadline and
//! closing are the caller's: a connection that cannot be made and a deadline that passes are
//! failures too.

mod http;
mod resp;
mod tcp;

use std::fmt;

use ringlet_protocol::proxy_protocol::{self, Endpoints, Version};

use super::owner::CheckKey;
use crate::limits::PROBE_REASON_BYTES_MAX;
use crate::model::{CheckKind, ProxyVersion};

/// What is known after some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    More,
    /// The server is well. The connection can be closed, also amid an answer.
    Passed,
    /// It is not, for this reason.
    Failed(String),
}

impl Verdict {
    /// A failure. What a server has said may be in the reason: it goes into logs and pages, so it
    /// is cut short and freed of control characters.
    fn failed(reason: impl Into<String>) -> Self {
        let mut reason: String = reason.into();
        let mut end = reason.len().min(PROBE_REASON_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason.truncate(end);
        Self::Failed(reason.replace(|letter: char| letter.is_control(), " "))
    }
}

/// What a kind of check says and understands.
trait Conversation: fmt::Debug + Send {
    /// The connection stands: writes what is to be sent.
    fn start(&mut self, out: &mut Vec<u8>) -> Verdict;
    /// Bytes have come.
    fn receive(&mut self, bytes: &[u8]) -> Verdict;
    /// No more will come.
    fn end_of_stream(&mut self) -> Verdict;
}

/// One probe.
#[derive(Debug)]
pub struct Probe {
    conversation: Box<dyn Conversation>,
    sends_proxy: Option<ProxyVersion>,
    verdict: Verdict,
}

impl Probe {
    /// A probe for one connection.
    #[must_use]
    pub fn new(key: &CheckKey) -> Self {
        // The table of kinds; as a `match` it cannot lack a row.
        let conversation: Box<dyn Conversation> = match &key.check.kind {
            CheckKind::Tcp => Box::new(tcp::Tcp),
            CheckKind::Http { method, path, host, status, body } => {
                let host = host.as_deref().unwrap_or_else(|| http::host_of(&key.address));
                Box::new(http::Http::new(method, path, host, status, body.as_deref()))
            }
            CheckKind::Resp { password } => Box::new(resp::Resp::new(password.as_deref())),
        };
        Self { conversation, sends_proxy: key.sends_proxy, verdict: Verdict::More }
    }

    /// The connection stands: what is to be sent, perhaps nothing, and perhaps a verdict already.
    pub fn start(&mut self) -> (Vec<u8>, Verdict) {
        let mut out = Vec::new();
        if let Some(version) = self.sends_proxy {
            let version = match version {
                ProxyVersion::V1 => Version::V1,
                ProxyVersion::V2 => Version::V2,
            };
            // The balancer asks for itself, not for a client.
            proxy_protocol::write(version, &Endpoints::Own, &mut out);
        }
        self.verdict = self.conversation.start(&mut out);
        (out, self.verdict.clone())
    }

    /// What is known so far.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Bytes have come.
    pub fn receive(&mut self, bytes: &[u8]) -> Verdict {
        if self.verdict == Verdict::More {
            self.verdict = self.conversation.receive(bytes);
        }
        self.verdict.clone()
    }

    /// No more will come.
    pub fn end_of_stream(&mut self) -> Verdict {
        if self.verdict == Verdict::More {
            self.verdict = self.conversation.end_of_stream();
        }
        self.verdict.clone()
    }
}

#[cfg(test)]
mod tests;
