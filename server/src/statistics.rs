//! Statistics of one core: counters per command and per error, totals, the slow log.
//! In: what happened. Out: numbers that INFO, LATENCY and the metrics sum over cores.
//! Invariant: counting costs a few instructions and takes no lock.

use std::collections::{BTreeMap, VecDeque};

use crate::command::table::{self, Command};
use crate::latency::{self, Events};
use crate::message::Client;
use crate::slow_log::ShortWords;

/// Counters of one command on one core.
#[derive(Clone, Debug, Default)]
pub struct CommandStatistics {
    /// Calls.
    pub calls: u64,
    /// Time spent, in clock ticks.
    pub ticks: u64,
    /// Refused before it ran (arity, AUTH, ...).
    pub rejected: u64,
    /// Ran and answered with an error.
    pub failed: u64,
    /// Calls by duration, see [`latency::bucket_of`]; made with the first call.
    pub latency: Option<Box<[u64; latency::BUCKETS]>>,
}

/// An entry of the slow log.
#[derive(Clone, Debug)]
pub struct SlowEntry {
    /// Unique and increasing over all cores.
    pub id: u64,
    /// Seconds since 1970.
    pub time_s: i64,
    /// Microseconds.
    pub duration_us: u64,
    /// Whose command it was.
    pub client: Client,
    /// The words, shortened as Redis does.
    pub words: ShortWords,
    /// `ip:port` of the client.
    pub address: String,
    /// CLIENT SETNAME.
    pub name: String,
}

/// Counters of one core.
pub struct Statistics {
    /// By [`Command::number`].
    pub commands: Vec<CommandStatistics>,
    /// Error replies by code.
    pub errors: BTreeMap<Vec<u8>, u64>,
    /// Error replies.
    pub error_replies: u64,
    /// Commands run.
    pub commands_run: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections refused because of `maxclients`.
    pub connections_rejected: u64,
    /// Bytes received.
    pub input_bytes: u64,
    /// Bytes sent.
    pub output_bytes: u64,
    /// Pieces of input received, and pieces of output handed to the ring.
    pub reads: u64,
    /// See `reads`.
    pub writes: u64,
    /// Time spent on active expiry, in clock ticks.
    pub expire_ticks: u64,
    /// Clients closed because of their output limit.
    pub output_limit_disconnections: u64,
    /// Clients closed because of their query buffer.
    pub query_buffer_limit_disconnections: u64,
    /// Passes of the core loop.
    pub passes: u64,
    /// Longest pass, in microseconds, since the last CONFIG RESETSTAT.
    pub pass_us_max: u64,
    /// Batches sent to other cores, and the commands in them.
    pub batches_sent: u64,
    /// Commands that went to other cores.
    pub commands_sent: u64,
    /// Times the sequencer was taken.
    pub sequenced: u64,
    /// Times another core held it, and how long that took in nanoseconds.
    pub sequencer_waits: u64,
    /// See `sequencer_waits`.
    pub sequencer_wait_ns: u64,
    /// Batches of replies sent to other cores.
    pub reply_batches_sent: u64,
    /// Cores that slept and were rung.
    pub wakes_sent: u64,
    /// Commands of this core's clients that took long, newest first.
    pub slow_log: VecDeque<SlowEntry>,
    /// An entry of the slow log is still without its client's address.
    pub has_nameless_slow: bool,
    /// Commands that took longer go to the slow log; in clock ticks.
    pub slow_log_ticks: u64,
    /// Commands that took as long are events of the latency monitor; in clock ticks.
    pub event_ticks: u64,
    /// Events of the latency monitor.
    pub events: Events,
    /// Rate over the last second: commands, input and output bytes.
    pub rates: Rates,
}

/// Rates of the last sampling period, per second.
#[derive(Copy, Clone, Debug, Default)]
pub struct Rates {
    sampled_ms: i64,
    seen: (u64, u64, u64),
    /// Commands per second.
    pub commands: u64,
    /// Bytes received per second.
    pub input_bytes: u64,
    /// Bytes sent per second.
    pub output_bytes: u64,
}

impl Statistics {
    /// All zero.
    pub fn new() -> Statistics {
        Statistics {
            commands: vec![CommandStatistics::default(); table::numbered().len()],
            errors: BTreeMap::new(),
            error_replies: 0,
            commands_run: 0,
            connections: 0,
            connections_rejected: 0,
            input_bytes: 0,
            output_bytes: 0,
            reads: 0,
            writes: 0,
            expire_ticks: 0,
            output_limit_disconnections: 0,
            query_buffer_limit_disconnections: 0,
            passes: 0,
            pass_us_max: 0,
            batches_sent: 0,
            commands_sent: 0,
            sequenced: 0,
            sequencer_waits: 0,
            sequencer_wait_ns: 0,
            reply_batches_sent: 0,
            wakes_sent: 0,
            slow_log: VecDeque::new(),
            has_nameless_slow: false,
            slow_log_ticks: u64::MAX,
            event_ticks: u64::MAX,
            events: Events::default(),
            rates: Rates::default(),
        }
    }

    /// A command ran and took this long. `is_counted`: only the time is new.
    #[inline]
    pub fn count(&mut self, command: &Command, ticks: u64, failed: bool, is_counted: bool) {
        let counters = &mut self.commands[command.number];
        counters.ticks += ticks;
        if is_counted {
            return;
        }
        self.commands_run += 1;
        counters.calls += 1;
        counters.failed += u64::from(failed);
        let latency = counters.latency.get_or_insert_with(|| Box::new([0; latency::BUCKETS]));
        latency[latency::bucket_of(ticks)] += 1;
    }

    /// The sequencer was taken, after so long if another core held it, else after 0.
    #[inline]
    pub fn count_sequenced(&mut self, waited_ns: u64) {
        self.sequenced += 1;
        self.sequencer_waits += u64::from(waited_ns > 0);
        self.sequencer_wait_ns += waited_ns;
    }

    /// A command was refused before it ran.
    pub fn count_rejected(&mut self, command: &Command) {
        self.commands[command.number].rejected += 1;
    }

    /// An error reply was written.
    #[cold]
    pub fn count_error(&mut self, code: Option<&[u8]>) {
        self.error_replies += 1;
        let code = code.unwrap_or(b"ERR");
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else if self.errors.len() < 128 {
            self.errors.insert(code.to_vec(), 1);
        }
    }

    /// True when a command of this duration belongs into the slow log or is an event.
    #[inline]
    pub fn is_slow(&self, ticks: u64) -> bool {
        ticks > self.slow_log_ticks || ticks >= self.event_ticks
    }

    /// Takes a sample for the rates; called on ticks.
    pub fn sample(&mut self, monotonic_ms: i64) {
        let period_ms = monotonic_ms - self.rates.sampled_ms;
        if period_ms < 500 {
            return;
        }
        let seen = (self.commands_run, self.input_bytes, self.output_bytes);
        let last = self.rates.seen;
        let rate = |new: u64, old: u64| new.saturating_sub(old) * 1000 / period_ms as u64;
        self.rates = Rates {
            sampled_ms: monotonic_ms,
            seen,
            commands: rate(seen.0, last.0),
            input_bytes: rate(seen.1, last.1),
            output_bytes: rate(seen.2, last.2),
        };
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&mut self) {
        let slow_log = std::mem::take(&mut self.slow_log);
        let events = std::mem::take(&mut self.events);
        let Statistics { slow_log_ticks, event_ticks, .. } = *self;
        *self = Statistics { slow_log, events, slow_log_ticks, event_ticks, ..Statistics::new() };
    }
}

impl Default for Statistics {
    fn default() -> Self {
        Statistics::new()
    }
}
