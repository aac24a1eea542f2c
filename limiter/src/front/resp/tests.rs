//! Tests of the RESP front, from bytes to bytes.

use ringlet_limit::algorithm::Outcome;
use ringlet_limit::request::Reason;
use ringlet_limit::time::{NS_PER_MS, NS_PER_S};

use super::*;
use crate::front::BadQuestion;
use crate::front::fake_desk::{FakeDesk, given};
use crate::front::mutations::survives_mutations;
use crate::limits::{RESP_OWED_BYTES_MAX, RESP_WAITING_MAX};

fn talk(front: &mut RespFront, desk: &mut FakeDesk, input: &[u8]) -> (String, Flow) {
    let mut out = Vec::new();
    let flow = front.receive(input, desk, &mut out);
    (String::from_utf8(out).expect("text"), flow)
}

/// What a new connection gets for one inline command.
fn reply(desk: &mut FakeDesk, line: &str) -> String {
    talk(&mut RespFront::new(7), desk, format!("{line}\r\n").as_bytes()).0
}

fn command(words: &[&str]) -> String {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    text
}

fn outcome(remaining: u64, retry_ns: u64, reset_ns: u64) -> Outcome {
    Outcome {
        is_allowed: retry_ns == 0,
        remaining,
        retry_after_ns: retry_ns,
        reset_after_ns: reset_ns,
        delay_ns: 0,
    }
}

/// Five integers.
fn five(numbers: [i64; 5]) -> String {
    numbers.iter().fold("*5\r\n".to_owned(), |text, number| format!("{text}:{number}\r\n"))
}

#[test]
fn cl_throttle_asks_with_its_own_limit() {
    let rows = [
        ("CL.THROTTLE u1 15 30 60", "Take given gcra u1 30/60000000000 16 1"),
        ("cl.throttle u1 0 1 1 5", "Take given gcra u1 1/1000000000 1 5"),
        ("Cl.Throttle \"a b\" 1 1 1 0", "Take given gcra a b 1/1000000000 2 0"),
    ];
    for (line, asked) in rows {
        let mut desk = FakeDesk::default();
        desk.answers.push_back(Ok(given(outcome(4, 0, 2 * NS_PER_S))));
        assert_eq!(reply(&mut desk, line), five([0, 5, 4, -1, 2]), "{line}");
        assert_eq!(desk.asked, [asked]);
    }
}

#[test]
fn throttle_asks_by_a_rule() {
    let rows = [
        ("THROTTLE burst u1", "Take rule burst u1 None"),
        ("THROTTLE burst u1 0", "Take rule burst u1 Some(0)"),
        ("throttle burst u1 5 peek", "Peek rule burst u1 Some(5)"),
        ("THROTTLE burst u1 GiveBack", "GiveBack rule burst u1 None"),
        ("THROTTLE burst 5 7 FORCE", "Force rule burst 5 Some(7)"),
    ];
    for (line, asked) in rows {
        let mut desk = FakeDesk::default();
        let told = desk.part("burst", outcome(99, 0, NS_PER_S));
        let verdict = Verdict { is_allowed: true, parts: vec![told], ..Verdict::default() };
        desk.answers.push_back(Ok(verdict));
        let is_told = !asked.starts_with("Take") && !asked.starts_with("Peek");
        let said = if is_told { "+OK\r\n".to_owned() } else { five([0, 100, 99, -1, 1]) };
        assert_eq!(reply(&mut desk, line), said, "{line}");
        assert_eq!(desk.asked, [asked]);
    }
    let unlimited = five([0, 4_294_967_295, 4_294_967_295, -1, 0]);
    assert_eq!(reply(&mut FakeDesk::default(), "THROTTLE free u1"), unlimited);
}

#[test]
fn seconds_are_those_of_redis_cell() {
    let rows = [
        (outcome(0, 1, 1), [1, 5, 0, 0, 0]),
        (outcome(0, NS_PER_MS, 999 * NS_PER_MS), [1, 5, 0, 1, 1]),
        (outcome(0, NS_PER_S, 1001 * NS_PER_MS), [1, 5, 0, 1, 2]),
        (outcome(2, NEVER, 10 * NS_PER_S + 999), [1, 5, 2, -1, 10]),
        (outcome(5, 0, 0), [0, 5, 5, -1, 0]),
        (outcome(1, 0, NEVER), [0, 5, 1, -1, -1]),
    ];
    use ringlet_limit::time::NEVER;
    for (outcome, numbers) in rows {
        let mut desk = FakeDesk::default();
        desk.answers.push_back(Ok(given(outcome)));
        assert_eq!(reply(&mut desk, "CL.THROTTLE k 4 10 60"), five(numbers), "{outcome:?}");
    }
}

#[test]
fn what_cannot_be_asked_is_named() {
    let usage = "-ERR Cell error: Usage: cl.throttle <key> <max_burst> <count per period> \
                 <period in seconds> [<quantity>]";
    let rows = [
        ("CL.THROTTLE", usage),
        ("CL.THROTTLE k 1 1", usage),
        ("CL.THROTTLE k 1 1 1 1 1", usage),
        ("CL.THROTTLE k x 1 1", "-ERR Cell error: Couldn't parse as integer: x"),
        ("CL.THROTTLE k 1 1.5 1", "-ERR Cell error: Couldn't parse as integer: 1.5"),
        ("CL.THROTTLE k 1 0 1", "-ERR Cell error: Zero rates are not supported"),
        ("CL.THROTTLE k 1 1 0", "-ERR Cell error: Zero rates are not supported"),
        ("CL.THROTTLE k 1 1 1 -1", "-ERR Cell error: quantity must be from 0 to 4294967295"),
        ("CL.THROTTLE k 4294967295 1 1", "-ERR Cell error: max_burst must be from 0 to 4294967294"),
        ("CL.THROTTLE k 1 1 316224001", "-ERR Cell error: period must be from 0 to 316224000"),
        ("THROTTLE burst", "-ERR wrong number of arguments for 'throttle' command"),
        (
            "THROTTLE burst k 99999999999999999999",
            "-ERR the cost is not an integer or out of range",
        ),
        (
            "THROTTLE burst k no",
            "-ERR syntax error; THROTTLE rule key [cost] [PEEK|GIVEBACK|FORCE]",
        ),
        (
            "THROTTLE burst k 1 PEEK x",
            "-ERR syntax error; THROTTLE rule key [cost] [PEEK|GIVEBACK|FORCE]",
        ),
        ("THROTTLE \"\\xff\" k", "-ERR the rule's name is no text"),
    ];
    for (line, error) in rows {
        let mut desk = FakeDesk::default();
        assert_eq!(reply(&mut desk, line), format!("{error}\r\n"), "{line}");
        assert!(desk.asked.is_empty());
    }
    let mut desk = FakeDesk::default();
    desk.answers.push_back(Err(BadQuestion("no rule is called \"x\r\n\"".into())));
    assert_eq!(reply(&mut desk, "THROTTLE x k"), "-ERR no rule is called \"x  \"\r\n");
    for (reason, text) in [
        (Reason::Store, "the limiter's store cannot be asked"),
        (Reason::Overload, "too many checks wait"),
    ] {
        desk.answers.push_back(Ok(Verdict { reason, ..Verdict::default() }));
        assert_eq!(reply(&mut desk, "THROTTLE x k"), format!("-TRYAGAIN {text}\r\n"));
    }
    // More different limits than can be remembered: it is not this one that is used up.
    let refused =
        Verdict { is_allowed: false, reason: Reason::Overload, ..given(outcome(0, 1, 0)) };
    desk.answers.push_back(Ok(refused));
    assert_eq!(reply(&mut desk, "CL.THROTTLE k 1 1 1"), "-TRYAGAIN too many checks wait\r\n");
}

#[test]
fn clients_can_connect() {
    let hello2 = "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n\
                  $5\r\nproto\r\n:2\r\n$2\r\nid\r\n:7\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n\
                  $4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
    let hello3 = hello2.replacen("*14", "%7", 1).replacen(":2", ":3", 1);
    let rows = [
        ("PING", "+PONG\r\n"),
        ("PING hi", "$2\r\nhi\r\n"),
        ("PING a b", "-ERR wrong number of arguments for 'ping' command\r\n"),
        ("ECHO hi", "$2\r\nhi\r\n"),
        ("HELLO", hello2),
        ("HELLO 2", hello2),
        ("HELLO 3", &hello3),
        ("HELLO 3 SETNAME x", &hello3),
        ("HELLO 4", "-NOPROTO unsupported protocol version\r\n"),
        ("HELLO x", "-ERR Protocol version is not an integer or out of range\r\n"),
        ("HELLO 3 AUTH", "-ERR Syntax error in HELLO option 'AUTH'\r\n"),
        (
            "HELLO 3 AUTH a b",
            "-ERR HELLO AUTH: there are no passwords here; connect without one\r\n",
        ),
        ("HELLO 3 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'\r\n"),
        ("CLIENT ID", ":7\r\n"),
        ("CLIENT GETNAME", "$-1\r\n"),
        ("CLIENT SETINFO LIB-NAME x", "+OK\r\n"),
        (
            "CLIENT SETNAME \"a b\"",
            "-ERR Client names cannot contain spaces, newlines or special characters.\r\n",
        ),
        (
            "CLIENT KILL x",
            "-ERR unknown subcommand or wrong number of arguments for 'KILL'. \
             Try CLIENT SETNAME|GETNAME|SETINFO|ID.\r\n",
        ),
        ("COMMAND COUNT", ":11\r\n"),
        ("COMMAND DOCS", "*0\r\n"),
        (
            "COMMAND INFO cl.throttle nothing",
            "*2\r\n*10\r\n$11\r\ncl.throttle\r\n:-1\r\n*1\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*0\r\n*0\r\n\
             *0\r\n*0\r\n*-1\r\n",
        ),
        ("SELECT 0", "+OK\r\n"),
        ("SELECT 1", "-ERR DB index is out of range\r\n"),
        ("SELECT x", "-ERR value is not an integer or out of range\r\n"),
        ("RESET", "+RESET\r\n"),
        (
            "GET a b",
            "-ERR unknown command 'GET', with args beginning with: 'a' 'b' ; there are: \
             CL.THROTTLE, THROTTLE, PING, ECHO, HELLO, CLIENT, COMMAND, SELECT, INFO, RESET, QUIT\r\n",
        ),
    ];
    for (line, expected) in rows {
        assert_eq!(reply(&mut FakeDesk::default(), line), expected, "{line}");
    }
    let all = reply(&mut FakeDesk::default(), "COMMAND");
    assert!(all.starts_with("*11\r\n*10\r\n$11\r\ncl.throttle\r\n"), "{all}");
    assert!(reply(&mut FakeDesk::default(), "INFO").contains("\r\nloading:0\r\n"));
    let (mut front, mut desk) = (RespFront::new(1), FakeDesk::default());
    let lines = b"CLIENT SETNAME me\r\nHELLO 3\r\nCLIENT GETNAME\r\nRESET\r\nCLIENT GETNAME\r\n";
    let (text, _) = talk(&mut front, &mut desk, lines);
    assert!(text.ends_with("*0\r\n$2\r\nme\r\n+RESET\r\n$-1\r\n"), "{text}");
    let (text, flow) = talk(&mut front, &mut desk, b"QUIT\r\nPING\r\n");
    assert_eq!((&text[..], flow), ("+OK\r\n", Flow::Close));
}

#[test]
fn wherever_the_bytes_are_cut_the_replies_are_the_same() {
    let mut input = command(&["THROTTLE", "burst", "k\r\n"]);
    input.push_str("\r\nPING\r\n");
    input.push_str(&command(&["ECHO", "*1\r\n$4\r\nPING\r\n"]));
    input.push_str(&command(&["GET", "x"]));
    input.push_str("*x\r\nPING\r\n");
    let mut desk = FakeDesk::default();
    let (whole, flow) = talk(&mut RespFront::new(1), &mut desk, input.as_bytes());
    assert_eq!(flow, Flow::Close);
    assert!(whole.ends_with("-ERR Protocol error: invalid multibulk length\r\n"), "{whole}");
    assert_eq!(whole.matches("PONG").count(), 1);
    for at in 1..input.len() {
        let mut front = RespFront::new(1);
        let (mut first, _) = talk(&mut front, &mut desk, &input.as_bytes()[..at]);
        let (second, flow) = talk(&mut front, &mut desk, &input.as_bytes()[at..]);
        first.push_str(&second);
        assert_eq!((&first, flow), (&whole, Flow::Close), "cut at {at}");
    }
}

#[test]
fn replies_keep_the_order_of_commands_whatever_the_order_of_answers() {
    let line = "THROTTLE burst k\r\n";
    let input = format!("PING a\r\n{line}PING b\r\n{line}{line}PING c\r\nPING d\r\n");
    let expected = |upto: usize| {
        let parts = [five([0, 5, 0, -1, 0]) + "$1\r\nb\r\n", five([0, 5, 1, -1, 0])];
        let last = five([0, 5, 2, -1, 0]) + "$1\r\nc\r\n$1\r\nd\r\n";
        [&parts[0][..], &parts[1], &last][..upto].concat()
    };
    // In which order the answers come (places among those that still wait), and how many questions are
    // settled after each.
    let rows = [
        ([0, 0, 0], [1, 2, 3]),
        ([0, 1, 0], [1, 1, 3]),
        ([1, 0, 0], [0, 2, 3]),
        ([1, 1, 0], [0, 0, 3]),
        ([2, 0, 0], [0, 1, 3]),
        ([2, 1, 0], [0, 0, 3]),
    ];
    for (places, settled) in rows {
        let (mut front, mut desk) = (RespFront::new(1), FakeDesk::slow());
        desk.answers.extend((0..3).map(|left| Ok(given(outcome(left, 0, 0)))));
        let (text, flow) = talk(&mut front, &mut desk, input.as_bytes());
        assert_eq!((&text[..], flow, desk.asked.len()), ("$1\r\na\r\n", Flow::Open, 3));
        let mut out = Vec::new();
        for (place, settled) in places.into_iter().zip(settled) {
            let (ticket, verdict) = desk.waiting.remove(place);
            front.answer(ticket, &verdict, &mut desk, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected(settled), "{places:?}");
            // An answer that nobody waits for any more changes nothing.
            front.answer(ticket, &verdict, &mut desk, &mut out);
        }
        assert_eq!(String::from_utf8_lossy(&out), expected(3), "{places:?}");
    }
}

#[test]
fn what_is_under_way_is_bounded() {
    let (mut front, mut desk) = (RespFront::new(1), FakeDesk::slow());
    let many = "THROTTLE burst k\r\n".repeat(RESP_WAITING_MAX + 10);
    let (text, flow) = talk(&mut front, &mut desk, many.as_bytes());
    assert_eq!((&text[..], flow, desk.asked.len()), ("", Flow::Full, RESP_WAITING_MAX));
    let mut out = Vec::new();
    assert_eq!(desk.deliver(&mut front, true, &mut out), Flow::Full, "the first still waits");
    assert_eq!(desk.deliver(&mut front, false, &mut out), Flow::Full, "another takes its place");
    assert_eq!(desk.asked.len(), RESP_WAITING_MAX + 1);
    while !desk.waiting.is_empty() {
        desk.deliver(&mut front, false, &mut out);
    }
    assert_eq!(desk.asked.len(), RESP_WAITING_MAX + 10);
    assert_eq!(String::from_utf8_lossy(&out).matches("*5\r\n").count(), RESP_WAITING_MAX + 10);

    let (mut front, mut desk) = (RespFront::new(1), FakeDesk::slow());
    let echo = command(&["ECHO", &"x".repeat(60_000)]);
    let input = format!("THROTTLE burst k\r\n{}", echo.repeat(20));
    let (_, flow) = talk(&mut front, &mut desk, input.as_bytes());
    assert_eq!(flow, Flow::Full, "replies are held back");
    assert!(front.queue.held_bytes() < RESP_OWED_BYTES_MAX + 60_100);
    let (mut out, mut count) = (Vec::new(), 0);
    let mut flow = desk.deliver(&mut front, false, &mut out);
    while flow == Flow::Full {
        count += String::from_utf8_lossy(&out).matches("$60000\r\n").count();
        out.clear();
        flow = front.resume(&mut desk, &mut out);
    }
    count += String::from_utf8_lossy(&out).matches("$60000\r\n").count();
    assert_eq!((flow, count), (Flow::Open, 20));
    assert_eq!(front.queue.held_bytes(), 0);
}

#[test]
fn a_client_that_does_not_read_is_answered_up_to_a_bound() {
    let (mut front, mut desk) = (RespFront::new(1), FakeDesk::default());
    let one = reply(&mut desk, "COMMAND").len();
    let (mut out, mut left) = (Vec::new(), 2000);
    assert_eq!(
        front.receive("COMMAND\r\n".repeat(left).as_bytes(), &mut desk, &mut out),
        Flow::Full
    );
    // What comes although nothing more was wanted is kept, and answered later.
    assert_eq!(front.receive(b"PING\r\n", &mut desk, &mut out), Flow::Full);
    assert_eq!(front.end_of_stream(&mut desk, &mut out), Flow::Full);
    assert!(!front.is_in_message(), "the peer owes nothing");
    loop {
        assert!(out.len() < OUTPUT_BYTES_MAX + one, "{}", out.len());
        left -= out.len() / one;
        if out.ends_with(b"+PONG\r\n") {
            break;
        }
        out.clear();
        let flow = front.resume(&mut desk, &mut out);
        assert_eq!(flow == Flow::Close, out.ends_with(b"+PONG\r\n"));
    }
    assert_eq!(left, 0);
}

#[test]
fn connections_end_behind_what_is_owed() {
    let mut out = Vec::new();
    let (mut front, mut desk) = (RespFront::new(1), FakeDesk::slow());
    assert_eq!(talk(&mut front, &mut desk, b"THROTTLE burst k\r\nQUIT\r\nPING\r\n").1, Flow::Full);
    assert_eq!(desk.deliver(&mut front, false, &mut out), Flow::Close);
    assert!(out.ends_with(b"+OK\r\n"), "{}", out.escape_ascii());

    let mut front = RespFront::new(1);
    assert_eq!(front.end_of_stream(&mut desk, &mut out), Flow::Close);
    let mut front = RespFront::new(1);
    talk(&mut front, &mut desk, b"THROTTLE burst k\r\n");
    assert_eq!(front.end_of_stream(&mut desk, &mut out), Flow::Open);
    assert_eq!(desk.deliver(&mut front, false, &mut out), Flow::Close);

    let (mut idle, mut half, mut busy) = (RespFront::new(1), RespFront::new(2), RespFront::new(3));
    assert!(!idle.is_in_message());
    talk(&mut half, &mut desk, b"*1\r\n$4\r\nPI");
    assert!(half.is_in_message(), "the peer owes the rest");
    talk(&mut busy, &mut desk, b"THROTTLE burst k\r\n");
    desk.is_draining = true;
    assert_eq!(idle.drain(&mut desk, &mut out), Flow::Close);
    assert_eq!(half.drain(&mut desk, &mut out), Flow::Open);
    assert_eq!(talk(&mut half, &mut desk, b"NG\r\n"), ("+PONG\r\n".to_owned(), Flow::Close));
    assert_eq!(busy.drain(&mut desk, &mut out), Flow::Open);
    assert_eq!(desk.deliver(&mut busy, false, &mut out), Flow::Close);
}

#[test]
fn hostile_bytes_end_the_connection_with_a_reason() {
    let rows: [(&[u8], &str); 6] = [
        (b"*2000\r\n", "invalid multibulk length"),
        (b"*1\r\n$65537\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n+PING\r\n", "expected '$', got '+'"),
        (b"PING \"\r\n", "unbalanced quotes in request"),
        (&[b'x'; 70_000], "too big inline request"),
    ];
    for (input, text) in rows {
        let mut desk = FakeDesk::default();
        let (reply, flow) = talk(&mut RespFront::new(1), &mut desk, input);
        assert_eq!((reply, flow), (format!("-ERR Protocol error: {text}\r\n"), Flow::Close));
    }
    for line in ["POST / HTTP/1.1", "Host: a"] {
        let input = format!("{line}\r\nTHROTTLE burst k FORCE\r\n");
        let mut desk = FakeDesk::default();
        let (reply, flow) = talk(&mut RespFront::new(1), &mut desk, input.as_bytes());
        let text = "-ERR this is RESP and not HTTP, whose listener has another port\r\n";
        assert_eq!((&reply[..], flow), (text, Flow::Close));
        assert!(desk.asked.is_empty());
    }
}

#[test]
fn mutated_bytes_are_understood_the_same_however_they_are_cut() {
    let mut input = command(&["CL.THROTTLE", "k", "15", "30", "60", "1"]);
    input.push_str("THROTTLE burst \"a b\" 5 PEEK\r\nPING\r\n");
    input.push_str(&command(&["HELLO", "3", "SETNAME", "x"]));
    input.push_str(&command(&["COMMAND", "INFO", "throttle", "x"]));
    input.push_str(&command(&["CLIENT", "SETINFO", "LIB-NAME", "x"]));
    survives_mutations(input.as_bytes(), || Box::new(RespFront::new(1)));
}
