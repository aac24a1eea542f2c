//! Job: commands that mean a whole database: FLUSHALL, SWAPDB, MOVE of all keys, DBSIZE, KEYS.
//! In: a stage. Out: the verdicts of [`crate::history::conserve`] on every snapshot.
//! Invariant: the keys of a database only ever come and go together, so every count of them gives
//! all or none, and those that are there hold one value.

use super::session::{Session, step};
use super::{Failure, Stage, Summary};
use crate::client::Reply;
use crate::history::conserve::{check_alike, check_all_or_none};
use crate::history::{Event, Request, Violation};
use crate::random::Choices;

const SESSIONS_PER_THREAD: usize = 3;
const WRITERS: usize = 3;
const READERS: usize = 3;
const MAX_BURST: usize = 3;
const KEYS: usize = 6;
/// The databases whose keys come and go; each session works in one of them.
const DATABASES: [&str; 2] = ["3", "4"];

/// Runs the workload. It empties the server.
///
/// # Errors
/// See [`Failure`].
pub fn run(stage: &Stage) -> Result<Summary, Failure> {
    let keys: Vec<String> =
        (0..KEYS).map(|index| stage.keys.on(index, &format!("whole:{index}"))).collect();
    stage.session()?.ask(Request::command(&["FLUSHALL"]))?;
    let counts = stage.threads(WRITERS + READERS, |thread| {
        let mut choices = stage.choices.fork(thread as u64);
        let mut sessions = stage.sessions(SESSIONS_PER_THREAD)?;
        for session in &mut sessions {
            let database = DATABASES[session.number % DATABASES.len()];
            session.ask(Request::command(&["SELECT", database]))?;
        }
        let mut count = 0;
        let mut events = Vec::new();
        while stage.running() {
            step(&mut sessions, &mut choices, &mut events, |choices, session| {
                let request = |choices: &mut Choices| match thread < WRITERS {
                    true => act(&keys, choices, session),
                    false => look(&keys, choices),
                };
                (0..=choices.below(MAX_BURST)).map(|_| request(choices)).collect()
            })?;
            count += events.len();
            events.drain(..).try_for_each(|event| judge(&event))?;
        }
        Ok(count)
    })?;
    Ok(Summary { requests: counts.iter().sum(), note: String::new() })
}

fn words(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|&part| part.to_owned()).collect()
}

/// `name` with all keys.
fn on_all(name: &str, keys: &[String]) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(keys.iter().cloned()).collect()
}

fn set_all(keys: &[String], choices: &mut Choices) -> Vec<String> {
    let value = choices.below(1 << 30).to_string();
    let pairs = keys.iter().flat_map(|key| [key.clone(), value.clone()]);
    std::iter::once("MSET".to_owned()).chain(pairs).collect()
}

/// A change that leaves each database whole or empty.
fn act(keys: &[String], choices: &mut Choices, session: &Session) -> Request {
    let other = DATABASES[(session.number + 1) % DATABASES.len()];
    match choices.below(12) {
        0 => Request::command(&["FLUSHALL"]),
        1 => Request::command(&["FLUSHALL", "ASYNC"]),
        2 => Request::command(&["FLUSHDB"]),
        3 => Request::Command(on_all(if choices.percent(50) { "DEL" } else { "UNLINK" }, keys)),
        4..6 => Request::command(&["SWAPDB", DATABASES[0], DATABASES[1]]),
        // Whether the other database has all keys or none: all move, or none does.
        6 => Request::Transaction(keys.iter().map(|key| words(&["MOVE", key, other])).collect()),
        7 => {
            let copy = |key: &String| words(&["COPY", key, key, "DB", other, "REPLACE"]);
            Request::Transaction(keys.iter().map(copy).collect())
        }
        8 => Request::Transaction(vec![words(&["FLUSHALL"]), set_all(keys, choices)]),
        _ => Request::Command(set_all(keys, choices)),
    }
}

/// A snapshot of one database.
fn look(keys: &[String], choices: &mut Choices) -> Request {
    match choices.below(6) {
        0 => Request::command(&["DBSIZE"]),
        1 => Request::command(&["KEYS", "*"]),
        2 => Request::Command(on_all("EXISTS", keys)),
        _ => Request::Transaction(vec![on_all("MGET", keys), words(&["DBSIZE"])]),
    }
}

/// Judges what a session got.
fn judge(event: &Event) -> Result<(), Failure> {
    let name = match &event.request {
        Request::Command(words) => words[0].as_str(),
        Request::Transaction(commands) => commands[0][0].as_str(),
    };
    let found = match (name, &event.reply) {
        ("DBSIZE" | "EXISTS", Reply::Integer(count)) => check_all_or_none(KEYS, &[*count]),
        ("KEYS", Reply::Array(names)) => check_all_or_none(KEYS, &[names.len() as i64]),
        ("MGET", Reply::Array(replies)) => match replies.as_slice() {
            [Reply::Array(values), Reply::Integer(size)] => {
                let there = values.iter().filter(|value| **value != Reply::Null).count() as i64;
                check_alike(values).and_then(|()| check_all_or_none(KEYS, &[there, *size]))
            }
            _ => Err(Violation::new("a reply of the wrong kind", String::new())),
        },
        ("MOVE", Reply::Array(moved)) => check_alike(moved),
        ("COPY", Reply::Array(copied)) => check_alike(copied),
        ("DEL" | "UNLINK", Reply::Integer(count)) => check_all_or_none(KEYS, &[*count]),
        ("FLUSHALL" | "FLUSHDB" | "SWAPDB" | "MSET", Reply::Status(_) | Reply::Array(_)) => Ok(()),
        _ => Err(Violation::new("a reply of the wrong kind", String::new())),
    };
    found.map_err(|violation| {
        Violation::new(violation.rule, format!("{}\n  {event}", violation.evidence)).into()
    })
}
