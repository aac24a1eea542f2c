//! Job: hold the start to what it promises: cores that fit the machine, every kind of address, a
//! banner that says all one needs, one clear line when an address is taken, and no open door to
//! strangers.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`).
//! Out: test results.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ringlet_check::process::{ServerBinary, free_ports};
use ringlet_check::wire::{Address, Wire};

const WAIT: Duration = Duration::from_secs(20);
const WAIT_SECONDS: &str = "20";

fn binary() -> PathBuf {
    ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server")).path().to_owned()
}

fn free_port() -> u16 {
    free_ports(1).expect("a free port")
}

/// A server that says it is ready. Dropping it ends it.
struct Started {
    child: Child,
    /// What it has said so far.
    lines: Vec<String>,
}

impl Started {
    fn by(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut started = Self { child: child.expect("it can be executed"), lines: Vec::new() };
        let output = BufReader::new(started.child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        // Reads on to the end, so that the server never writes into a closed pipe.
        thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| {
                // Nobody listens any more once it is ready.
                let _ = sender.send(line);
            })
        });
        while !started.lines.last().is_some_and(|line| line.contains("Ready to accept")) {
            let line = lines.recv_timeout(WAIT);
            started.lines.push(line.unwrap_or_else(|_| panic!("not ready: {:?}", started.lines)));
        }
        started
    }

    fn with(options: &[&str]) -> Self {
        Self::by(Command::new(binary()).args(options))
    }

    /// The line of the banner in which `text` stands.
    fn line(&self, text: &str) -> &str {
        let found = self.lines.iter().find(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("no {text} in {:?}", self.lines))
    }

    /// The CPUs that the threads of each core may use, one text for those that agree.
    fn placement(&self) -> BTreeSet<(String, String)> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it lives");
        let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
        let threads = tasks.map(|task| {
            let path = task.expect("a thread").path();
            let status = read(path.join("status"));
            let cpus = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
            (read(path.join("comm")).trim().to_owned(), cpus.unwrap_or("").trim().to_owned())
        });
        let core = |name: &str| name.strip_prefix("ringlet-").map(str::parse::<usize>);
        threads.filter(|(name, _)| core(name).is_some_and(|number| number.is_ok())).collect()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Both calls fail only when the child is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of this test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringlet-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("plain letters").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tcp(host: impl Into<IpAddr>, port: u16) -> Wire {
    Wire::open(&Address::Tcp(SocketAddr::new(host.into(), port))).expect("it accepts")
}

fn local(port: u16) -> Wire {
    tcp([127, 0, 0, 1], port)
}

fn assert_serves(wire: &mut Wire) {
    assert!(wire.line("PING").expect("PING").is_simple("PONG"));
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn shards(wire: &mut Wire) -> String {
    let text = wire.line("INFO ringlet").expect("INFO").text();
    let line = text.lines().find_map(|line| line.strip_prefix("shards:"));
    line.unwrap_or_else(|| panic!("no shards in {text}")).to_owned()
}

/// The CPUs that this process may use.
fn allowed_cpus() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").expect("proc is mounted");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let ranges = list.expect("a list of CPUs").trim().split(',');
    let number = |text: &str| text.parse::<usize>().expect("a number");
    ranges
        .flat_map(|range| match range.split_once('-') {
            Some((first, last)) => number(first)..number(last) + 1,
            None => number(range)..number(range) + 1,
        })
        .collect()
}

#[test]
fn cores_follow_the_affinity_mask_unless_they_are_told() {
    let cpus = allowed_cpus();
    let on = |cpus: &[usize], shards: &[&str], port: u16| {
        let list = cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let mut command = Command::new("taskset");
        command.args(["-c", &list]).arg(binary()).args(["--port", &port.to_string()]).args(shards);
        Started::by(&mut command)
    };
    let placed = |server: &Started, cpus: &[usize]| {
        let core = |(index, cpu): (usize, &usize)| (format!("ringlet-{index}"), cpu.to_string());
        let expected: BTreeSet<_> = cpus.iter().enumerate().map(core).collect();
        // Helpers of a core carry its name and float.
        let found = server.placement();
        assert!(found.is_superset(&expected), "{found:?}");
    };
    let last = *cpus.last().expect("at least one");
    let port = free_port();
    let server = on(&[last], &[], port);
    assert_eq!(shards(&mut local(port)), "1");
    placed(&server, &[last]);
    drop(server);
    let server = on(&[last], &["--shards", "3"], port);
    assert_eq!(shards(&mut local(port)), "3");
    assert!(server.line("pid").contains("3 cores"));
    drop(server);
    if let [first, .., last] = cpus[..] {
        let server = on(&[first, last], &["--shards", "2"], port);
        placed(&server, &[first, last]);
    }
}

#[test]
fn every_kind_of_address_serves() {
    let folder = Folder::new("addresses");
    let (path, port) = (folder.path("socket"), free_port());
    let port_text = port.to_string();
    let mut options = vec!["--port", &port_text, "--shards", "2", "--unixsocket", &path];
    options.extend(["--unixsocketperm", "700", "--bind", "127.0.0.1", "-192.0.2.1"]);
    if has_ipv6() {
        options.push("::1");
    }
    // What a server that was killed leaves behind is in nobody's way.
    drop(UnixListener::bind(&path).expect("the folder is writable"));
    let mut server = Started::with(&options);
    let unix = || Wire::open(&Address::Unix(PathBuf::from(&path))).expect("it accepts");
    for _ in 0..8 {
        assert_serves(&mut local(port));
        assert_serves(&mut unix());
        if has_ipv6() {
            assert_serves(&mut tcp(Ipv6Addr::LOCALHOST, port));
        }
    }
    let mode = fs::metadata(&path).expect("the socket is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let info = unix().line("CLIENT INFO").expect("CLIENT INFO").text();
    assert!(info.contains(&format!(" addr={path}:0 ")), "{info}");
    unix().line("SHUTDOWN").expect_err("no reply, the connection ends");
    assert_eq!(server.child.wait().expect("it ends").code(), Some(0));
    assert!(!fs::exists(&path).expect("the folder can be read"), "the socket is removed");
}

#[test]
fn the_banner_says_what_one_needs_to_know() {
    let port = free_ports(5).expect("free ports");
    let (main, own) = (port.to_string(), (port + 1).to_string());
    let admin = format!("127.0.0.1:{}", port + 4);
    let server = Started::with(&[
        "--port",
        &main,
        "--bind",
        "127.0.0.1",
        "--shards",
        "3",
        "--shard-ports",
        &own,
        "--admin",
        &admin,
    ]);
    let first = server.line("Ringlet");
    for text in [
        format!("Ringlet {}", env!("CARGO_PKG_VERSION")),
        format!("pid {}", server.child.id()),
        "3 cores".to_owned(),
    ] {
        assert!(first.contains(&text), "no {text} in {first}");
    }
    server.line(&format!("port {main} of 127.0.0.1"));
    server.line(&format!("Cores' own ports: {own} to {}", port + 3));
    server.line("defaults and command line, no file");
    let page = server.line("/metrics and /healthz");
    assert!(page.contains(&format!("http://{admin}/")), "{page}");
    for own in port + 1..port + 4 {
        assert_serves(&mut local(own));
    }
    let mut stream = TcpStream::connect(&admin).expect("the page is there");
    stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.ends_with("ok\n"), "{answer}");
    let without = Started::with(&["--port", &free_port().to_string(), "--shards", "1"]);
    assert!(without.line("Ringlet").contains("1 core"));
    assert!(without.line("Admin page").contains("off"));
}

#[test]
fn a_taken_address_is_one_clear_line() {
    let folder = Folder::new("taken");
    let taken = TcpListener::bind(("127.0.0.1", free_port())).expect("a free port");
    let taken_port = taken.local_addr().expect("bound").port();
    let admin = format!("127.0.0.1:{taken_port}");
    let base = (taken_port - 1).to_string();
    let (socket, file) = (folder.path("socket"), folder.path("file"));
    let _listener = UnixListener::bind(&socket).expect("the folder is writable");
    fs::write(&file, "precious").expect("the folder is writable");
    let mut cases = vec![
        (vec!["--admin", &admin], admin.clone()),
        (vec!["--shard-ports", &base], admin.clone()),
        (vec!["--unixsocket", &socket], socket.clone()),
        (vec!["--unixsocket", &file], file.clone()),
    ];
    let other;
    let mut held = None;
    if has_ipv6() {
        let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        other = port.to_string();
        held = Some(listener);
        cases.push((vec!["--port", &other, "--bind", "::1"], format!("[::1]:{port}")));
    }
    for (options, address) in cases {
        let port = free_port().to_string();
        let output = Command::new("timeout")
            .arg(WAIT_SECONDS)
            .arg(binary())
            .args(["--port", &port, "--bind", "127.0.0.1", "--shards", "2"])
            .args(&options)
            .output()
            .expect("timeout runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{options:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{options:?}: {said}");
        assert!(said.contains(&address) && said.contains("in use"), "{options:?}: {said}");
        let log = String::from_utf8_lossy(&output.stdout);
        assert!(!log.contains("Ready to accept"), "{options:?}: {log}");
    }
    drop(held);
    assert_eq!(fs::read_to_string(&file).expect("it is still there"), "precious");
}

/// An address by which this machine is known to others, if there is one. Sends nothing.
fn outside_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

#[test]
fn strangers_are_refused_while_there_is_no_password() {
    let Some(outside) = outside_address() else {
        println!("this machine has no address but loopback: nobody can be a stranger");
        return;
    };
    let port = free_port();
    let _server = Started::with(&["--port", &port.to_string(), "--bind", "*", "--shards", "2"]);
    let stranger = || tcp(outside, port);
    let mut friend = local(port);
    let assert_denied = || {
        let answer = stranger().read_to_end().expect("it is closed");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("-DENIED ") && answer.ends_with("\r\n"), "{answer}");
        assert_eq!(answer.lines().count(), 1, "{answer}");
    };
    let mut set = |words: &[&str]| {
        let words: Vec<_> = ["CONFIG", "SET"].iter().chain(words).collect();
        assert!(friend.call(&words).expect("CONFIG SET").is_simple("OK"), "{words:?}");
    };
    assert_denied();
    set(&["protected-mode", "no"]);
    assert_serves(&mut stranger());
    set(&["protected-mode", "yes"]);
    assert_denied();
    set(&["requirepass", "sesame"]);
    let mut known = stranger();
    assert!(known.line("PING").expect("an answer").text().is_empty(), "an error");
    assert!(known.line("AUTH sesame").expect("AUTH").is_simple("OK"));
    assert_serves(&mut known);
    set(&["requirepass", ""]);
    assert_serves(&mut known);
    assert_denied();
}
