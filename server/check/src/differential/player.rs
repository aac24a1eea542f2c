//! Job: play the steps of a round on both servers and compare all that comes back.
//! In: two addresses, a round, the steps of it that are to be played.
//! Out: nothing, or the first [`Mismatch`].
//! Invariant: a step goes to both servers before the next one goes to any.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::thread;
use std::time::Duration;

use crate::value::{Value, quoted};
use crate::wire::{Address, Wire};

use super::blocking::{self, Course};
use super::compare::{Rule, agree, agree_transaction};
use super::dataset::Dataset;
use super::grammar::Line;
use super::round::{Round, Step, without_blocking};
use super::side::Side;

/// What a mismatch is called when a server does not get as far as the first step.
pub const PREPARATION: &str = "preparation: connect, FLUSHALL, CONFIG SET, HELLO, CLIENT ID";

/// Until a key with a millisecond to live is gone for every clock, coarse ones too.
const LAPSE: Duration = Duration::from_millis(10);
/// Words of one line that are shown.
const SHOWN_WORDS: usize = 24;
/// Most calls that one walk with a cursor may take.
const WALK_CALLS_MAX: usize = 100_000;

/// The servers that are compared.
#[derive(Clone, Debug)]
pub struct Pair {
    /// redis-server.
    pub reference: Address,
    /// The server under test.
    pub tested: Address,
}

/// Where the two servers differ.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// Index of the step, or `None` for the dataset at the end.
    pub step: Option<usize>,
    /// What was asked.
    pub what: String,
    /// The reference's answer.
    pub expected: String,
    /// The tested server's answer.
    pub got: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "  asked:    {}", self.what)?;
        writeln!(out, "  expected: {}", self.expected)?;
        write!(out, "  got:      {}", self.got)
    }
}

impl Mismatch {
    fn new(what: String, expected: &Value, got: &Value) -> Self {
        Self { step: None, what, expected: expected.to_string(), got: got.to_string() }
    }

    /// A failure of the connection or of the preparation on one side.
    pub fn failed(what: &str, reference: io::Result<()>, tested: io::Result<()>) -> Self {
        let show = |outcome: io::Result<()>| match outcome {
            Ok(()) => "an answer".to_owned(),
            Err(error) => format!("failure: {error}"),
        };
        let (expected, got) = (show(reference), show(tested));
        Self { step: None, what: what.to_owned(), expected, got }
    }
}

/// A line as a user would type it; of a very long one the beginning.
pub fn typed(line: &Line) -> String {
    let mut text = line.iter().take(SHOWN_WORDS).map(|word| quoted(word)).collect::<Vec<_>>();
    if line.len() > SHOWN_WORDS {
        text.push(format!("...({} words)", line.len()));
    }
    text.join(" ")
}

impl Pair {
    /// Plays `steps` of `round` on emptied servers and compares replies and final datasets.
    ///
    /// # Errors
    /// The first difference.
    pub fn play(&self, round: &Round, steps: &[Step]) -> Result<(), Mismatch> {
        let mut player = Player::open(self, round)?;
        if round.blocking {
            if blocking::play(&mut player, steps)? == Course::Parted {
                return Ok(());
            }
        } else {
            player.batches(&without_blocking(steps, round.connections))?;
        }
        player.compare_datasets(round)
    }
}

/// Both servers during a round.
#[derive(Debug)]
pub struct Player {
    /// redis-server.
    pub reference: Side,
    /// The server under test.
    pub tested: Side,
    /// For each connection the rules of the commands queued since MULTI.
    queued: Vec<Option<Vec<Rule>>>,
}

impl Player {
    fn open(pair: &Pair, round: &Round) -> Result<Self, Mismatch> {
        match (Side::open(&pair.reference, round), Side::open(&pair.tested, round)) {
            (Ok(reference), Ok(tested)) => {
                Ok(Self { reference, tested, queued: vec![None; round.connections] })
            }
            (reference, tested) => {
                Err(Mismatch::failed(PREPARATION, reference.map(|_| ()), tested.map(|_| ())))
            }
        }
    }

    /// Both results, or the mismatch that one of them is a failure.
    pub fn both<T>(
        what: &str,
        reference: io::Result<T>,
        tested: io::Result<T>,
    ) -> Result<(T, T), Mismatch> {
        match (reference, tested) {
            (Ok(expected), Ok(got)) => Ok((expected, got)),
            (reference, tested) => {
                Err(Mismatch::failed(what, reference.map(|_| ()), tested.map(|_| ())))
            }
        }
    }

    fn batches(&mut self, steps: &[Step]) -> Result<(), Mismatch> {
        let mut start = 0;
        while start < steps.len() {
            let connection = steps[start].connection;
            let alone = |step: &Step| step.rule.asks_again();
            let mut end = start + 1;
            while end < steps.len()
                && steps[end].joined
                && steps[end].connection == connection
                && !alone(&steps[end])
                && !alone(&steps[end - 1])
            {
                end += 1;
            }
            self.batch(connection, &steps[start..end]).map_err(|mut mismatch| {
                mismatch.step = mismatch.step.map(|index| start + index);
                mismatch
            })?;
            start = end;
        }
        Ok(())
    }

    fn batch(&mut self, connection: usize, steps: &[Step]) -> Result<(), Mismatch> {
        let lines = || steps.iter().map(|step| &step.line);
        let sent =
            (self.reference.send(connection, lines()), self.tested.send(connection, lines()));
        Self::both("sending", sent.0, sent.1)?;
        for (index, step) in steps.iter().enumerate() {
            self.answer(step).map_err(|mut mismatch| {
                mismatch.step = Some(index);
                mismatch
            })?;
        }
        Ok(())
    }

    fn answer(&mut self, step: &Step) -> Result<(), Mismatch> {
        let connection = step.connection;
        let replies =
            (self.reference.wires[connection].read(), self.tested.wires[connection].read());
        let (expected, got) = Self::both(&typed(&step.line), replies.0, replies.1)?;
        self.judge(step, &expected, &got)?;
        self.ask_again(step, expected, got)
    }

    /// Asks both servers what is needed to judge a reply that each of them chose.
    ///
    /// # Errors
    /// The difference.
    pub fn ask_again(&mut self, step: &Step, expected: Value, got: Value) -> Result<(), Mismatch> {
        if self.queued[step.connection].is_some() || expected.is_error() || expected.is_null() {
            return Ok(());
        }
        match step.rule {
            Rule::Pop => self.pop_from_both(step, &expected, &got),
            Rule::Sample => self.check_sample(step, &got),
            Rule::Walk => self.walk(step, expected, got),
            Rule::SomeKey => self.check_key(step, &got),
            Rule::Lapse => {
                thread::sleep(LAPSE);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Compares one pair of replies and follows MULTI and EXEC.
    ///
    /// # Errors
    /// The difference.
    pub fn judge(&mut self, step: &Step, expected: &Value, got: &Value) -> Result<(), Mismatch> {
        let name = step.line.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
        let queued = &mut self.queued[step.connection];
        let equal = match (name.as_slice(), &queued) {
            (b"EXEC", Some(rules)) => agree_transaction(rules, expected, got),
            _ if expected.is_simple("QUEUED") => expected == got,
            _ => agree(step.rule, expected, got),
        };
        let ended = match expected {
            Value::Error(text) => text.starts_with(b"EXECABORT"),
            _ => matches!(name.as_slice(), b"EXEC" | b"DISCARD" | b"RESET"),
        };
        match queued {
            _ if ended && !expected.is_simple("QUEUED") => *queued = None,
            Some(rules) if expected.is_simple("QUEUED") => rules.push(step.rule),
            None if name == b"MULTI" && expected.is_simple("OK") => *queued = Some(Vec::new()),
            _ => {}
        }
        if equal { Ok(()) } else { Err(Mismatch::new(typed(&step.line), expected, got)) }
    }

    fn ask_both<W: AsRef<[u8]>>(
        &mut self,
        connection: usize,
        to_reference: &[W],
        to_tested: &[W],
    ) -> Result<(Value, Value), Mismatch> {
        let replies = (
            self.reference.wires[connection].call(to_reference),
            self.tested.wires[connection].call(to_tested),
        );
        Self::both("a question about a random reply", replies.0, replies.1)
    }

    /// Takes from each server what the other one picked, so that both stay equal.
    fn pop_from_both(
        &mut self,
        step: &Step,
        expected: &Value,
        got: &Value,
    ) -> Result<(), Mismatch> {
        let picked = |value: &Value| -> BTreeSet<Vec<u8>> {
            match value.bytes() {
                Some(bytes) => BTreeSet::from([bytes.to_vec()]),
                None => value
                    .clone()
                    .into_items()
                    .iter()
                    .filter_map(|item| item.bytes().map(<[u8]>::to_vec))
                    .collect(),
            }
        };
        let (by_reference, by_tested) = (picked(expected), picked(got));
        let missing = |from: &BTreeSet<Vec<u8>>, others: &BTreeSet<Vec<u8>>| -> Line {
            let mut line = vec![b"SREM".to_vec(), step.line[1].clone()];
            line.extend(others.difference(from).cloned());
            line
        };
        let to_reference = missing(&by_reference, &by_tested);
        let to_tested = missing(&by_tested, &by_reference);
        let count = to_reference.len() as i64 - 2;
        let distinct = by_reference.len() == by_tested.len();
        if count == 0 && distinct {
            return Ok(());
        }
        let removed = self.ask_both(step.connection, &to_reference, &to_tested)?;
        let all = Value::Integer(count);
        match distinct && removed == (all.clone(), all) {
            true => Ok(()),
            false => Err(Mismatch::new(
                format!("{} picks distinct members", typed(&step.line)),
                expected,
                got,
            )),
        }
    }

    fn check_sample(&mut self, step: &Step, got: &Value) -> Result<(), Mismatch> {
        let key = &step.line[1];
        let query: Line = match step.line[0].to_ascii_uppercase().as_slice() {
            b"HRANDFIELD" => vec![b"HGETALL".to_vec(), key.clone()],
            b"SRANDMEMBER" => vec![b"SMEMBERS".to_vec(), key.clone()],
            _ => ["ZRANGE", "", "0", "-1", "WITHSCORES"]
                .iter()
                .map(|word| if word.is_empty() { key.clone() } else { word.as_bytes().to_vec() })
                .collect(),
        };
        let all = self.tested.wires[step.connection].call(&query);
        let (all, _) = Self::both("the members", all, Ok(Value::Null))?;
        let together = !step.line[0].eq_ignore_ascii_case(b"SRANDMEMBER");
        let known = elements(&all, together);
        let mut picked = elements(got, together && step.line.len() > 3);
        if !(together && step.line.len() > 3) {
            let names: BTreeSet<_> = known.iter().map(|item| item[..1].to_vec()).collect();
            picked.retain(|item| !names.contains(item));
        } else {
            picked.retain(|item| !known.contains(item));
        }
        let positive = step.line.get(2).is_some_and(|count| !count.starts_with(b"-"));
        let items = elements(got, together && step.line.len() > 3);
        let twice = positive && items.iter().collect::<BTreeSet<_>>().len() < items.len();
        match picked.is_empty() && !twice {
            true => Ok(()),
            false => Err(Mismatch::new(format!("{}: members only", typed(&step.line)), &all, got)),
        }
    }

    fn check_key(&mut self, step: &Step, got: &Value) -> Result<(), Mismatch> {
        let key = got.bytes().unwrap_or_default();
        let there = self.tested.wires[step.connection].call(&[b"EXISTS".as_slice(), key]);
        let (there, _) = Self::both("EXISTS", there, Ok(Value::Null))?;
        match there == Value::Integer(1) {
            true => Ok(()),
            false => {
                Err(Mismatch::new("RANDOMKEY names a key".to_owned(), &Value::Integer(1), got))
            }
        }
    }

    fn walk(&mut self, step: &Step, expected: Value, got: Value) -> Result<(), Mismatch> {
        let cursor_at = if step.line[0].eq_ignore_ascii_case(b"SCAN") { 1 } else { 2 };
        if step.line.get(cursor_at).is_none_or(|cursor| cursor != b"0") {
            return Ok(());
        }
        let together = matches!(step.line[0].to_ascii_uppercase().as_slice(), b"HSCAN" | b"ZSCAN");
        let line = &step.line;
        let follow = |wire: &mut Wire, first| follow(wire, line, cursor_at, first, together);
        let found = (
            follow(&mut self.reference.wires[step.connection], expected),
            follow(&mut self.tested.wires[step.connection], got),
        );
        let (expected, got) = Self::both(&typed(&step.line), found.0, found.1)?;
        let flat =
            |found: &BTreeSet<Vec<Value>>| Value::Array(found.iter().flatten().cloned().collect());
        let (expected, got) = (flat(&expected), flat(&got));
        match agree(Rule::Scores, &expected, &got) {
            true => Ok(()),
            false => {
                Err(Mismatch::new(format!("{} to the end", typed(&step.line)), &expected, &got))
            }
        }
    }

    fn compare_datasets(&mut self, round: &Round) -> Result<(), Mismatch> {
        let read =
            (Dataset::read(&mut self.reference.control), Dataset::read(&mut self.tested.control));
        let (expected, got) = Self::both("the whole dataset", read.0, read.1)?;
        // How long a key counts that is over and that nobody has asked for is left open.
        match expected.difference(&got, !round.lapses) {
            None => Ok(()),
            Some((what, expected, got)) => Err(Mismatch { step: None, what, expected, got }),
        }
    }
}

/// The elements of a collection, names with their values when `together`, flat or nested.
fn elements(value: &Value, together: bool) -> Vec<Vec<Value>> {
    if value.bytes().is_some() {
        return vec![vec![value.clone()]];
    }
    let items = value.clone().into_items();
    if items.iter().any(|item| item.items().is_some()) {
        return items.into_iter().map(Value::into_items).collect();
    }
    items.chunks(if together { 2 } else { 1 }).map(<[Value]>::to_vec).collect()
}

/// Everything that a walk finds, beginning with its first reply.
fn follow(
    wire: &mut Wire,
    line: &Line,
    cursor_at: usize,
    first: Value,
    together: bool,
) -> io::Result<BTreeSet<Vec<Value>>> {
    let mut found = BTreeSet::new();
    let mut reply = first;
    for _ in 0..WALK_CALLS_MAX {
        let [cursor, items]: [Value; 2] = reply.into_items().try_into().map_err(|items| {
            io::Error::new(io::ErrorKind::InvalidData, format!("no cursor in {items:?}"))
        })?;
        found.extend(elements(&items, together));
        if cursor == Value::bulk("0") {
            return Ok(found);
        }
        let mut next = line.clone();
        next[cursor_at] = cursor.bytes().unwrap_or_default().to_vec();
        reply = wire.call(&next)?;
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "the walk does not end"))
}
