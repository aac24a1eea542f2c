//! Job: list appends and reads, alone, in transactions, under WATCH and through COPY, from many
//! connections that pipeline, over lists on all shards.
//! In: a stage. Out: the verdict of [`crate::history::append`] on the whole history.
//! Invariant: elements are unique numbers; a list is left for a fresh one before reading it gets
//! slow, and all lists are read once more at the end.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use super::session::{Session, step};
use super::{Failure, Stage, Summary};
use crate::history::{Event, Request, append};
use crate::random::Choices;

const THREADS: usize = 8;
const SESSIONS_PER_THREAD: usize = 4;
const LISTS: usize = 6;
/// Appends after which a list is replaced by a fresh one.
const LIST_LENGTH: u64 = 32;
const MAX_BURST: usize = 4;
/// Bounds the memory of the history.
const MAX_EVENTS_PER_THREAD: usize = 8_000;

/// The lists in use, for all threads.
struct Lists<'a> {
    stage: &'a Stage,
    shards: Vec<usize>,
    appends: Vec<AtomicU64>,
    next_element: AtomicU64,
}

impl Lists<'_> {
    fn name(&self, list: usize, generation: u64) -> String {
        self.stage.keys.on(self.shards[list], &format!("append:{list}:{generation}"))
    }

    /// The present key of a random list.
    fn any(&self, choices: &mut Choices) -> String {
        let list = choices.below(LISTS);
        self.name(list, self.appends[list].load(Ordering::Relaxed) / LIST_LENGTH)
    }

    fn push(&self, choices: &mut Choices) -> Vec<String> {
        let list = choices.below(LISTS);
        let generation = self.appends[list].fetch_add(1, Ordering::Relaxed) / LIST_LENGTH;
        let element = self.next_element.fetch_add(1, Ordering::Relaxed);
        words(&["RPUSH", &self.name(list, generation), &element.to_string()])
    }

    fn read(&self, choices: &mut Choices) -> Vec<String> {
        words(&["LRANGE", &self.any(choices), "0", "-1"])
    }

    fn push_or_read(&self, choices: &mut Choices) -> Vec<String> {
        if choices.percent(50) { self.push(choices) } else { self.read(choices) }
    }

    /// The next things that a session asks for, as one pipeline.
    fn burst(&self, choices: &mut Choices, session: &Session) -> Vec<Request> {
        let mut requests = Vec::new();
        for _ in 0..=choices.below(MAX_BURST) {
            match choices.below(100) {
                0..30 => requests.push(Request::Command(self.push(choices))),
                30..50 => requests.push(Request::Command(self.read(choices))),
                50..78 => {
                    let count = 2 + choices.below(3);
                    let commands = (0..count).map(|_| self.push_or_read(choices)).collect();
                    requests.push(Request::Transaction(commands));
                }
                78..86 => {
                    let read_all = |list: usize| {
                        let appends = self.appends[list].load(Ordering::Relaxed);
                        words(&["LRANGE", &self.name(list, appends / LIST_LENGTH), "0", "-1"])
                    };
                    requests.push(Request::Transaction((0..LISTS).map(read_all).collect()));
                }
                86..94 => {
                    let (one, other) = (self.any(choices), self.any(choices));
                    requests.push(Request::command(&["WATCH", &one, &other]));
                    for key in [&one, &other] {
                        requests.push(Request::command(&["LRANGE", key, "0", "-1"]));
                    }
                    let commands = (0..2).map(|_| self.push(choices)).collect();
                    requests.push(Request::Transaction(commands));
                }
                _ => {
                    let name = format!("append:copy:{}", session.number);
                    let mine = self.stage.keys.on(choices.below(self.stage.keys.shards()), &name);
                    requests.push(Request::Transaction(vec![
                        words(&["DEL", &mine]),
                        words(&["COPY", &self.any(choices), &mine, "REPLACE"]),
                        words(&["LRANGE", &mine, "0", "-1"]),
                        self.push(choices),
                    ]));
                }
            }
        }
        requests
    }
}

/// Runs the workload.
///
/// # Errors
/// See [`Failure`].
pub fn run(stage: &Stage) -> Result<Summary, Failure> {
    let mut shards: Vec<usize> = (0..LISTS).collect();
    stage.choices.fork(0).shuffle(&mut shards);
    let lists = Lists {
        stage,
        shards,
        appends: (0..LISTS).map(|_| AtomicU64::new(0)).collect(),
        next_element: AtomicU64::new(1),
    };
    let recorded = stage.threads(THREADS, |thread| {
        let mut choices = stage.choices.fork(1 + thread as u64);
        let mut sessions = stage.sessions(SESSIONS_PER_THREAD)?;
        let mut events = Vec::new();
        while stage.running() && events.len() < MAX_EVENTS_PER_THREAD {
            step(&mut sessions, &mut choices, &mut events, |choices, session| {
                lists.burst(choices, session)
            })?;
        }
        for session in &mut sessions {
            session.receive_all(&mut events)?;
        }
        Ok(events)
    })?;
    let mut history = recorded.concat();
    read_everything(&lists, &mut history)?;
    append::check(&history)?;
    Ok(Summary { requests: history.len(), note: String::new() })
}

fn read_everything(lists: &Lists, history: &mut Vec<Event>) -> Result<(), Failure> {
    let mut names = BTreeSet::new();
    for list in 0..LISTS {
        let last = lists.appends[list].load(Ordering::Relaxed) / LIST_LENGTH;
        names.extend((0..=last).map(|generation| lists.name(list, generation)));
    }
    let mut session = lists.stage.session()?;
    for name in &names {
        history.push(session.ask(Request::command(&["LRANGE", name, "0", "-1"]))?);
    }
    Ok(())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
