//! Job: short rounds of all kinds of commands, mostly such as span shards, from sessions that
//! pipeline and overlap, on keys that are fresh in every round.
//! In: a stage. Out: the verdicts of [`crate::history::linear`] on the rounds.
//! Invariant: written values are unique in a round, so that replies tell much and the search for an
//! order stays short.

use super::session::step;
use super::{Failure, Stage, Summary};
use crate::history::linear::{self, Verdict};
use crate::history::{Event, Request};
use crate::random::Choices;

/// Rounds that run side by side, each on its own thread and keys.
const CELLS: usize = 5;
const SESSIONS_PER_CELL: usize = 6;
const REQUESTS_PER_ROUND: usize = 60;
const MAX_BURST: usize = 4;
/// More undecided rounds than this mean that the workload tests nothing.
const MAX_UNDECIDED_PERCENT: usize = 5;

/// The keys of one round, by the type that they mostly have.
struct Round {
    texts: Vec<String>,
    lists: Vec<String>,
    sets: Vec<String>,
    next_value: usize,
}

impl Round {
    fn new(stage: &Stage, choices: &mut Choices, cell: usize, number: usize) -> Self {
        let mut keys = |kind: &str, count: usize| -> Vec<String> {
            let name = |index| format!("linear:{cell}:{number}:{kind}{index}");
            let shards = stage.keys.shards();
            (0..count).map(|index| stage.keys.on(choices.below(shards), &name(index))).collect()
        };
        Self { texts: keys("t", 3), lists: keys("l", 3), sets: keys("s", 3), next_value: 0 }
    }

    fn all_keys(&self) -> Vec<String> {
        [&self.texts[..], &self.lists[..], &self.sets[..]].concat()
    }

    fn value(&mut self) -> String {
        self.next_value += 1;
        format!("v{}", self.next_value)
    }

    fn request(&mut self, choices: &mut Choices) -> Request {
        match choices.below(100) {
            0..6 => {
                let mut words = vec!["WATCH".to_owned()];
                words.extend((0..2).map(|_| choices.pick(&self.all_keys()).clone()));
                Request::Command(words)
            }
            6..26 => {
                let count = 1 + choices.below(3);
                Request::Transaction((0..count).map(|_| self.command(choices)).collect())
            }
            _ => Request::Command(self.command(choices)),
        }
    }

    fn command(&mut self, choices: &mut Choices) -> Vec<String> {
        let line = match choices.below(10) {
            0..4 => self.text_command(choices),
            4..7 => self.list_command(choices),
            _ => self.set_command(choices),
        };
        line.split(' ').map(str::to_owned).collect()
    }

    fn text_command(&mut self, choices: &mut Choices) -> String {
        let [a, b, c] = three(&self.texts, choices);
        match choices.below(16) {
            0 => format!("GET {a}"),
            1 | 2 => format!("SET {a} {}", self.value()),
            3 => format!("SETNX {a} {}", self.value()),
            4 => format!("GETDEL {a}"),
            5 => format!("APPEND {a} {}", self.value()),
            6 | 7 => format!("MSET {a} {0} {b} {0} {c} {0}", self.value()),
            8 => format!("MSETNX {a} {} {b} {}", self.value(), self.value()),
            9 | 10 => format!("MGET {a} {b} {c}"),
            11 => format!("DEL {a} {b}"),
            12 => format!("EXISTS {a} {b} {c} {a}"),
            13 => format!("RENAME {a} {b}"),
            14 => format!("RENAMENX {a} {b}"),
            _ => format!("COPY {a} {b} REPLACE"),
        }
    }

    fn list_command(&mut self, choices: &mut Choices) -> String {
        let [a, b, _] = three(&self.lists, choices);
        match choices.below(11) {
            0 | 1 => format!("RPUSH {a} {}", self.value()),
            2 => format!("LPUSH {a} {} {}", self.value(), self.value()),
            3 => format!("LPOP {a}"),
            4 | 5 => format!("LRANGE {a} 0 -1"),
            6 => format!("LMOVE {a} {b} LEFT RIGHT"),
            7 => format!("LMOVE {a} {b} RIGHT LEFT"),
            8 => format!("RENAME {a} {b}"),
            9 => format!("COPY {a} {b}"),
            _ => {
                // A list command on a string now and then: errors have their place in the order
                // too.
                let text = choices.pick(&self.texts);
                format!("LMOVE {a} {text} LEFT RIGHT")
            }
        }
    }

    fn set_command(&mut self, choices: &mut Choices) -> String {
        let [a, b, c] = three(&self.sets, choices);
        let member = format!("m{}", choices.below(6));
        match choices.below(13) {
            0 | 1 => format!("SADD {a} {member} {}", self.value()),
            2 => format!("SREM {a} {member}"),
            3 | 4 => format!("SMEMBERS {a}"),
            5 | 6 => format!("SMOVE {a} {b} {member}"),
            7 => format!("SUNIONSTORE {a} {b} {c}"),
            8 => format!("SDIFFSTORE {a} {b} {c}"),
            9 => format!("SINTERSTORE {a} {b} {c}"),
            10 => format!("SUNION {a} {b} {c}"),
            11 => format!("SINTER {a} {b}"),
            _ => format!("SDIFF {a} {b} {c}"),
        }
    }

    /// Reads every key; whatever type it has by now, one of these shows its value.
    fn final_reads(&self) -> Vec<Request> {
        let read = |key: &String| {
            [
                Request::command(&["MGET", key]),
                Request::command(&["LRANGE", key, "0", "-1"]),
                Request::command(&["SMEMBERS", key]),
            ]
        };
        self.all_keys().iter().flat_map(read).collect()
    }
}

/// Three of `keys`, of which the first two differ.
fn three(keys: &[String], choices: &mut Choices) -> [String; 3] {
    let first = choices.below(keys.len());
    let second = (first + 1 + choices.below(keys.len() - 1)) % keys.len();
    [keys[first].clone(), keys[second].clone(), choices.pick(keys).clone()]
}

/// Runs the workload.
///
/// # Errors
/// See [`Failure`].
pub fn run(stage: &Stage) -> Result<Summary, Failure> {
    let cells = stage.threads(CELLS, |cell| run_cell(stage, cell))?;
    let sum = |part: fn(&(usize, usize, usize)) -> usize| cells.iter().map(part).sum::<usize>();
    let (rounds, undecided) = (sum(|cell| cell.0), sum(|cell| cell.1));
    if undecided * 100 > rounds * MAX_UNDECIDED_PERCENT {
        let text = format!("{undecided} of {rounds} rounds could not be decided");
        return Err(Failure::Trouble(text));
    }
    let note = format!("{rounds} rounds, {undecided} undecided");
    Ok(Summary { requests: sum(|cell| cell.2), note })
}

/// Rounds one after the other: how many, how many undecided, how many requests.
fn run_cell(stage: &Stage, cell: usize) -> Result<(usize, usize, usize), Failure> {
    let mut choices = stage.choices.fork(cell as u64);
    let mut sessions = stage.sessions(SESSIONS_PER_CELL)?;
    let (mut rounds, mut undecided, mut requests) = (0, 0, 0);
    while stage.running() {
        let mut round = Round::new(stage, &mut choices, cell, rounds);
        let mut events: Vec<Event> = Vec::new();
        while events.len() < REQUESTS_PER_ROUND {
            step(&mut sessions, &mut choices, &mut events, |choices, _| {
                (0..=choices.below(MAX_BURST)).map(|_| round.request(choices)).collect()
            })?;
        }
        for session in &mut sessions {
            session.receive_all(&mut events)?;
        }
        sessions[0].send(round.final_reads())?;
        sessions[0].receive_all(&mut events)?;
        match linear::check(&events) {
            Verdict::Serializable => {}
            Verdict::Undecided => undecided += 1,
            Verdict::Broken(violation) => return Err(violation.into()),
        }
        rounds += 1;
        requests += events.len();
        let mut delete = vec!["DEL".to_owned()];
        delete.extend(round.all_keys());
        for session in &mut sessions {
            session.ask(Request::command(&["UNWATCH"]))?;
        }
        sessions[0].ask(Request::Command(delete))?;
    }
    Ok((rounds, undecided, requests))
}
