//! A call on its way.
//!
//! Job: take a call apart into commands, and put its reply together from their answers. In: a call,
//! answers. Out: commands, a reply. Invariant: a command is sent again only if its answer says that it
//! was not carried out (`MOVED`, `ASK`, `NOSCRIPT`), and before the call's deadline.

use ringlet_base::number::parse_i64;
use ringlet_protocol::Value;

use super::cluster::redirected_to;
use super::greeting::{Facts, LeaseWay};
use super::words::{Word, command};
use crate::store::{StoreCommand, StoreReply};

/// As often a command goes to another place before its call fails.
pub(super) const HOPS_MAX: u8 = 3;

/// One command of a call.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `INCRBY`, or `DECRBY` of an `Uncount`, or the lease: what the reply tells of.
    Main,
    Expire,
    Previous,
}

/// Why a part goes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// To another server, whose slot it is.
    Moved(String),
    /// To another server, this once: the key may be there already.
    Ask(String),
    /// Behind the script.
    LoadScript,
}

/// What answers say of the server, besides what they say of the call; the worst last.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    /// The server works, even if it refuses this command.
    Well,
    /// It can carry out nothing now.
    Sick,
    /// It can carry out nothing until it becomes a primary.
    Replica,
}

/// A call, with what has come of it.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) id: u64,
    command: StoreCommand,
    pub(super) deadline_ns: u64,
    /// Where it is.
    pub(super) server: usize,
    /// Answers that are to come.
    pub(super) outstanding: u8,
    /// As often as it has been sent again.
    pub(super) hops: u8,
    /// Its deadline has passed; it waits for its answers only because they come in order.
    pub(super) is_answered: bool,
    /// The worst of what its answers say.
    pub(super) health: Health,
    /// The first error that is no redirection.
    pub(super) refusal: Option<String>,
    again: Option<Again>,
    parts_again: Vec<Part>,
    reply: StoreReply,
    previous: Option<i64>,
}

impl Flight {
    pub(super) fn new(id: u64, command: StoreCommand, deadline_ns: u64, server: usize) -> Self {
        let previous = match &command {
            StoreCommand::Count { previous: Some(_), .. } => None,
            _ => Some(0),
        };
        Self {
            id,
            command,
            deadline_ns,
            server,
            outstanding: 0,
            hops: 0,
            is_answered: false,
            health: Health::Well,
            refusal: None,
            again: None,
            parts_again: Vec::new(),
            reply: StoreReply::Failed,
            previous,
        }
    }

    /// The key that decides where it goes.
    pub(super) fn key_of(command: &StoreCommand) -> &[u8] {
        match command {
            StoreCommand::Count { key, .. }
            | StoreCommand::Uncount { key, .. }
            | StoreCommand::Lease { key, .. } => key,
        }
    }

    /// Its commands.
    pub(super) fn parts(&self) -> &'static [Part] {
        match &self.command {
            StoreCommand::Count { previous: Some(_), .. } => {
                &[Part::Main, Part::Expire, Part::Previous]
            }
            StoreCommand::Count { previous: None, .. } | StoreCommand::Uncount { .. } => {
                &[Part::Main, Part::Expire]
            }
            StoreCommand::Lease { .. } => &[Part::Main],
        }
    }

    /// Writes one command. `false`: the server cannot be asked this.
    pub(super) fn write(&self, part: Part, facts: &Facts, holder: &str, out: &mut Vec<u8>) -> bool {
        match (&self.command, part) {
            (StoreCommand::Count { key, amount, .. }, Part::Main) => {
                command(out, &["INCRBY".into(), key[..].into(), (*amount).into()]);
            }
            (
                StoreCommand::Count { key, expire_at_ms, .. }
                | StoreCommand::Uncount { key, expire_at_ms, .. },
                Part::Expire,
            ) => {
                // Everybody gives a window's key the same end, so without NX it only costs more.
                let words: [Word<'_>; 4] =
                    ["PEXPIREAT".into(), key[..].into(), (*expire_at_ms).into(), "NX".into()];
                command(out, if facts.has_expire_nx { &words } else { &words[..3] });
            }
            (StoreCommand::Count { previous, .. }, Part::Previous) => {
                let Some(previous) = previous else { return false };
                command(out, &["GET".into(), previous[..].into()]);
            }
            (StoreCommand::Uncount { key, amount, .. }, _) => {
                command(out, &["DECRBY".into(), key[..].into(), (*amount).into()]);
            }
            (StoreCommand::Lease { key, .. }, _) => {
                let numbers = self.lease_numbers(holder);
                match &facts.lease {
                    LeaseWay::None => return false,
                    LeaseWay::Native => {
                        let mut words: Vec<Word<'_>> = vec!["RL.LEASE".into(), key[..].into()];
                        words.extend(numbers);
                        command(out, &words);
                    }
                    LeaseWay::Script(digest) => {
                        let mut words: Vec<Word<'_>> =
                            vec!["EVALSHA".into(), digest[..].into(), "1".into(), key[..].into()];
                        words.extend(numbers);
                        command(out, &words);
                    }
                }
            }
        }
        true
    }

    /// The words of a lease behind its key.
    fn lease_numbers<'a>(&self, holder: &'a str) -> impl Iterator<Item = Word<'a>> + use<'a> {
        let (first, last) = match self.command {
            StoreCommand::Lease {
                burst,
                count,
                period_ms,
                sequence,
                held,
                returned,
                want,
                ttl_ms,
                ..
            } => ([burst, count, period_ms], [sequence, held, returned, want, ttl_ms]),
            _ => ([0; 3], [0; 5]),
        };
        let first = first.into_iter().map(Word::from);
        first.chain([holder.into()]).chain(last.into_iter().map(Word::from))
    }

    /// Takes the answer to one part, given by the server at `asked`.
    pub(super) fn learn(&mut self, part: Part, answer: &Value, asked: &str) {
        self.outstanding = self.outstanding.saturating_sub(1);
        match (part, &self.command, answer) {
            (_, _, Value::Error(text)) => {
                self.learn_error(part, &String::from_utf8_lossy(text), asked);
            }
            (Part::Main, StoreCommand::Count { .. }, Value::Integer(total)) => {
                self.reply = StoreReply::Counted { total: *total, previous: 0 };
            }
            (Part::Main, StoreCommand::Uncount { .. }, Value::Integer(_)) => {
                self.reply = StoreReply::Uncounted;
            }
            (Part::Main, StoreCommand::Lease { want, .. }, Value::Array(numbers)) => {
                self.reply = read_lease(numbers, *want).unwrap_or(StoreReply::Failed);
            }
            (Part::Previous, _, Value::NullBulk) => self.previous = Some(0),
            (Part::Previous, _, Value::Bulk(text)) => self.previous = parse_i64(text),
            _ => {}
        }
    }

    fn learn_error(&mut self, part: Part, error: &str, asked: &str) {
        let (again, health) = match error.split(' ').next().unwrap_or_default() {
            "MOVED" => (redirected_to(error, asked).map(Again::Moved), Health::Well),
            "ASK" => (redirected_to(error, asked).map(Again::Ask), Health::Well),
            "NOSCRIPT" => (Some(Again::LoadScript), Health::Well),
            "READONLY" => (None, Health::Replica),
            "LOADING" | "OOM" | "MISCONF" | "BUSY" | "NOREPLICAS" | "MASTERDOWN"
            | "CLUSTERDOWN" => (None, Health::Sick),
            _ => (None, Health::Well),
        };
        self.health = self.health.max(health);
        if let Some(again) = again {
            self.again.get_or_insert(again);
            self.parts_again.push(part);
        } else {
            self.refusal.get_or_insert_with(|| error.to_owned());
        }
    }

    /// What is to go again, and why; once the answers to all parts have come.
    pub(super) fn take_again(&mut self) -> Option<(Again, Vec<Part>)> {
        let again = self.again.take()?;
        let parts = std::mem::take(&mut self.parts_again);
        self.hops += 1;
        (self.hops <= HOPS_MAX && !self.is_answered).then_some((again, parts))
    }

    /// The reply, of what is known.
    pub(super) fn reply(&self) -> StoreReply {
        match (self.reply, self.previous) {
            (StoreReply::Counted { total, .. }, Some(previous)) => {
                StoreReply::Counted { total, previous }
            }
            // The tokens are counted, but what they may be spent on is not known.
            (StoreReply::Counted { .. }, None) => StoreReply::Failed,
            (reply, _) => reply,
        }
    }
}

/// `[granted, remaining, retry_ms, now_ms, epoch_ms, holders]`; more may follow one day.
fn read_lease(numbers: &[Value], want: u64) -> Option<StoreReply> {
    let number = |at: usize| match numbers.get(at)? {
        Value::Integer(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let granted = number(0).filter(|&granted| granted <= want)?;
    number(3)?;
    Some(StoreReply::Leased {
        granted,
        remaining: number(1)?,
        retry_ms: number(2)?,
        epoch_ms: number(4)?,
        holders: number(5)?,
    })
}

#[cfg(test)]
#[path = "flight_tests.rs"]
mod tests;
