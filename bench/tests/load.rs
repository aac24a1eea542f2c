//! `ringlet-bench load` as a process, against servers that do what a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// A server that gives `answer(number, words)` to each command, or closes at `None`; the commands that
/// came.
fn server<F>(answer: F) -> (SocketAddr, Receiver<Vec<String>>)
where
    F: Fn(usize, &[String]) -> Option<&'static str> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (sender, receiver) = channel();
    let state = Arc::new((answer, Mutex::new((0, sender))));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = state.clone();
            thread::spawn(move || {
                let mut input = BufReader::new(stream.try_clone().expect("a second handle"));
                let mut output = stream;
                while let Some(words) = command(&mut input) {
                    let (answer, count) = (&state.0, &state.1);
                    let reply = {
                        let mut count = count.lock().expect("no panics");
                        count.0 += 1;
                        let reply = answer(count.0, &words);
                        // A test that has seen enough does not listen.
                        let _ = count.1.send(words);
                        reply
                    };
                    let Some(reply) = reply else { return };
                    if output.write_all(reply.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, receiver)
}

/// The words of the next command; none at the end.
fn command(input: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let length = |kind: char, input: &mut BufReader<TcpStream>| -> Option<usize> {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        line.trim_end().strip_prefix(kind)?.parse().ok()
    };
    let count = length('*', input)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut word = vec![0; length('$', input)? + 2];
        input.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    Some(words)
}

fn ok(_: usize, words: &[String]) -> Option<&'static str> {
    Some(if words[0] == "GET" { "$-1\r\n" } else { "+OK\r\n" })
}

fn load(address: SocketAddr, options: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringlet-bench"));
    command.arg("load").arg(address.to_string()).args(options.split_whitespace());
    command.args(["--format", "json", "--share-cpu"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code, outcome and standard error.
fn read(output: Output) -> (Option<i32>, Value, String) {
    let said = String::from_utf8(output.stderr).expect("text");
    let outcome = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    (output.status.code(), outcome, said)
}

#[test]
fn a_complete_run_is_0_and_says_how_to_repeat_it() {
    let (address, _commands) = server(ok);
    let output = load(address, "--requests 200 --connections 2 --seed 7").output().expect("a run");
    let (code, outcome, said) = read(output);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert_eq!(outcome["ended"], "complete");
    assert_eq!(outcome["total"]["requests"], 200);
    let command = format!(
        "ringlet-bench load {address} --requests 200 --connections 2 --seed 7 --format json --share-cpu"
    );
    assert_eq!(outcome["command"], command);
}

#[test]
fn error_replies_are_1_with_their_text() {
    let (address, _commands) = server(|number, words| match words[0].as_str() {
        "GET" if number > 50 => Some("-ERR not today\r\n"),
        _ => ok(number, words),
    });
    let output = load(address, "--requests 100 --connections 1").output().expect("a run");
    let (code, outcome, _) = read(output);
    assert_eq!((code, &outcome["ended"]), (Some(1), &"complete".into()));
    assert_eq!(outcome["total"]["requests"], 100);
    let refused = outcome["total"]["refused"].as_u64().expect("a count");
    assert!((1..=50).contains(&refused), "{refused}");
    assert!(outcome["errors"].to_string().contains("ERR not today"), "{}", outcome["errors"]);
}

#[test]
fn a_server_that_goes_is_1_with_what_was_measured() {
    let (address, _commands) =
        server(|number, words| if number > 100 { None } else { ok(number, words) });
    let output = load(address, "--requests 1000 --connections 1").output().expect("a run");
    let (code, outcome, _) = read(output);
    assert_eq!(code, Some(1));
    let reason = outcome["ended"]["failed"].as_str().expect("a reason");
    assert!(reason.contains(&address.to_string()), "{reason}");
    assert_eq!(outcome["total"]["requests"], 100);
}

#[test]
fn an_interrupted_run_is_130_with_what_was_measured() {
    let (address, commands) = server(ok);
    let child = load(address, "--time 1h --warm-up 0 --connections 1").spawn().expect("a run");
    (0..10).for_each(|_| drop(commands.recv().expect("a command")));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
    let (code, outcome, _) = read(child.wait_with_output().expect("an end"));
    assert_eq!((code, &outcome["ended"]), (Some(130), &"interrupted".into()));
    assert!(outcome["total"]["requests"].as_u64().expect("a count") >= 9, "{outcome}");
}

#[test]
fn what_cannot_begin_prints_no_outcome() {
    let nobody =
        TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    for (options, code, text) in [
        ("", 1, "refused"),
        ("--rate 5 --pipeline 2", 2, "cannot be used with"),
        ("--expect 200", 2, "for an http:// address only"),
        ("--output /no/such/place", 1, "cannot write /no/such/place"),
    ] {
        let output = load(nobody, options).output().expect("a run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{options}: {said}");
        assert!(said.contains(text) && output.stdout.is_empty(), "{options}: {said}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_1() {
    let (address, _commands) = server(ok);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    let mut command = load(address, "--requests 10 --connections 1");
    let output = command.stdout(full).output().expect("a run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write the report"), "{said}");
}

#[test]
fn a_fill_sets_each_key_once_before_the_run() {
    let (address, commands) = server(ok);
    let options = "--fill --keys 50 --requests 20 --ratio 0:1 --connections 3 --threads 2";
    let (code, outcome, _) = read(load(address, options).output().expect("a run"));
    assert_eq!((code, &outcome["total"]["requests"]), (Some(0), &20.into()));
    let commands: Vec<_> = commands.try_iter().collect();
    let (fill, reads) = commands.split_at(50);
    let mut keys: Vec<_> = fill.iter().map(|words| (words[0].clone(), words[1].clone())).collect();
    keys.sort();
    let expected = (0..50).map(|key| ("SET".to_owned(), format!("key:{key:012}")));
    assert_eq!(keys, expected.collect::<Vec<_>>());
    assert_eq!(reads.len(), 20);
    assert!(reads.iter().all(|words| words[0] == "GET"));
}

#[test]
fn a_search_says_its_trials_and_ends_with_the_best() {
    let (address, _commands) = server(ok);
    let options = "--max-p99 60s --max-rate 100 --time 100ms --warm-up 0 --connections 2";
    let (code, outcome, said) = read(load(address, options).output().expect("a run"));
    assert_eq!((code, &outcome["ended"]), (Some(0), &"complete".into()));
    assert!(said.contains("100/s offered") && said.contains("holds"), "{said}");
    assert!(said.contains("the highest rate with a p99 of 60000 ms or less: 100/s"), "{said}");
}

#[test]
fn files_are_written_beside_the_report() {
    let (address, _commands) = server(ok);
    let folder = std::env::temp_dir().join(format!("ringlet-bench-load-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = |name: &str| folder.join(name);
    let mut command = load(address, "--requests 100 --connections 1 --probe 10");
    for name in ["output", "hlog", "hgrm"] {
        command.arg(format!("--{name}")).arg(path(name));
    }
    let output = command.output().expect("a run");
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    let [report, hlog, hgrm] =
        ["output", "hlog", "hgrm"].map(|name| std::fs::read_to_string(path(name)).expect(name));
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["total"]["requests"], 100);
    assert!(hlog.starts_with("#[Histogram log format version 1.3]\n"), "{hlog}");
    assert!(hlog.lines().any(|line| line.starts_with("0.000,")), "{hlog}");
    assert!(hlog.contains("\nTag=probe,"), "{hlog}");
    assert!(hgrm.contains("Total count    =          100]"), "{hgrm}");
}
