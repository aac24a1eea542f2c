//! Job: what is said when a run does not go well. In: servers that die, refuse or are not there, a signal.
//! Out: failed assertions. Invariant: what was measured until then is there.

use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ringlet_check::process::RunningServer;

use crate::program::load;
use crate::questions::ask;
use crate::running::start;
use crate::servers::{redis, url};

/// Waits until the server has executed that many commands.
fn wait_for_load(server: &RunningServer) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while ask(server, &["GET", "key:000000000000"]).text().is_none() {
        assert!(Instant::now() < deadline, "no load came");
        thread::sleep(Duration::from_millis(5));
    }
}

const LONG: [&str; 8] = ["--keys", "1", "--ratio", "1:0", "--warm-up", "0s", "--time", "60s"];

#[test]
fn a_server_that_is_killed_leaves_a_clear_error_and_what_was_measured() {
    for pace in [&["--rate", "2000"][..], &["--connections", "3"]] {
        let mut server = redis(&[]);
        let url = url(&server);
        let running = start(&[&[url.as_str()], &LONG[..], pace].concat());
        wait_for_load(&server);
        thread::sleep(Duration::from_millis(300));
        server.stop("KILL").expect("it runs");
        let said = running.said();
        assert_eq!(said.code, 1, "{said:?}");
        let address = server.address().to_string();
        assert!(said.messages.contains(&address), "{said:?}");
        let why = said.outcome["ended"]["failed"].as_str().expect("a reason");
        assert!(why.contains("no reply"), "{why}");
        assert!(said.number("/total/requests") > 100.0);
        assert!(said.number("/elapsed_s") > 0.2 && said.number("/elapsed_s") < 50.0);
        assert!(said.number("/total/latency/p50_us") > 0.0);
    }
}

#[test]
fn nobody_there_is_one_clear_line() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let said = load(&[&format!("redis://{address}")]);
    assert_eq!(said.code, 1);
    assert!(said.messages.contains(&address) && said.messages.contains("refused"), "{said:?}");
    assert_eq!(said.messages.trim().lines().count(), 1, "{said:?}");
    assert!(said.outcome.is_null());
}

#[test]
fn a_password_that_lacks_is_told_and_one_that_is_there_is_used() {
    let server = redis(&["--requirepass", "secret"]);
    let address = server.address().to_string();
    let said = load(&[&address, "--requests", "10"]);
    assert_eq!(said.code, 1);
    let text = format!("{said:?}");
    assert!(text.contains("NOAUTH"), "{text}");
    load(&[&format!("redis://:secret@{address}"), "--requests", "10"]).must_be_complete();
    let said = load(&[&format!("redis://:wrong@{address}"), "--requests", "10"]);
    assert_eq!(said.code, 1);
    assert!(said.messages.contains("WRONGPASS"), "{said:?}");
}

#[test]
fn ctrl_c_prints_what_was_measured() {
    let server = redis(&[]);
    let url = url(&server);
    let running = start(&[&[url.as_str()], &LONG[..]].concat());
    wait_for_load(&server);
    thread::sleep(Duration::from_millis(200));
    let kill = Command::new("kill").args(["-INT", &running.pid().to_string()]).status();
    assert!(kill.expect("kill").success());
    let said = running.said();
    assert_eq!((said.code, said.outcome["ended"].as_str()), (130, Some("interrupted")), "{said:?}");
    assert!(said.number("/total/requests") > 100.0 && said.number("/unanswered") == 0.0);
}

#[test]
fn usage_errors_say_what_may_stand_there() {
    for (words, expected) in [
        (&["redis://127.0.0.1:1", "--distribution", "bell"][..], "zipfian"),
        (&["redis://127.0.0.1:1", "--value-bytes", "abc"], "16-1024"),
        (&["redis://127.0.0.1:1", "--rate", "5", "--pipeline", "2"], "--pipeline"),
        (&["redis://127.0.0.1:1", "--verify", "--value-bytes", "8"], "40"),
        (&["rediss://127.0.0.1:1"], "TLS"),
        (&["ftp://127.0.0.1:1"], "redis://"),
        (&[], "ADDRESS"),
    ] {
        let said = load(words);
        assert_eq!(said.code, 2, "{words:?}: {said:?}");
        assert!(said.messages.contains(expected), "{words:?}: {said:?}");
    }
}
