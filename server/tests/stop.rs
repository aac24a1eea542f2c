//! Job: hold SHUTDOWN to what it promises: whatever its options, replies in flight are delivered,
//! whoever waits is let go, and the process ends with 0; refused forms change nothing.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`), with more shards than CPUs.
//! Out: test results.

use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use ringlet_check::client::encode;
use ringlet_check::process::{Launch, RunningServer, ServerBinary};
use ringlet_check::value::Value;

const SHARDS: usize = 4;
const WAIT: Duration = Duration::from_secs(20);
const WRITES: usize = 100;

fn launch() -> RunningServer {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    binary.launch(&Launch::with_shards(SHARDS)).unwrap_or_else(|error| panic!("{error}"))
}

fn await_end(server: &mut RunningServer) -> ExitStatus {
    let deadline = Instant::now() + WAIT;
    loop {
        if let Some(status) = server.ended().expect("the child can be asked") {
            return status;
        }
        assert!(Instant::now() < deadline, "the server does not end");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_shutdown_delivers_what_is_in_flight_and_lets_everybody_go() {
    for line in [
        "SHUTDOWN",
        "shutdown nosave",
        "SHUTDOWN NOW",
        "SHUTDOWN FORCE",
        "SHUTDOWN NOSAVE NOW FORCE",
    ] {
        let mut server = launch();
        let mut waiting: Vec<_> = (0..4).map(|_| server.connect()).collect();
        let commands = ["BLPOP a b c d 0", "BZPOPMIN z 0", "BLMOVE from to LEFT LEFT 0", "MULTI"];
        for (wire, command) in waiting.iter_mut().zip(commands) {
            wire.send(&command.split(' ').collect::<Vec<_>>()).expect("the server reads");
        }
        assert_eq!(waiting[3].read().expect("MULTI"), Value::ok());
        let mut subscriber = server.connect();
        subscriber.line("SUBSCRIBE channel").expect("SUBSCRIBE");
        let mut request = Vec::new();
        for number in 0..WRITES {
            encode(&["SET", &format!("key:{number}"), "value"], &mut request);
        }
        encode(&["MGET", "key:0", "key:1", "key:2", "key:3"], &mut request);
        encode(&line.split(' ').collect::<Vec<_>>(), &mut request);
        encode(&["SET", "late", "value"], &mut request);
        let mut wire = server.connect();
        wire.send_raw(&request).expect("the server reads");
        let mut expected = b"+OK\r\n".repeat(WRITES);
        expected.extend_from_slice(b"*4\r\n");
        expected.extend_from_slice(&b"$5\r\nvalue\r\n".repeat(4));
        let answer = wire.read_to_end().expect("the connection is closed");
        assert_eq!(String::from_utf8_lossy(&answer), String::from_utf8_lossy(&expected), "{line}");
        for wire in waiting.iter_mut().chain([&mut subscriber]) {
            assert_eq!(wire.read_to_end().expect("the connection is closed"), b"", "{line}");
        }
        assert_eq!(await_end(&mut server).code(), Some(0), "{line}");
    }
}

#[test]
fn refused_forms_of_shutdown_change_nothing() {
    let server = launch();
    let mut wire = server.connect();
    let refusals = [
        ("SHUTDOWN ABORT", "ERR No shutdown in progress."),
        ("SHUTDOWN ABORT NOW", "ERR syntax error"),
        ("SHUTDOWN SAVE NOSAVE", "ERR syntax error"),
        ("SHUTDOWN SOON", "ERR syntax error"),
    ];
    for (line, text) in refusals {
        let reply = wire.line(line).expect("an answer");
        assert_eq!(reply, Value::Error(text.as_bytes().to_vec()), "{line}");
    }
    assert_eq!(wire.line("MULTI").expect("MULTI"), Value::ok());
    assert!(wire.line("SET key value").expect("SET").is_simple("QUEUED"));
    let refusal = wire.line("SHUTDOWN NOW").expect("an answer");
    let expected = "ERR Command not allowed inside a transaction";
    assert_eq!(refusal, Value::Error(expected.as_bytes().to_vec()));
    let outcome = wire.line("EXEC").expect("EXEC");
    let expected = "EXECABORT Transaction discarded because of previous errors.";
    assert_eq!(outcome, Value::Error(expected.as_bytes().to_vec()));
    assert_eq!(server.connect().line("EXISTS key").expect("EXISTS"), Value::Integer(0));
    let mut stranger = server.connect();
    assert_eq!(stranger.line("CONFIG SET requirepass sesame").expect("CONFIG SET"), Value::ok());
    let refusal = server.connect().line("SHUTDOWN").expect("an answer");
    assert_eq!(refusal, Value::Error(b"NOAUTH Authentication required.".to_vec()));
    assert!(wire.line("PING").expect("PING").is_simple("PONG"));
}
