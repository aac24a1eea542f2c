//! Job: cut the bytes of one connection into commands.
//! In: received bytes, in any portions. Out: the words of one command at a time, or an error.
//! Invariant: whatever the portions, the commands are the same; no byte is scanned twice but for
//! the few of an unfinished length line; memory is reserved only for bytes that arrived, plus at
//! most [`LARGE_ARGUMENT_FIRST_RESERVATION_BYTES`].
//!
//! A command is in one of two states. *Borrowed*: its words lie in the caller's buffer, and only
//! spans of them are kept; this is the hot path. *Held*: its words are kept in the parser, and the
//! caller's buffer is consumed as it is read. A command becomes held when an argument is large,
//! when it is incomplete and has outgrown [`PENDING_BYTES_MAX`], or when it is an inline one. Hence
//! a caller never keeps more than `PENDING_BYTES_MAX + INLINE_BYTES_MAX` bytes of an incomplete
//! command.

use bytes::Bytes;
use memchr::memchr;
use ringlet_base::limits::{
    ARGUMENTS_MAX, ARGUMENTS_UNAUTHENTICATED_MAX, BULK_BYTES_MAX_DEFAULT,
    BULK_UNAUTHENTICATED_BYTES_MAX, INLINE_BYTES_MAX, LARGE_ARGUMENT_BYTES,
    LARGE_ARGUMENT_FIRST_RESERVATION_BYTES, PENDING_BYTES_MAX,
};
use ringlet_base::number::parse_i64;

use crate::arguments::{ArgumentArena, Arguments, Span};
pub use crate::framing::QUICK_WORDS_MAX;
use crate::framing::{quick_command, short_length};
use crate::inline;
pub use crate::protocol_error::ProtocolError;

/// Bytes looked at in one go, so that offsets inside a command fit a span.
const WINDOW_BYTES: usize = 1 << 30;

/// What one connection may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of one argument (`proto-max-bulk-len`); at least [`LARGE_ARGUMENT_BYTES`].
    pub bulk_bytes_max: usize,
    /// Bytes of an inline command or of a length line.
    pub inline_bytes_max: usize,
    /// Words of one command; at least [`QUICK_WORDS_MAX`].
    pub arguments_max: usize,
    /// False while the connection must not do more than authenticate: then Redis's tighter bounds
    /// of 10 words and 16 KiB per word hold as well.
    pub authenticated: bool,
}

impl RequestLimits {
    /// The quick way of reading asks for no limit.
    fn check(self) -> Self {
        assert!(self.bulk_bytes_max >= LARGE_ARGUMENT_BYTES, "bulk_bytes_max is too small");
        assert!(self.arguments_max >= QUICK_WORDS_MAX, "arguments_max is too small");
        self
    }
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            bulk_bytes_max: BULK_BYTES_MAX_DEFAULT,
            inline_bytes_max: INLINE_BYTES_MAX,
            arguments_max: ARGUMENTS_MAX,
            authenticated: true,
        }
    }
}

/// Result of one [`RequestParser::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Bytes at the start of the input that are done with. After [`Step::Command`] they must stay
    /// in place until the arguments have been used.
    pub consumed: usize,
    /// What the bytes amount to.
    pub step: Step,
}

/// What a parser found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One whole command; see [`RequestParser::arguments`].
    Command,
    /// The rest of a command has not arrived yet.
    Incomplete,
    /// The stream cannot be read any further. Further calls give the same answer.
    Failed(ProtocolError),
}

/// Where inside a command the parser stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// At the first byte of a command.
    Start,
    /// At the length line of a word.
    Length,
    /// At the first byte of a small word of this length, which has not arrived as a whole.
    Payload(usize),
    /// Inside a large word, of which so many bytes are missing.
    Large(usize),
    /// Behind a large word, whose line end lacks so many bytes.
    LargeEnd(usize),
    /// The command has been delivered.
    Complete,
    Failed(ProtocolError),
}

/// A length line: `*3\r\n` or `$5\r\n`.
enum Line {
    /// The number, if it is one, and the offset behind the line.
    Whole(Option<i64>, usize),
    Incomplete,
    TooLong,
}

/// The resumable parser of one connection's requests. Costs no allocation until the first command.
#[derive(Debug)]
pub struct RequestParser {
    limits: RequestLimits,
    phase: Phase,
    /// Whether the words are in `words.bytes` and not in the caller's input.
    held: bool,
    /// Words of the current command that are still to come.
    missing: usize,
    /// Start of the current command in the last input.
    base: usize,
    /// Start of the unread part, from `base`.
    position: usize,
    /// Bytes of the unread part that hold no line end.
    scanned: usize,
    /// The words: spans of the caller's input, or held ones.
    words: ArgumentArena,
    /// The large word under construction.
    growing: Vec<u8>,
}

impl RequestParser {
    /// A parser at the beginning of a connection.
    ///
    /// # Panics
    /// If a limit is below what its description says.
    #[must_use]
    pub fn new(limits: RequestLimits) -> Self {
        Self {
            limits: limits.check(),
            phase: Phase::Start,
            held: false,
            missing: 0,
            base: 0,
            position: 0,
            scanned: 0,
            words: ArgumentArena::new(),
            growing: Vec::new(),
        }
    }

    /// Replaces the limits, for example after the client has authenticated. They hold from the next
    /// length line on.
    ///
    /// # Panics
    /// If a limit is below what its description says.
    pub fn set_limits(&mut self, limits: RequestLimits) {
        self.limits = limits.check();
    }

    /// Bytes held inside the parser: arguments under construction, and those of a command that was
    /// delivered and not yet [finished](Self::finish).
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.growing.len() + self.words.held_bytes()
    }

    /// Forgets the delivered command and drops its large words. The next [`parse`](Self::parse)
    /// does so by itself; call it earlier to let go of memory earlier.
    #[inline]
    pub fn finish(&mut self) {
        if self.phase == Phase::Complete {
            if self.held {
                self.words.clear();
                self.held = false;
            } else {
                self.words.clear_spans();
            }
            self.phase = Phase::Start;
        }
    }

    /// Reads up to the end of one command. `input` starts where `consumed` of the last call ended:
    /// after [`Step::Incomplete`] keep `input[consumed..]`, append what arrives and call again.
    #[inline]
    pub fn parse(&mut self, input: &[u8]) -> Parsed {
        self.finish();
        if self.phase == Phase::Start && self.position == 0 {
            if let Some(consumed) = quick_command(input, &mut self.words.spans) {
                self.base = 0;
                self.scanned = 0;
                self.phase = Phase::Complete;
                return Parsed { consumed, step: Step::Command };
            }
            self.words.clear_spans();
        }
        self.parse_thoroughly(input)
    }

    fn parse_thoroughly(&mut self, input: &[u8]) -> Parsed {
        let mut consumed = 0;
        loop {
            let end = input.len().min(consumed + WINDOW_BYTES);
            let (done, step) = self.parse_window(&input[consumed..end]);
            self.base += consumed;
            consumed += done;
            if step != Step::Incomplete || end == input.len() || done == 0 {
                return Parsed { consumed, step };
            }
        }
    }

    /// The words of the command that the last [`parse`](Self::parse) delivered, for the same
    /// `input`.
    ///
    /// # Panics
    /// If the last call did not return [`Step::Command`].
    #[inline]
    #[must_use]
    pub fn arguments<'a>(&'a self, input: &'a [u8]) -> Arguments<'a> {
        assert!(self.phase == Phase::Complete, "no command has been delivered");
        let bytes = if self.held { &self.words.bytes[..] } else { &input[self.base..] };
        Arguments::new(bytes, &self.words.spans, &self.words.large)
    }

    fn parse_window(&mut self, input: &[u8]) -> (usize, Step) {
        self.base = 0;
        let mut at = self.position;
        let step = loop {
            let step = match self.phase {
                Phase::Start => self.read_start(input, &mut at),
                Phase::Length => self.read_words(input, &mut at),
                Phase::Payload(length) => self.read_payload(input, &mut at, length),
                Phase::Large(missing) => self.read_large(input, &mut at, missing),
                Phase::LargeEnd(missing) => self.read_large_end(input, &mut at, missing),
                Phase::Complete => Some(Step::Command),
                Phase::Failed(error) => Some(Step::Failed(error)),
            };
            if let Some(step) = step {
                break step;
            }
        };
        if step != Step::Incomplete {
            self.position = 0;
            return (at, step);
        }
        if !self.held && at - self.base >= PENDING_BYTES_MAX {
            self.hold(input);
        }
        let consumed = if self.held { at } else { self.base };
        self.position = at - consumed;
        (consumed, Step::Incomplete)
    }

    /// Reads `*N`, an inline command, or something to skip. Like the other readers, it returns
    /// `None` when it has changed the phase and reading goes on there.
    fn read_start(&mut self, input: &[u8], at: &mut usize) -> Option<Step> {
        self.base = *at;
        match input.get(*at) {
            None => return Some(Step::Incomplete),
            Some(b'*') => {}
            Some(_) => return self.read_inline(input, at),
        }
        match self.read_line(input, *at) {
            Line::Incomplete => return Some(Step::Incomplete),
            Line::TooLong => self.fail(ProtocolError::TooBigMultibulkCount),
            Line::Whole(number, end) => match number {
                // Nothing to do: Redis passes over empty commands silently.
                Some(..=0) => *at = end,
                Some(count) if count as u64 <= self.limits.arguments_max as u64 => {
                    let count = count as usize;
                    if count > ARGUMENTS_UNAUTHENTICATED_MAX && !self.limits.authenticated {
                        self.fail(ProtocolError::UnauthenticatedMultibulkLength);
                    } else {
                        *at = end;
                        self.missing = count;
                        self.phase = Phase::Length;
                    }
                }
                _ => self.fail(ProtocolError::InvalidMultibulkLength),
            },
        }
        None
    }

    /// Reads words as long as they lie in `input` as a whole.
    fn read_words(&mut self, input: &[u8], at: &mut usize) -> Option<Step> {
        while self.missing > 0 {
            let (number, start) = match self.read_line(input, *at) {
                Line::Whole(number, end) => (number, end),
                Line::Incomplete => return Some(Step::Incomplete),
                Line::TooLong => {
                    self.fail(ProtocolError::TooBigBulkCount);
                    return None;
                }
            };
            if input[*at] != b'$' {
                self.fail(ProtocolError::ExpectedDollar(input[*at]));
                return None;
            }
            let length = match number {
                Some(length @ 0..) if length as u64 <= self.limits.bulk_bytes_max as u64 => {
                    length as usize
                }
                _ => {
                    self.fail(ProtocolError::InvalidBulkLength);
                    return None;
                }
            };
            if length > BULK_UNAUTHENTICATED_BYTES_MAX && !self.limits.authenticated {
                self.fail(ProtocolError::UnauthenticatedBulkLength);
                return None;
            }
            *at = start;
            if length >= LARGE_ARGUMENT_BYTES {
                self.begin_large(input, length);
                return None;
            }
            if input.len() - start < length + 2 {
                self.phase = Phase::Payload(length);
                return Some(Step::Incomplete);
            }
            self.take_word(input, at, length);
        }
        self.phase = Phase::Complete;
        None
    }

    fn read_payload(&mut self, input: &[u8], at: &mut usize, length: usize) -> Option<Step> {
        if input.len() - *at < length + 2 {
            return Some(Step::Incomplete);
        }
        self.take_word(input, at, length);
        self.phase = Phase::Length;
        None
    }

    /// Notes a small word and steps over its line end, which is not looked at, as in Redis.
    #[inline]
    fn take_word(&mut self, input: &[u8], at: &mut usize, length: usize) {
        if self.held {
            self.words.push_word(&input[*at..*at + length]);
        } else {
            self.words.spans.push(Span::inline(*at - self.base, length));
        }
        *at += length + 2;
        self.missing -= 1;
    }

    fn begin_large(&mut self, input: &[u8], length: usize) {
        self.hold(input);
        let reserved = length.min(LARGE_ARGUMENT_FIRST_RESERVATION_BYTES);
        self.phase = Phase::Large(length);
        if self.growing.try_reserve_exact(reserved).is_err() {
            self.fail(ProtocolError::OutOfMemory);
        }
    }

    fn read_large(&mut self, input: &[u8], at: &mut usize, missing: usize) -> Option<Step> {
        let arrived = &input[*at..input.len().min(*at + missing)];
        let room = self.growing.capacity() - self.growing.len();
        if room < arrived.len() && self.growing.try_reserve_exact(missing).is_err() {
            self.fail(ProtocolError::OutOfMemory);
            return None;
        }
        self.growing.extend_from_slice(arrived);
        *at += arrived.len();
        if arrived.len() < missing {
            self.phase = Phase::Large(missing - arrived.len());
            return Some(Step::Incomplete);
        }
        self.words.push_shared(Bytes::from(std::mem::take(&mut self.growing)));
        self.phase = Phase::LargeEnd(2);
        None
    }

    fn read_large_end(&mut self, input: &[u8], at: &mut usize, missing: usize) -> Option<Step> {
        let arrived = missing.min(input.len() - *at);
        *at += arrived;
        if arrived < missing {
            self.phase = Phase::LargeEnd(missing - arrived);
            return Some(Step::Incomplete);
        }
        self.missing -= 1;
        self.phase = Phase::Length;
        None
    }

    fn read_inline(&mut self, input: &[u8], at: &mut usize) -> Option<Step> {
        let unread = &input[*at..];
        let Some(end) = memchr(b'\n', &unread[self.scanned..]).map(|end| end + self.scanned) else {
            if unread.len() > self.limits.inline_bytes_max {
                self.fail(ProtocolError::TooBigInlineRequest);
                return None;
            }
            self.scanned = unread.len();
            return Some(Step::Incomplete);
        };
        self.scanned = 0;
        if inline::split(&unread[..end], &mut self.words).is_err() {
            self.fail(ProtocolError::UnbalancedQuotes);
            return None;
        }
        *at += end + 1;
        if !self.words.is_empty() {
            self.held = true;
            self.phase = Phase::Complete;
        }
        None
    }

    /// Reads a length line that begins at `at` with its marker, which the caller checks.
    fn read_line(&mut self, input: &[u8], at: usize) -> Line {
        match short_length(&input[at..]) {
            Some((number, length)) => {
                self.scanned = 0;
                Line::Whole(Some(number), at + length)
            }
            None => self.read_unusual_line(&input[at..], at),
        }
    }

    /// Reads a line that is incomplete, faulty, negative or very long.
    #[cold]
    fn read_unusual_line(&mut self, unread: &[u8], at: usize) -> Line {
        // As in Redis, the line ends with CR and one more byte, which is not looked at.
        match memchr(b'\r', &unread[self.scanned..]).map(|end| end + self.scanned) {
            Some(end) if end + 1 < unread.len() => {
                self.scanned = 0;
                Line::Whole(unread.get(1..end).and_then(parse_i64), at + end + 2)
            }
            Some(end) => {
                self.scanned = end;
                Line::Incomplete
            }
            None if unread.len() > self.limits.inline_bytes_max => Line::TooLong,
            None => {
                self.scanned = unread.len();
                Line::Incomplete
            }
        }
    }

    /// Makes the current command a held one.
    fn hold(&mut self, input: &[u8]) {
        if !self.held {
            let borrowed = std::mem::take(&mut self.words);
            let command = Arguments::new(&input[self.base..], &borrowed.spans, &[]);
            self.words.push(&command);
            self.held = true;
        }
    }

    #[cold]
    fn fail(&mut self, error: ProtocolError) {
        self.words.clear();
        self.growing = Vec::new();
        self.phase = Phase::Failed(error);
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
