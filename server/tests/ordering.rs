//! Job: the order in which effects show where locks, loans and waiting clients meet.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`), with more shards than CPUs.
//! Out: test results.
//! Invariant: what is asserted holds for every timing; a long-running command on shard 0 only gives
//! the wrong order time to show. Every test has a server of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringlet_check::client::encode;
use ringlet_check::keys::Keys;
use ringlet_check::process::{Launch, RunningServer, ServerBinary, free_ports};
use ringlet_check::value::Value;
use ringlet_check::wire::{Address, Wire};

const SHARDS: u16 = 4;
const ROUNDS: usize = 20;
const WAIT: Duration = Duration::from_secs(20);
/// Enough for two connections on every core, most likely.
const OBSERVERS: usize = 16;
/// LCS of two strings of this length takes some tens of milliseconds.
const SLOW_BYTES: usize = 8_000;
const SLOW_COMMANDS: usize = 3;

struct Server {
    process: RunningServer,
    keys: Keys,
    first_port: u16,
}

fn start() -> Server {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    let first_port = free_ports(SHARDS).expect("there are free ports");
    let port = first_port.to_string();
    let launch = Launch {
        options: vec!["--shard-ports", &port],
        ..Launch::with_shards(usize::from(SHARDS))
    };
    let process = binary.launch(&launch).unwrap_or_else(|error| panic!("{error}"));
    Server { process, keys: Keys::new(usize::from(SHARDS)), first_port }
}

impl Server {
    fn connect(&self) -> Wire {
        self.process.connect()
    }

    /// A connection that this core serves.
    fn connect_to(&self, core: u16) -> Wire {
        let address = SocketAddr::from(([127, 0, 0, 1], self.first_port + core));
        Wire::open(&Address::Tcp(address)).expect("every core accepts connections")
    }

    fn key(&self, shard: usize, name: &str) -> String {
        self.keys.on(shard, name)
    }

    /// Waits until a core has taken in what was sent to it before.
    fn settle(&self, core: u16) {
        call(&mut self.connect_to(core), &["PING"]);
    }

    /// Keeps shard 0, and core 0 with it, busy for a while, for as long as this connection lives.
    fn keep_shard_0_busy(&self) -> Wire {
        let mut wire = self.connect_to(1);
        let (one, other) = (self.key(0, "slow:one"), self.key(0, "slow:other"));
        call(&mut wire, &["SET", &one, &"ab".repeat(SLOW_BYTES / 2)]);
        call(&mut wire, &["SET", &other, &"ba".repeat(SLOW_BYTES / 2)]);
        send_all(&mut wire, &[&["LCS", &one, &other, "LEN"] as &[&str]; SLOW_COMMANDS]);
        self.settle(1);
        wire
    }
}

fn call(wire: &mut Wire, words: &[&str]) -> Value {
    wire.call(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

fn send_all(wire: &mut Wire, commands: &[&[&str]]) {
    let mut bytes = Vec::new();
    commands.iter().for_each(|words| encode(words, &mut bytes));
    wire.send_raw(&bytes).expect("the server reads");
}

fn read(wire: &mut Wire, what: &str) -> Value {
    wire.read().unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Sends all in one write; the replies.
fn pipeline(wire: &mut Wire, commands: &[&[&str]]) -> Vec<Value> {
    send_all(wire, commands);
    commands.iter().map(|words| read(wire, words[0])).collect()
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen in time");
    }
}

/// Waits until so many clients are blocked, of all cores together: what the main port says.
fn until_blocked(wire: &mut Wire, count: usize) {
    let expected = format!("blocked_clients:{count}\r\n");
    until(&expected, || call(wire, &["INFO", "clients"]).text().contains(&expected));
}

#[test]
fn messages_that_a_transaction_publishes_come_before_later_ones() {
    let server = start();
    let mut subscribers: Vec<Wire> = (0..OBSERVERS).map(|_| server.connect()).collect();
    for subscriber in &mut subscribers {
        call(subscriber, &["SUBSCRIBE", "channel"]);
    }
    let (from, to) = (server.key(1, "from"), server.key(2, "to"));
    let (from, to) = (from.as_str(), to.as_str());
    // The first lends keys to run; the second has to wait for a key that is lent.
    let spanning: &[&[&str]] = &[&["MULTI"], &["RENAME", from, to]];
    let waiting: &[&[&str]] = &[&["RENAME", from, to], &["MULTI"], &["SET", to, "x"]];
    let mut publisher = server.connect();
    for round in 0..ROUNDS {
        for begin in [spanning, waiting] {
            call(&mut publisher, &["SET", from, "x"]);
            let end: &[&[&str]] =
                &[&["PUBLISH", "channel", "first"], &["EXEC"], &["PUBLISH", "channel", "second"]];
            pipeline(&mut publisher, &[begin, end].concat());
            for subscriber in &mut subscribers {
                for expected in ["first", "second"] {
                    let message = read(subscriber, expected).into_items();
                    assert_eq!(message[2], Value::bulk(expected), "round {round}");
                }
            }
        }
    }
}

#[test]
fn all_cores_end_with_the_last_configuration() {
    let server = start();
    let mut observers: Vec<Wire> = (0..OBSERVERS).map(|_| server.connect()).collect();
    let (from, to) = (server.key(1, "from"), server.key(2, "to"));
    let (from, to) = (from.as_str(), to.as_str());
    let spanning: &[&[&str]] = &[&["MULTI"], &["RENAME", from, to]];
    let waiting: &[&[&str]] = &[&["RENAME", from, to], &["MULTI"], &["SET", to, "x"]];
    let mut admin = server.connect();
    let name = "slowlog-max-len";
    for round in 0..ROUNDS {
        for begin in [spanning, waiting] {
            call(&mut admin, &["SET", from, "x"]);
            let end: &[&[&str]] = &[
                &["CONFIG", "SET", name, "111"],
                &["EXEC"],
                &["CONFIG", "GET", name],
                &["CONFIG", "SET", name, "222"],
            ];
            let replies = pipeline(&mut admin, &[begin, end].concat());
            let seen = &replies[replies.len() - 2];
            assert_eq!(seen.items().expect("a map")[1], Value::bulk("111"), "round {round}");
            for observer in &mut observers {
                let value = call(observer, &["CONFIG", "GET", name]).into_items();
                assert_eq!(value[1], Value::bulk("222"), "round {round}");
            }
        }
    }
}

#[test]
fn a_message_passes_works_that_wait_for_a_whole_shard() {
    let server = start();
    let (key, lent) = (server.key(1, "key"), server.key(3, "lent"));
    let mut observer = server.connect_to(1);
    call(&mut observer, &["SET", &key, "old"]);
    call(&mut observer, &["SET", &lent, "x"]);
    let mut subscriber = server.connect_to(3);
    call(&mut subscriber, &["HELLO", "3"]);
    call(&mut subscriber, &["SUBSCRIBE", "channel"]);
    let (mut waiting, mut publisher) = (server.connect_to(3), server.connect_to(1));
    // Shard 3 awaits a key that shard 0 is to lend; a work on all of shard 3 waits for the outcome.
    let _busy = server.keep_shard_0_busy();
    send_all(&mut waiting, &[&["RENAME", &lent, &server.key(0, "new")], &["DBSIZE"]]);
    server.settle(3);
    send_all(&mut publisher, &[&["PUBLISH", "channel", "message"], &["SET", &key, "new"]]);
    until("the SET", || call(&mut observer, &["GET", &key]) == Value::bulk("new"));
    subscriber.send(&["GET", &key]).expect("the server reads");
    let first = read(&mut subscriber, "the message");
    assert!(matches!(first, Value::Push(_)), "the SET behind the PUBLISH shows first: {first}");
    assert_eq!(read(&mut subscriber, "GET"), Value::bulk("new"));
}

#[test]
fn a_waiter_is_served_though_the_one_before_it_left_while_the_key_was_lent() {
    let server = start();
    let (mut admin, mut observer) = (server.connect_to(2), server.connect());
    let (queue, target) = (server.key(3, "queue"), server.key(2, "target"));
    let (at_home, new) = (server.key(0, "at_home"), server.key(2, "new"));
    let (queue, at_home) = (queue.as_str(), at_home.as_str());
    let lends_the_key: &[&[&str]] = &[&["COPY", at_home, queue]];
    let lends_the_shard: &[&[&str]] =
        &[&["MULTI"], &["DBSIZE"], &["RENAME", at_home, &new], &["EXEC"]];
    for lends in [lends_the_key, lends_the_shard] {
        call(&mut admin, &["SET", at_home, "x"]);
        let mut first = server.connect_to(1);
        let id = call(&mut first, &["CLIENT", "ID"]).integer().expect("an id").to_string();
        first.send(&["BLMOVE", queue, &target, "LEFT", "LEFT", "0"]).expect("the server reads");
        until_blocked(&mut observer, 1);
        let mut second = server.connect_to(2);
        second.send(&["BLPOP", queue, "0"]).expect("the server reads");
        until_blocked(&mut observer, 2);
        // The element comes; before the first waiter has its place, the key is lent to a busy
        // shard.
        let _busy = server.keep_shard_0_busy();
        let mut pusher = server.connect_to(3);
        let push: &[&[&str]] = &[&["RPUSH", queue, "element"]];
        send_all(&mut pusher, &[push, lends].concat());
        assert_eq!(read(&mut pusher, "RPUSH"), Value::Integer(1));
        admin.send(&["CLIENT", "UNBLOCK", &id]).expect("the server reads");
        assert!(read(&mut first, "CLIENT UNBLOCK of the first").is_null());
        let got = read(&mut second, "the element for the second").into_items();
        assert_eq!(got, [Value::bulk(queue), Value::bulk("element")]);
        assert_eq!(read(&mut admin, "CLIENT UNBLOCK"), Value::Integer(1));
    }
}

#[test]
fn a_waiter_comes_before_works_that_wait_for_its_key() {
    let server = start();
    let mut admin = server.connect();
    let (source, queue) = (server.key(0, "source"), server.key(1, "queue"));
    let (source, queue) = (source.as_str(), queue.as_str());
    for round in 0..ROUNDS {
        for late in [&["LPOP", queue] as &[&str], &["BLPOP", queue, "0.01"]] {
            let mut waiter = server.connect();
            waiter.send(&["BLPOP", queue, "0"]).expect("the server reads");
            until_blocked(&mut admin, 1);
            call(&mut admin, &["RPUSH", source, "element"]);
            let replies = pipeline(&mut admin, &[&["RENAME", source, queue], late]);
            assert!(replies[1].is_null(), "round {round}: {late:?} got {}", replies[1]);
            let got = read(&mut waiter, "the element").into_items();
            assert_eq!(got, [Value::bulk(queue), Value::bulk("element")]);
        }
    }
}

#[test]
fn a_waiter_on_several_shards_gets_the_first_of_its_keys_that_are_filled_together() {
    let server = start();
    let (mut admin, mut pusher) = (server.connect(), server.connect());
    for (one, other) in [(0, 1), (3, 0), (1, 2)] {
        let (first, second) = (server.key(one, "first"), server.key(other, "second"));
        let (first, second) = (first.as_str(), second.as_str());
        let pipelined: &[&[&str]] = &[&["RPUSH", first, "x"], &["RPUSH", second, "y"]];
        // What is pushed together is there together, whatever the order.
        let at_once: &[&[&str]] =
            &[&["MULTI"], &["RPUSH", second, "y"], &["RPUSH", first, "x"], &["EXEC"]];
        for round in 0..ROUNDS {
            for push in [pipelined, at_once] {
                let mut waiter = server.connect();
                waiter.send(&["BLPOP", first, second, "0"]).expect("the server reads");
                until_blocked(&mut admin, 1);
                pipeline(&mut pusher, push);
                let got = read(&mut waiter, "an element").into_items();
                assert_eq!(got, [Value::bulk(first), Value::bulk("x")], "round {round}");
                assert_eq!(call(&mut admin, &["DEL", first, second]), Value::Integer(1));
            }
        }
    }
}

#[test]
fn a_waiter_on_several_shards_is_served_after_attempts_in_vain() {
    let server = start();
    let (mut admin, mut thief) = (server.connect_to(2), server.connect_to(1));
    let mut observer = server.connect();
    let (first, second) = (server.key(0, "first"), server.key(1, "second"));
    let (first, second) = (first.as_str(), second.as_str());
    for _ in 0..ROUNDS {
        let mut waiter = server.connect();
        waiter.send(&["BLPOP", first, second, "0"]).expect("the server reads");
        until_blocked(&mut observer, 1);
        // The element may be gone again before the waiter's attempt, as both run in one pass.
        let stolen = pipeline(&mut thief, &[&["RPUSH", second, "x"], &["LPOP", second]]);
        call(&mut admin, &["RPUSH", second, "y"]);
        let got = read(&mut waiter, "the second element").into_items();
        let expected = if stolen[1].is_null() { "x" } else { "y" };
        assert_eq!(got, [Value::bulk(second), Value::bulk(expected)]);
        call(&mut admin, &["DEL", second]);
    }
}

#[test]
fn a_client_that_stops_waiting_for_a_key_changes_it_for_no_watcher() {
    let server = start();
    let mut observer = server.connect();
    let (mut watcher, mut pusher) = (server.connect_to(2), server.connect_to(3));
    let (first, second) = (server.key(0, "first"), server.key(1, "second"));
    let (first, second) = (first.as_str(), second.as_str());
    for round in 0..ROUNDS {
        let mut waiter = server.connect();
        waiter.send(&["BLPOP", first, second, "0"]).expect("the server reads");
        until_blocked(&mut observer, 1);
        assert_eq!(call(&mut watcher, &["WATCH", second]), Value::ok());
        call(&mut pusher, &["RPUSH", first, "x"]);
        let got = read(&mut waiter, "the element").into_items();
        assert_eq!(got, [Value::bulk(first), Value::bulk("x")]);
        let replies = pipeline(&mut watcher, &[&["MULTI"], &["EXISTS", second], &["EXEC"]]);
        let expected = Value::Array(vec![Value::Integer(0)]);
        assert_eq!(replies[2], expected, "round {round}: nobody has touched the second key");
    }
}
