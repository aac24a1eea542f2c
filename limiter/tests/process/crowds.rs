//! More keys and more clients than a limiter can like: memory stays bounded, and who is refused stays so.

use std::process::Command;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ringlet_check::client::Connection;
use ringlet_check::random::{Choices, seed};

use crate::accuracy::TURN;
use crate::limiter::{Limiter, PATIENCE, is_let_through, wait_until};
use crate::stores::{Kind, Store};

/// Keys that the limiter is told to remember.
const KEYS: usize = 50_000;
const CONNECTIONS: u64 = 4;
const BATCH: usize = 100;
/// What a key and its surroundings may cost in any table, with room for what is not given back to the
/// system.
const GROWTH_BYTES_MAX: u64 = 32 << 20;
const RULES: &str = "[rule.each]\nlimit = 3\nwindow = \"1h\"\n";

/// Asks once for each of so many keys that nobody has named before.
fn flood(limiter: &Limiter, keys: usize, choices: &Choices) {
    thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let mut choices = choices.fork(number);
            let mut connection: Connection = limiter.connect();
            scope.spawn(move || {
                for _ in 0..keys / CONNECTIONS as usize / BATCH {
                    for _ in 0..BATCH {
                        let key = format!("{:x}", choices.below(usize::MAX));
                        connection.queue(&["THROTTLE", "each", &key]);
                    }
                    connection.flush().expect("it takes questions");
                    for _ in 0..BATCH {
                        // Let through, refused, or no place for it: an answer.
                        connection.read_reply().expect("it answers");
                    }
                }
            });
        }
    });
}

/// A key that is used up is refused before, during and after the flood.
fn keys_are_bounded(store: Option<&Store>, keys: usize) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let sections = store.map(Store::section).unwrap_or_default() + RULES;
    let mut limiter = Limiter::start(4, &format!("keys = {KEYS}"), "", &sections);
    if let Some(store) = store {
        wait_until("the limiter has told of itself", || store.nodes() == 1);
        wait_until("all cores are connected", || store.clients() >= 4);
    }
    let choices = Choices::new(seed());
    for number in 0..3 {
        assert!(limiter.lets_through("each", "victim"), "{number}");
    }
    flood(&limiter, 2 * KEYS, &choices.fork(100));
    let before = limiter.resident_bytes();
    let is_over = AtomicBool::new(false);
    let let_through = thread::scope(|scope| {
        let victim = scope.spawn(|| {
            let mut connection = limiter.connect();
            let mut asked: u32 = 0;
            while !is_over.load(Ordering::Relaxed) {
                asked += 1;
                if is_let_through(&mut connection, "each", "victim") {
                    return Err(asked);
                }
            }
            Ok(asked)
        });
        flood(&limiter, keys, &choices.fork(200));
        is_over.store(true, Ordering::Relaxed);
        victim.join().expect("the victim")
    });
    let after = limiter.resident_bytes();
    println!("{keys} keys: {before} bytes before, {after} after; the victim: {let_through:?}");
    let asked = let_through.expect("it is used up");
    assert!(asked > 10, "asked {asked} times");
    assert!(!limiter.lets_through("each", "victim"));
    assert!(after <= before + GROWTH_BYTES_MAX, "{before} {after}");
    limiter.assert_well();
}

#[test]
fn a_million_keys_are_bounded() {
    keys_are_bounded(None, 1_000_000);
}

#[test]
fn keys_of_a_store_are_bounded() {
    let store = Store::start(Kind::Redis);
    keys_are_bounded(Some(&store), 100_000);
}

/// Lets this process, and those that it starts, have as many open files as it may.
fn raise_limit_of_open_files() {
    let limits = "prlimit --pid $0 --nofile=$(ulimit -Hn):$(ulimit -Hn)";
    let status = Command::new("sh").args(["-c", limits, &std::process::id().to_string()]).status();
    assert!(status.expect("there is sh").success());
}

#[test]
fn thousands_of_clients_are_all_answered() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    const CLIENTS: usize = 3000;
    raise_limit_of_open_files();
    let mut limiter = Limiter::start(4, "", "", RULES);
    let connect = |_| Connection::open(limiter.resp, PATIENCE).expect("it accepts a connection");
    let mut clients: Vec<Connection> = (0..CLIENTS).map(connect).collect();
    for round in 0..2 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.queue(&["THROTTLE", "each", &number.to_string()]);
            client.flush().expect("it takes a question");
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let reply = client.read_reply().expect("it answers");
            let left = reply.items().expect("five")[2].integer();
            assert_eq!(left, Some(2 - round), "client {number}: {reply:?}");
        }
    }
    drop(clients);
    limiter.assert_well();
}
