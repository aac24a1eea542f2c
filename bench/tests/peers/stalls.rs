//! Job: a server that stands still shows in an open loop and not in a closed one; rates are held.
//! In: a server that stalls once. Out: failed assertions. Invariant: the stall is the server's own sleep.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::program::load;
use crate::servers::{redis, url};

const STALL: Duration = Duration::from_millis(100);

/// Answers every command with +OK, and stands still once, before the answer with that number.
fn stalling_server(stalls_at: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let number = Arc::new(AtomicU64::new(0));
    let stalls = Arc::new(AtomicBool::new(false));
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let (number, stalls) = (number.clone(), stalls.clone());
            thread::spawn(move || {
                stream.set_nodelay(true).expect("a socket");
                let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
                let mut line = String::new();
                // PING is an array of one word: three lines.
                for count in 1.. {
                    line.clear();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    if count % 3 != 0 {
                        continue;
                    }
                    if number.fetch_add(1, Ordering::SeqCst) == stalls_at {
                        stalls.store(true, Ordering::SeqCst);
                        thread::sleep(STALL);
                        stalls.store(false, Ordering::SeqCst);
                    }
                    // The whole server stands still, not one connection of it.
                    while stalls.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_millis(1));
                    }
                    if stream.write_all(b"+OK\r\n").is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("redis://{address}")
}

#[test]
fn a_stall_of_100_ms_shows_in_the_open_loop_and_not_in_the_closed_one() {
    let ping = ["--command", "PING", "--connections", "4", "--warm-up", "0s"];
    let url = stalling_server(1500);
    let words =
        [&[url.as_str(), "--rate", "2000", "--gaps", "equal", "--time", "2s"], &ping[..]].concat();
    let open = load(&words).must_be_complete();
    // 200 of 4000 requests were meant to be sent while the server stood still: one in twenty.
    assert!(open.number("/total/latency/p99_9_us") > 90_000.0, "{open:?}");
    assert!(open.number("/total/latency/p99_us") > 50_000.0, "{open:?}");
    let url = stalling_server(1500);
    let words = [&[url.as_str(), "--requests", "20000"], &ping[..]].concat();
    let closed = load(&words).must_be_complete();
    // Four of 20000 waited, and nobody else was there to see it.
    assert!(closed.number("/total/latency/p99_9_us") < 50_000.0, "{closed:?}");
    assert!(closed.number("/total/latency/max_us") > 90_000.0, "{closed:?}");
}

#[test]
fn rates_are_held_within_one_percent() {
    let server = redis(&[]);
    for rate in [500.0, 5000.0, 20_000.0] {
        for threads in ["1", "2"] {
            let text = format!("{rate}");
            let said = load(&[
                &url(&server),
                "--rate",
                &text,
                "--gaps",
                "equal",
                "--threads",
                threads,
                "--time",
                "2s",
                "--warm-up",
                "100ms",
                "--share-cpu",
            ])
            .must_be_complete();
            let (held, offered) = (said.number("/rate"), said.number("/offered_rate"));
            assert!((offered / rate - 1.0).abs() < 0.001, "{offered} were meant instead of {rate}");
            assert!((held / rate - 1.0).abs() < 0.01, "{held} instead of {rate}");
        }
    }
}
