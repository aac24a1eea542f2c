//! Job: writers that pipeline without waiting, and observers that read their keys in every way.
//! In: a stage. Out: the verdicts of [`crate::history::stream`], one for each writer.
//! Invariant: a key is written by one connection, and its n-th write stores n.

use std::sync::Mutex;

use super::session::{Session, step};
use super::{Failure, Stage, Summary};
use crate::client::Reply;
use crate::history::stream::{self, Observation, Write};
use crate::history::{Event, Request, Violation};
use crate::random::Choices;

const GROUPS: usize = 3;
const OBSERVER_THREADS_PER_GROUP: usize = 2;
const SESSIONS_PER_OBSERVER: usize = 4;
const KEYS_PER_GROUP: usize = 4;
const WRITER_BURST: usize = 12;
/// Writes that may wait for their replies when the next burst is sent.
const WRITER_OUTSTANDING: usize = 24;
const OBSERVER_BURST: usize = 4;
/// Bounds the memory of the history of a thread.
const MAX_EVENTS_PER_THREAD: usize = 150_000;

/// One writer's keys, on shards of their own as far as there are any.
struct Group {
    keys: Vec<String>,
}

impl Group {
    fn new(stage: &Stage, number: usize) -> Self {
        let mut shards: Vec<usize> = (0..stage.keys.shards()).collect();
        stage.choices.fork(number as u64).shuffle(&mut shards);
        let key = |index: usize| {
            stage.keys.on(shards[index % shards.len()], &format!("stream:{number}:{index}"))
        };
        Self { keys: (0..KEYS_PER_GROUP).map(key).collect() }
    }

    fn some_keys(&self, choices: &mut Choices, least: usize) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..self.keys.len()).collect();
        choices.shuffle(&mut indices);
        indices.truncate(least + choices.below(self.keys.len() + 1 - least));
        indices
    }

    /// The request that writes the next versions of `indices` at once.
    fn write(&self, choices: &mut Choices, indices: &[usize], versions: &mut [u64]) -> Request {
        for &index in indices {
            versions[index] += 1;
        }
        let pair = |&index: &usize| [self.keys[index].clone(), versions[index].to_string()];
        match indices {
            [one] if choices.percent(80) => Request::Command(words("SET", pair(one))),
            _ if choices.percent(50) => {
                Request::Command(words("MSET", indices.iter().flat_map(pair)))
            }
            _ => {
                let set = |index: &usize| words("SET", pair(index));
                Request::Transaction(indices.iter().map(set).collect())
            }
        }
    }

    fn read(&self, choices: &mut Choices) -> Request {
        let key = |index: usize| self.keys[index].clone();
        if choices.percent(55) {
            return Request::Command(words("GET", [key(choices.below(self.keys.len()))]));
        }
        let indices = self.some_keys(choices, 2);
        if choices.percent(60) {
            return Request::Command(words("MGET", indices.into_iter().map(key)));
        }
        Request::Transaction(indices.into_iter().map(|index| words("GET", [key(index)])).collect())
    }

    fn observation(&self, event: &Event) -> Result<Observation, Failure> {
        let replies = match (&event.request, &event.reply) {
            (Request::Command(words), single) if words[0] == "GET" => std::slice::from_ref(single),
            (_, Reply::Array(replies)) => replies,
            _ => return Err(unexpected(event)),
        };
        let keys: Vec<&String> = match &event.request {
            Request::Command(words) => words[1..].iter().collect(),
            Request::Transaction(commands) => commands.iter().map(|words| &words[1]).collect(),
        };
        if keys.len() != replies.len() {
            return Err(unexpected(event));
        }
        let seen = keys.into_iter().zip(replies).map(|(key, reply)| {
            let index = self.keys.iter().position(|own| own == key)?;
            let version = match reply {
                Reply::Null => 0,
                other => u64::try_from(other.integer()?).ok()?,
            };
            Some((index, version))
        });
        Ok(Observation {
            session: event.session,
            invoked_ns: event.invoked_ns,
            completed_ns: event.completed_ns,
            seen: seen.collect::<Option<_>>().ok_or_else(|| unexpected(event))?,
        })
    }
}

fn words(name: &str, arguments: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(arguments).collect()
}

fn unexpected(event: &Event) -> Failure {
    Violation::new("a reply of the wrong kind", event.to_string()).into()
}

/// Runs the workload.
///
/// # Errors
/// See [`Failure`].
pub fn run(stage: &Stage) -> Result<Summary, Failure> {
    const THREADS_PER_GROUP: usize = 1 + OBSERVER_THREADS_PER_GROUP;
    let groups: Vec<Group> = (0..GROUPS).map(|number| Group::new(stage, number)).collect();
    let writes: Vec<Mutex<Vec<Write>>> = groups.iter().map(|_| Mutex::default()).collect();
    let seen: Vec<Mutex<Vec<Observation>>> = groups.iter().map(|_| Mutex::default()).collect();
    stage.threads(GROUPS * THREADS_PER_GROUP, |thread| {
        let (number, role) = (thread / THREADS_PER_GROUP, thread % THREADS_PER_GROUP);
        let choices = stage.choices.fork(1000 + thread as u64);
        if role == 0 {
            let recorded = run_writer(stage, &groups[number], choices)?;
            *writes[number].lock().expect("no writer panicked") = recorded;
        } else {
            let recorded = run_observer(stage, &groups[number], choices)?;
            seen[number].lock().expect("no observer panicked").extend(recorded);
        }
        Ok(())
    })?;
    let mut requests = 0;
    for (writes, seen) in writes.into_iter().zip(seen) {
        let writes = writes.into_inner().expect("no writer panicked");
        let seen = seen.into_inner().expect("no observer panicked");
        stream::check(&writes, &seen)?;
        requests += writes.len() + seen.len();
    }
    Ok(Summary { requests, note: String::new() })
}

fn run_writer(stage: &Stage, group: &Group, mut choices: Choices) -> Result<Vec<Write>, Failure> {
    let mut session = stage.session()?;
    let mut versions = vec![0; group.keys.len()];
    let mut keys_of_request = std::collections::VecDeque::new();
    let mut writes = Vec::new();
    while stage.running() && writes.len() < MAX_EVENTS_PER_THREAD {
        let mut burst = Vec::new();
        for _ in 0..=choices.below(WRITER_BURST) {
            let keys = if choices.percent(75) {
                vec![choices.below(group.keys.len())]
            } else {
                group.some_keys(&mut choices, 2)
            };
            burst.push(group.write(&mut choices, &keys, &mut versions));
            keys_of_request.push_back(keys);
        }
        session.send(burst)?;
        let keep = choices.below(WRITER_OUTSTANDING);
        acknowledge(&mut session, keep, &mut keys_of_request, &mut writes)?;
    }
    acknowledge(&mut session, 0, &mut keys_of_request, &mut writes)?;
    Ok(writes)
}

/// Receives until only `keep` writes are outstanding.
fn acknowledge(
    session: &mut Session,
    keep: usize,
    keys_of_request: &mut std::collections::VecDeque<Vec<usize>>,
    writes: &mut Vec<Write>,
) -> Result<(), Failure> {
    while session.outstanding() > keep {
        let event = session.receive()?;
        if matches!(event.reply, Reply::Error(_) | Reply::Null) {
            return Err(unexpected(&event));
        }
        let keys = keys_of_request.pop_front().unwrap_or_default();
        writes.push(Write { keys, invoked_ns: event.invoked_ns, completed_ns: event.completed_ns });
    }
    Ok(())
}

fn run_observer(
    stage: &Stage,
    group: &Group,
    mut choices: Choices,
) -> Result<Vec<Observation>, Failure> {
    let mut sessions = stage.sessions(SESSIONS_PER_OBSERVER)?;
    let mut events = Vec::new();
    let mut seen = Vec::new();
    while stage.running() && seen.len() < MAX_EVENTS_PER_THREAD {
        step(&mut sessions, &mut choices, &mut events, |choices, _| {
            (0..=choices.below(OBSERVER_BURST)).map(|_| group.read(choices)).collect()
        })?;
        for event in events.drain(..) {
            seen.push(group.observation(&event)?);
        }
    }
    for session in &mut sessions {
        session.receive_all(&mut events)?;
    }
    for event in &events {
        seen.push(group.observation(event)?);
    }
    Ok(seen)
}
