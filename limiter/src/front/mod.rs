//! The protocols that clients speak, one file or folder each.
//!
//! Job: turn bytes into questions and verdicts into bytes. In: what a connection has received. Out: what
//! it is to send. Invariant: no socket and no clock here; what a client sends can end its connection,
//! and nothing else.

#[cfg(test)]
pub(crate) mod fake_desk;
pub mod http;
#[cfg(test)]
mod mutations;
pub mod resp;
mod settings;

pub use settings::FrontSettings;
pub mod grpc;

use std::sync::Arc;

use ringlet_limit::request::{Action, GivenLimit, Request, Verdict};
use ringlet_limit::rules::RuleSet;
use ringlet_limit::time::Now;

/// What a client wants to know.
pub enum Question<'a> {
    /// Everything that the rules say of a request.
    Request(Request<'a>),
    /// One rule, by its name, for one key.
    Rule {
        /// The rule's name.
        name: &'a str,
        /// The key, as if the rule's `key` had given it.
        key: &'a [u8],
        /// Tokens; none: as the rule says.
        cost: Option<u64>,
    },
    /// A limit that the question brings along.
    Given {
        /// The key.
        key: &'a [u8],
        /// The numbers.
        limit: GivenLimit,
        /// Tokens.
        cost: u64,
    },
}

/// Why a question cannot be answered. Its text says what was wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuestion(pub String);

/// Where questions are asked: the core.
pub trait Desk {
    /// Asks. True: `verdict` is the answer. False: the answer comes by [`Front::answer`] with this
    /// ticket, which the front chose and which means something to it alone.
    ///
    /// # Errors
    /// When the question names something that is not there or cannot be.
    fn ask(
        &mut self,
        ticket: u32,
        question: &Question<'_>,
        action: Action,
        verdict: &mut Verdict,
    ) -> Result<bool, BadQuestion>;

    /// The time.
    fn now(&self) -> Now;

    /// The rules that hold now.
    fn rules(&self) -> &RuleSet;

    /// Whether the process is about to end; connections are then closed after their last answer.
    fn is_draining(&self) -> bool;
}

/// What becomes of a connection.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Goes on.
    Open,
    /// Takes no more bytes until an answer has come or what there is to send is on its way: so much may
    /// wait, and no more.
    Full,
    /// Ends when what there is to send has been sent.
    Close,
}

/// Has `advance` use what waits in `pending` and what has come now, and returns what it has not used.
/// Bytes that can be used at once are not copied. An emptied buffer larger than `kept_bytes_max` is given up:
/// what a burst has grown is not kept.
fn use_up(
    mut pending: Vec<u8>,
    bytes: &[u8],
    kept_bytes_max: usize,
    advance: impl FnOnce(&[u8]) -> usize,
) -> Vec<u8> {
    if pending.is_empty() {
        let used = advance(bytes);
        pending.extend_from_slice(&bytes[used..]);
        return pending;
    }
    pending.extend_from_slice(bytes);
    let used = advance(&pending);
    pending.drain(..used);
    if pending.is_empty() && pending.capacity() > kept_bytes_max {
        return Vec::new();
    }
    pending
}

/// One connection's protocol.
pub trait Front {
    /// Bytes have come. What cannot be used yet is kept by the front.
    fn receive(&mut self, bytes: &[u8], desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow;

    /// An answer that was still to come has come.
    fn answer(
        &mut self,
        ticket: u32,
        verdict: &Verdict,
        desk: &mut dyn Desk,
        out: &mut Vec<u8>,
    ) -> Flow;

    /// What there was to send is on its way: what was left unused as [`OUTPUT_BYTES_MAX`] had been
    /// written can be used.
    ///
    /// [`OUTPUT_BYTES_MAX`]: crate::limits::OUTPUT_BYTES_MAX
    fn resume(&mut self, desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow;

    /// The peer sends nothing more. `Close` when no answer is on its way to it.
    fn end_of_stream(&mut self, desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow;

    /// The process is about to end: say so to the peer if the protocol can (GOAWAY), and close when
    /// nothing is on its way.
    fn drain(&mut self, desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow;

    /// The listener's settings are others from now on. Nothing to do where the protocol uses none.
    fn apply(&mut self, _settings: &Arc<FrontSettings>) {}

    /// Whether the peer owes the rest of a message: then a deadline runs.
    fn is_in_message(&self) -> bool;

    /// Whether a whole message was taken in the last call: then the deadline starts anew. To a client
    /// that streams there is always a message that has just begun.
    fn has_message_come(&self) -> bool;
}
