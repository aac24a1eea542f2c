//! Job: clients that wait for elements of lists and sorted sets: in which order they are served,
//! and that nothing is lost.
//! In: a stage. Out: the verdicts of [`crate::history::queue`] and of [`check_tokens`].
//! Invariant: the first half has the server for itself, so that it can await, by INFO, that each
//! waiter is blocked before the next one comes; the second half is a crowd.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::session::Session;
use super::{Failure, REPLY_TIMEOUT, Stage, Summary};
use crate::client::{Connection, Reply};
use crate::history::conserve::check_tokens;
use crate::history::queue::{Pop, check_elements, check_served_in_order};
use crate::history::{Request, Violation};
use crate::random::Choices;

const WAITERS: usize = 5;
const SPARE_SESSIONS: usize = 10;
/// Lists, and behind them sorted sets, whose elements are numbers that are their own scores: the
/// smallest is the oldest.
const QUEUES: usize = LISTS + 2;
const LISTS: usize = 4;
const CONSUMERS: usize = 6;
const MOVERS: usize = 4;
const RING: usize = 3;
const MAX_PUSHES_PER_QUEUE: u64 = 60_000;
/// Elements that may lie in a queue before its producer waits for the consumers.
const MAX_QUEUE_LENGTH: i64 = 200;

/// Runs the workload.
///
/// # Errors
/// See [`Failure`].
pub fn run(stage: &Stage) -> Result<Summary, Failure> {
    let mut rounds = 0;
    let mut choices = stage.choices.fork(0);
    let mut sessions = stage.sessions(SPARE_SESSIONS)?;
    let mut observer = stage.connection()?;
    while stage.running_until(50) {
        serve_in_order(stage, &mut sessions, &mut observer, &mut choices, rounds)?;
        rounds += 1;
    }
    let crowd = run_crowd(stage)?;
    let note = format!("{rounds} rounds of {WAITERS} waiters, {crowd} requests in the crowd");
    Ok(Summary { requests: crowd + rounds * (WAITERS + 1), note })
}

/// Blocks clients one after the other, pushes as many elements in some way, and compares.
fn serve_in_order(
    stage: &Stage,
    sessions: &mut [Session],
    observer: &mut Connection,
    choices: &mut Choices,
    round: usize,
) -> Result<(), Failure> {
    let name = |kind: &str| format!("blocking:{round}:{kind}");
    let shards = stage.keys.shards();
    let mut key = |kind: &str| stage.keys.on(choices.below(shards), &name(kind));
    let (queue, other, target) = (key("queue"), key("other"), key("target"));
    let before = blocked_clients(observer)?;
    let sorted = choices.percent(30);
    choices.shuffle(sessions);
    let (waiters, rest) = sessions.split_at_mut(WAITERS);
    for (index, waiter) in waiters.iter_mut().enumerate() {
        let words: &[&str] = match choices.below(5) {
            0 if sorted => &["BZMPOP", "0", "2", &queue, &other, "MIN"],
            1 | 2 if sorted => &["BZPOPMIN", &other, &queue, "0"],
            _ if sorted => &["BZPOPMIN", &queue, "0"],
            0 => &["BLPOP", &other, &queue, "0"],
            1 => &["BLMOVE", &queue, &target, "LEFT", "RIGHT", "0"],
            2 => &["BLMPOP", "0", "2", &queue, &other, "LEFT"],
            _ => &["BLPOP", &queue, "0"],
        };
        waiter.send(vec![Request::command(words)])?;
        await_blocked(observer, before + index as i64 + 1)?;
    }
    let elements: Vec<String> = (0..WAITERS).map(|index| index.to_string()).collect();
    let source = key_like(stage, &name("source"));
    for request in push_all(choices, &queue, &source, &elements, sorted) {
        rest[0].ask(request)?;
    }
    let mut got = Vec::new();
    for waiter in waiters.iter_mut() {
        let event = waiter.receive()?;
        got.push(last_text(&event.reply));
    }
    check_served_in_order(&elements, &got)?;
    rest[0].ask(Request::command(&["DEL", &target]))?;
    Ok(())
}

fn key_like(stage: &Stage, name: &str) -> String {
    stage.keys.on(name.len(), name)
}

/// The command that puts `elements` behind those of `key`.
fn push(key: &str, elements: &[String], sorted: bool) -> Vec<String> {
    let mut words = vec![if sorted { "ZADD" } else { "RPUSH" }.to_owned(), key.to_owned()];
    for element in elements {
        words.extend(std::iter::repeat_n(element.clone(), 1 + usize::from(sorted)));
    }
    words
}

/// Ways of putting `elements` into `queue`, each from head to tail.
fn push_all(
    choices: &mut Choices,
    queue: &str,
    source: &str,
    elements: &[String],
    sorted: bool,
) -> Vec<Request> {
    let push = |key: &str, elements: &[String]| push(key, elements, sorted);
    match choices.below(4) {
        0 => vec![Request::Command(push(queue, elements))],
        1 => elements.chunks(1).map(|element| Request::Command(push(queue, element))).collect(),
        2 => vec![Request::Transaction(
            elements.chunks(1).map(|element| push(queue, element)).collect(),
        )],
        _ => vec![
            Request::Command(push(source, elements)),
            Request::command(&["RENAME", source, queue]),
        ],
    }
}

/// The element in the reply of any pop: the last text in it (of a sorted set its score, which is
/// spelled alike).
fn last_text(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Array(items) => items.last().and_then(last_text),
        other => other.text().map(str::to_owned),
    }
}

fn blocked_clients(observer: &mut Connection) -> Result<i64, Failure> {
    let reply = observer.command(&["INFO", "clients"])?;
    let text = reply.text().unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix("blocked_clients:"));
    value
        .and_then(|digits| digits.trim().parse().ok())
        .ok_or_else(|| Failure::Trouble("INFO clients has no blocked_clients".to_owned()))
}

fn await_blocked(observer: &mut Connection, wanted: i64) -> Result<(), Failure> {
    let start = std::time::Instant::now();
    while blocked_clients(observer)? < wanted {
        if start.elapsed() > REPLY_TIMEOUT {
            return Err(Failure::Silence(format!("blocked_clients never became {wanted}")));
        }
    }
    Ok(())
}

/// What the crowd shares.
struct Crowd {
    queues: Vec<String>,
    ring: Vec<String>,
    tokens: BTreeSet<String>,
    pushed: Vec<Mutex<Vec<u64>>>,
    pops: Mutex<Vec<Pop>>,
}

fn run_crowd(stage: &Stage) -> Result<usize, Failure> {
    let keys = |kind: &str, count: usize| -> Vec<String> {
        (0..count).map(|index| stage.keys.on(index, &format!("crowd:{kind}:{index}"))).collect()
    };
    let crowd = Crowd {
        queues: keys("queue", QUEUES),
        ring: keys("ring", RING),
        tokens: (0..RING * 2).map(|token| format!("token{token}")).collect(),
        pushed: (0..QUEUES).map(|_| Mutex::default()).collect(),
        pops: Mutex::default(),
    };
    let mut connection = stage.connection()?;
    for token in &crowd.tokens {
        connection.command(&["RPUSH", &crowd.ring[0], token])?;
    }
    let counts = stage.threads(QUEUES + CONSUMERS + MOVERS + 2, |thread| {
        let choices = stage.choices.fork(10 + thread as u64);
        if thread < QUEUES {
            produce(stage, &crowd, thread)
        } else if thread < QUEUES + CONSUMERS {
            consume(stage, &crowd, choices)
        } else if thread < QUEUES + CONSUMERS + MOVERS {
            move_round(stage, &crowd, choices)
        } else if thread == QUEUES + CONSUMERS + MOVERS {
            lend_queues(stage, &crowd, choices)
        } else {
            watch_ring(stage, &crowd)
        }
    })?;
    let mut left: Vec<Vec<u64>> = Vec::new();
    for queue in &crowd.queues {
        let read = if left.len() < LISTS { "LRANGE" } else { "ZRANGE" };
        let reply = connection.command(&[read, queue, "0", "-1"])?;
        let numbers = reply.items().unwrap_or_default().iter();
        left.push(numbers.filter_map(Reply::integer).map(|number| number as u64).collect());
    }
    let taken = |mutex: Mutex<Vec<u64>>| mutex.into_inner().expect("no producer panicked");
    let pushed: Vec<Vec<u64>> = crowd.pushed.into_iter().map(taken).collect();
    let pops = crowd.pops.into_inner().expect("no consumer panicked");
    check_elements(&pushed, &pops, &left)?;
    Ok(counts.iter().sum())
}

/// The only one that pushes to its queue: unique numbers, in bursts of one pipeline.
fn produce(stage: &Stage, crowd: &Crowd, number: usize) -> Result<usize, Failure> {
    let mut choices = stage.choices.fork(500 + number as u64);
    let mut connection = stage.connection()?;
    let queue = crowd.queues[number].as_str();
    let sorted = number >= LISTS;
    let length_of = if sorted { "ZCARD" } else { "LLEN" };
    let mut next = 0u64;
    let mut pushed = Vec::new();
    while stage.running() && next < MAX_PUSHES_PER_QUEUE {
        let mut commands = Vec::new();
        for _ in 0..=choices.below(4) {
            let numbers = next..=next + choices.below(3) as u64;
            next = numbers.end() + 1;
            pushed.extend(numbers.clone());
            let elements: Vec<String> = numbers.map(|number| number.to_string()).collect();
            commands.push(push(queue, &elements, sorted));
        }
        commands.push(vec![length_of.to_owned(), queue.to_owned()]);
        let replies = connection.pipeline(&commands)?;
        let mut length = replies.last().and_then(Reply::integer).unwrap_or(0);
        while length > MAX_QUEUE_LENGTH && stage.running() {
            length = connection.command(&[length_of, queue])?.integer().unwrap_or(0);
        }
    }
    *crowd.pushed[number].lock().expect("no producer panicked") = pushed;
    Ok(next as usize)
}

/// Pops in all ways, with timeouts so short that they race with the pushes.
fn consume(stage: &Stage, crowd: &Crowd, mut choices: Choices) -> Result<usize, Failure> {
    let mut session = stage.session()?;
    let mine = stage.keys.on(session.number, &format!("crowd:mine:{}", session.number));
    let mut moved: Vec<String> = Vec::new();
    let mut pops = Vec::new();
    let mut count = 0;
    let all: Vec<&str> = crowd.queues.iter().map(String::as_str).collect();
    let (mut keys, mut sorted) = (all[..LISTS].to_vec(), all[LISTS..].to_vec());
    while stage.running() {
        choices.shuffle(&mut keys);
        choices.shuffle(&mut sorted);
        let timeout = *choices.pick(&["0.001", "0.002", "0.01"]);
        let words: Vec<&str> = match choices.below(9) {
            0 => vec!["LPOP", keys[0]],
            1 => vec!["BLMOVE", keys[0], &mine, "LEFT", "RIGHT", timeout],
            2 => [&["BLMPOP", timeout, "3"], &keys[..3], &["LEFT"]].concat(),
            3 => vec!["BLPOP", keys[0], timeout],
            4 => vec!["BZPOPMIN", sorted[0], timeout],
            5 => [&["BZPOPMIN"], &sorted[..], &[timeout]].concat(),
            6 => [&["BZMPOP", timeout, "2"], &sorted[..], &["MIN"]].concat(),
            _ => [&["BLPOP"], &keys[..], &[timeout]].concat(),
        };
        let event = session.ask(Request::command(&words))?;
        count += 1;
        let Some(text) = last_text(&event.reply) else { continue };
        let from = event.reply.items().and_then(|items| items.first()?.text()).unwrap_or(keys[0]);
        let key = crowd.queues.iter().position(|queue| queue == from);
        let (Some(key), Ok(element)) = (key, text.parse()) else {
            return Err(Violation::new("a reply of the wrong kind", event.to_string()).into());
        };
        if words[0] == "BLMOVE" {
            moved.push(text);
        }
        let (invoked_ns, completed_ns) = (event.invoked_ns, event.completed_ns);
        pops.push(Pop { key, element, invoked_ns, completed_ns });
    }
    let event = session.ask(Request::command(&["LRANGE", &mine, "0", "-1"]))?;
    let arrived: Option<Vec<String>> =
        event.reply.items().map(|items| items.iter().filter_map(last_text).collect());
    if arrived.as_ref() != Some(&moved) {
        let evidence = format!("moved {moved:?}, arrived {arrived:?}");
        return Err(Violation::new("BLMOVE lost what it moved", evidence).into());
    }
    crowd.pops.lock().expect("no consumer panicked").extend(pops);
    Ok(count)
}

/// Sends tokens round the ring, from shard to shard.
fn move_round(stage: &Stage, crowd: &Crowd, mut choices: Choices) -> Result<usize, Failure> {
    let mut connection = stage.connection()?;
    let mut count = 0;
    while stage.running() {
        let from = choices.below(RING);
        let to = &crowd.ring[(from + 1) % RING];
        let words = ["BLMOVE", &crowd.ring[from], to, "LEFT", "RIGHT", "0.005"];
        let reply = connection.command(&words)?;
        if let Reply::Error(text) = reply {
            return Err(Failure::Trouble(format!("{words:?}: {text}")));
        }
        count += 1;
    }
    Ok(count)
}

/// Has the queues, or their whole shards, lent to other shards and changes nothing.
fn lend_queues(stage: &Stage, crowd: &Crowd, mut choices: Choices) -> Result<usize, Failure> {
    let mut session = stage.session()?;
    let nobody: Vec<String> = (0..QUEUES)
        .map(|index| stage.keys.on(index + 1, &format!("crowd:nobody:{index}")))
        .collect();
    let mut count = 0;
    while stage.running() {
        let index = choices.below(QUEUES);
        let copy = ["COPY", &nobody[index], &crowd.queues[index]].map(str::to_owned).to_vec();
        let request = match choices.below(8) {
            0 => Request::Transaction(vec![vec!["DBSIZE".to_owned()], copy]),
            _ => Request::Command(copy),
        };
        session.ask(request)?;
        count += 1;
    }
    Ok(count)
}

/// Every snapshot of the ring has every token once.
fn watch_ring(stage: &Stage, crowd: &Crowd) -> Result<usize, Failure> {
    let mut session = stage.session()?;
    let range = |key: &String| ["LRANGE", key, "0", "-1"].map(str::to_owned).to_vec();
    let snapshot = Request::Transaction(crowd.ring.iter().map(range).collect());
    let mut count = 0;
    while stage.running() {
        let event = session.ask(snapshot.clone())?;
        let texts = |list: &Reply| {
            list.items().unwrap_or_default().iter().filter_map(last_text).collect::<Vec<String>>()
        };
        let places: Vec<Vec<String>> =
            event.reply.items().unwrap_or_default().iter().map(texts).collect();
        check_tokens(&crowd.tokens, &places)?;
        count += 1;
    }
    Ok(count)
}
