//! Job: hold limits that are set while the server runs to what they promise: the soft output limit,
//! the length of a bulk string, keepalive of connections.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`).
//! Out: test results.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use ringlet_check::process::{Launch, RunningServer, ServerBinary};
use ringlet_check::value::Value;
use ringlet_check::wire::{Wire, closed};

const WAIT: Duration = Duration::from_secs(20);
const MEGABYTE: usize = 1 << 20;

fn launch() -> RunningServer {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    binary.launch(&Launch::with_shards(2)).unwrap_or_else(|error| panic!("{error}"))
}

fn set(wire: &mut Wire, name: &str, value: &str) {
    let reply = wire.call(&["CONFIG", "SET", name, value]).expect("CONFIG SET");
    assert_eq!(reply, Value::ok(), "{name} {value}");
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen in time");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A number in the line of CLIENT LIST that shows the only subscriber.
fn of_subscriber(wire: &mut Wire, name: &str) -> Option<usize> {
    let list = wire.line("CLIENT LIST TYPE pubsub").expect("CLIENT LIST").text();
    let mut fields = list.trim().split(' ').filter_map(|field| field.split_once('='));
    fields.find(|(key, _)| *key == name).map(|(_, value)| value.parse().expect("a number"))
}

#[test]
fn output_may_stand_above_the_soft_limit_for_its_time_only() {
    const SOFT_BYTES: usize = 256 << 10;
    let server = launch();
    let mut publisher = server.connect();
    set(&mut publisher, "client-output-buffer-limit", "pubsub 0 256kb 1");
    let mut slow = server.connect();
    slow.line("SUBSCRIBE channel").expect("SUBSCRIBE");
    let started = Instant::now();
    let payload = "p".repeat(64 << 10);
    // Sockets hold some megabytes before the server's own buffer begins to fill.
    while of_subscriber(&mut publisher, "omem").is_some_and(|bytes| bytes <= SOFT_BYTES) {
        let sent = publisher.call(&["PUBLISH", "channel", &payload]).expect("PUBLISH");
        assert_eq!(sent, Value::Integer(1));
        assert!(started.elapsed() < WAIT, "the sockets take all");
    }
    // Nothing more is sent to it: its time alone ends it.
    until("the end of the slow subscriber", || of_subscriber(&mut publisher, "omem").is_none());
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    let sent = publisher.call(&["PUBLISH", "channel", &payload]).expect("PUBLISH");
    assert_eq!(sent, Value::Integer(0));
    let mut reader = server.connect();
    reader.line("SUBSCRIBE channel").expect("SUBSCRIBE");
    for _ in 0..200 {
        publisher.call(&["PUBLISH", "channel", &payload]).expect("PUBLISH");
        reader.read().expect("who reads is served");
    }
    slow.wait_closed().expect("the slow subscriber is closed");
}

#[test]
fn bulk_strings_may_be_as_long_as_is_set_and_no_longer() {
    let server = launch();
    let mut admin = server.connect();
    let mut before = server.connect();
    let value = "v".repeat(2 * MEGABYTE + 1);
    let (longest, too_long) = (&value[1..], &value[..]);
    assert_eq!(admin.call(&["SET", "key", too_long]).expect("SET"), Value::ok());
    assert_eq!(before.line("STRLEN key").expect("STRLEN"), Value::Integer(value.len() as i64));
    set(&mut admin, "proto-max-bulk-len", "2mb");
    // It holds for connections that are open already, too.
    for mut wire in [before, server.connect()] {
        assert_eq!(wire.call(&["SET", "key", longest]).expect("SET"), Value::ok());
        let length = wire.line("STRLEN key").expect("STRLEN");
        assert_eq!(length, Value::Integer(longest.len() as i64));
        // The refusal may come, with the end of the connection, before all is sent.
        match wire.send(&["SET", "key", too_long]) {
            Ok(()) => {
                let answer = wire.read_to_end().expect("the server closes");
                let answer = String::from_utf8_lossy(&answer).into_owned();
                let expected = ["-ERR Protocol error: invalid bulk length\r\n", ""];
                assert!(expected.contains(&answer.as_str()), "{answer}");
            }
            Err(error) => assert!(closed(&error), "{error}"),
        }
        assert_eq!(admin.call(&["GETRANGE", "key", "0", "0"]).expect("GETRANGE"), Value::bulk("v"));
        let length = admin.line("STRLEN key").expect("STRLEN");
        assert_eq!(length, Value::Integer(longest.len() as i64), "nothing was stored");
    }
    let mut wire = server.connect();
    wire.send_raw(b"*1\r\n$2097153\r\n").expect("the server reads");
    let answer = wire.read_to_end().expect("the server closes");
    assert_eq!(answer, b"-ERR Protocol error: invalid bulk length\r\n");
    let grown = admin.line("SETRANGE key 2097152 x").expect("SETRANGE");
    let refusal = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    assert_eq!(grown, Value::Error(refusal.as_bytes().to_vec()));
}

/// The kernel's timer of the server's side of a connection: 0 none, 1 retransmission, 2 keepalive.
fn timer(wire: &mut Wire) -> Option<u32> {
    let info = wire.line("CLIENT INFO").expect("CLIENT INFO").text();
    let port = |name| {
        let mut fields = info.split(' ').filter_map(|field| field.split_once('='));
        let address = fields.find(|(key, _)| *key == name).expect("an address").1;
        address.rsplit(':').next().expect("a port").parse::<u16>().expect("a number")
    };
    let pair = [port("laddr"), port("addr")].map(|port| format!(":{port:04X}"));
    let table = fs::read_to_string("/proc/net/tcp").expect("proc is mounted");
    table.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let is_this = fields.get(1)?.ends_with(&pair[0]) && fields.get(2)?.ends_with(&pair[1]);
        is_this.then(|| fields[5].split(':').next()?.parse().ok())?
    })
}

#[test]
fn new_connections_are_kept_alive_as_is_set() {
    const NONE: u32 = 0;
    const KEEPALIVE: u32 = 2;
    let server = launch();
    let mut admin = server.connect();
    for (seconds, expected) in [("300", KEEPALIVE), ("0", NONE), ("60", KEEPALIVE), ("0", NONE)] {
        set(&mut admin, "tcp-keepalive", seconds);
        let mut wire = server.connect();
        // Until the reply is acknowledged the timer is another one.
        until("a quiet connection", || {
            let found = timer(&mut wire).expect("the connection is in the table");
            assert!(found == 1 || found == expected, "timer {found} with tcp-keepalive {seconds}");
            found == expected
        });
    }
}
