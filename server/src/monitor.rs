//! Monitors: connections that are shown every command of every core.
//! In: commands when they are on their way or, if they concern this core only, have run. Out: a
//! line for each monitor, behind what it is owed already.
//! Invariant: with no monitor anywhere this costs one load of a shared counter per command; what a
//! refused EXEC did not run is not shown.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::{Reply, ReplyBuffer};
use ringlet_runtime::clock;

use crate::command::spec::{flags, is_word};
use crate::command::table::Command;
use crate::config::directives;
use crate::connection::Connection;
use crate::core::Core;
use crate::message::Note;

/// What stands in the place of a secret word.
pub const REDACTED: &[u8] = b"(redacted)";

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
        connection: &mut Connection,
        command: &Command,
        words: Arguments<'_>,
    ) {
        if !self.has_monitors() {
            return;
        }
        let line = Bytes::from(line(clock::wall_clock_us(), connection, command, words));
        match connection.held.as_mut().and_then(|hold| hold.unshown.as_mut()) {
            Some(lines) => lines.push(line),
            None => self.show_everywhere(line),
        }
    }

    /// Somebody is shown all commands.
    #[inline]
    pub fn has_monitors(&self) -> bool {
        self.shared.monitors.load(Ordering::Acquire) > 0
    }

    /// Shows a line to the monitors of all cores.
    pub fn show_everywhere(&mut self, line: Bytes) {
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
}

/// `+1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`
fn line(now_us: i64, connection: &Connection, command: &Command, words: Arguments<'_>) -> Vec<u8> {
    let mut line = format!(
        "+{}.{:06} [{} {}]",
        now_us / 1_000_000,
        now_us % 1_000_000,
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
pub fn is_secret(command: &Command, words: Arguments<'_>, index: usize) -> bool {
    let follows = |distance: usize| {
        index.checked_sub(distance).is_some_and(|before| is_word(&words[before], "AUTH"))
    };
    let is_value = || {
        let name = index.checked_sub(1).and_then(|before| std::str::from_utf8(&words[before]).ok());
        name.and_then(directives::find).is_some_and(|directive| directive.is_secret)
    };
    command.is(flags::SECRET) && (follows(1) || follows(2) || is_value())
}
