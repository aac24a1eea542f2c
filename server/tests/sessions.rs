//! Job: hold transactions with commands about the connection to what Redis promises: a refused EXEC
//! has changed nothing of it, not even when it is gone, and what EXEC subscribes to comes behind
//! its reply.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`), with more shards than CPUs, or
//! one.
//! Out: test results.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ringlet_check::keys::Keys;
use ringlet_check::process::{RunningServer, ServerBinary};
use ringlet_check::value::Value;
use ringlet_check::wire::Wire;

const SHARDS: usize = 4;
const ROUNDS: usize = 200;
/// LCS of two strings of this length takes some tens of milliseconds.
const SLOW_BYTES: usize = 8_000;

fn launch() -> RunningServer {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    binary.start(SHARDS, &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn say(wire: &mut Wire, line: &str) -> Value {
    wire.line(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// Watches a key that somebody else changes, queues `lines`, and has EXEC refused.
fn give_up(wire: &mut Wire, other: &mut Wire, lines: &[&str]) {
    say(wire, "WATCH watched");
    say(other, "INCR watched");
    say(wire, "MULTI");
    for line in lines {
        assert_eq!(say(wire, line), Value::Simple(b"QUEUED".to_vec()), "{line}");
    }
    let refused = say(wire, "EXEC");
    assert!(matches!(refused, Value::NullArray | Value::Null), "{refused}");
}

#[test]
fn a_refused_transaction_leaves_no_subscription_and_no_setting() {
    let server = launch();
    let (mut wire, mut other) = (server.connect(), server.connect());
    let before = say(&mut wire, "CLIENT INFO").text();
    let lines = [
        "SUBSCRIBE channel",
        "PSUBSCRIBE chan*",
        "CLIENT SETINFO LIB-NAME library",
        "CLIENT SETINFO LIB-VER 1",
        "READONLY",
        "GET watched",
    ];
    give_up(&mut wire, &mut other, &lines);
    assert_eq!(say(&mut wire, "GET watched"), Value::bulk("1"), "no subscriber's restrictions");
    assert_eq!(say(&mut other, "PUBLISH channel x").integer(), Some(0));
    let after = say(&mut wire, "CLIENT INFO").text();
    let shown = |info: &str| -> Vec<String> {
        let names = ["sub=", "psub=", "flags=", "lib-name=", "lib-ver="];
        let fields = info.split_whitespace().map(str::to_owned);
        fields.filter(|field| names.iter().any(|name| field.starts_with(name))).collect()
    };
    assert_eq!(shown(&before), shown(&after));
}

#[test]
fn a_refused_transaction_keeps_the_subscriptions_that_were_there() {
    let server = launch();
    let mut other = server.connect();
    let mut wire = Wire::open_resp3(&server.wire_address()).expect("RESP3");
    assert!(matches!(say(&mut wire, "SUBSCRIBE old"), Value::Push(_)));
    give_up(&mut wire, &mut other, &["UNSUBSCRIBE old", "SUBSCRIBE new", "GET watched"]);
    assert_eq!(say(&mut other, "PUBLISH new x").integer(), Some(0));
    assert_eq!(say(&mut other, "PUBLISH old x").integer(), Some(1));
    let message = ["message", "old", "x"].map(Value::bulk);
    assert_eq!(wire.read().expect("a message"), Value::Push(message.to_vec()));
}

#[test]
fn a_refused_transaction_brings_no_subscription_of_a_closed_connection_back() {
    // One shard, so that EXEC and what closes its connection run in one pass.
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    let server = binary.start(1, &[]).unwrap_or_else(|error| panic!("{error}"));
    let (mut slow, mut other) = (server.connect(), server.connect());
    slow.call(&["SET", "slow:one", &"ab".repeat(SLOW_BYTES / 2)]).expect("SET");
    slow.call(&["SET", "slow:other", &"ba".repeat(SLOW_BYTES / 2)]).expect("SET");
    for round in 0..5 {
        let mut victims: Vec<Wire> =
            (0..8).map(|_| Wire::open_resp3(&server.wire_address()).expect("RESP3")).collect();
        for victim in &mut victims {
            assert!(matches!(say(victim, "SUBSCRIBE old"), Value::Push(_)));
            say(victim, "WATCH watched");
            say(victim, "MULTI");
            say(victim, "SUBSCRIBE new");
        }
        say(&mut other, "INCR watched");
        // While this runs, all that follows arrives.
        slow.send(&["LCS", "slow:one", "slow:other", "LEN"]).expect("the server reads");
        victims.iter_mut().for_each(|victim| victim.send(&["EXEC"]).expect("the server reads"));
        let killed = say(&mut other, "CLIENT KILL TYPE pubsub").integer();
        assert_eq!(killed, Some(victims.len() as i64), "round {round}");
        let listeners = say(&mut other, "PUBSUB NUMSUB old new");
        let nobody = [Value::bulk("old"), Value::Integer(0), Value::bulk("new"), Value::Integer(0)];
        assert_eq!(listeners.into_items(), nobody, "round {round}");
        slow.read().expect("the reply of LCS");
    }
}

#[test]
fn a_subscription_in_a_transaction_begins_behind_what_was_sent_before() {
    let server = launch();
    let keys = Keys::new(SHARDS);
    for round in 0..ROUNDS {
        let mut wire = server.connect();
        // The last round's client may still be there.
        let (key, channel) = (keys.on(round, "key"), format!("channel:{round}"));
        let commands = vec![
            vec!["PUBLISH", &channel, "early"],
            vec!["MULTI"],
            vec!["SUBSCRIBE", &channel],
            vec!["GET", &key],
            vec!["EXEC"],
        ];
        let replies = wire.pipeline(&commands).expect("replies");
        assert_eq!(replies[0], Value::Integer(0), "round {round}: it hears what it said before");
        assert_eq!(
            replies[4].items().map(<[Value]>::len),
            Some(2),
            "round {round}: {}",
            replies[4]
        );
    }
}

#[test]
fn messages_come_behind_the_reply_of_the_transaction_that_subscribes() {
    let server = launch();
    let keys = Keys::new(SHARDS);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            let mut publisher = server.connect();
            let is_over = &is_over;
            scope.spawn(move || {
                let many = vec![vec!["PUBLISH", "channel", "message"]; 20];
                while !is_over.load(Ordering::Relaxed) {
                    publisher.pipeline(&many).expect("replies");
                }
            });
        }
        let check = || -> Result<(), String> {
            for round in 0..ROUNDS {
                let mut wire = server.connect();
                let names: Vec<String> = (0..SHARDS).map(|shard| keys.on(shard, "key")).collect();
                let mut commands = vec![vec!["MULTI"], vec!["SUBSCRIBE", "channel"]];
                commands.extend(names.iter().map(|name| vec!["GET", name.as_str()]));
                commands.push(vec!["EXEC"]);
                let replies = wire.pipeline(&commands).map_err(|error| error.to_string())?;
                let exec = &replies[commands.len() - 1];
                if exec.items().map(<[Value]>::len) != Some(1 + SHARDS) {
                    return Err(format!("round {round}: {exec} comes before EXEC's reply"));
                }
                let message = wire.read_within(Duration::from_secs(20));
                if !matches!(message, Ok(Some(Value::Array(_)))) {
                    return Err(format!("round {round}: no message comes, but {message:?}"));
                }
            }
            Ok(())
        };
        let outcome = check();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(outcome, Ok(()));
    });
}
