//! The HTTP side: requests of clients and responses to them.
//!
//! Job: one request at a time per client: read its head, route it, send it on, and bring the response
//! back. In: bytes of clients and servers. Out: bytes for both, and access log lines.
//! Invariant: a client gets one final response per request, in order; once a response has begun,
//! nothing but its end or a broken connection follows.

mod deadline;
mod refuse;
mod request;
mod response;
