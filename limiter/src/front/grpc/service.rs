//! The methods, one row each.
//!
//! Job: find a method by a request's path. In: the path, a message. Out: what is to be said.
//! Invariant: a new method is one row here and one function.

use bytes::Bytes;
use ringlet_limit::request::Verdict;

use super::status::{Code, Status};
use super::{health, rate_limit};
use crate::front::Desk;

/// What a method may use.
pub struct Ask<'a> {
    /// Where questions are asked.
    pub desk: &'a mut dyn Desk,
    /// By which ticket, if the answer is to come later.
    pub ticket: u32,
    /// Memory for a verdict.
    pub verdict: &'a mut Verdict,
}

/// What a method says.
#[derive(Debug)]
pub enum Reply {
    /// This message, with its prefix.
    Message(Bytes),
    /// This message, and the stream stays open.
    Open(Bytes),
    /// It is known when the verdict on so many descriptors comes.
    Later(usize),
    /// An error.
    Failure(Status),
}

/// A method.
pub struct Method {
    service: &'static str,
    name: &'static str,
    /// Answers one message.
    pub answer: fn(&[u8], Ask<'_>) -> Reply,
}

/// All methods.
const METHODS: [Method; 3] = [
    Method {
        service: rate_limit::SERVICE,
        name: "ShouldRateLimit",
        answer: rate_limit::should_rate_limit,
    },
    Method { service: health::SERVICE, name: "Check", answer: health::check },
    Method { service: health::SERVICE, name: "Watch", answer: health::watch },
];

/// Whether there is such a service.
pub fn is_service(name: &str) -> bool {
    METHODS.iter().any(|method| method.service == name)
}

/// The method of a path, `/service/method`.
pub fn method_of(path: &str) -> Result<&'static Method, Status> {
    let (service, name) =
        path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or((path, ""));
    let found = METHODS.iter().find(|method| method.name == name && method.service == service);
    found.ok_or_else(|| {
        let known: Vec<String> =
            METHODS.iter().map(|method| format!("/{}/{}", method.service, method.name)).collect();
        let text = format!("there is no such method; there are {}", known.join(", "));
        Status::new(Code::Unimplemented, text)
    })
}

/// A message with gRPC's prefix: not compressed, so long.
pub fn framed(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut frame = vec![0; 5];
    write(&mut frame);
    let length = (frame.len() - 5) as u32;
    frame[1..5].copy_from_slice(&length.to_be_bytes());
    Bytes::from(frame)
}
