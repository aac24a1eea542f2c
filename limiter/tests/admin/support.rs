//! A limiter and its clients for the tests of the admin listener.
//!
//! Job: run the real program. In: configuration texts. Out: answers, metrics, lines of its log. Invariant:
//! free ports of 127.0.0.1 only; what is started ends with the test, by its handle.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use ringlet_runtime::admin::document::{Cell, Document};

use crate::ports::free_port;

/// Longer than anything should take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that goes with its test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let folder = format!("ringlet-limiter-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(folder);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where a limiter listens.
#[derive(Copy, Clone)]
pub struct Addresses {
    pub http: SocketAddr,
    pub admin: SocketAddr,
}

impl Addresses {
    pub fn free() -> Self {
        let address = || ([127, 0, 0, 1], free_port()).into();
        Self { http: address(), admin: address() }
    }

    /// A file with these lines in `[global]` and these rules.
    pub fn file(&self, global: &str, rules: &str) -> String {
        let Self { http, admin } = self;
        format!(
            "[global]\ncores = 2\nadmin = \"{admin}\"\n{global}\n\
             [[listener]]\nname = \"web\"\nbind = \"{http}\"\nprotocol = \"http\"\n{rules}\n"
        )
    }
}

/// The running program.
pub struct Limiter {
    child: Child,
    pub at: Addresses,
    lines: Receiver<String>,
}

impl Limiter {
    /// Starts it with a configuration file, and waits until it serves.
    pub fn start(at: Addresses, file: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringlet-limiter"))
            .arg(file)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("it is piped");
        let (said, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Read to the end also when nobody listens, lest the program blocks.
                let _ = said.send(line);
            }
        });
        let limiter = Self { child, at, lines };
        limiter.wait_for("ready to accept connections");
        limiter
    }

    /// Waits for a line of its log with this text; the lines before it.
    pub fn wait_for(&self, text: &str) -> Vec<String> {
        let by = Instant::now() + PATIENCE;
        let mut before = Vec::new();
        loop {
            let left = by.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return before,
                Ok(line) => before.push(line),
                Err(error) => panic!("no {text:?}: {error}; it said {before:#?}"),
            }
        }
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().expect("kill runs").success());
    }

    /// Ends it and waits.
    pub fn stop(mut self) {
        self.signal("-TERM");
        assert!(self.child.wait().expect("it ends").success());
    }

    /// Asks whether a client may: the status.
    pub fn ask(&self, client: &str) -> u16 {
        let body = format!("{{\"request\":{{\"method\":\"GET\",\"client\":\"{client}\"}}}}");
        post(self.at.http, "/check", &body).0
    }

    pub fn page(&self, path: &str) -> (u16, String) {
        let Addresses { admin, .. } = self.at;
        let head = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
        exchange(admin, &head)
    }

    pub fn reload(&self) -> (u16, String) {
        post(self.at.admin, "/reload", "{}")
    }

    /// One metric with these labels.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let (status, text) = self.page("/metrics");
        assert_eq!(status, 200);
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value)
    }

    /// The rows of a table of the page.
    pub fn rows(&self, title: &str) -> Vec<Vec<Cell>> {
        let (status, text) = self.page("/state.json");
        assert_eq!(status, 200);
        let document = Document::from_json(text.as_bytes()).expect("a document");
        let section = document.sections.into_iter().find(|section| section.title == title);
        section.expect("a table").rows
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn post(to: SocketAddr, path: &str, body: &str) -> (u16, String) {
    let length = body.len();
    exchange(
        to,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    )
}

fn exchange(to: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(to).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or_else(|| panic!("no status in {text:?}")), body.to_owned())
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let by = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < by, "no {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Moves a file with this text into a place, so that nobody sees half of it.
pub fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).expect("written");
    fs::rename(new, path).expect("moved");
}
