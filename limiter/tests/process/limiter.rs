//! Job: run the limiter. In: rules and a store. Out: a process that serves, and what it logs.
//! Invariant: it ends with the test, by its handle; every wait has a deadline.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ringlet_check::client::Connection;
use ringlet_check::process::free_address;

/// How long anything may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what nobody tells of.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A folder of its own, removed when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("limiter-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running limiter with a listener of each protocol.
pub struct Limiter {
    child: Child,
    pub http: SocketAddr,
    pub resp: SocketAddr,
    pub grpc: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    _folder: Folder,
}

impl Limiter {
    /// One with these sections behind `[global]` and the listeners. `http` are settings of its listener.
    pub fn start(cores: usize, global: &str, http: &str, sections: &str) -> Self {
        let folder = Folder::new();
        let [at_http, at_resp, at_grpc] = [(); 3].map(|()| free_address().expect("a free port"));
        let path = folder.file("limits.toml");
        let configuration = format!(
            "[global]\ncores = {cores}\n{global}\n\
             [[listener]]\nbind = \"{at_http}\"\nprotocol = \"http\"\n{http}\n\
             [[listener]]\nbind = \"{at_resp}\"\nprotocol = \"resp\"\n\
             [[listener]]\nbind = \"{at_grpc}\"\nprotocol = \"grpc\"\n\
             {sections}\n"
        );
        std::fs::write(&path, &configuration).expect("a file");
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringlet-limiter"))
            .arg(path)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let errors = child.stderr.take().expect("it is piped");
        let (log, ready) = read_log(BufReader::new(errors));
        let limiter =
            Self { child, http: at_http, resp: at_resp, grpc: at_grpc, log, _folder: folder };
        let said = ready.recv_timeout(PATIENCE);
        assert_ne!(said, Err(RecvTimeoutError::Timeout), "it is not ready");
        assert!(said.is_ok(), "it has ended, with {configuration}");
        limiter
    }

    /// A connection to its RESP listener.
    pub fn connect(&self) -> Connection {
        Connection::open(self.resp, PATIENCE).expect("it accepts a connection")
    }

    /// Whether the next of this rule and key would be let through, and is.
    pub fn lets_through(&self, rule: &str, key: &str) -> bool {
        is_let_through(&mut self.connect(), rule, key)
    }

    /// Nothing has hurt it: it runs, answers, and has logged no panic.
    pub fn assert_well(&mut self) {
        let ended = self.child.try_wait().expect("it is ours");
        assert!(ended.is_none(), "it has ended: {ended:?}");
        let reply = self.connect().command(&["PING"]).expect("it answers");
        assert_eq!(reply.text(), Some("PONG"));
        let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!lines.iter().any(|line| line.contains("panicked")), "{lines:#?}");
    }

    /// The lines of its log with this in them.
    pub fn logged(&self, text: &str) -> Vec<String> {
        let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// Ends as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.expect("there is kill").success());
        let mut ended = None;
        wait_until("the limiter ends", || {
            ended = self.child.try_wait().expect("it is ours");
            ended.is_some()
        });
        ended.expect("it has ended")
    }

    /// Resident memory.
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the status of the child");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            println!("the limiter at {}:\n{}", self.resp, lines.join("\n"));
        }
    }
}

/// The same on a connection that there is.
pub fn is_let_through(connection: &mut Connection, rule: &str, key: &str) -> bool {
    let reply = connection.command(&["THROTTLE", rule, key]).expect("it answers");
    let items = reply.items().unwrap_or_else(|| panic!("{reply:?}"));
    items[0].integer() == Some(0)
}

/// Keeps what is logged; the second tells of being ready, or hangs up at the end.
fn read_log(errors: impl BufRead + Send + 'static) -> (Arc<Mutex<Vec<String>>>, Receiver<()>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (tell, ready) = channel();
    let for_thread = log.clone();
    thread::spawn(move || {
        for line in errors.lines().map_while(Result::ok) {
            if line.contains("ready to accept connections") {
                let _ = tell.send(());
            }
            for_thread.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
    (log, ready)
}
