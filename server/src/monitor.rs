//! Monitors: connections that are shown every command of every core.
//! In: commands as they are accepted. Out: a line for each monitor, behind what it is owed already.
//! Invariant: with no monitor anywhere this costs one load of a shared counter per command.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::{Reply, ReplyBuffer};

use crate::command::spec::{Run, flags, is_word};
use crate::command::table::Command;
use crate::config::directives;
use crate::connection::Connection;
use crate::core::Core;
use crate::message::{Header, Note};
use crate::statistics::SlowEntry;

/// Words of a slow log entry, and bytes of a word in it, as in Redis.
const SLOW_WORDS_MAX: usize = 32;
const SLOW_WORD_BYTES_MAX: usize = 128;

/// What stands in the place of a secret word.
const REDACTED: &[u8] = b"(redacted)";

impl Core {
    /// From here on a connection is shown all commands.
    pub fn start_monitor(&mut self, connection: &mut Connection) {
        if !connection.is_monitor {
            connection.is_monitor = true;
            self.clients.monitors.push(connection.client.index);
            self.shared.monitors.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// A connection is shown no more commands.
    pub fn stop_monitor(&mut self, connection: &mut Connection) {
        connection.is_monitor = false;
        self.clients.monitors.retain(|place| *place != connection.client.index);
        self.shared.monitors.fetch_sub(1, Ordering::AcqRel);
    }

    /// Shows a command to the monitors of all cores.
    pub fn show_to_monitors(
        &mut self,
        connection: &Connection,
        command: &Command,
        words: Arguments<'_>,
    ) {
        if self.shared.monitors.load(Ordering::Acquire) == 0 {
            return;
        }
        let line = Bytes::from(line(self.now_ms, connection, command, words));
        for core in (0..self.cores).filter(|core| *core != self.index) {
            self.outbox.note(core as u16, Note::Monitor(line.clone()));
        }
        self.show_line(&line);
    }

    /// Shows a line to the monitors of this core.
    pub fn show_line(&mut self, line: &[u8]) {
        for place in self.clients.monitors.clone() {
            let Some(monitor) = self.clients.at_mut(place) else { continue };
            let mut push = ReplyBuffer::new();
            Reply::new(&mut push, monitor.version).raw(line);
            monitor.push(&push);
            let client = monitor.client;
            self.mark_output(client);
        }
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
        let is_further_part =
            header.is_counted && matches!(header.command.spec.run, Run::EveryCore(..));
        if is_skipped || is_further_part || ticks <= self.statistics.slow_log_ticks {
            return;
        }
        let entry = SlowEntry {
            id: self.shared.next_slow_id.fetch_add(1, Ordering::Relaxed),
            time_s: self.now_ms / 1000,
            duration_us: self.ticks.to_microseconds(ticks),
            client: header.origin.client,
            words: shortened(header.command, words),
            address: String::new(),
            name: String::new(),
        };
        if entry.client.core == self.number() {
            self.add_slow(entry);
        } else {
            self.outbox.note(entry.client.core, Note::Slow(Box::new(entry)));
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

fn shortened(command: &Command, words: Arguments<'_>) -> Vec<Vec<u8>> {
    let count = words.len();
    let shown = if count > SLOW_WORDS_MAX { SLOW_WORDS_MAX - 1 } else { count };
    let mut all: Vec<Vec<u8>> = words
        .iter()
        .enumerate()
        .take(shown)
        .map(|(index, word)| {
            let word = if is_secret(command, words, index) { REDACTED } else { word };
            let mut kept = word[..word.len().min(SLOW_WORD_BYTES_MAX)].to_vec();
            if word.len() > SLOW_WORD_BYTES_MAX {
                let more = word.len() - SLOW_WORD_BYTES_MAX;
                kept.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
            }
            kept
        })
        .collect();
    if count > SLOW_WORDS_MAX {
        all.push(format!("... ({} more arguments)", count - shown).into_bytes());
    }
    all
}

/// `+1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`
fn line(now_ms: i64, connection: &Connection, command: &Command, words: Arguments<'_>) -> Vec<u8> {
    let mut line = format!(
        "+{}.{:06} [{} {}]",
        now_ms / 1000,
        now_ms % 1000 * 1000,
        connection.db,
        if connection.is_unix {
            format!("unix:{}", connection.local_address.trim_end_matches(":0"))
        } else {
            connection.address.clone()
        }
    )
    .into_bytes();
    for (index, word) in words.iter().enumerate() {
        let word = if is_secret(command, words, index) { REDACTED } else { word };
        line.extend_from_slice(b" \"");
        for byte in word {
            match byte {
                b'"' | b'\\' => line.extend_from_slice(&[b'\\', *byte]),
                b'\n' => line.extend_from_slice(b"\\n"),
                b'\r' => line.extend_from_slice(b"\\r"),
                b'\t' => line.extend_from_slice(b"\\t"),
                7 => line.extend_from_slice(b"\\a"),
                8 => line.extend_from_slice(b"\\b"),
                b' '..=b'~' => line.push(*byte),
                other => line.extend_from_slice(format!("\\x{other:02x}").as_bytes()),
            }
        }
        line.push(b'"');
    }
    line.extend_from_slice(b"\r\n");
    line
}

/// True for the words of AUTH, for those behind the option AUTH of HELLO, and for the value of a
/// directive that is a secret.
fn is_secret(command: &Command, words: Arguments<'_>, index: usize) -> bool {
    let follows = |distance: usize| {
        index.checked_sub(distance).is_some_and(|before| is_word(&words[before], "AUTH"))
    };
    let is_value = || {
        let name = index.checked_sub(1).and_then(|before| std::str::from_utf8(&words[before]).ok());
        name.and_then(directives::find).is_some_and(|directive| directive.is_secret)
    };
    command.is(flags::SECRET) && (follows(1) || follows(2) || is_value())
}
