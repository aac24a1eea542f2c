//! Slow log: commands that took long, each once, with the words that its client sent.
//! In: how long a command has run, here or in parts on several cores. Out: an entry in the log of
//! the client's core, an event of the latency monitor.
//! Invariant: a command of which several cores do a part is entered where its reply is gathered,
//! with the time of its longest part.

use std::sync::atomic::Ordering;

use ringlet_protocol::arguments::Arguments;

use crate::command::spec::{Run, flags};
use crate::command::table::Command;
use crate::connection::Connection;
use crate::core::Core;
use crate::message::{Client, Header, Note};
use crate::monitor::{REDACTED, is_secret};
use crate::statistics::SlowEntry;

/// Words of an entry, and bytes of a word in it, as in Redis.
const WORDS_MAX: usize = 32;
const WORD_BYTES_MAX: usize = 128;

/// The words of a command, shortened as Redis does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ShortWords {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl ShortWords {
    /// Of a command with all its words.
    pub fn new(command: &Command, words: Arguments<'_>) -> ShortWords {
        let count = words.len();
        let shown = if count > WORDS_MAX { WORDS_MAX - 1 } else { count };
        let mut short = ShortWords::default();
        short.ends.reserve_exact(count.min(WORDS_MAX));
        for (index, word) in words.iter().enumerate().take(shown) {
            let word = if is_secret(command, words, index) { REDACTED } else { word };
            short.bytes.extend_from_slice(&word[..word.len().min(WORD_BYTES_MAX)]);
            if word.len() > WORD_BYTES_MAX {
                let more = word.len() - WORD_BYTES_MAX;
                short.bytes.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
            }
            short.ends.push(short.bytes.len());
        }
        if count > WORDS_MAX {
            let more = count - shown;
            short.bytes.extend_from_slice(format!("... ({more} more arguments)").as_bytes());
            short.ends.push(short.bytes.len());
        }
        short
    }

    /// The words.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let start = |index: usize| if index == 0 { 0 } else { self.ends[index - 1] };
        self.ends.iter().enumerate().map(move |(index, end)| &self.bytes[start(index)..*end])
    }
}

/// A command of which several cores do a part.
pub struct Call {
    /// Which.
    pub command: &'static Command,
    /// What the slow log would show; nothing when it is off.
    pub words: Option<ShortWords>,
    /// Its longest part among those that were slow, in microseconds.
    pub longest_us: Option<u64>,
}

impl Core {
    /// What is remembered of a command until its parts have come.
    pub fn call(&self, header: &Header, words: Arguments<'_>) -> Call {
        // CONFIG SET may switch the log on, and then stands in it itself.
        let may_be_on = self.statistics.slow_log_ticks != u64::MAX
            || matches!(header.command.spec.run, Run::EveryCore(..));
        let is_shown = may_be_on && !header.command.is(flags::SKIP_SLOWLOG);
        let words = is_shown.then(|| ShortWords::new(header.command, words));
        Call { command: header.command, words, longest_us: None }
    }

    /// Notes a command that took long: as an event of the latency monitor, and in the slow log.
    #[cold]
    pub fn log_slow(&mut self, header: &Header, words: Arguments<'_>, ticks: u64) {
        if ticks >= self.statistics.event_ticks {
            let is_fast = header.command.is(crate::command::spec::flags::FAST);
            let event = if is_fast { "fast-command" } else { "command" };
            let duration_ms = self.ticks.to_microseconds(ticks) / 1000;
            self.statistics.events.add(event, self.now_ms / 1000, duration_ms);
        }
        let is_skipped = header.command.is(crate::command::spec::flags::SKIP_SLOWLOG);
        if is_skipped || ticks <= self.statistics.slow_log_ticks {
            return;
        }
        let duration_us = self.ticks.to_microseconds(ticks);
        let client = header.origin.client;
        if header.is_part {
            self.outbox.note(client.core, Note::SlowPart(header.origin, duration_us));
            return;
        }
        let is_split = matches!(
            header.command.spec.run,
            Run::EveryCore(..) | Run::Everywhere(..) | Run::Parts(..)
        );
        if header.is_counted && is_split {
            // A further part of a command in a transaction.
            return;
        }
        let entry = self.slow_entry(client, duration_us, ShortWords::new(header.command, words));
        if client.core == self.number() {
            self.add_slow(entry);
        } else {
            self.outbox.note(client.core, Note::Slow(Box::new(entry)));
        }
    }

    /// Enters a command whose parts have all come, if one of them was slow.
    pub fn log_slow_call(&mut self, client: Client, call: Call) {
        if let Call { words: Some(words), longest_us: Some(duration_us), .. } = call {
            let entry = self.slow_entry(client, duration_us, words);
            self.add_slow(entry);
        }
    }

    fn slow_entry(&self, client: Client, duration_us: u64, words: ShortWords) -> SlowEntry {
        SlowEntry {
            id: self.shared.next_slow_id.fetch_add(1, Ordering::Relaxed),
            time_s: self.now_ms / 1000,
            duration_us,
            client,
            words,
            address: String::new(),
            name: String::new(),
        }
    }

    /// Puts a command of a client of this core into the slow log.
    pub fn add_slow(&mut self, mut entry: SlowEntry) {
        // A connection that is being worked on is not in its place; then `name_slow` comes later.
        match self.clients.get_mut(entry.client) {
            Some(connection) => (entry.address, entry.name) = names_of(connection),
            None => self.statistics.has_nameless_slow = true,
        }
        self.statistics.slow_log.push_front(entry);
        self.statistics.slow_log.truncate(self.config.slowlog_entries_max);
    }

    /// Gives the address of a connection to the entries of the slow log that lack it.
    #[inline]
    pub fn name_slow(&mut self, connection: &Connection) {
        if self.statistics.has_nameless_slow {
            self.statistics.has_nameless_slow = false;
            for entry in &mut self.statistics.slow_log {
                if entry.client == connection.client && entry.address.is_empty() {
                    (entry.address, entry.name) = names_of(connection);
                }
            }
        }
    }
}

fn names_of(connection: &Connection) -> (String, String) {
    (connection.address.clone(), connection.name.to_string())
}
