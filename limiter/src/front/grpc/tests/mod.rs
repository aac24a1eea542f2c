//! A front and a client that is not ours, in one thread: bytes go to and fro until nothing moves.

mod calls;
mod harness;
mod health;
mod hostile;
mod message;
mod rate_limit;
