//! Job: hold the relay to what a client is owed when peers are slow, half closed or many, and over
//! reloads and the end. In: the program that cargo built, servers of this file, over unix sockets, whose
//! buffers are small and do not grow. Out: failures. Invariant: what is awaited is an event, never a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// A folder of its own for each test: sockets and the configuration.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lb-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).expect("a folder can be made");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("it is text").to_owned()
    }

    fn write_configuration(&self, pool: &str, timeouts: &str) {
        let text = format!(
            "[global]\ncores = 1\n[[listener]]\nname = \"l\"\nbind = [\"unix:{}\"]\n\
             default_pool = \"{pool}\"\n{timeouts}\n\
             [pool.{pool}]\nservers = [\"unix:{}\"]\n",
            self.path("in"),
            self.path(pool)
        );
        std::fs::write(self.0.join("lb.toml"), text).expect("the configuration can be written");
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.0.join("in")).expect("the balancer listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("it can be set");
        stream
    }

    /// Serves `GET /N` with N bytes and the number of the connection; `POST` gets no answer.
    fn serve(&self, name: &str) {
        let listener = UnixListener::bind(self.0.join(name)).expect("the server can listen");
        let name = name.to_owned();
        std::thread::spawn(move || {
            static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
            for stream in listener.incoming().map_while(Result::ok) {
                let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
                let name = name.clone();
                std::thread::spawn(move || {
                    let _ = answer_all(stream, &name, number);
                });
            }
        });
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn answer_all(mut stream: UnixStream, name: &str, number: usize) -> std::io::Result<()> {
    let mut requests = BufReader::new(stream.try_clone()?);
    loop {
        let head = read_head(&mut requests)?;
        let Some(path) = head.strip_prefix("GET /") else { continue };
        let path = path.split(' ').next().unwrap_or_default();
        if path == "interim" {
            for _ in 0..100_000 {
                stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?;
            }
        }
        let length = path.parse().unwrap_or(0);
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nServer: {name} {number}\r\nContent-Length: {length}\r\n\r\n"
        )?;
        stream.write_all(&vec![b'x'; length])?;
    }
}

/// A head with its empty line; an error at the end.
fn read_head(from: &mut impl BufRead) -> std::io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// The balancer. Ends with the test.
struct Balancer {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Balancer {
    fn start(folder: &Folder) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringlet-lb"))
            .arg(folder.0.join("lb.toml"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut balancer = Self { child, log };
        balancer.await_line("ready to accept");
        balancer
    }

    fn await_line(&mut self, part: &str) {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            let length = self.log.read_line(&mut line).expect("the log can be read");
            assert!(length > 0, "the balancer ended before it said {part:?}");
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args([signal, &id]).status().expect("kill runs");
        assert!(done.success());
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(stream: &mut UnixStream, path: &str) {
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n").expect("the balancer reads");
}

/// The head of a response without body on a connection that goes on.
fn get(stream: &mut UnixStream, path: &str) -> std::io::Result<String> {
    ask(stream, path);
    read_head(&mut BufReader::new(stream))
}

/// Reads a response of `length` bytes to the end of the connection.
fn read_rest(stream: &mut UnixStream, length: usize) {
    let mut response = Vec::new();
    let result = stream.read_to_end(&mut response);
    let head = response.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    assert_eq!(response.len() - head, length, "the response was cut off: {result:?}");
}

/// Bodies around what a unix socket takes: with some of them the server's part is over, and the last
/// piece waits for the client.
fn sizes() -> impl Iterator<Item = usize> {
    (64..=448).step_by(16).map(|kilobytes| kilobytes << 10)
}

#[test]
fn clients_that_do_not_read_leave_receive_buffers_to_the_others() {
    let folder = Folder::new("buffers");
    folder.serve("one");
    folder.write_configuration("one", "");
    let _balancer = Balancer::start(&folder);
    let mut slow = Vec::new();
    for number in 0..300 {
        let mut stream = folder.connect();
        ask(&mut stream, "1000000");
        slow.push(stream);
        let head = get(&mut folder.connect(), "0");
        assert!(head.is_ok(), "not served beside {number} slow clients: {head:?}");
    }
    for _ in 0..50 {
        let head = get(&mut folder.connect(), "0");
        assert!(head.is_ok(), "not served beside slow clients: {head:?}");
    }
    for stream in &mut slow {
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        read_rest(stream, 1_000_000);
    }
}

#[test]
fn a_client_that_has_nothing_more_to_ask_gets_its_last_response_whole() {
    let folder = Folder::new("half");
    folder.serve("one");
    folder.write_configuration("one", "");
    let _balancer = Balancer::start(&folder);
    let mut other = folder.connect();
    for size in sizes() {
        let mut stream = folder.connect();
        ask(&mut stream, &size.to_string());
        for _ in 0..20 {
            get(&mut other, "0").expect("it is answered");
        }
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        get(&mut other, "0").expect("the end has been seen");
        read_rest(&mut stream, size);
    }
}

#[test]
fn the_end_of_the_process_cuts_off_no_response() {
    let folder = Folder::new("drain");
    folder.serve("one");
    folder.write_configuration("one", "");
    let mut balancer = Balancer::start(&folder);
    let mut other = folder.connect();
    let mut slow = Vec::new();
    for size in sizes() {
        let mut stream = folder.connect();
        ask(&mut stream, &size.to_string());
        slow.push((stream, size));
    }
    for _ in 0..20 {
        get(&mut other, "0").expect("it is answered");
    }
    balancer.signal("-TERM");
    balancer.await_line("no new connections");
    assert_eq!(other.read(&mut [0]).expect("an idle connection ends"), 0);
    for (stream, size) in &mut slow {
        read_rest(stream, *size);
    }
    assert!(balancer.child.wait().expect("it ends").success());
}

#[test]
fn a_connection_goes_by_the_configuration_that_is_there_when_its_request_comes() {
    let folder = Folder::new("reload");
    folder.serve("one");
    folder.serve("two");
    folder.write_configuration("one", "");
    let mut balancer = Balancer::start(&folder);
    let mut stream = folder.connect();
    let before = get(&mut stream, "0").expect("it is answered");
    assert!(before.contains("Server: one"), "{before}");
    folder.write_configuration("two", "");
    balancer.signal("-HUP");
    balancer.await_line("configuration 2 is in use");
    let after = get(&mut stream, "0").expect("it is answered");
    assert!(after.contains("200 OK") && after.contains("Server: two"), "{after}");
}

#[test]
fn a_client_that_does_not_take_its_last_response_is_let_go() {
    let folder = Folder::new("last");
    folder.serve("one");
    folder.write_configuration("one", "client_timeout = \"100ms\"");
    let _balancer = Balancer::start(&folder);
    let mut streams: Vec<_> = sizes().map(|size| (folder.connect(), size)).collect();
    for (stream, size) in &mut streams {
        ask(stream, &size.to_string());
        write!(stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n").expect("sent");
    }
    let started = Instant::now();
    for (stream, size) in &mut streams {
        // Nothing is read, and written only after the client has been silent for too long: only that
        // the balancer closes ends this wait.
        loop {
            std::thread::sleep(Duration::from_millis(400));
            if stream.write_all(b"x").is_err() {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "kept for ever behind {size} bytes");
        }
    }
}

#[test]
fn interim_responses_without_end_are_no_response() {
    let folder = Folder::new("interim");
    folder.serve("one");
    folder.write_configuration("one", "");
    let _balancer = Balancer::start(&folder);
    let mut responses = BufReader::new(folder.connect());
    ask(responses.get_mut(), "interim");
    let mut interims = 0;
    let last = loop {
        let head = read_head(&mut responses).expect("there is a response");
        if !head.contains(" 103 ") {
            break head;
        }
        interims += 1;
    };
    assert!(last.contains(" 502 ") && interims <= 16, "{last} after {interims}");
}
