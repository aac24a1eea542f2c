//! Job: hold the configuration to what it promises: the command line, files, CONFIG, refusals,
//! logs, and how the server starts and stops.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`), with more shards than CPUs.
//! Out: test results.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ringlet_check::process::{Launch, RunningServer, ServerBinary, free_address};
use ringlet_check::value::Value;
use ringlet_check::wire::{Address, Wire};
use ringlet_protocol::inline::split_words;

const SHARDS: usize = 4;
const WAIT: Duration = Duration::from_secs(20);

fn binary() -> ServerBinary {
    ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"))
}

fn launch(options: &[&str]) -> RunningServer {
    let launch = Launch { options: options.to_vec(), ..Launch::with_shards(SHARDS) };
    binary().launch(&launch).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs the program to its end.
fn output(arguments: &[&str]) -> Output {
    Command::new(binary().path()).args(arguments).output().expect("the program runs")
}

fn standard_error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder of this test alone.
fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("ringlet-{name}-{}", std::process::id()));
    fs::create_dir_all(&path).expect("a folder");
    path
}

/// A process with a command line of our own; a test that fails ends it too.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program with a command line of our own and bytes on its standard input, and connects.
/// A program that ends instead is shown with what it said.
fn start_with(port: u16, arguments: &[&str], input: &[u8]) -> (Program, Wire) {
    let errors = std::env::temp_dir().join(format!("ringlet-{port}-{}.err", std::process::id()));
    let child = Command::new(binary().path())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&errors).expect("a file"))
        .spawn()
        .expect("the program runs");
    let mut program = Program(child);
    let mut to_program = program.0.stdin.take().expect("a pipe");
    to_program.write_all(input).expect("the pipe has room");
    drop(to_program);
    let address = Address::Tcp(([127, 0, 0, 1], port).into());
    let deadline = Instant::now() + WAIT;
    loop {
        // Any reply will do, a refusal too. Without one, who listened was a neighbour that looks
        // for a free port, or a program that is about to end.
        let answered = Wire::open(&address).and_then(|mut wire| wire.line("PING").map(|_| wire));
        let ended = program.0.try_wait().expect("our child");
        let said = || fs::read_to_string(&errors).unwrap_or_default();
        assert!(ended.is_none(), "the program has ended: {ended:?}: {}", said());
        if let Ok(wire) = answered {
            fs::remove_file(&errors).expect("our file");
            return (program, wire);
        }
        assert!(Instant::now() < deadline, "the server never answers: {}", said());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends the words of a line, which may be quoted, and gives the reply as one line of text.
fn say(wire: &mut Wire, line: &str) -> String {
    let words = split_words(line.as_bytes()).expect("balanced quotes");
    wire.call(&words).unwrap_or_else(|error| panic!("{line}: {error}")).to_string()
}

/// The value of one directive.
fn get(wire: &mut Wire, name: &str) -> String {
    let reply = wire.call(&["CONFIG", "GET", name]).expect("CONFIG GET");
    let items = reply.items().unwrap_or_else(|| panic!("{name}: {reply}"));
    assert_eq!(items.len(), 2, "{name}: {reply}");
    items[1].text()
}

fn shut_down(mut program: Program, wire: &mut Wire) {
    wire.send(&["SHUTDOWN", "NOSAVE"]).expect("it is sent");
    wire.wait_closed().expect("the connection ends");
    assert!(program.0.wait().expect("our child").success(), "SHUTDOWN ends with 0");
}

#[test]
fn the_program_tells_about_itself() {
    let version = output(&["--version"]);
    assert!(version.status.success());
    let text = String::from_utf8_lossy(&version.stdout).into_owned();
    assert!(text.starts_with("Ringlet server v=") && text.contains("redis_version="), "{text}");
    assert_eq!(output(&["-v"]).stdout, version.stdout);
    let help = output(&["--help"]);
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("--name value"));
    let check = output(&["--check"]);
    assert!(check.status.success(), "this machine runs the tests, so it passes");
    assert!(String::from_utf8_lossy(&check.stdout).contains("multishot receive"));
}

#[test]
fn what_cannot_be_obeyed_ends_the_start_with_one_clear_line() {
    let cases = [
        (["--appendonly", "yes"], "'--appendonly yes'", "append-only"),
        (["--prot", "7"], "'--prot 7'", "did you mean 'port'?"),
        (["--port", "many"], "'--port many'", "couldn't be parsed into an integer"),
        (["--maxmemory", "1gb"], "'--maxmemory 1gb'", "not evicted yet"),
    ];
    for (arguments, line, reason) in cases {
        let output = output(&arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let error = standard_error(&output);
        assert!(error.contains("*** FATAL CONFIG FILE ERROR"), "{error}");
        assert!(error.contains(&format!(">>> {line}")) && error.contains(reason), "{error}");
    }
    let missing = output(&["/nonexistent/ringlet.conf"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(standard_error(&missing).contains("Can't open config file"));
    let folder = folder("refusals");
    let file = folder.join("ringlet.conf");
    fs::write(&file, "port 1\n\nreplicaof 127.0.0.1 6379\n").expect("a file");
    let error = standard_error(&output(&[file.to_str().expect("UTF-8")]));
    assert!(error.contains("at line 3") && error.contains("replication is not"), "{error}");
    fs::remove_dir_all(&folder).expect("our folder");
}

#[test]
fn the_command_line_takes_a_refused_line_of_the_file_back() {
    let folder = folder("override");
    let file = folder.join("redis.conf");
    fs::write(&file, "daemonize yes\nport 1\nsave 900 1\n").expect("a file");
    let port = free_address().expect("a port").port();
    let (path, port_text) = (file.to_str().expect("UTF-8"), port.to_string());
    let arguments = [path, "--daemonize", "no", "--port", &port_text, "--save", "--shards", "1"];
    let (program, mut wire) = start_with(port, &arguments, b"");
    assert_eq!(get(&mut wire, "daemonize"), "no");
    shut_down(program, &mut wire);
    fs::remove_dir_all(&folder).expect("our folder");
}

#[test]
fn the_ports_of_the_cores_are_enough_to_listen_on() {
    let port = free_address().expect("a port").port();
    let text = port.to_string();
    let arguments = ["--port", "0", "--shards", "1", "--shard-ports", &text];
    let (program, mut wire) = start_with(port, &arguments, b"");
    assert_eq!(say(&mut wire, "PING"), "+PONG");
    shut_down(program, &mut wire);
    let error = standard_error(&output(&["--port", "0"]));
    assert!(error.contains("nothing to listen on"), "{error}");
}

#[test]
fn a_port_in_use_is_named() {
    let server = launch(&[]);
    let port = server.address().port().to_string();
    let second = output(&["--port", &port, "--bind", "127.0.0.1"]);
    assert_eq!(second.status.code(), Some(1));
    let error = standard_error(&second);
    assert!(error.contains(&port), "{error}");
}

#[test]
fn changes_hold_on_every_core_and_for_the_next_command_of_a_pipeline() {
    let server = launch(&[]);
    let mut wires: Vec<Wire> = (0..3 * SHARDS).map(|_| server.connect()).collect();
    for round in 1..20 {
        let value = round.to_string();
        let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        let writer = round % wires.len();
        let replies = wires[writer]
            .pipeline(&[
                words(&format!("CONFIG SET timeout {value} hash-max-listpack-entries {value}")),
                words("CONFIG GET timeout"),
            ])
            .expect("replies");
        assert!(replies[0].is_simple("OK"), "{}", replies[0]);
        assert_eq!(replies[1].items().expect("a pair")[1].text(), value);
        for wire in &mut wires {
            assert_eq!(get(wire, "timeout"), value);
        }
        // The thresholds count on the shard of each key.
        for key in 0..8 {
            let key = format!("hash:{round}:{key}");
            for field in 0..round {
                wires[0].call(&["HSET", &key, &field.to_string(), "x"]).expect("HSET");
            }
            assert_eq!(say(&mut wires[0], &format!("OBJECT ENCODING {key}")), "\"listpack\"");
            wires[0].call(&["HSET", &key, "one", "more"]).expect("HSET");
            assert_eq!(say(&mut wires[0], &format!("OBJECT ENCODING {key}")), "\"hashtable\"");
        }
    }
}

#[test]
fn several_changes_are_made_all_or_none() {
    let server = launch(&[]);
    let mut wire = server.connect();
    let before = wire.line("CONFIG GET *").expect("all");
    for line in [
        "CONFIG SET timeout 5 maxmemory-policy nonsense",
        "CONFIG SET timeout 5 port 1",
        "CONFIG SET timeout 5 nothing 1",
        "CONFIG SET timeout 5 appendonly yes",
        "CONFIG SET timeout 5 timeout 6",
        "CONFIG SET timeout 5 maxclients 4000000000",
    ] {
        assert!(wire.line(line).expect(line).is_error(), "{line}");
        assert_eq!(wire.line("CONFIG GET *").expect("all"), before, "{line}");
    }
}

#[test]
fn a_rewritten_file_gives_the_same_configuration_again() {
    let folder = folder("rewrite");
    let file = folder.join("ringlet.conf");
    let path = file.to_str().expect("UTF-8");
    let port = free_address().expect("a port").port();
    let text = format!("# mine\nport {port}\nshards 3\nhz 10\nsave \"\"\n");
    fs::write(&file, text).expect("a file");
    let directory = folder.display().to_string();
    let arguments = [path, "--timeout", "100", "--dir", &directory];
    let (program, mut wire) = start_with(port, &arguments, b"");
    let set =
        "CONFIG SET hz 50 requirepass \"a secret\" client-output-buffer-limit \"normal 1mb 0 0\"";
    assert_eq!(say(&mut wire, set), "+OK");
    assert_eq!(say(&mut wire, "CONFIG REWRITE"), "+OK");
    let all = wire.line("CONFIG GET *").expect("all");
    shut_down(program, &mut wire);
    let text = fs::read_to_string(&file).expect("the file");
    assert!(
        text.starts_with(&format!("# mine\nport {port}\nshards 3\nhz 50\nsave \"\"\n")),
        "{text}"
    );
    assert!(text.contains("\ntimeout 100\n"), "options of the command line are kept: {text}");
    assert!(text.contains("\ndir "), "{text}");
    let (program, mut wire) = start_with(port, &[path], b"");
    assert!(wire.line("PING").expect("a reply").is_error(), "the password is asked for");
    assert_eq!(wire.call(&["AUTH", "a secret"]).expect("a reply"), Value::ok());
    assert_eq!(wire.line("CONFIG GET *").expect("all"), all);
    shut_down(program, &mut wire);
    fs::remove_dir_all(&folder).expect("our folder");
}

#[test]
fn a_rewritten_file_does_not_pin_the_number_of_cores() {
    let folder = folder("shards");
    let file = folder.join("ringlet.conf");
    let port = free_address().expect("a port").port();
    fs::write(&file, format!("port {port}\n")).expect("a file");
    let (program, mut wire) = start_with(port, &[file.to_str().expect("UTF-8")], b"");
    assert_eq!(get(&mut wire, "shards"), "0");
    assert_eq!(say(&mut wire, "CONFIG REWRITE"), "+OK");
    shut_down(program, &mut wire);
    let text = fs::read_to_string(&file).expect("the file");
    assert!(!text.contains("shards"), "{text}");
    fs::remove_dir_all(&folder).expect("our folder");
}

#[test]
fn standard_input_comes_after_the_file_and_before_the_options() {
    let folder = folder("input");
    let file = folder.join("ringlet.conf");
    fs::write(&file, "hz 11\ntimeout 11\nmaxclients 111\n").expect("a file");
    let port = free_address().expect("a port").port();
    let path = file.to_str().expect("UTF-8");
    let port_text = port.to_string();
    let arguments = [path, "--maxclients", "113", "--shards", "1", "--port", &port_text, "-"];
    let (program, mut wire) = start_with(port, &arguments, b"timeout 12\nmaxclients 112\n");
    let values = ["hz", "timeout", "maxclients"].map(|name| get(&mut wire, name));
    assert_eq!(values, ["11", "12", "113"]);
    shut_down(program, &mut wire);
    fs::remove_dir_all(&folder).expect("our folder");
}

#[test]
fn logs_go_to_the_file_at_the_level_that_is_set() {
    let folder = folder("logs");
    let (path, pid_path) = (folder.join("ringlet.log"), folder.join("ringlet.pid"));
    let (log, pid) = (path.to_str().expect("UTF-8"), pid_path.to_str().expect("UTF-8"));
    let options = ["--logfile", log, "--pidfile", pid, "--enable-debug-command", "local"];
    let mut server = launch(&options);
    let mut wire = server.connect();
    let stored = fs::read_to_string(&pid_path).expect("the pid file");
    assert_eq!(stored.trim(), server.pid().to_string());
    assert_eq!(say(&mut wire, "DEBUG LOG first"), "+OK");
    assert_eq!(say(&mut wire, "CONFIG SET loglevel nothing"), "+OK");
    assert_eq!(say(&mut wire, "DEBUG LOG second"), "+OK");
    assert_eq!(say(&mut wire, "CONFIG SET loglevel warning"), "+OK");
    assert_eq!(say(&mut wire, "DEBUG LOG third"), "+OK");
    assert!(server.stop("TERM").expect("it ends").success());
    let text = fs::read_to_string(&path).expect("the log");
    assert!(text.contains("Ready to accept connections"), "{text}");
    assert!(text.contains("# DEBUG LOG: first") && text.contains("# DEBUG LOG: third"), "{text}");
    assert!(!text.contains("second"), "{text}");
    assert!(!pid_path.exists(), "the pid file goes with the server");
    fs::remove_dir_all(&folder).expect("our folder");
}

#[test]
fn connections_are_logged_at_verbose_and_not_at_notice() {
    let folder = folder("verbose");
    let path = folder.join("ringlet.log");
    let mut server = launch(&["--logfile", path.to_str().expect("UTF-8"), "--loglevel", "verbose"]);
    let log = || fs::read_to_string(&path).expect("the log");
    let logged = |text: &str| {
        let deadline = Instant::now() + WAIT;
        while !log().contains(text) {
            assert!(Instant::now() < deadline, "no '{text}' in {}", log());
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    let address_of = |wire: &mut Wire| {
        let info = wire.line("CLIENT INFO").expect("a line").text();
        let address = info.split(' ').find_map(|pair| pair.strip_prefix("addr="));
        address.expect("an address").to_string()
    };
    let mut wire = server.connect();
    let address = address_of(&mut wire);
    logged(&format!("- Accepted {address}\n"));
    drop(wire);
    logged(&format!("- Client closed connection {address}\n"));
    let mut wire = server.connect();
    let address = address_of(&mut wire);
    wire.send_raw(b"*1\r\n!\r\n").expect("sent");
    wire.wait_closed().expect("a protocol error ends the connection");
    logged(&format!("- Protocol error (expected '$', got '!') from client: {address}\n"));
    let mut wire = server.connect();
    assert_eq!(say(&mut wire, "CONFIG SET loglevel notice"), "+OK");
    let before = log().matches("Accepted").count();
    let mut silent = server.connect();
    assert_eq!(say(&mut silent, "PING"), "+PONG");
    assert_eq!(log().matches("Accepted").count(), before);
    assert!(server.stop("TERM").expect("it ends").success());
    fs::remove_dir_all(&folder).expect("our folder");
}

#[test]
fn systemd_is_told_when_clients_are_served() {
    let folder = folder("notify");
    let path = folder.join("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(WAIT)).expect("a timeout");
    let launch = Launch {
        options: vec!["--supervised", "systemd"],
        environment: vec![("NOTIFY_SOCKET", path.to_str().expect("UTF-8"))],
        ..Launch::with_shards(SHARDS)
    };
    let server = binary().launch(&launch).unwrap_or_else(|error| panic!("{error}"));
    let mut message = [0; 256];
    let length = socket.recv(&mut message).expect("a message");
    let text = String::from_utf8_lossy(&message[..length]);
    assert!(text.lines().any(|line| line == "READY=1"), "{text}");
    drop(server);
    fs::remove_dir_all(&folder).expect("our folder");
}

#[test]
fn debug_needs_permission() {
    let refused = launch(&[]);
    let mut wire = refused.connect();
    let reply = say(&mut wire, "DEBUG SLEEP 0");
    assert!(reply.contains("DEBUG command not allowed"), "{reply}");
    let allowed = launch(&["--enable-debug-command", "local"]);
    let mut wire = allowed.connect();
    assert_eq!(say(&mut wire, "DEBUG SLEEP 0"), "+OK");
    let wrong = "-ERR unknown subcommand or wrong number of arguments for";
    assert_eq!(say(&mut wire, "DEBUG SLEEP"), format!("{wrong} 'SLEEP'. Try DEBUG HELP."));
    assert_eq!(say(&mut wire, "DEBUG POPULATE 1000 p 20"), "+OK");
    assert_eq!(say(&mut wire, "DBSIZE"), ":1000");
    assert_eq!(say(&mut wire, "STRLEN p:999"), ":20");
    assert_eq!(say(&mut wire, "DEBUG ERROR \"MINE is this\""), "-MINE is this");
    let object = say(&mut wire, "DEBUG OBJECT p:1");
    assert!(object.contains("encoding:embstr"), "{object}");
    // A key whose time is over stays when nobody drops it, and goes when somebody does.
    assert_eq!(say(&mut wire, "DEBUG SET-ACTIVE-EXPIRE 0"), "+OK");
    assert_eq!(say(&mut wire, "PEXPIRE p:1 1"), ":1");
    std::thread::sleep(Duration::from_millis(250));
    assert_eq!(say(&mut wire, "DBSIZE"), ":1000");
    assert_eq!(say(&mut wire, "DEBUG SET-ACTIVE-EXPIRE 1"), "+OK");
    let deadline = Instant::now() + WAIT;
    while say(&mut wire, "DBSIZE") != ":999" {
        assert!(Instant::now() < deadline, "the expired key stays");
    }
}
