//! Job: run the real balancer between scripted clients and scripted servers.
//! In: options or a configuration file. Out: a [`Balancer`] that accepts connections.
//! Invariant: a dropped [`Balancer`] has ended its own child, by its handle; no port is given out twice.

pub mod backend;
pub mod wire;

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

pub use crate::folder::Folder;
pub use crate::ports::{free_listener, free_port};
pub use backend::{Backend, Peer};
pub use wire::{DEADLINE, End, Message, Wire};

/// With how many cores balancers run; a test run with another number looks for what only several show.
const CORES_VARIABLE: &str = "RINGLET_LB_CORES";

/// A running balancer.
pub struct Balancer {
    child: Child,
    port: u16,
    folder: Folder,
    /// What its configuration file has in the place of `SERVER0` and so on.
    servers: Vec<String>,
    log: Mutex<Receiver<String>>,
}

impl Balancer {
    /// One that was started without a file.
    pub fn to(backends: &[&Backend]) -> Self {
        Self::with_options(&[], backends)
    }

    /// The same with more options.
    pub fn with_options(options: &[&str], backends: &[&Backend]) -> Self {
        let port = free_port();
        let mut arguments = vec!["--listen".to_owned(), format!("127.0.0.1:{port}")];
        for backend in backends {
            arguments.extend(["--to".to_owned(), backend.address.clone()]);
        }
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        arguments.extend(default_cores(&options.concat(), "--cores"));
        Self::start(port, Folder::new(), &arguments)
    }

    /// One of a configuration file. `BIND` stands for its address, `SERVER0` and so on for backends.
    pub fn of_file(text: &str, backends: &[&Backend]) -> Self {
        let (port, folder) = (free_port(), Folder::new());
        let servers: Vec<String> = backends.iter().map(|one| one.address.clone()).collect();
        let path = write_file(text, port, &servers, &folder);
        let mut balancer =
            Self::start(port, folder, &[vec![path], default_cores(text, "cores = ")].concat());
        balancer.servers = servers;
        balancer
    }

    /// Has it read another file in the place of its own; what it has to say about that.
    pub fn reload(&self, text: &str) -> String {
        write_file(text, self.port, &self.servers, &self.folder);
        self.signal("-HUP");
        self.wait_for_log("configuration")
    }

    /// The next line of its log with this text in it.
    pub fn wait_for_log(&self, text: &str) -> String {
        let (mut said, end) = (Vec::new(), Instant::now() + 2 * DEADLINE);
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match log.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => said.push(line),
                Err(why) => panic!("no {text:?} in its log, {why}: {}", said.join("\n")),
            }
        }
    }

    fn signal(&self, signal: &str) {
        let process = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &process]).status().expect("there is kill");
        assert!(status.success(), "kill {signal} {process}");
    }

    /// Has it end in good order, and waits for that.
    pub fn terminate(&mut self) {
        self.signal("-TERM");
        assert!(self.child.wait().expect("a child").success(), "it ends well");
    }

    /// The path of a file in its folder, which a configuration calls `FOLDER/name`.
    pub fn file(&self, name: &str) -> String {
        self.folder.file(name)
    }

    fn start(port: u16, folder: Folder, arguments: &[String]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringlet-lb"));
        command.args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the balancer starts");
        let log = Mutex::new(read_lines(child.stderr.take().expect("a pipe")));
        let balancer = Self { child, port, folder, servers: Vec::new(), log };
        balancer.wait_for_log("ready to accept connections");
        balancer
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// A client's connection.
    pub fn connect(&self) -> Wire {
        Wire::new(self.connect_socket())
    }

    pub fn connect_socket(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address()).expect("a connection to the balancer");
        socket.set_nodelay(true).expect("an option");
        socket
    }

    /// The first response to bytes on a connection of their own.
    pub fn ask(&self, bytes: impl AsRef<[u8]>) -> Message {
        self.connect().ask(bytes)
    }

    /// Memory that it has in use.
    pub fn resident_bytes(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the status of the child");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
    }

    /// It has not fallen.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a configuration file; its path.
fn write_file(text: &str, port: u16, servers: &[String], folder: &Folder) -> String {
    let mut text = text.replace("BIND", &format!("127.0.0.1:{port}"));
    for (index, server) in servers.iter().enumerate() {
        text = text.replace(&format!("SERVER{index}"), server);
    }
    let path = folder.file("lb.toml");
    std::fs::write(&path, text.replace("FOLDER", &folder.file(""))).expect("a file");
    path
}

/// The option for the number of cores, where a test does not say it itself.
fn default_cores(said: &str, mark: &str) -> Vec<String> {
    if said.contains(mark) {
        return Vec::new();
    }
    let cores = std::env::var(CORES_VARIABLE).unwrap_or_else(|_| "1".to_owned());
    vec!["--cores".to_owned(), cores]
}

/// So many bytes that look like nothing in particular, each time the same.
pub fn content(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_be_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The lines of a pipe, read to its end so that nobody who writes to it has to wait.
fn read_lines(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}
