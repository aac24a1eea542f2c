//! Job: the Redis wire protocol (requests in, replies out, and replies read back), HTTP/1 messages.
//! In: bytes that somebody else received. Out: words of commands, and bytes that somebody else
//! sends.
//! Invariant: no I/O, no clock, no unsafe code; memory grows only with bytes that truly arrived.

#![forbid(unsafe_code)]

pub mod arguments;
pub mod command;
mod framing;
pub mod http1;
pub mod inline;
mod protocol_error;
pub mod proxy_protocol;
pub mod reply;
mod reply_buffer;
pub mod request;
pub mod resp_value;

pub use arguments::{ArgumentArena, ArgumentRange, Arguments};
pub use reply::{Deferred, Reply, ReplyBuffer, ReplyElements, ReplyPosition, ReplyRange, Version};
pub use request::{Parsed, ProtocolError, RequestLimits, RequestParser, Step};
pub use resp_value::Value;
