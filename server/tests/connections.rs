//! Job: hold the commands about connections to what they promise across cores: CLIENT LIST, KILL,
//! PAUSE, UNBLOCK and REPLY, AUTH, RESET, and what MONITOR does not show.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`), with more shards than CPUs.
//! Out: test results.

use std::time::{Duration, Instant};

use ringlet_check::process::{Launch, RunningServer, ServerBinary};
use ringlet_check::value::Value;
use ringlet_check::wire::Wire;

const SHARDS: usize = 4;
const WAIT: Duration = Duration::from_secs(20);

fn launch(options: &[&'static str]) -> RunningServer {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    let launch = Launch { options: options.to_vec(), ..Launch::with_shards(SHARDS) };
    binary.launch(&launch).unwrap_or_else(|error| panic!("{error}"))
}

/// Sends the words of a line and gives the reply as one line of text.
fn say(wire: &mut Wire, line: &str) -> String {
    wire.line(line).unwrap_or_else(|error| panic!("{line}: {error}")).to_string()
}

fn number(wire: &mut Wire, line: &str) -> i64 {
    let value = wire.line(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    value.integer().unwrap_or_else(|| panic!("{line}: {value}"))
}

fn read(wire: &mut Wire) -> Value {
    wire.read().expect("a reply comes")
}

fn error(text: &str) -> Value {
    Value::Error(text.as_bytes().to_vec())
}

/// Waits until CLIENT LIST shows so many blocked clients.
fn await_blocked(admin: &mut Wire, count: usize) {
    let deadline = Instant::now() + WAIT;
    loop {
        let list = admin.line("CLIENT LIST").expect("a list").text();
        if list.lines().filter(|line| line.contains(" flags=b ")).count() == count {
            return;
        }
        assert!(Instant::now() < deadline, "{count} clients never blocked: {list}");
    }
}

/// The value of a field in a line of CLIENT LIST.
fn field<'l>(line: &'l str, name: &str) -> &'l str {
    let mut fields = line.split(' ').filter_map(|field| field.split_once('='));
    fields.find(|(key, _)| *key == name).unwrap_or_else(|| panic!("no {name} in {line}")).1
}

#[test]
fn the_list_shows_the_connections_of_all_cores_in_order() {
    let server = launch(&[]);
    let mut wires: Vec<Wire> = (0..12).map(|_| server.connect()).collect();
    let mut ids = Vec::new();
    for (index, wire) in wires.iter_mut().enumerate() {
        assert_eq!(wire.line(&format!("CLIENT SETNAME n{index}")).unwrap(), Value::ok());
        ids.push(number(wire, "CLIENT ID"));
    }
    wires[3].line("SELECT 5").unwrap();
    wires[3].line("MULTI").unwrap();
    wires[3].line("GET k").unwrap();
    wires[4].line("SUBSCRIBE c").unwrap();
    wires[5].line("HELLO 3").unwrap();
    wires[5].line("CLIENT SETINFO LIB-NAME lib").unwrap();
    let list = wires[0].line("CLIENT LIST").unwrap().text();
    let shown: Vec<i64> = list.lines().map(|line| field(line, "id").parse().unwrap()).collect();
    assert!(shown.is_sorted(), "{shown:?}");
    assert!(ids.iter().all(|id| shown.contains(id)), "{ids:?} in {shown:?}");
    let line = |index: usize| {
        let name = format!("n{index}");
        list.lines().find(|line| field(line, "name") == name).expect("every client is listed")
    };
    let expected = [
        (0, "cmd", "client|list"),
        (3, "db", "5"),
        (3, "multi", "1"),
        (3, "flags", "x"),
        (4, "flags", "P"),
        (4, "sub", "1"),
        (5, "resp", "3"),
        (5, "lib-name", "lib"),
        (6, "flags", "N"),
        (6, "multi", "-1"),
    ];
    for (index, name, value) in expected {
        assert_eq!(field(line(index), name), value, "{name} of {}", line(index));
    }
    let asked = format!("CLIENT LIST ID {} {} 99999 {}", ids[7], ids[2], ids[7]);
    let list = wires[0].line(&asked).unwrap().text();
    let shown: Vec<i64> = list.lines().map(|line| field(line, "id").parse().unwrap()).collect();
    assert_eq!(shown, [ids[7], ids[2], ids[7]], "in the order that was asked for");
    let list = wires[0].line("CLIENT LIST TYPE pubsub").unwrap().text();
    assert_eq!(list.lines().map(|line| field(line, "name")).collect::<Vec<_>>(), ["n4"]);
}

#[test]
fn who_kills_itself_is_answered_and_nothing_behind_is_run() {
    let server = launch(&[]);
    let mut witness = server.connect();
    for round in 0..20 {
        let mut wire = server.connect();
        let id = number(&mut wire, "CLIENT ID");
        let kill = format!("CLIENT KILL ID {id} SKIPME no\r\nSET killed {round}\r\nPING\r\n");
        wire.send_raw(kill.as_bytes()).unwrap();
        assert_eq!(wire.read_to_end().unwrap(), b":1\r\n");
        assert_eq!(number(&mut witness, "EXISTS killed"), 0);
    }
    let id = number(&mut witness, "CLIENT ID");
    assert_eq!(number(&mut witness, &format!("CLIENT KILL ID {id}")), 0, "SKIPME is the default");
}

#[test]
fn connections_are_killed_on_whatever_core_they_are() {
    let server = launch(&[]);
    let mut admin = server.connect();
    let mut blocked = server.connect();
    let id = number(&mut blocked, "CLIENT ID");
    blocked.send(&["BLMOVE", "from", "to", "LEFT", "LEFT", "0"]).unwrap();
    await_blocked(&mut admin, 1);
    assert_eq!(number(&mut admin, &format!("CLIENT KILL ID {id}")), 1);
    assert_eq!(blocked.read_to_end().unwrap(), b"");
    assert_eq!(number(&mut admin, "RPUSH from x"), 1);
    assert_eq!(number(&mut admin, "LLEN from"), 1, "the dead client took nothing");
    let mut subscribers: Vec<Wire> = (0..8).map(|_| server.connect()).collect();
    for subscriber in &mut subscribers {
        subscriber.line("SUBSCRIBE c").unwrap();
    }
    assert_eq!(number(&mut admin, "CLIENT KILL TYPE pubsub"), 8);
    subscribers.iter_mut().for_each(|wire| wire.wait_closed().expect("it is closed"));
    assert_eq!(number(&mut admin, "PUBLISH c x"), 0);
    let mut named = server.connect();
    let info = named.line("CLIENT INFO").unwrap().text();
    let address = field(&info, "addr");
    assert_eq!(admin.line(&format!("CLIENT KILL {address}")).unwrap(), Value::ok());
    named.wait_closed().expect("it is closed");
    let again = admin.line(&format!("CLIENT KILL {address}")).unwrap();
    assert_eq!(again, error("ERR No such client"));
}

#[test]
fn a_pause_holds_back_what_comes_behind_it_on_every_core() {
    let server = launch(&[]);
    let mut admin = server.connect();
    let mut wires: Vec<Wire> = (0..8).map(|_| server.connect()).collect();
    let pause = vec!["CLIENT", "PAUSE", "60000", "WRITE"];
    let paused = admin.pipeline(&[pause, vec!["GET", "k"], vec!["GET", "l"]]).unwrap();
    assert_eq!(paused, [Value::ok(), Value::NullBulk, Value::NullBulk], "reads go on");
    for (index, wire) in wires.iter_mut().enumerate() {
        wire.send_raw(format!("SET k{index} x\r\nGET k{index}\r\nPING\r\n").as_bytes()).unwrap();
    }
    // Shorter and milder pauses change nothing.
    assert_eq!(admin.line("CLIENT PAUSE 1 WRITE").unwrap(), Value::ok());
    for _ in 0..20 {
        assert_eq!(number(&mut admin, "EXISTS k0 k1 k2 k3 k4 k5 k6 k7"), 0);
    }
    assert_eq!(admin.line("CLIENT UNPAUSE").unwrap(), Value::ok());
    for wire in &mut wires {
        let replies = [read(wire), read(wire), read(wire)];
        let expected = [Value::ok(), Value::bulk("x"), Value::Simple(b"PONG".to_vec())];
        assert_eq!(replies, expected);
    }
    // What stands behind PAUSE in the same write is held back too.
    admin.send_raw(b"CLIENT PAUSE 60000\r\nSET late 1\r\n").unwrap();
    assert_eq!(read(&mut admin), Value::ok());
    assert_eq!(wires[0].line("CLIENT PAUSE 0 WRITE").unwrap(), Value::ok());
    assert_eq!(wires[0].line("CLIENT UNPAUSE").unwrap(), Value::ok());
    assert_eq!(read(&mut admin), Value::ok());
    let started = Instant::now();
    let timed = [vec!["CLIENT", "PAUSE", "30"], vec!["SET", "late", "2"]];
    assert_eq!(admin.pipeline(&timed).unwrap(), [Value::ok(), Value::ok()]);
    // The clock of a pass counts whole milliseconds.
    assert!(started.elapsed() >= Duration::from_millis(25), "{:?}", started.elapsed());
}

#[test]
fn unblocking_answers_once_and_frees_the_place_in_every_queue() {
    let server = launch(&[]);
    let mut admin = server.connect();
    let commands = [
        "BLPOP a b c d e 0",
        "BLMOVE a z LEFT LEFT 0",
        "BRPOPLPUSH b z 0",
        "BLMPOP 0 3 a b c LEFT",
        "BZPOPMIN p q r 0",
    ];
    for command in commands {
        let mut wire = server.connect();
        let id = number(&mut wire, "CLIENT ID");
        for (reason, answer) in [
            ("", Value::NullArray),
            (" TIMEOUT", Value::NullArray),
            (" ERROR", error("UNBLOCKED client unblocked via CLIENT UNBLOCK")),
        ] {
            wire.send(&command.split(' ').collect::<Vec<_>>()).unwrap();
            await_blocked(&mut admin, 1);
            assert_eq!(number(&mut admin, &format!("CLIENT UNBLOCK {id}{reason}")), 1, "{command}");
            assert_eq!(read(&mut wire), answer, "{command}{reason}");
            assert_eq!(number(&mut admin, &format!("CLIENT UNBLOCK {id}")), 0, "{command}");
            assert_eq!(say(&mut wire, "PING"), say(&mut admin, "PING"));
        }
    }
    for key in ["a", "b", "c", "d", "e"] {
        assert_eq!(number(&mut admin, &format!("RPUSH {key} x")), 1);
        assert_eq!(number(&mut admin, &format!("LLEN {key}")), 1, "nobody waits for {key}");
        assert_eq!(number(&mut admin, &format!("DEL {key}")), 1);
    }
    // Whoever waited behind the one that was let go is served.
    let (mut first, mut second) = (server.connect(), server.connect());
    let id = number(&mut first, "CLIENT ID");
    first.send(&["BLPOP", "a", "b", "0"]).unwrap();
    await_blocked(&mut admin, 1);
    second.send(&["BLPOP", "a", "0"]).unwrap();
    await_blocked(&mut admin, 2);
    assert_eq!(number(&mut admin, &format!("CLIENT UNBLOCK {id}")), 1);
    assert_eq!(number(&mut admin, "RPUSH a x"), 1);
    assert_eq!(read(&mut second), Value::Array(vec![Value::bulk("a"), Value::bulk("x")]));
    assert_eq!(read(&mut first), Value::NullArray);
}

#[test]
fn replies_are_switched_off_and_skipped_whatever_core_gives_them() {
    let server = launch(&[]);
    let mut wire = server.connect();
    wire.send_raw(
        b"CLIENT REPLY OFF\r\nPING\r\nSET a 1\r\nMSET b 2 c 3 d 4\r\nGET missing\r\nNONSENSE\r\n\
          CLIENT REPLY ON\r\nGET d\r\nCLIENT REPLY SKIP\r\nMGET a b c d\r\nMGET a b c d\r\n\
          CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nGET a\r\nGET b\r\n",
    )
    .unwrap();
    assert_eq!(read(&mut wire), Value::ok());
    assert_eq!(read(&mut wire), Value::bulk("4"));
    let all = ["1", "2", "3", "4"].map(Value::bulk);
    assert_eq!(read(&mut wire), Value::Array(all.to_vec()));
    assert_eq!(read(&mut wire), Value::bulk("2"));
}

#[test]
fn a_password_is_asked_for_and_gives_way_to_large_words() {
    let server = launch(&["--requirepass", "sesame"]);
    let mut wire = server.connect();
    assert_eq!(wire.line("GET k").unwrap(), error("NOAUTH Authentication required."));
    let wrong = error("WRONGPASS invalid username-password pair or user is disabled.");
    for line in
        ["AUTH sesam", "AUTH default sesame2", "AUTH nobody sesame", "HELLO 3 AUTH default x"]
    {
        assert_eq!(wire.line(line).unwrap(), wrong, "{line}");
    }
    assert!(wire.line("HELLO 3").unwrap().is_error());
    // The limits of what may be sent follow at once, in the same pipeline.
    let large = "x".repeat(100_000);
    let commands = vec![
        vec!["AUTH", "sesame"],
        vec!["SET", "k", &large],
        vec!["STRLEN", "k"],
        vec!["AUTH", "wrong"],
        vec!["STRLEN", "k"],
    ];
    let replies = wire.pipeline(&commands).unwrap();
    let length = Value::Integer(100_000);
    assert_eq!(replies, [Value::ok(), Value::ok(), length.clone(), wrong, length]);
    assert_eq!(wire.line("RESET").unwrap(), Value::Simple(b"RESET".to_vec()));
    assert_eq!(wire.line("GET k").unwrap(), error("NOAUTH Authentication required."));
    let mut stranger = server.connect();
    stranger.send(&["SET", "k", &large]).unwrap();
    let refusal = stranger.read_to_end().unwrap();
    assert_eq!(refusal, b"-ERR Protocol error: unauthenticated bulk length\r\n");
}

#[test]
fn reset_makes_a_connection_as_new() {
    let server = launch(&[]);
    let mut wire = server.connect();
    let start = wire.line("CLIENT INFO").unwrap().text();
    for line in [
        "HELLO 3",
        "CLIENT SETNAME me",
        "CLIENT NO-EVICT on",
        "CLIENT NO-TOUCH on",
        "SELECT 7",
        "SUBSCRIBE a",
        "PSUBSCRIBE b*",
        "WATCH k",
        "MULTI",
    ] {
        assert!(!wire.line(line).unwrap().is_error(), "{line}");
    }
    assert_eq!(wire.line("RESET").unwrap(), Value::Simple(b"RESET".to_vec()));
    let end = wire.line("CLIENT INFO").unwrap().text();
    for name in ["id", "addr", "name", "flags", "db", "sub", "psub", "multi", "resp", "user"] {
        assert_eq!(field(&start, name), field(&end, name), "{name}");
    }
    assert_eq!(wire.line("EXEC").unwrap(), error("ERR EXEC without MULTI"));
    assert_eq!(number(&mut server.connect(), "PUBLISH a x"), 0);
    assert_eq!(wire.line("GET missing").unwrap(), Value::NullBulk, "RESP2 again");
}

#[test]
fn monitors_see_neither_passwords_nor_what_administrators_do() {
    let server = launch(&["--requirepass", "sesame", "--slowlog-log-slower-than", "0"]);
    let mut monitor = server.connect();
    assert_eq!(monitor.line("AUTH sesame").unwrap(), Value::ok());
    assert_eq!(monitor.line("MONITOR").unwrap(), Value::ok());
    let mut wire = server.connect();
    for line in ["AUTH sesame", "AUTH default sesame", "HELLO 2 AUTH default sesame SETNAME me"] {
        assert!(!wire.line(line).unwrap().is_error(), "{line}");
    }
    wire.line("CLIENT LIST").unwrap();
    wire.line("CLIENT GETNAME").unwrap();
    let expected = [
        r#""AUTH" "(redacted)""#,
        r#""AUTH" "(redacted)" "(redacted)""#,
        r#""HELLO" "2" "AUTH" "(redacted)" "(redacted)" "SETNAME" "me""#,
        r#""CLIENT" "GETNAME""#,
    ];
    for expected in expected {
        let line = read(&mut monitor).text();
        assert!(line.ends_with(&format!("] {expected}")), "{line}");
    }
    let log = shown(&wire.line("SLOWLOG GET -1").unwrap());
    assert!(log.contains("(redacted)") && !log.contains("sesame"), "{log}");
}

#[test]
fn monitors_see_what_has_run_in_its_order() {
    let server = launch(&[]);
    let mut monitor = server.connect();
    assert_eq!(monitor.line("MONITOR").unwrap(), Value::ok());
    let mut wire = server.connect();
    let mut other = server.connect();
    // Keys on several shards, so that EXEC is refused on one shard and on many.
    for line in ["GET a", "MGET a b c d e f g h"] {
        assert_eq!(wire.line("WATCH a b c").unwrap(), Value::ok());
        assert_eq!(other.line("SET a 1").unwrap(), Value::ok());
        assert_eq!(wire.line("MULTI").unwrap(), Value::ok());
        wire.line(line).unwrap();
        assert_eq!(wire.line("EXEC").unwrap(), Value::NullArray);
    }
    for line in ["WATCH a b c", "MULTI", "GET a", "SELECT 3", "EXEC", "SELECT 0"] {
        assert!(!wire.line(line).unwrap().is_error(), "{line}");
    }
    let refused = [r#"0 "WATCH" "a" "b" "c""#, r#"0 "SET" "a" "1""#, r#"0 "MULTI""#, r#"0 "EXEC""#];
    let run = [
        r#"0 "WATCH" "a" "b" "c""#,
        r#"0 "MULTI""#,
        r#"0 "GET" "a""#,
        r#"3 "SELECT" "3""#,
        r#"3 "EXEC""#,
        r#"0 "SELECT" "0""#,
    ];
    for expected in refused.into_iter().chain(refused).chain(run) {
        let line = read(&mut monitor).text();
        let (time, rest) = line.split_once(" [").expect("a time");
        assert_eq!(time.split_once('.').expect("a fraction").1.len(), 6, "{line}");
        let (db, words) = rest.split_once("] ").expect("a client");
        let db = db.split(' ').next().expect("a database");
        assert_eq!(format!("{db} {words}"), expected);
    }
}

#[test]
fn subscriptions_are_confirmed_to_those_who_want_no_replies() {
    let server = launch(&[]);
    let mut wire = server.connect();
    wire.send(&["CLIENT", "REPLY", "OFF"]).unwrap();
    wire.send(&["SET", "a", "b"]).unwrap();
    wire.send(&["SUBSCRIBE", "news"]).unwrap();
    let expected = [Value::bulk("subscribe"), Value::bulk("news"), Value::Integer(1)];
    assert_eq!(read(&mut wire).into_items(), expected);
    assert_eq!(number(&mut server.connect(), "PUBLISH news x"), 1);
    assert_eq!(read(&mut wire).into_items()[0], Value::bulk("message"));
}

#[test]
fn the_list_shows_refused_commands_and_none_for_unknown_ones() {
    let server = launch(&[]);
    let (mut wire, mut admin) = (server.connect(), server.connect());
    let id = number(&mut wire, "CLIENT ID");
    for (line, shown) in [("PING", "ping"), ("GET", "get"), ("NOTHING", "NULL")] {
        wire.line(line).unwrap();
        let text = admin.line(&format!("CLIENT LIST ID {id}")).unwrap().text();
        assert_eq!(field(&text, "cmd"), shown, "{line}: {text}");
    }
}

#[test]
fn nothing_expires_while_writes_are_paused() {
    let server = launch(&[]);
    let mut wire = server.connect();
    for index in 0..20 {
        wire.line(&format!("SET key:{index} x PX 30")).unwrap();
    }
    assert_eq!(wire.line("CLIENT PAUSE 600000 WRITE").unwrap(), Value::ok());
    let deadline = Instant::now() + WAIT;
    while number(&mut wire, "EXISTS key:0 key:1 key:2 key:3 key:4 key:5") > 0 {
        assert!(Instant::now() < deadline, "keys are seen though their time is over");
    }
    assert_eq!(wire.line("GET key:0").unwrap(), Value::NullBulk);
    assert_eq!(number(&mut wire, "DBSIZE"), 20, "the keys stay");
    assert_eq!(wire.line("CLIENT UNPAUSE").unwrap(), Value::ok());
    while number(&mut wire, "DBSIZE") > 0 {
        assert!(Instant::now() < deadline, "expiry does not go on");
    }
}

/// The strings of a reply, however nested.
fn shown(value: &Value) -> String {
    match value.items() {
        Some(items) => items.iter().map(shown).collect::<Vec<_>>().join(" "),
        None => value.text(),
    }
}
