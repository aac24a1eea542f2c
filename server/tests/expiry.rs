//! Job: hold active expiry to what it promises: keys go without being asked for, in bounded slices,
//! and keys whose time has not come cost nothing.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`).
//! Out: test results.
//! Invariant: what is bounded is counted, never timed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringlet_check::client::encode;
use ringlet_check::process::{Launch, RunningServer, ServerBinary, free_ports};
use ringlet_check::wire::Wire;

const WAIT: Duration = Duration::from_secs(30);
const PIPELINE: usize = 1000;
/// Active expiry finishes the segment of the table in which its limit ends it.
const SEGMENT_KEYS_MAX: u64 = 896;

fn launch(shards: usize, options: &[&str]) -> RunningServer {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    let launch = Launch { options: options.to_vec(), ..Launch::with_shards(shards) };
    binary.launch(&launch).unwrap_or_else(|error| panic!("{error}"))
}

fn unix_time_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    since.as_millis() as u64
}

fn figure(wire: &mut Wire, section: &str, name: &str) -> u64 {
    let text = wire.line(&format!("INFO {section}")).expect("INFO").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = line.and_then(|value| value.parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// Writes `count` keys in the selected database; `expiry_ms` says when each is over.
fn load(wire: &mut Wire, count: usize, expiry_ms: impl Fn(usize) -> u64) {
    for first in (0..count).step_by(PIPELINE) {
        let mut request = Vec::new();
        for number in first..first + PIPELINE {
            let (key, expiry) = (format!("key:{number}"), expiry_ms(number).to_string());
            encode(&["SET", &key, "value", "PXAT", &expiry], &mut request);
        }
        wire.send_raw(&request).expect("the server reads");
        for _ in 0..PIPELINE {
            assert!(wire.read().expect("SET").is_simple("OK"));
        }
    }
}

/// A figure of the admin page, which takes nothing from the cores and wakes none.
fn page_figure(port: u16, name: &str) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the page is there");
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("it reads");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("it answers");
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {page}"))
}

#[test]
fn keys_that_expire_together_go_in_bounded_slices_unaided() {
    const KEYS_EACH: usize = 100_000;
    const ALL: u64 = 2 * KEYS_EACH as u64;
    let port = free_ports(1).expect("a free port");
    let server = launch(4, &["--admin", &format!("127.0.0.1:{port}")]);
    let mut wire = server.connect();
    let start_ms = unix_time_ms() + 2000;
    // All within one second, in two databases of every shard.
    for database in ["0", "9"] {
        wire.call(&["SELECT", database]).expect("SELECT");
        load(&mut wire, KEYS_EACH, |number| start_ms + number as u64 % 1000);
    }
    let deadline = Instant::now() + WAIT;
    while page_figure(port, "redis_expired_keys_total ") < ALL {
        assert!(Instant::now() < deadline, "keys stay whose time is over");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(page_figure(port, "ringlet_keys "), 0);
    assert!(wire.line("DBSIZE").expect("DBSIZE").integer() == Some(0));
    assert_eq!(figure(&mut wire, "stats", "expired_keys"), ALL);
    let limit = figure(&mut wire, "ringlet", "limit_expire_work_per_pass") + SEGMENT_KEYS_MAX;
    let most = figure(&mut wire, "ringlet", "expired_per_pass_max");
    println!("at most {most} keys in one pass");
    assert!(most > 0 && most < limit, "{most} keys in one pass, {limit} may be looked at");
}

#[test]
fn keys_whose_time_has_not_come_keep_no_core_busy() {
    // Far more segments than one pass of active expiry looks at.
    const KEYS: usize = 500_000;
    const PASSES: u64 = 2000;
    let server = launch(1, &[]);
    let mut wire = server.connect();
    let later_ms = unix_time_ms() + 10_000_000;
    load(&mut wire, KEYS, |_| later_ms);
    let deadline = Instant::now() + WAIT;
    // A core that rests makes some hundred passes in that time, one that does not makes more than
    // ten thousand; several tries, as it may have other things to do at first.
    loop {
        let before = figure(&mut wire, "ringlet", "loop_passes");
        thread::sleep(Duration::from_millis(500));
        let passes = figure(&mut wire, "ringlet", "loop_passes") - before;
        if passes < PASSES {
            println!("{passes} passes in half a second");
            return;
        }
        assert!(Instant::now() < deadline, "{passes} passes in half a second");
    }
}
