//! Job: run the balancer, programs of others and plain clients for the tests.
//! In: configuration files and command lines. Out: answers, outputs and what the balancer logs.
//! Invariant: what was started ends with the test by its handle; every wait has a deadline.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use crate::folder::Folder;
pub use crate::ports::free_port;

/// How long anything may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A program that runs beside the test.
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().display().to_string();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|why| panic!("{name} is needed: {why}")))
    }

    /// The same, when it listens.
    pub fn listening(command: &mut Command, port: u16) -> Self {
        let mut process = Self::start(command);
        wait_until("the program listens", || {
            let ended = process.0.try_wait().expect("it is ours");
            assert!(ended.is_none(), "{command:?} has ended: {ended:?}");
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
        process
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.0.id().to_string()]).status();
        assert!(status.expect("there is kill").success());
    }

    /// As kill -9 does, and gone.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Dropped, also by a panic, it says that something is over.
pub struct SetAtEnd<'a>(pub &'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits for what nobody tells of.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The output of a program that ends by itself and well.
pub fn run(program: &str, arguments: &[&str]) -> Output {
    run_with_input(program, arguments, b"")
}

/// The same for one that reads.
pub fn run_with_input(program: &str, arguments: &[&str], input: &[u8]) -> Output {
    // A program that hangs is ended by timeout(1), which says so by its exit code.
    let mut command = Command::new("timeout");
    command.args(["-k", "5", &PATIENCE.as_secs().to_string(), program]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("there is timeout");
    let mut pipe = child.stdin.take().expect("it is piped");
    let output = thread::scope(|scope| {
        // It may end without having read all; its exit code says whether that is right.
        scope.spawn(move || drop(pipe.write_all(input)));
        child.wait_with_output().expect("it runs")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {}, {said}", output.status);
    output
}

/// What it wrote to its standard output.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
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

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    has_more: Condvar,
}

/// A running balancer.
pub struct Balancer {
    process: Process,
    port: u16,
    admin_port: u16,
    log: Arc<Log>,
    _folder: Folder,
}

impl Balancer {
    /// One with a pool `api` of these servers.
    pub fn http(cores: usize, servers: &[String], settings: &str) -> Self {
        Self::start(cores, "http", "", servers, settings)
    }

    /// The same with settings of the listener, in any mode.
    pub fn start(
        cores: usize,
        mode: &str,
        listener: &str,
        servers: &[String],
        settings: &str,
    ) -> Self {
        let (port, admin_port, folder) = (free_port(), free_port(), Folder::new());
        let path = folder.file("lb.toml");
        let configuration = format!(
            "[global]\ncores = {cores}\nadmin = \"127.0.0.1:{admin_port}\"\n\
             [defaults]\nmode = \"{mode}\"\n\
             [[listener]]\nname = \"in\"\nbind = \"127.0.0.1:{port}\"\ndefault_pool = \"api\"\n\
             {listener}\n[pool.api]\nservers = {servers:?}\n{settings}\n"
        );
        std::fs::write(&path, configuration).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringlet-lb"));
        let mut process =
            Process::start(command.arg(path).env("NO_COLOR", "1").stderr(Stdio::piped()));
        let errors = process.0.stderr.take().expect("it is piped");
        let log = Arc::new(Log::default());
        let for_thread = log.clone();
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut lines = for_thread.lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push(line);
                for_thread.has_more.notify_all();
            }
        });
        let balancer = Self { process, port, admin_port, log, _folder: folder };
        balancer.wait_for_lines("ready to accept connections", 1);
        balancer
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.port)
    }

    /// Log lines with this text so far.
    pub fn count_lines(&self, text: &str) -> usize {
        let lines = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| line.contains(text)).count()
    }

    pub fn wait_for_lines(&self, text: &str, count: usize) {
        let end = Instant::now() + PATIENCE;
        let mut lines = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner);
        while lines.iter().filter(|line| line.contains(text)).count() < count {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not {count} lines with {text:?} in {lines:#?}");
            let changed = self.log.has_more.wait_timeout(lines, left);
            lines = changed.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The sum of the samples of a metric whose labels have this text.
    pub fn metric(&self, name: &str, label: &str) -> u64 {
        let page = Client::connect(self.admin_port).get("/metrics").expect("the admin page");
        let page = String::from_utf8(page.body).expect("text");
        let samples = page.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let is_whole_name = labels.is_empty() || labels.starts_with('{');
            (is_whole_name && labels.contains(label)).then(|| value.parse::<u64>().expect(line))
        });
        samples.sum()
    }

    /// Memory that it has in use.
    pub fn resident_bytes(&self) -> usize {
        let path = format!("/proc/{}/status", self.process.0.id());
        let status = std::fs::read_to_string(path).expect("the status of the child");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.process.kill();
        if thread::panicking() {
            let lines = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner);
            println!("{}", lines.join("\n"));
        }
    }
}

/// An answer with a known length.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// The connection takes no further request.
    pub closes: bool,
}

/// One connection of a plain client.
pub struct Client(BufReader<TcpStream>);

impl Client {
    pub fn connect(port: u16) -> Self {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("somebody listens");
        socket.set_nodelay(true).expect("an option");
        socket.set_read_timeout(Some(PATIENCE)).expect("an option");
        // Small, for a test may have ten thousand.
        Self(BufReader::with_capacity(512, socket))
    }

    pub fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        self.ask("GET", path, b"")
    }

    pub fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> std::io::Result<Answer> {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        self.0.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other(format!("no status: {line:?}")))?;
        let (mut length, mut closes) = (0, false);
        while line != "\r\n" {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let field = line.to_ascii_lowercase();
            closes |= field == "connection: close\r\n";
            if let Some(value) = field.strip_prefix("content-length: ") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(Answer { status, body, closes })
    }
}
