//! The balancer as a process, its log, and a client for it.
//!
//! Job: start `ringlet-lb` with a file, wait for what it logs, ask it, and end it. In: the text of a
//! configuration in which `LISTEN` stands for its address. Out: responses and log lines.
//! Invariant: the process ends with the test, also with one that fails.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::ports::free_port;

/// No event is waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    has_more: Condvar,
}

/// A running balancer.
pub struct Balancer {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    log: Arc<Log>,
    file: PathBuf,
}

impl Balancer {
    /// Runs one by this configuration.
    pub fn start(cores: usize, configuration: &str) -> Self {
        static FILES: AtomicU32 = AtomicU32::new(0);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringlet-lb-health-{}-{number}.toml", std::process::id());
        let file = std::env::temp_dir().join(name);
        let address = free_address();
        write_file(&file, configuration, address);
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringlet-lb"))
            .arg(&file)
            .args(["--cores", &cores.to_string()])
            .env("NO_COLOR", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program was built");
        let errors = child.stderr.take().expect("it is piped");
        let log = Arc::new(Log::default());
        let for_thread = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut lines = for_thread.lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push(line);
                drop(lines);
                for_thread.has_more.notify_all();
            }
        });
        let balancer = Self { address, child, log, file };
        balancer.wait_for_log("ready to accept connections");
        balancer
    }

    /// Has it read another configuration.
    pub fn reload(&self, configuration: &str) {
        let before = self.count_log("is in use");
        write_file(&self.file, configuration, self.address);
        let process = self.child.id().to_string();
        let status = Command::new("kill").args(["-HUP", &process]).status().expect("there is kill");
        assert!(status.success());
        self.wait_for_lines("is in use", before + 1);
    }

    /// Waits for a log line with this text.
    pub fn wait_for_log(&self, text: &str) -> String {
        self.wait_for_lines(text, 1)
    }

    /// Waits for so many lines with this text; the last of them.
    pub fn wait_for_lines(&self, text: &str, count: usize) -> String {
        let until = Instant::now() + PATIENCE;
        let mut lines = self.log.lines.lock().expect("no panic");
        loop {
            if let Some(line) = lines.iter().filter(|line| line.contains(text)).nth(count - 1) {
                return line.clone();
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no line with {text:?} in {lines:#?}");
            lines = self.log.has_more.wait_timeout(lines, left).expect("no panic").0;
        }
    }

    /// Log lines with this text.
    pub fn count_log(&self, text: &str) -> usize {
        let lines = self.log.lines.lock().expect("no panic");
        lines.iter().filter(|line| line.contains(text)).count()
    }

    /// One request on a connection of its own: the status and the body.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.begin(path).finish()
    }

    /// A request whose response is read later.
    pub fn begin(&self, path: &str) -> Pending {
        let mut stream = TcpStream::connect(self.address).expect("the balancer listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the balancer reads");
        Pending(stream)
    }
}

/// A request under way.
pub struct Pending(TcpStream);

impl Pending {
    /// The status and the body of its response.
    pub fn finish(mut self) -> (u16, String) {
        let mut text = String::new();
        self.0.read_to_string(&mut text).expect("the balancer answers");
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status.unwrap_or_else(|| panic!("no response: {text:?}")), body.to_owned())
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.file);
        if std::thread::panicking() {
            // Also after a panic with the lines in hand: a second one would end all tests.
            let lines = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner);
            println!("{}", lines.join("\n"));
        }
    }
}

fn write_file(file: &PathBuf, configuration: &str, address: SocketAddr) {
    let text = configuration.replace("LISTEN", &address.to_string());
    std::fs::write(file, text).expect("the folder for temporary files can be written to");
}

/// An address on which nobody listens.
pub fn free_address() -> SocketAddr {
    ([127, 0, 0, 1], free_port()).into()
}
