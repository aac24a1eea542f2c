//! RESP: limits for everything that has a client for Redis.
//!
//! Job: commands in, replies out, in order. In: bytes of a connection. Out: bytes to send. Invariant:
//! replies come in the order of commands, in whatever order answers come; as many commands as answers
//! are waited for may be under way, up to a bound, and nothing behind it is looked at; nor is anything
//! while more is to be sent than a bound.
//!
//! A command goes: `mod` (its words) -> `commands` (a table) -> `throttle` or `session` (what it does)
//! -> `queue` (until it is its turn).

mod commands;
mod queue;
mod session;
#[cfg(test)]
mod tests;
mod throttle;

use ringlet_limit::request::Verdict;
use ringlet_protocol::{Reply, ReplyBuffer, RequestLimits, RequestParser, Step};

use crate::front::{Desk, Flow, Front, use_up};
use crate::limits::{OUTPUT_BYTES_MAX, RESP_WORD_BYTES_MAX, RESP_WORDS_MAX};
use commands::{Call, Done};
use queue::Queue;
use session::Session;

/// A connection that speaks RESP.
#[derive(Debug)]
pub struct RespFront {
    parser: RequestParser,
    /// What has come and is not used yet.
    pending: Vec<u8>,
    session: Session,
    queue: Queue,
    /// The reply that is being written.
    reply: ReplyBuffer,
    /// The answer to the command that is being carried out.
    verdict: Verdict,
    /// No command behind this is looked at.
    is_closing: bool,
    /// Whether the parser has seen a part of a command.
    is_in_command: bool,
    /// Whether a command was carried out in the last call.
    has_command_come: bool,
    /// Whether commands are left until there is room for their replies.
    is_without_room: bool,
    has_peer_ended: bool,
}

impl RespFront {
    /// A connection that has just begun; `id` is its number (`CLIENT ID`).
    #[must_use]
    pub fn new(id: u64) -> Self {
        let limits = RequestLimits {
            bulk_bytes_max: RESP_WORD_BYTES_MAX,
            arguments_max: RESP_WORDS_MAX,
            ..RequestLimits::default()
        };
        Self {
            parser: RequestParser::new(limits),
            pending: Vec::new(),
            session: Session::new(id),
            queue: Queue::default(),
            reply: ReplyBuffer::new(),
            verdict: Verdict::default(),
            is_closing: false,
            is_in_command: false,
            has_command_come: false,
            is_without_room: false,
            has_peer_ended: false,
        }
    }

    /// Uses as much of `input` as can be used now; says how much.
    fn advance(&mut self, input: &[u8], desk: &mut dyn Desk, out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        self.is_without_room = false;
        while !self.is_closing && !self.queue.is_full() {
            if out.len() >= OUTPUT_BYTES_MAX && at < input.len() {
                self.is_without_room = true;
                break;
            }
            let parsed = self.parser.parse(&input[at..]);
            self.reply.clear();
            match parsed.step {
                Step::Command => self.carry_out(&input[at..], desk, out),
                Step::Incomplete => {
                    at += parsed.consumed;
                    self.is_in_command = at < input.len() || self.parser.buffered_bytes() > 0;
                    return at;
                }
                Step::Failed(error) => {
                    Reply::new(&mut self.reply, self.session.version)
                        .error_bytes(&error.reply_text());
                    self.queue.push(&self.reply, out);
                    self.is_closing = true;
                }
            }
            at += parsed.consumed;
        }
        self.is_in_command = false;
        if self.is_closing { input.len() } else { at }
    }

    /// The parser has delivered a command, which lies in `input`.
    fn carry_out(&mut self, input: &[u8], desk: &mut dyn Desk, out: &mut Vec<u8>) {
        self.has_command_come = true;
        let mut call = Call {
            words: self.parser.arguments(input),
            session: &mut self.session,
            desk,
            ticket: self.queue.next_ticket(),
            verdict: &mut self.verdict,
        };
        match commands::run(&mut call, &mut self.reply) {
            Done::Replied => self.queue.push(&self.reply, out),
            Done::Waiting => self.queue.push_waiting(),
            Done::Closing => {
                self.queue.push(&self.reply, out);
                self.is_closing = true;
            }
        }
    }

    /// Uses what waits, and what has come now.
    fn advance_pending(&mut self, bytes: &[u8], desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow {
        let pending = std::mem::take(&mut self.pending);
        self.pending =
            use_up(pending, bytes, RESP_WORD_BYTES_MAX, |input| self.advance(input, desk, out));
        self.flow(desk)
    }

    fn flow(&self, desk: &dyn Desk) -> Flow {
        let is_owed = !self.queue.is_empty();
        let ends = self.is_closing || self.has_peer_ended || desk.is_draining();
        match (ends, is_owed) {
            _ if self.is_without_room => Flow::Full,
            (true, false) if !self.is_in_command || !desk.is_draining() => Flow::Close,
            _ if self.queue.is_full() || self.is_closing => Flow::Full,
            _ => Flow::Open,
        }
    }
}

impl Front for RespFront {
    fn receive(&mut self, bytes: &[u8], desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow {
        self.has_command_come = false;
        self.advance_pending(bytes, desk, out)
    }

    fn answer(
        &mut self,
        ticket: u32,
        verdict: &Verdict,
        desk: &mut dyn Desk,
        out: &mut Vec<u8>,
    ) -> Flow {
        self.has_command_come = false;
        if self.queue.is_waited_for(ticket) {
            self.reply.clear();
            let mut reply = Reply::new(&mut self.reply, self.session.version);
            throttle::write_verdict(verdict, desk, &mut reply);
            self.queue.fill(ticket, &self.reply, out);
        }
        if self.pending.is_empty() {
            return self.flow(desk);
        }
        self.advance_pending(&[], desk, out)
    }

    fn resume(&mut self, desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow {
        self.has_command_come = false;
        self.advance_pending(&[], desk, out)
    }

    fn end_of_stream(&mut self, desk: &mut dyn Desk, _: &mut Vec<u8>) -> Flow {
        self.has_peer_ended = true;
        self.flow(desk)
    }

    fn drain(&mut self, desk: &mut dyn Desk, _: &mut Vec<u8>) -> Flow {
        self.flow(desk)
    }

    fn is_in_message(&self) -> bool {
        self.is_in_command
    }

    fn has_message_come(&self) -> bool {
        self.has_command_come
    }
}
