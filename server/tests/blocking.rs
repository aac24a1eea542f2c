//! Job: hold the commands that wait to what they promise: whatever fills a key wakes who waits for
//! it, on whatever shards the key, the element's source and the destination lie, alone and in a
//! transaction; a wait that is ended takes nothing.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`), with more shards than CPUs.
//! Out: test results.
//! Invariant: every combination starts with an empty dataset and ends with nobody waiting.

use std::thread;
use std::time::{Duration, Instant};

use ringlet_check::keys::Keys;
use ringlet_check::process::{Launch, RunningServer, ServerBinary};
use ringlet_check::value::Value;
use ringlet_check::wire::Wire;

const SHARDS: usize = 4;
const WAIT: Duration = Duration::from_secs(20);
/// Connections that wait in turn, so that some are on the key's core and some are not.
const CALLERS: usize = 7;

/// What an element of a list or sorted set is called; its score is 1.
const ELEMENT: &str = "x";

#[derive(Copy, Clone, Debug, PartialEq)]
enum Kind {
    List,
    SortedSet,
}

/// A command that waits for the key `K`; `O` is an empty key of another shard, `D` a destination.
struct Waiter {
    kind: Kind,
    line: &'static str,
    reply: Shape,
}

/// What a waiter answers with the element of a key.
#[derive(Copy, Clone)]
enum Shape {
    /// The key and the element.
    Pair,
    /// The element, which now stands in the destination.
    Moved,
    /// The key and a list of elements.
    Many,
    /// The key, the element and its score.
    Scored,
    /// The key and a list of elements with their scores.
    ManyScored,
}

const WAITERS: &[Waiter] = &[
    Waiter { kind: Kind::List, line: "BLPOP K 0", reply: Shape::Pair },
    Waiter { kind: Kind::List, line: "BLPOP O K 0", reply: Shape::Pair },
    Waiter { kind: Kind::List, line: "BRPOP K 0", reply: Shape::Pair },
    Waiter { kind: Kind::List, line: "BRPOP K O 0", reply: Shape::Pair },
    Waiter { kind: Kind::List, line: "BLMOVE K D LEFT RIGHT 0", reply: Shape::Moved },
    Waiter { kind: Kind::List, line: "BRPOPLPUSH K D 0", reply: Shape::Moved },
    Waiter { kind: Kind::List, line: "BLMPOP 0 1 K LEFT", reply: Shape::Many },
    Waiter { kind: Kind::List, line: "BLMPOP 0 2 O K RIGHT COUNT 3", reply: Shape::Many },
    Waiter { kind: Kind::SortedSet, line: "BZPOPMIN K 0", reply: Shape::Scored },
    Waiter { kind: Kind::SortedSet, line: "BZPOPMIN O K 0", reply: Shape::Scored },
    Waiter { kind: Kind::SortedSet, line: "BZPOPMAX K 0", reply: Shape::Scored },
    Waiter { kind: Kind::SortedSet, line: "BZMPOP 0 1 K MIN", reply: Shape::ManyScored },
    Waiter { kind: Kind::SortedSet, line: "BZMPOP 0 2 K O MAX", reply: Shape::ManyScored },
];

/// What gives the key `K` one element; `S` and `P` are sources. What stands before ` | ` only
/// prepares.
const FILLERS: &[(Kind, &str)] = &[
    (Kind::List, "LPUSH K x"),
    (Kind::List, "RPUSH K x"),
    (Kind::List, "RPUSH S x | LMOVE S K LEFT LEFT"),
    (Kind::List, "RPUSH S x | RPOPLPUSH S K"),
    (Kind::List, "RPUSH S x | BLMOVE S K RIGHT RIGHT 0"),
    (Kind::List, "RPUSH S x | BRPOPLPUSH S K 0"),
    (Kind::List, "RPUSH S x | RENAME S K"),
    (Kind::List, "RPUSH S x | RENAMENX S K"),
    (Kind::List, "RPUSH S x | COPY S K"),
    (Kind::List, "RPUSH S x | COPY S K REPLACE"),
    (Kind::List, "SELECT 1 ; RPUSH K x | MOVE K 0"),
    (Kind::List, "SELECT 1 ; RPUSH S x | COPY S K DB 0"),
    (Kind::List, "SELECT 1 ; RPUSH K x | SWAPDB 0 1"),
    (Kind::SortedSet, "ZADD K 1 x"),
    (Kind::SortedSet, "ZINCRBY K 1 x"),
    (Kind::SortedSet, "ZADD K INCR 1 x"),
    (Kind::SortedSet, "ZADD S 1 x | ZUNIONSTORE K 1 S"),
    (Kind::SortedSet, "ZADD S 1 x 2 y ; ZADD P 0 x | ZINTERSTORE K 2 S P"),
    (Kind::SortedSet, "ZADD S 1 x 2 y ; ZADD P 0 y | ZDIFFSTORE K 2 S P"),
    (Kind::SortedSet, "ZADD S 1 x 2 y | ZRANGESTORE K S 0 0"),
    (Kind::SortedSet, "ZADD S 1 x | RENAME S K"),
    (Kind::SortedSet, "ZADD S 1 x | RENAMENX S K"),
    (Kind::SortedSet, "ZADD S 1 x | COPY S K"),
    (Kind::SortedSet, "SELECT 1 ; ZADD K 1 x | MOVE K 0"),
    (Kind::SortedSet, "SELECT 1 ; ZADD S 1 x | COPY S K DB 0"),
    (Kind::SortedSet, "SELECT 1 ; ZADD K 1 x | SWAPDB 0 1"),
];

/// The keys of one combination.
struct Names {
    key: String,
    source: String,
    second_source: String,
    other: String,
    destination: String,
}

impl Names {
    /// The key on shard `home`; source and destination `distance` shards from it.
    fn new(keys: &Keys, home: usize, distance: usize) -> Self {
        Self {
            key: keys.on(home, "key"),
            source: keys.on(home + distance, "source"),
            second_source: keys.on(home + 2, "second"),
            other: keys.on(home + 1, "other"),
            destination: keys.on(home + 2 * distance, "destination"),
        }
    }

    fn words<'l>(&'l self, line: &'l str) -> Vec<&'l str> {
        let name = |word| match word {
            "K" => &self.key,
            "S" => &self.source,
            "P" => &self.second_source,
            "O" => &self.other,
            "D" => &self.destination,
            word => word,
        };
        line.split_whitespace().map(name).collect()
    }
}

fn launch() -> RunningServer {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    let launch = Launch::with_shards(SHARDS);
    binary.launch(&launch).unwrap_or_else(|error| panic!("{error}"))
}

fn list(items: &[Value]) -> Value {
    Value::Array(items.to_vec())
}

fn expected(shape: Shape, key: &str) -> Value {
    let (key, element, score) = (Value::bulk(key), Value::bulk(ELEMENT), Value::bulk("1"));
    match shape {
        Shape::Pair => list(&[key, element]),
        Shape::Moved => element,
        Shape::Many => list(&[key, list(&[element])]),
        Shape::Scored => list(&[key, element, score]),
        Shape::ManyScored => list(&[key, list(&[list(&[element, score])])]),
    }
}

/// Sends a command; its reply must be no error.
fn run(wire: &mut Wire, words: &[&str]) -> Value {
    let reply = wire.call(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    assert!(!reply.is_error(), "{words:?}: {reply}");
    reply
}

fn read(wire: &mut Wire, what: &str) -> Value {
    wire.read().unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn await_blocked(admin: &mut Wire, count: usize) {
    let wanted = format!("blocked_clients:{count}");
    let deadline = Instant::now() + WAIT;
    loop {
        let text = admin.line("INFO clients").expect("INFO").text();
        if text.lines().any(|line| line == wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "never {wanted}: {text}");
        thread::yield_now();
    }
}

/// How the filling command is sent.
#[derive(Copy, Clone, Debug)]
enum Sending {
    Alone,
    /// Between MULTI and EXEC.
    Transaction,
    /// The same beside a command of another shard.
    WideTransaction,
}

/// Runs the commands of a filler.
fn fill(wire: &mut Wire, names: &Names, filler: &str, sending: Sending) {
    let (prepare, line) = filler.split_once(" | ").unwrap_or(("", filler));
    for line in prepare.split(" ; ").filter(|line| !line.is_empty()) {
        run(wire, &names.words(line));
    }
    let mut commands = vec![names.words(line)];
    match sending {
        Sending::Alone => {}
        Sending::Transaction => {
            commands.insert(0, vec!["MULTI"]);
            commands.push(vec!["EXEC"]);
        }
        Sending::WideTransaction => {
            commands.insert(0, vec!["MULTI"]);
            commands.push(names.words("GET O"));
            commands.push(vec!["EXEC"]);
        }
    }
    let replies = wire.pipeline(&commands).unwrap_or_else(|error| panic!("{filler}: {error}"));
    for reply in &replies {
        let mut all = reply.items().unwrap_or_default().iter().chain([reply]);
        assert!(!all.any(Value::is_error), "{filler}, {sending:?}: {reply}");
    }
    run(wire, &["SELECT", "0"]);
}

#[test]
fn what_fills_a_key_wakes_its_waiters() {
    let server = launch();
    let keys = Keys::new(SHARDS);
    let (mut admin, mut writer) = (server.connect(), server.connect());
    let mut callers: Vec<Wire> = (0..CALLERS).map(|_| server.connect()).collect();
    let mut combinations = 0;
    for (kind, filler) in FILLERS {
        for waiter in WAITERS.iter().filter(|waiter| waiter.kind == *kind) {
            for distance in 0..2 {
                for sending in [Sending::Alone, Sending::Transaction, Sending::WideTransaction] {
                    let names = Names::new(&keys, combinations % SHARDS, distance);
                    let caller = &mut callers[combinations % CALLERS];
                    combinations += 1;
                    let what = format!("{filler}, {sending:?}, wakes {}", waiter.line);
                    run(&mut writer, &["FLUSHALL"]);
                    caller.send(&names.words(waiter.line)).expect("the server reads");
                    await_blocked(&mut admin, 1);
                    fill(&mut writer, &names, filler, sending);
                    assert_eq!(read(caller, &what), expected(waiter.reply, &names.key), "{what}");
                    await_blocked(&mut admin, 0);
                    let left = run(&mut admin, &["EXISTS", &names.key]);
                    assert_eq!(left, Value::Integer(0), "{what}: it took the element");
                    if matches!(waiter.reply, Shape::Moved) {
                        let moved = run(&mut admin, &["LRANGE", &names.destination, "0", "-1"]);
                        assert_eq!(moved, list(&[Value::bulk(ELEMENT)]), "{what}");
                    }
                }
            }
        }
    }
    println!("{combinations} combinations");
}

#[test]
fn what_makes_a_key_of_another_type_wakes_nobody() {
    let server = launch();
    let keys = Keys::new(SHARDS);
    let (mut admin, mut writer) = (server.connect(), server.connect());
    let mut caller = server.connect();
    for (index, waiter) in WAITERS.iter().enumerate() {
        let names = Names::new(&keys, index, 1);
        let other_kind = FILLERS.iter().filter(|(kind, _)| *kind != waiter.kind);
        run(&mut writer, &["FLUSHALL"]);
        caller.send(&names.words(waiter.line)).expect("the server reads");
        await_blocked(&mut admin, 1);
        run(&mut writer, &["SET", &names.key, "text"]);
        for (_, filler) in other_kind {
            run(&mut writer, &["FLUSHALL"]);
            fill(&mut writer, &names, filler, Sending::Alone);
            let there = run(&mut writer, &["EXISTS", &names.key]);
            assert_eq!(there, Value::Integer(1), "{filler} before {}", waiter.line);
        }
        await_blocked(&mut admin, 1);
        run(&mut writer, &["FLUSHALL"]);
        let filler = if waiter.kind == Kind::List { "RPUSH K x" } else { "ZADD K 1 x" };
        fill(&mut writer, &names, filler, Sending::Alone);
        assert_eq!(read(&mut caller, waiter.line), expected(waiter.reply, &names.key));
    }
}

#[test]
fn a_transaction_wakes_with_what_it_leaves() {
    let server = launch();
    let keys = Keys::new(SHARDS);
    let (mut admin, mut writer, mut caller) =
        (server.connect(), server.connect(), server.connect());
    for distance in 0..2 {
        for home in 0..SHARDS {
            let names = Names::new(&keys, home, distance);
            let mut transaction = |lines: &[&'static str]| {
                let lines = ["MULTI"].iter().chain(lines).chain(&["EXEC"]);
                let commands: Vec<_> = lines.map(|line| names.words(line)).collect();
                let replies = writer.pipeline(&commands).expect("EXEC");
                let results = replies.last().and_then(Value::items).expect("results").to_vec();
                assert!(!results.iter().any(Value::is_error), "{results:?}");
            };
            caller.send(&names.words("BLPOP K 0")).expect("the server reads");
            await_blocked(&mut admin, 1);
            transaction(&["RPUSH K x", "GET O", "DEL K"]);
            transaction(&["RPUSH K x", "RENAME K S", "DEL S"]);
            transaction(&["RPUSH K x", "SWAPDB 0 1", "FLUSHDB", "SWAPDB 0 1", "FLUSHDB"]);
            await_blocked(&mut admin, 1);
            transaction(&["RPUSH K y", "BRPOP K 0", "RPUSH S z x", "RENAME S K", "RPOPLPUSH K K"]);
            let served = read(&mut caller, "the end of the transaction");
            assert_eq!(served, list(&[Value::bulk(&names.key), Value::bulk(ELEMENT)]));
            assert_eq!(run(&mut admin, &["LPOP", &names.key]), Value::bulk("z"));
            assert_eq!(run(&mut admin, &["DBSIZE"]), Value::Integer(0));
        }
    }
}

#[test]
fn in_a_transaction_nobody_waits() {
    let server = launch();
    let keys = Keys::new(SHARDS);
    let mut wire = server.connect();
    for home in 0..SHARDS {
        let names = Names::new(&keys, home, 1);
        run(&mut wire, &["MULTI"]);
        for waiter in WAITERS {
            let queued = run(&mut wire, &names.words(waiter.line));
            assert!(queued.is_simple("QUEUED"), "{}: {queued}", waiter.line);
        }
        let replies = run(&mut wire, &["EXEC"]).into_items();
        for (waiter, reply) in WAITERS.iter().zip(&replies) {
            let nothing = match waiter.reply {
                Shape::Moved => Value::NullBulk,
                _ => Value::NullArray,
            };
            assert_eq!(*reply, nothing, "{}", waiter.line);
        }
        assert_eq!(replies.len(), WAITERS.len());
    }
}

#[test]
fn those_who_came_first_are_served_first() {
    let server = launch();
    let keys = Keys::new(SHARDS);
    let (mut admin, mut writer) = (server.connect(), server.connect());
    let mut callers: Vec<Wire> = (0..CALLERS).map(|_| server.connect()).collect();
    let elements = "a b c d e f g";
    let fillers = [
        "RPUSH K a b c d e f g",
        "RPUSH S a b c d e f g | RENAME S K",
        "RPUSH S a b c d e f g | COPY S K",
        "SELECT 1 ; RPUSH K a b c d e f g | MOVE K 0",
        "SELECT 1 ; RPUSH K a b c d e f g | SWAPDB 0 1",
    ];
    for (round, filler) in fillers.iter().enumerate() {
        for distance in 0..2 {
            let names = Names::new(&keys, round + distance, distance);
            run(&mut writer, &["FLUSHALL"]);
            for (index, caller) in callers.iter_mut().enumerate() {
                let line = ["BLPOP K 0", "BLPOP O K 0", "BLMOVE K D LEFT RIGHT 0"][index % 3];
                caller.send(&names.words(line)).expect("the server reads");
                await_blocked(&mut admin, index + 1);
            }
            fill(&mut writer, &names, filler, Sending::Alone);
            for (index, (caller, element)) in
                callers.iter_mut().zip(elements.split(' ')).enumerate()
            {
                let reply = read(caller, filler);
                let wanted = match index % 3 {
                    2 => Value::bulk(element),
                    _ => list(&[Value::bulk(&names.key), Value::bulk(element)]),
                };
                assert_eq!(reply, wanted, "{filler}, caller {index}");
            }
        }
    }
}

#[test]
fn a_wait_that_is_ended_takes_nothing() {
    let server = launch();
    let keys = Keys::new(SHARDS);
    let mut admin = server.connect();
    let unblocked = b"UNBLOCKED client unblocked via CLIENT UNBLOCK".to_vec();
    for (index, waiter) in WAITERS.iter().enumerate() {
        for distance in 0..2 {
            let names = Names::new(&keys, index, distance);
            let mut caller = server.connect();
            let id = run(&mut caller, &["CLIENT", "ID"]).integer().expect("a number").to_string();
            let ends = [
                (Some("TIMEOUT"), Value::NullArray),
                (Some("ERROR"), Value::Error(unblocked.clone())),
                (None, Value::NullArray),
            ];
            for (reason, answer) in ends {
                let line = match reason {
                    Some(_) => waiter.line.to_owned(),
                    None => timed(waiter.line),
                };
                let started = Instant::now();
                caller.send(&names.words(&line)).expect("the server reads");
                if let Some(reason) = reason {
                    await_blocked(&mut admin, 1);
                    let count = run(&mut admin, &["CLIENT", "UNBLOCK", &id, reason]);
                    assert_eq!(count, Value::Integer(1), "{line}, {reason}");
                }
                assert_eq!(read(&mut caller, &line), answer, "{line}, {reason:?}");
                // The clock of a pass counts whole milliseconds.
                let early = reason.is_none() && started.elapsed() < Duration::from_millis(15);
                assert!(!early, "{line} after {:?}", started.elapsed());
                await_blocked(&mut admin, 0);
                let filler = if waiter.kind == Kind::List { "RPUSH K x" } else { "ZADD K 1 x" };
                fill(&mut admin, &names, filler, Sending::Alone);
                assert_eq!(run(&mut admin, &["DEL", &names.key]), Value::Integer(1), "{line}");
                assert!(run(&mut caller, &["PING"]).is_simple("PONG"), "one answer to {line}");
            }
        }
    }
}

/// The command with a timeout of 20 ms in the place of "for ever".
fn timed(line: &str) -> String {
    let words = line.split(' ').map(|word| if word == "0" { "0.02" } else { word });
    words.collect::<Vec<_>>().join(" ")
}
