//! A balancer, backends and clients for the tests of the admin listener.
//!
//! Job: run the real program before servers of this process. In: configuration texts. Out: answers and
//! counts. Invariant: free ports of 127.0.0.1 only; what is started ends with the test.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::ports::free_port;

/// Longer than anything should take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that answers with its name: 404 for `/missing`, and to `/hold` only once it is released.
pub struct Backend {
    pub address: SocketAddr,
    served: Arc<AtomicU64>,
    held: Receiver<()>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Backend {
    pub fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (served, gate) = (Arc::new(AtomicU64::new(0)), Arc::default());
        let (holds, held) = mpsc::channel();
        let (count, opened) = (served.clone(), Arc::clone(&gate));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (count, opened, holds) = (count.clone(), Arc::clone(&opened), holds.clone());
                // A connection that breaks off has nothing more to be served.
                thread::spawn(move || drop(serve(stream, name, &count, &opened, &holds)));
            }
        });
        Self { address, served, held, gate }
    }

    pub fn count(&self) -> u64 {
        self.served.load(Ordering::SeqCst)
    }

    /// Whether a request for `/hold` is here now.
    pub fn holds(&self) -> bool {
        self.held.try_recv().is_ok()
    }

    pub fn release(&self) {
        *self.gate.0.lock().expect("no test has failed here") = true;
        self.gate.1.notify_all();
    }
}

fn serve(
    stream: TcpStream,
    name: &str,
    served: &AtomicU64,
    gate: &(Mutex<bool>, Condvar),
    holds: &Sender<()>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        served.fetch_add(1, Ordering::SeqCst);
        if first.starts_with("GET /hold ") {
            // The test has ended if nobody listens.
            let _ = holds.send(());
            let open = gate.0.lock().expect("no test has failed here");
            drop(gate.1.wait_while(open, |open| !*open).expect("no test has failed here"));
        }
        let status = if first.starts_with("GET /missing ") { "404 Not Found" } else { "200 OK" };
        let length = name.len();
        write!(writer, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{name}")?;
    }
}

/// The running program.
pub struct Balancer {
    child: Child,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    folder: PathBuf,
    lines: Receiver<String>,
}

fn free_address() -> SocketAddr {
    ([127, 0, 0, 1], free_port()).into()
}

impl Balancer {
    /// With the pool `api`, which is told as the file tells it, on so many cores.
    pub fn start(name: &str, cores: usize, pool: &str) -> Self {
        let (address, admin) = (free_address(), free_address());
        let folder = std::env::temp_dir().join(format!("ringlet-lb-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let mut balancer = Self {
            child: Command::new("true").spawn().expect("a process"),
            address,
            admin,
            folder,
            lines: mpsc::channel().1,
        };
        balancer.write(cores, pool);
        balancer.child.wait().expect("it ends at once");
        balancer.child = Command::new(env!("CARGO_BIN_EXE_ringlet-lb"))
            .arg(balancer.folder.join("lb.toml"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = balancer.child.stderr.take().expect("it is piped");
        let (said, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Read to the end also when nobody listens, lest the program blocks.
                let _ = said.send(line);
            }
        });
        balancer.lines = lines;
        balancer.wait_for("ready to accept connections");
        balancer
    }

    /// Writes the file anew.
    pub fn write(&self, cores: usize, pool: &str) {
        let (address, admin) = (self.address, self.admin);
        let text = format!(
            "[global]\ncores = {cores}\nadmin = \"{admin}\"\n[[listener]]\nname = \"web\"\n\
             bind = \"{address}\"\ndefault_pool = \"api\"\n[pool.api]\n{pool}\n"
        );
        fs::write(self.folder.join("lb.toml"), text).expect("the file can be written");
    }

    /// Waits until the program says something.
    pub fn wait_for(&self, text: &str) {
        let by = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        loop {
            let left = by.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return,
                Ok(line) => said.push(line),
                Err(error) => panic!("{error} while waiting for {text:?}: {said:#?}"),
            }
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status().expect("kill runs");
        assert!(status.success());
    }

    /// (status, body) of a page of the admin listener.
    pub fn page(&self, path: &str) -> (u16, String) {
        let (status, _, body) = Client::new(self.admin)
            .ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.admin));
        (status, body)
    }

    /// (status, body) of a change with a JSON body.
    pub fn change(&self, path: &str, json: &str) -> (u16, String) {
        self.post(path, "Content-Type: application/json\r\n", json)
    }

    pub fn post(&self, path: &str, fields: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let (status, _, answer) = Client::new(self.admin).ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{fields}Content-Length: {length}\r\n\r\n{body}",
            self.admin
        ));
        (status, answer)
    }

    /// The sum of all series of a metric whose labels contain a text.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let (status, text) = self.page("/metrics");
        assert_eq!(status, 200);
        let of_name = text.lines().filter_map(|line| line.strip_prefix(name));
        let series = of_name.filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels));
        series.map(|rest| rest.rsplit(' ').next().unwrap_or_default()).map(number).sum()
    }
}

pub fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // It may have ended by itself, with the failure that the test reports.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A connection that asks one request after the other.
pub struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("an option of TCP");
        Self { reader: BufReader::new(stream) }
    }

    /// (status, head, body).
    pub fn ask(&mut self, request: &str) -> (u16, String, String) {
        self.reader.get_mut().write_all(request.as_bytes()).expect("it reads");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.reader.read_line(&mut head).expect("it answers") > 0, "closed: {head}");
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, length)| length.parse().ok());
        let mut body = vec![0; length.expect("a length")];
        self.reader.read_exact(&mut body).expect("a whole body");
        (status.expect("a status"), head, String::from_utf8(body).expect("a text"))
    }

    /// (status, name of the server).
    pub fn get(&mut self, path: &str) -> (u16, String) {
        let (status, _, body) = self.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        (status, body)
    }
}

/// Clients that ask without a break and count.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Traffic {
    pub fn start(address: SocketAddr, clients: usize) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let run = |_| {
            let (stop, asked) = (stop.clone(), asked.clone());
            thread::spawn(move || {
                let mut failures = Vec::new();
                let mut client = Client::new(address);
                let mut on_this = 0;
                while !stop.load(Ordering::SeqCst) {
                    // New connections must find the listener as well as old ones their server.
                    if on_this == 20 {
                        (client, on_this) = (Client::new(address), 0);
                    }
                    let (status, body) = client.get("/");
                    if status != 200 {
                        failures.push(format!("{status} {body}"));
                    }
                    on_this += 1;
                    asked.fetch_add(1, Ordering::SeqCst);
                }
                failures
            })
        };
        let clients = (0..clients).map(run).collect();
        Self { stop, asked, clients }
    }

    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Ends it: how many requests, and those that failed.
    pub fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::SeqCst);
        let results = self.clients.into_iter().map(|client| client.join().expect("no panic"));
        let failures = results.flatten().collect();
        (self.asked.load(Ordering::SeqCst), failures)
    }
}

/// Waits until something holds that other threads or the program bring about.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let by = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < by, "{what} does not come about");
        thread::yield_now();
    }
}
