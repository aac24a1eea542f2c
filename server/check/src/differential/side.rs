//! Job: one of the two servers during a round: its connections and how to ask it things.
//! In: an address and a round. Out: connections to an empty server with the settings of the round.
//! Invariant: both servers see the same lines; only client ids are put in for each.

use std::io;
use std::time::{Duration, Instant};

use crate::client::encode;
use crate::value::Value;
use crate::wire::{Address, Wire};

use super::grammar::Line;
use super::round::Round;

/// How long the tested server may take until what was done shows in its list of clients.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The connections of one round to one server.
#[derive(Debug)]
pub struct Side {
    /// The connections that the steps name.
    pub wires: Vec<Wire>,
    /// A connection that no step uses.
    pub control: Wire,
    ids: Vec<Value>,
}

impl Side {
    /// Empties the server and opens the connections of `round`.
    ///
    /// # Errors
    /// The socket's error; `InvalidData` when the server refuses to be prepared.
    pub fn open(address: &Address, round: &Round) -> io::Result<Self> {
        let mut control = Wire::open(address)?;
        expect_ok(&mut control, &["FLUSHALL"])?;
        for (name, value) in &round.settings {
            expect_ok(&mut control, &["CONFIG", "SET", name, value])?;
        }
        // Commands are to meet keys that are over before active expiry does, where DEBUG is
        // allowed.
        let active = if round.lapses { "0" } else { "1" };
        control.call(&["DEBUG", "SET-ACTIVE-EXPIRE", active])?;
        let open = || if round.resp3 { Wire::open_resp3(address) } else { Wire::open(address) };
        let mut wires =
            (0..round.connections).map(|_| open()).collect::<io::Result<Vec<Wire>>>()?;
        let ids = wires
            .iter_mut()
            .map(|wire| wire.call(&["CLIENT", "ID"]))
            .collect::<io::Result<Vec<Value>>>()?;
        Ok(Self { wires, control, ids })
    }

    /// Sends `lines` in one write.
    ///
    /// # Errors
    /// The socket's error.
    pub fn send<'a>(
        &mut self,
        connection: usize,
        lines: impl Iterator<Item = &'a Line>,
    ) -> io::Result<()> {
        let mut output = Vec::new();
        for line in lines {
            match line.as_slice() {
                [first, second, id, rest @ ..] if second.eq_ignore_ascii_case(b"UNBLOCK") => {
                    let id = self.with_ids(id);
                    let words: Vec<&Vec<u8>> =
                        [first, second, &id].into_iter().chain(rest).collect();
                    encode(&words, &mut output);
                }
                _ => encode(line, &mut output),
            }
        }
        self.wires[connection].send_raw(&output)
    }

    /// The id of a connection as a word.
    pub fn id(&self, connection: usize) -> String {
        self.ids[connection].integer().unwrap_or_default().to_string()
    }

    /// Number of connections that wait in a blocking command, as CLIENT LIST says.
    ///
    /// # Errors
    /// The socket's error.
    pub fn blocked(&mut self) -> io::Result<usize> {
        let text = self.control.call(&["CLIENT", "LIST"])?.text();
        let flags = text.split_whitespace().filter_map(|word| word.strip_prefix("flags="));
        Ok(flags.filter(|flags| flags.contains('b')).count())
    }

    /// The reply of `connection`, or `None` once the server says that `before` + 1 are blocked.
    ///
    /// # Errors
    /// As [`Side::blocked`]; `TimedOut` when neither happens.
    pub fn reply_or_blocked(
        &mut self,
        connection: usize,
        before: usize,
    ) -> io::Result<Option<Value>> {
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        loop {
            if let Some(value) = self.wires[connection].read_within(Duration::from_millis(1))? {
                return Ok(Some(value));
            }
            if self.blocked()? > before {
                return Ok(None);
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "neither reply nor blocked"));
            }
        }
    }

    /// Waits until `wanted` connections are blocked; gives the last number seen.
    ///
    /// # Errors
    /// As [`Side::blocked`].
    pub fn wait_blocked(&mut self, wanted: usize) -> io::Result<usize> {
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        loop {
            let seen = self.blocked()?;
            if seen == wanted || Instant::now() > deadline {
                return Ok(seen);
            }
        }
    }

    fn with_ids(&self, word: &[u8]) -> Vec<u8> {
        let number = word
            .strip_prefix(b"@client:")
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<usize>().ok());
        match number {
            Some(number) if number < self.ids.len() => self.id(number).into_bytes(),
            _ => word.to_vec(),
        }
    }
}

fn expect_ok(wire: &mut Wire, words: &[&str]) -> io::Result<()> {
    match wire.call(words)? {
        value if value.is_simple("OK") => Ok(()),
        other => {
            let text = format!("{}: {other}", words.join(" "));
            Err(io::Error::new(io::ErrorKind::InvalidData, text))
        }
    }
}
