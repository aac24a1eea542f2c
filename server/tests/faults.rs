//! Job: bad input and bad luck: clients that misbehave and limits that are reached.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`).
//! Out: test results.
//! Invariant: after each fault the server lives, other clients are served, and what the fault took
//! (connections, file descriptors, memory) is given back. Every test has a server of its own.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ringlet_check::client::encode;
use ringlet_check::process::{Launch, RunningServer, ServerBinary, free_address};
use ringlet_check::random::{Choices, seed};
use ringlet_check::value::Value;
use ringlet_check::wire::Wire;

const SHARDS: usize = 4;
const WAIT: Duration = Duration::from_secs(20);
const MEGABYTE: u64 = 1 << 20;
/// What allocators and tables may keep after a fault.
const MEMORY_SLACK_BYTES: u64 = 48 * MEGABYTE;
const IDLE_CONNECTIONS: u64 = 10_000;
const IDLE_CONNECTION_BYTES_MAX: u64 = 24 << 10;

fn binary() -> ServerBinary {
    ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"))
}

fn start(options: &[&str]) -> RunningServer {
    let launch = Launch { options: options.to_vec(), ..Launch::with_shards(SHARDS) };
    binary().launch(&launch).unwrap_or_else(|error| panic!("{error}"))
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen in time");
        thread::sleep(Duration::from_millis(5));
    }
}

fn info(wire: &mut Wire, section: &str, field: &str) -> u64 {
    let text = wire.call(&["INFO", section]).expect("INFO").text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {field}: {text}"))
}

fn ok(wire: &mut Wire, line: &str) {
    let reply = wire.line(line).expect(line);
    assert!(reply.is_simple("OK"), "{line}: {reply}");
}

/// A bystander's view: commands of all shards work, and only `connections` are open.
fn assert_unharmed(server: &RunningServer, bystander: &mut Wire, connections: u64) {
    for number in 0..20 {
        let key = format!("bystander:{number}");
        assert!(bystander.call(&["SET", &key, "here"]).expect("SET").is_simple("OK"));
        assert_eq!(bystander.call(&["GET", &key]).expect("GET"), Value::bulk("here"));
        assert_eq!(bystander.call(&["DEL", &key]).expect("DEL"), Value::Integer(1));
    }
    until("the lost connections are closed", || {
        info(bystander, "clients", "connected_clients") == connections
    });
    assert!(server.connect().line("PING").expect("PING").is_simple("PONG"));
}

fn assert_memory_is_back(server: &RunningServer, before: u64) {
    let deadline = Instant::now() + WAIT;
    loop {
        let now = server.resident_bytes().expect("the server lives");
        if now <= before + MEMORY_SLACK_BYTES {
            return;
        }
        assert!(Instant::now() < deadline, "{} MB more than before", (now - before) / MEGABYTE);
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn half_sent_commands_take_nothing_with_them() {
    let server = start(&[]);
    let mut bystander = server.connect();
    let files = server.open_files().expect("the server lives");
    let mut whole = Vec::new();
    encode(&["SET", "half", "sent"], &mut whole);
    for cut in 1..whole.len() {
        let mut wire = server.connect();
        wire.send_raw(&whole[..cut]).expect("the server reads");
        if cut % 2 == 0 {
            wire.finish_sending().expect("the socket is open");
            wire.wait_closed().expect("the server closes");
        }
    }
    assert_unharmed(&server, &mut bystander, 1);
    assert_eq!(bystander.line("EXISTS half").expect("EXISTS"), Value::Integer(0));
    until("the descriptors are closed", || server.open_files().expect("alive") <= files + 1);
}

#[test]
fn connections_that_are_reset_with_replies_on_the_way_harm_nobody() {
    let server = start(&[]);
    let mut bystander = server.connect();
    bystander.call(&["SET", "large", &"x".repeat(200_000)]).expect("SET");
    let before = server.resident_bytes().expect("the server lives");
    let files = server.open_files().expect("the server lives");
    let mut request = Vec::new();
    (0..50).for_each(|_| encode(&["GET", "large"], &mut request));
    for _ in 0..100 {
        let mut wire = server.connect();
        wire.send_raw(&request).expect("the server reads");
        // A first byte has arrived: closing with unread bytes sends a reset.
        wire.read().expect("a first reply");
    }
    assert_unharmed(&server, &mut bystander, 1);
    until("the descriptors are closed", || server.open_files().expect("alive") <= files + 1);
    assert_memory_is_back(&server, before);
}

#[test]
fn a_slow_subscriber_is_cut_off_at_its_limit() {
    let server = start(&[]);
    let mut publisher = server.connect();
    let limit = ["CONFIG", "SET", "client-output-buffer-limit", "pubsub 4mb 0 0"];
    assert!(publisher.call(&limit).expect("CONFIG SET").is_simple("OK"));
    let before = server.resident_bytes().expect("the server lives");
    let mut slow = server.connect();
    slow.line("SUBSCRIBE channel").expect("SUBSCRIBE");
    let mut attentive = server.connect();
    attentive.line("SUBSCRIBE channel").expect("SUBSCRIBE");
    let payload = "p".repeat(64 << 10);
    let mut published = 0;
    // Sockets hold some megabytes before the server's own buffer begins to fill.
    while publisher.call(&["PUBLISH", "channel", &payload]).expect("PUBLISH") == Value::Integer(2) {
        published += 1;
        assert!(published < 4000, "the slow subscriber is still there");
        attentive.read().expect("the other subscriber gets the message");
    }
    attentive.read().expect("the other subscriber gets the message");
    assert_unharmed(&server, &mut publisher, 2);
    assert_memory_is_back(&server, before);
    slow.wait_closed().expect("the slow subscriber is closed");
}

#[test]
fn a_client_that_does_not_read_is_cut_off_at_its_limit() {
    let server = start(&[]);
    let mut bystander = server.connect();
    let limit = ["CONFIG", "SET", "client-output-buffer-limit", "normal 8mb 0 0"];
    assert!(bystander.call(&limit).expect("CONFIG SET").is_simple("OK"));
    bystander.call(&["SET", "large", &"x".repeat(1 << 20)]).expect("SET");
    let before = server.resident_bytes().expect("the server lives");
    let mut slow = server.connect();
    let mut request = Vec::new();
    (0..200).for_each(|_| encode(&["GET", "large"], &mut request));
    slow.send_raw(&request).expect("the server reads");
    assert_unharmed(&server, &mut bystander, 1);
    assert_memory_is_back(&server, before);
}

#[test]
fn garbage_is_refused_and_nobody_else_notices() {
    let mut choices = Choices::new(seed());
    let server = start(&[]);
    let mut bystander = server.connect();
    let before = server.resident_bytes().expect("the server lives");
    for round in 0..400 {
        let mut wire = server.connect();
        let bytes: Vec<u8> = (0..1 + choices.below(3000))
            .map(|_| match choices.below(4) {
                0 => *choices.pick(b"*$+-:\r\n0123456789"),
                1 => *choices.pick(b"\r\n"),
                _ => choices.below(256) as u8,
            })
            .collect();
        // The server may close in the middle; that is an answer too.
        let _ = wire.send_raw(&bytes);
        let _ = wire.finish_sending();
        wire.wait_closed().unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    assert_unharmed(&server, &mut bystander, 1);
    assert_memory_is_back(&server, before);
}

#[test]
fn promises_of_huge_requests_reserve_no_memory() {
    let server = start(&[]);
    let mut bystander = server.connect();
    let before = server.resident_bytes().expect("the server lives");
    let wires: Vec<Wire> = (0..200)
        .map(|number| {
            let mut wire = server.connect();
            let promise: &[u8] = match number % 2 {
                0 => b"*1000000\r\n$3\r\nSET\r\n",
                _ => b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\nstart",
            };
            wire.send_raw(promise).expect("the server reads");
            wire
        })
        .collect();
    until("all are connected", || info(&mut bystander, "clients", "connected_clients") == 201);
    let promised = server.resident_bytes().expect("the server lives");
    assert!(promised < before + 64 * MEGABYTE, "{} MB", (promised - before) / MEGABYTE);
    drop(wires);
    assert_unharmed(&server, &mut bystander, 1);
}

#[test]
fn clients_that_vanish_while_blocked_take_no_element() {
    let server = start(&[]);
    let mut bystander = server.connect();
    let waiting: Vec<Wire> = (0..100)
        .map(|number| {
            let mut wire = server.connect();
            let other = format!("queue:{number}");
            wire.send(&["BLPOP", &other, "queue", "0"]).expect("the server reads");
            wire
        })
        .collect();
    until("all are blocked", || info(&mut bystander, "clients", "blocked_clients") == 100);
    drop(waiting);
    until("nobody is blocked", || info(&mut bystander, "clients", "blocked_clients") == 0);
    assert_eq!(bystander.line("RPUSH queue a b").expect("RPUSH"), Value::Integer(2));
    assert_eq!(bystander.line("LLEN queue").expect("LLEN"), Value::Integer(2));
    assert_unharmed(&server, &mut bystander, 1);
}

#[test]
fn clients_that_vanish_in_a_transaction_leave_no_trace() {
    let server = start(&[]);
    let mut bystander = server.connect();
    for _ in 0..100 {
        let mut wire = server.connect();
        ok(&mut wire, "WATCH one two");
        ok(&mut wire, "MULTI");
        let queued = wire.line("MSET one 1 two 2").expect("MSET");
        assert!(queued.is_simple("QUEUED"), "{queued}");
    }
    assert_unharmed(&server, &mut bystander, 1);
    assert_eq!(bystander.line("EXISTS one two").expect("EXISTS"), Value::Integer(0));
    ok(&mut bystander, "MSET one 1 two 2");
}

#[test]
fn a_query_longer_than_its_limit_ends_the_connection() {
    let server = start(&["--client-query-buffer-limit", "1mb"]);
    let mut bystander = server.connect();
    let mut wire = server.connect();
    let mut request = b"*2\r\n$4\r\nECHO\r\n$3000000\r\n".to_vec();
    request.resize(2_500_000, b'x');
    // The server may close before everything is written.
    let _ = wire.send_raw(&request);
    wire.wait_closed().expect("the server closes");
    assert_unharmed(&server, &mut bystander, 1);
}

#[test]
fn too_many_clients_are_told_so() {
    let server = start(&["--maxclients", "10"]);
    let mut wires = vec![server.connect()];
    // Whoever looked whether the server has started may be a client for a moment yet.
    until("nobody else is there", || info(&mut wires[0], "clients", "connected_clients") == 1);
    wires.extend((1..10).map(|_| server.connect()));
    for wire in &mut wires {
        assert!(wire.line("PING").expect("PING").is_simple("PONG"));
    }
    for _ in 0..5 {
        let mut refused = server.connect();
        let said = refused.read_to_end().expect("the server closes");
        assert_eq!(String::from_utf8_lossy(&said), "-ERR max number of clients reached\r\n");
    }
    let first = wires.remove(0);
    drop(first);
    until("a place is free again", || {
        server.connect().line("PING").is_ok_and(|reply| reply.is_simple("PONG"))
    });
    assert!(info(&mut wires[0], "stats", "rejected_connections") >= 5);
}

#[test]
fn idle_clients_are_closed_after_the_timeout() {
    let server = start(&["--timeout", "1"]);
    let start = Instant::now();
    let mut idle = server.connect();
    assert!(idle.line("PING").expect("PING").is_simple("PONG"));
    let mut blocked = server.connect();
    blocked.send(&["BLPOP", "nothing", "0"]).expect("the server reads");
    idle.wait_closed().expect("the server closes");
    assert!(start.elapsed() >= Duration::from_millis(900), "after {:?}", start.elapsed());
    assert_eq!(server.connect().line("RPUSH nothing x").expect("RPUSH"), Value::Integer(1));
    assert_eq!(
        blocked.read().expect("a blocked client is not idle"),
        Value::Array(vec![Value::bulk("nothing"), Value::bulk("x")])
    );
}

/// Lets this process, and the servers that it starts, open so many files.
fn allow_open_files(count: u64) {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("the limits of this process");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let mut fields = line.expect("a limit of open files").split_whitespace();
    let mut limit = || fields.next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(u64::MAX);
    let (soft, hard) = (limit(), limit());
    if soft < count {
        let raised = Command::new("prlimit")
            .args(["--pid", &std::process::id().to_string()])
            .arg(format!("--nofile={count}:{}", hard.max(count)))
            .status()
            .expect("prlimit runs (it is part of util-linux)");
        let advice = "raise the hard limit (ulimit -Hn), or run as root";
        assert!(raised.success(), "{count} open files are needed, {hard} are allowed: {advice}");
    }
}

/// An inline PING: ten thousand clients with buffers would weigh more than the server.
fn ping_raw(stream: &mut TcpStream) {
    let mut reply = [0; 7];
    stream.write_all(b"PING\r\n").expect("the server reads");
    stream.read_exact(&mut reply).expect("the server answers");
    assert_eq!(&reply, b"+PONG\r\n");
}

fn cpu_ticks(server: &RunningServer) -> u64 {
    let path = format!("/proc/{}/stat", server.pid());
    let text = std::fs::read_to_string(path).expect("the server lives");
    let fields = text.rsplit(')').next().expect("a name in brackets").split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

#[test]
fn ten_thousand_idle_clients_cost_little() {
    let connections = IDLE_CONNECTIONS;
    allow_open_files(connections + 500);
    let maximum = (connections + 100).to_string();
    let server = start(&["--maxclients", &maximum]);
    let mut bystander = server.connect();
    assert!(bystander.line("PING").expect("PING").is_simple("PONG"));
    let before = server.resident_bytes().expect("the server lives");
    let files = server.open_files().expect("the server lives");

    let mut streams: Vec<TcpStream> = (0..connections)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address()).expect("the server accepts");
            stream.set_read_timeout(Some(WAIT)).expect("a timeout");
            ping_raw(&mut stream);
            stream
        })
        .collect();
    assert_eq!(info(&mut bystander, "clients", "connected_clients"), connections + 1);

    let each = (server.resident_bytes().expect("alive").saturating_sub(before)) / connections;
    println!("{each} bytes for each idle connection");
    assert!(each <= IDLE_CONNECTION_BYTES_MAX, "{each} bytes for each idle connection");
    let ticks = cpu_ticks(&server);
    thread::sleep(Duration::from_secs(2));
    let used = cpu_ticks(&server) - ticks;
    assert!(used <= 20, "{used} ticks of CPU in 2 s with nothing but idle clients");

    streams.iter_mut().for_each(ping_raw);
    drop(streams);
    assert_unharmed(&server, &mut bystander, 1);
    until("the descriptors are closed", || server.open_files().expect("alive") <= files + 1);
}

#[test]
fn a_server_without_descriptors_lives_on() {
    let launch = Launch {
        options: vec!["--maxclients", "10000"],
        open_files_max: Some(300),
        ..Launch::with_shards(2)
    };
    let server = binary().launch(&launch).unwrap_or_else(|error| panic!("{error}"));
    let mut bystander = server.connect();
    assert!(bystander.line("PING").expect("PING").is_simple("PONG"));
    // Whoever looked whether the server has started may be a client for a moment yet.
    until("nobody else is there", || info(&mut bystander, "clients", "connected_clients") == 1);
    // More than the limit; the kernel completes connections that nobody has accepted.
    let mut wires: Vec<Wire> = (0..400).map(|_| server.connect()).collect();
    let mut answered = 0;
    for wire in &mut wires {
        // The server may have closed it, and then the reply says why.
        let _ = wire.send(&["PING"]);
        let reply = wire.read().expect("every client gets an answer");
        if reply.is_simple("PONG") {
            answered += 1;
        } else {
            assert_eq!(reply, Value::Error("ERR max number of clients reached".into()));
        }
    }
    println!("{answered} of 400 clients were served with 300 descriptors");
    let maximum = bystander.call(&["CONFIG", "GET", "maxclients"]).expect("CONFIG GET");
    let served = (answered + 1).to_string();
    assert_eq!(maximum, Value::Array(vec![Value::bulk("maxclients"), Value::bulk(&served)]));
    let ticks = cpu_ticks(&server);
    thread::sleep(Duration::from_secs(1));
    let used = cpu_ticks(&server) - ticks;
    assert!(used <= 30, "{used} ticks of CPU in 1 s while no descriptor is free");
    drop(wires);
    assert_unharmed(&server, &mut bystander, 1);
}

/// Runs the server where it cannot start; gives what it says.
fn refused_start(mut command: Command) -> String {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the server can be executed");
    let deadline = Instant::now() + WAIT;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child can be asked") {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().expect("the child can be killed");
            child.wait().expect("the child ends");
            panic!("the server started where it must not");
        }
        thread::sleep(Duration::from_millis(5));
    };
    let mut said = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut said).expect("text");
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert_eq!(status.code(), Some(1), "from a server that did not start: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn a_port_in_use_is_a_clear_error() {
    let server = start(&[]);
    let mut bystander = server.connect();
    let command = binary().command(&Launch::with_shards(SHARDS), server.address().port());
    let said = refused_start(command);
    let port = server.address().port().to_string();
    let line = said.lines().find(|line| line.contains(&port) && line.contains("in use"));
    assert!(line.is_some(), "no line says that port {port} is in use: {said}");
    assert_unharmed(&server, &mut bystander, 1);
}

/// A copy of the server that any user may execute; it goes with the test.
struct PublicCopy(PathBuf);

impl PublicCopy {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringlet-{name}-{}", std::process::id()));
        let copy = Self(path);
        std::fs::copy(binary().path(), &copy.0).expect("the binary can be copied");
        std::fs::set_permissions(&copy.0, Permissions::from_mode(0o755)).expect("our file");
        copy
    }
}

impl Drop for PublicCopy {
    fn drop(&mut self) {
        // Fails only if it was not made.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The program with so little lockable memory. Root may lock as much as it likes, so that root runs
/// it as nobody.
fn with_locked_memory(program: &PublicCopy, kibibytes: u32) -> Command {
    let output = Command::new("id").arg("-u").output().expect("id runs");
    let mut command = match output.stdout.trim_ascii() {
        b"0" => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh"]);
            command
        }
        _ => Command::new("sh"),
    };
    command.args(["-c", &format!("ulimit -l {kibibytes} && exec \"$0\" \"$@\"")]);
    command.arg(&program.0).current_dir("/");
    command
}

#[test]
fn too_little_locked_memory_is_no_riddle() {
    let program = PublicCopy::new("memlock");
    let port = free_address().expect("a free port").port().to_string();
    let mut checked = with_locked_memory(&program, 16);
    checked.arg("--check");
    let mut started = with_locked_memory(&program, 16);
    started.args(["--port", &port, "--bind", "127.0.0.1", "--save", ""]);
    // The executor alone locks 512 KiB, whatever the kernel.
    for said in [refused_start(checked), refused_start(started)] {
        let mut lines = said.lines().skip_while(|line| !line.starts_with("FAIL locked memory"));
        let (fault, remedy) = (lines.next(), lines.next());
        assert!(fault.is_some_and(|line| line.contains("soft 16 KiB")), "{said}");
        assert!(remedy.is_some_and(|line| line.contains("ulimit -l")), "{said}");
    }
}

#[test]
fn a_signal_ends_the_server_after_what_is_in_flight() {
    for signal in ["TERM", "INT"] {
        let mut server = start(&[]);
        let mut blocked = server.connect();
        blocked.send(&["BLPOP", "nothing", "0"]).expect("the server reads");
        let mut wire = server.connect();
        let mut request = Vec::new();
        for number in 0..100 {
            encode(&["SET", &format!("key:{number}"), "value"], &mut request);
        }
        wire.send_raw(&request).expect("the server reads");
        assert!(wire.read().expect("a first reply").is_simple("OK"));
        let status = server.stop(signal).expect("the server ends");
        assert_eq!(status.code(), Some(0), "SIG{signal}: {status}");
        for number in 1..100 {
            let reply = wire.read().unwrap_or_else(|error| panic!("reply {number}: {error}"));
            assert!(reply.is_simple("OK"), "{reply}");
        }
        wire.wait_closed().expect("the connection is closed");
        blocked.wait_closed().expect("the blocked connection is closed");
    }
}

#[test]
fn a_server_that_ends_removes_its_unix_socket_and_no_successors() {
    let directory = std::env::temp_dir().join(format!("ringlet-faults-{}", std::process::id()));
    std::fs::create_dir(&directory).expect("a directory can be made");
    let path = directory.join("socket");
    let options = ["--unixsocket", path.to_str().expect("text")];
    let mut server = start(&options);
    assert!(path.exists());
    assert!(server.stop("TERM").expect("the server ends").success());
    assert!(!path.exists(), "its own file stays behind");
    let mut server = start(&options);
    std::fs::rename(&path, directory.join("aside")).expect("the file can be moved");
    let _successor = std::os::unix::net::UnixListener::bind(&path).expect("the path is free");
    assert!(server.stop("TERM").expect("the server ends").success());
    assert!(path.exists(), "the file was a successor's");
    std::fs::remove_dir_all(&directory).expect("the directory can be removed");
}

#[test]
fn deleted_data_gives_its_memory_back() {
    let server = start(&[]);
    let mut wire = server.connect();
    let before = server.resident_bytes().expect("the server lives");
    let value = "v".repeat(1 << 20);
    for round in 0..3 {
        for number in 0..150 {
            let reply = wire.call(&["SET", &format!("large:{number}"), &value]).expect("SET");
            assert!(reply.is_simple("OK"), "round {round}: {reply}");
        }
        ok(&mut wire, ["FLUSHALL", "FLUSHALL ASYNC", "FLUSHDB SYNC"][round]);
    }
    assert_memory_is_back(&server, before);
}

#[test]
fn a_transaction_that_is_given_up_changes_nothing_of_its_connection() {
    let server = start(&[]);
    let mut wire = server.connect();
    let words = ["WATCH key", "INCR key", "MULTI", "HELLO 3", "SELECT 5", "CLIENT SETNAME late"];
    for line in words {
        let reply = wire.line(line).expect(line);
        assert!(!reply.is_error(), "{line}: {reply}");
    }
    assert_eq!(wire.line("EXEC").expect("EXEC"), Value::NullArray);
    assert_eq!(wire.line("CLIENT GETNAME").expect("CLIENT GETNAME"), Value::NullBulk);
    assert_eq!(wire.line("HGETALL nothing").expect("HGETALL"), Value::Array(Vec::new()));
    assert_eq!(wire.line("GET key").expect("GET"), Value::bulk("1"));
}
