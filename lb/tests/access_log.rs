//! The access log of the real program.
//!
//! Job: show what each end of a request leaves in the log, and that the log neither loses lines over a
//! rotation nor holds anybody up. In: the program, a server and clients of the test. Out: failures.
//! Invariant: every process that is started is ended; files lie in a folder of the test.

#[path = "shared/ports.rs"]
mod ports;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ports::free_port;

/// Longer than anything here takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("ringlet-lb-log-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running balancer.
struct Balancer {
    child: Child,
    output: Receiver<String>,
    errors: Receiver<String>,
}

impl Balancer {
    /// Starts it with this configuration file, and waits until it serves.
    fn start(folder: &Path, configuration: &str) -> Self {
        let file = folder.join("lb.toml");
        std::fs::write(&file, configuration).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringlet-lb"))
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = lines(child.stdout.take().expect("piped"));
        let errors = lines(child.stderr.take().expect("piped"));
        let balancer = Self { child, output, errors };
        balancer.await_message("ready to accept connections");
        balancer
    }

    /// The next line of standard output.
    fn line(&self) -> String {
        self.output.recv_timeout(PATIENCE).expect("a line")
    }

    /// The next message on standard error that says this.
    fn await_message(&self, text: &str) -> String {
        loop {
            let line = self.errors.recv_timeout(PATIENCE).expect(text);
            if line.contains(text) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().expect("kill");
        assert!(sent.success());
    }

    /// Ends it in good order.
    fn stop(&mut self) {
        self.signal("-TERM");
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// An address on which nobody listens.
fn free_address() -> SocketAddr {
    ([127, 0, 0, 1], free_port()).into()
}

/// Serves each connection in a thread of its own.
fn serve(each: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || each(stream));
        }
    });
    address
}

/// Answers by what the target says.
fn web(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
    while let Some(head) = read_head(&mut reader) {
        let target = head.split(' ').nth(1).unwrap_or("");
        let sent = match target {
            "/garbage" => stream.write_all(b"nonsense\r\n\r\n"),
            "/missing" => {
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone")
            }
            "/endless" => stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
                .and_then(|()| std::io::copy(&mut std::io::repeat(b'x'), &mut stream).map(drop)),
            _ if head.starts_with("HEAD") => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            }
            _ => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Sends back all that comes, with a dot behind it.
fn echo(mut stream: TcpStream) {
    let mut reader = stream.try_clone().expect("cloned");
    if std::io::copy(&mut reader, &mut stream).is_ok() {
        let _ = stream.write_all(b".");
    }
}

fn read_head(reader: &mut impl BufRead) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("it can");
    stream
}

/// Sends a request and reads all there is until the connection ends.
fn ask(to: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(to);
    stream.write_all(request).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8(answer).expect("text")
}

/// The line with its time taken out, which must look like one.
fn without_time(line: &str) -> String {
    let (start, rest) = line.split_once('[').expect("a time");
    let (time, rest) = rest.split_once(']').expect("a time");
    let shape: String =
        time.chars().map(|each| if each.is_ascii_digit() { '0' } else { each }).collect();
    assert_eq!((shape.len(), &shape[..3], &shape[6..21]), (26, "00/", "/0000:00:00:00 "));
    format!("{start}[]{rest}")
}

/// A member of a JSON object, as it is written.
fn member<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, rest) = line.split_once(&format!("\"{name}\":")).expect(name);
    match rest.strip_prefix('"') {
        Some(text) => text.split_once('"').expect("a string").0,
        None => rest.split([',', '}']).next().expect("a value"),
    }
}

fn members<'a>(line: &'a str, names: &[&str]) -> Vec<&'a str> {
    names.iter().map(|name| member(line, name)).collect()
}

#[test]
fn each_end_of_a_request_has_its_line() {
    let folder = Folder::new("ends");
    let (server, dead) = (serve(web), free_address());
    let [common, combined, json, unrouted, down] = std::array::from_fn(|_| free_address());
    let configuration = format!(
        r#"
[global]
cores = 1
[[listener]]
name = "common"
bind = "{common}"
default_pool = "web"
log = "common"
[[listener]]
name = "combined"
bind = "{combined}"
default_pool = "web"
log = "combined"
[[listener]]
name = "json"
bind = "{json}"
default_pool = "web"
log = "json"
request_id = true
[[listener]]
name = "unrouted"
bind = "{unrouted}"
log = "common"
[[listener.route]]
path = "/known"
pool = "web"
[[listener]]
name = "down"
bind = "{down}"
default_pool = "down"
log = "json"
[pool.web]
servers = [{{ name = "one", address = "{server}" }}]
[pool.down]
servers = ["{dead}"]
"#
    );
    let balancer = Balancer::start(&folder.0, &configuration);
    let common_line = |request: &str| {
        ask(common, format!("{request}\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
        without_time(&balancer.line())
    };
    let line = common_line("GET /ok?q=1 HTTP/1.1");
    assert_eq!(line, r#"127.0.0.1 - - [] "GET /ok?q=1 HTTP/1.1" 200 5"#);
    let line = common_line("HEAD /ok HTTP/1.0");
    assert_eq!(line, r#"127.0.0.1 - - [] "HEAD /ok HTTP/1.0" 200 0"#);
    let line = common_line("GET /missing HTTP/1.1");
    assert_eq!(line, r#"127.0.0.1 - - [] "GET /missing HTTP/1.1" 404 4"#);

    // Refused: before anything of it is understood, and after.
    let answer = ask(common, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    let body = answer.split_once("\r\n\r\n").expect("a head").1.len();
    let expected = format!(r#"127.0.0.1 - - [] "-" 400 {body}"#);
    assert_eq!(without_time(&balancer.line()), expected);
    let answer = ask(unrouted, b"GET /else HTTP/1.1\r\nHost: a\r\n\r\n");
    let body = answer.split_once("\r\n\r\n").expect("a head").1.len();
    let expected = format!(r#"127.0.0.1 - - [] "GET /else HTTP/1.1" 404 {body}"#);
    assert_eq!(without_time(&balancer.line()), expected);
    let answer = ask(unrouted, b"HEAD /else HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    let expected = r#"127.0.0.1 - - [] "HEAD /else HTTP/1.1" 404 0"#;
    assert_eq!(without_time(&balancer.line()), expected);

    // Two on one connection, of which the second has fields that try to break out.
    let second = b"GET /\\\" HTTP/1.1\r\nHost: a\r\nreferer: \"\r\nUSER-AGENT: \xff x\r\nConnection: close\r\n\r\n";
    let mut both = b"GET / HTTP/1.1\r\nHost: a\r\nReferer: http://a/\r\n\r\n".to_vec();
    both.extend_from_slice(second);
    ask(combined, &both);
    let expected = r#"127.0.0.1 - - [] "GET / HTTP/1.1" 200 5 "http://a/" "-""#;
    assert_eq!(without_time(&balancer.line()), expected);
    let expected = r#"127.0.0.1 - - [] "GET /\x5C\x22 HTTP/1.1" 200 5 "\x22" "\xFF x""#;
    assert_eq!(without_time(&balancer.line()), expected);

    let names = ["method", "target", "status", "pool", "server", "attempts", "end"];
    ask(json, b"GET /ok HTTP/1.1\r\nHost: a\r\nUser-Agent: me\r\nConnection: close\r\n\r\n");
    let line = balancer.line();
    assert_eq!(
        members(&line, &names),
        ["GET", "/ok", "200", "web", "one", "1", "complete"],
        "{line}"
    );
    assert_eq!(members(&line, &["client", "user_agent", "listener"]), ["127.0.0.1", "me", "json"]);
    let number = |name| member(&line, name).parse::<u64>().expect(name);
    assert!(number("head_us") <= number("total_us") && number("queue_us") == 0, "{line}");
    assert_ne!(member(&line, "request_id"), "null");

    let answer = ask(json, b"GET /garbage HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    let line = balancer.line();
    let reason = "the server's answer is no HTTP response";
    assert_eq!(members(&line, &names), ["GET", "/garbage", "502", "web", "one", "1", reason]);
    assert_eq!(member(&line, "head_us"), "null");

    let answer = ask(down, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let line = balancer.line();
    assert_eq!(members(&line, &["status", "pool"]), ["503", "down"], "{line}");
    assert_eq!(member(&line, "end"), "the server cannot be connected to", "{line}");

    // Clients that leave: within a response, and within a head.
    let mut stream = connect(json);
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    stream.read_exact(&mut [0; 1000]).expect("the beginning");
    drop(stream);
    let line = balancer.line();
    assert_eq!(members(&line, &["target", "status"]), ["/endless", "200"]);
    assert_eq!(member(&line, "end"), "the client left");
    assert!(member(&line, "body_bytes").parse::<u64>().expect("a number") >= 900, "{line}");
    let mut stream = connect(json);
    stream.write_all(b"GET /ok HT").expect("sent");
    drop(stream);
    let line = balancer.line();
    assert_eq!(members(&line, &["method", "status", "pool", "total_us"]), ["null"; 4]);
    assert_eq!(member(&line, "end"), "the client left within the head");
}

#[test]
fn a_tcp_connection_has_one_line_with_all_its_bytes() {
    let folder = Folder::new("tcp");
    let (server, dead) = (serve(echo), free_address());
    let [common, down] = std::array::from_fn(|_| free_address());
    let configuration = format!(
        "[global]\ncores = 1\n[defaults]\nmode = \"tcp\"\nlog = \"common\"\n\
         [[listener]]\nbind = \"{common}\"\ndefault_pool = \"echo\"\n\
         [[listener]]\nbind = \"{down}\"\ndefault_pool = \"down\"\n\
         [pool.echo]\nservers = [\"{server}\"]\n[pool.down]\nservers = [\"{dead}\"]\n"
    );
    let balancer = Balancer::start(&folder.0, &configuration);
    let count = 20 << 20;
    let mut stream = connect(common);
    let mut writer = stream.try_clone().expect("cloned");
    let sender = std::thread::spawn(move || {
        writer.write_all(&vec![b'x'; count]).expect("sent");
        writer.shutdown(std::net::Shutdown::Write).expect("ended");
    });
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("all comes back");
    sender.join().expect("no panic");
    let sent = count + 1;
    assert_eq!(answer.len(), sent);
    let expected = format!(r#"127.0.0.1 - - [] "TCP received={count} sent={sent}" - {sent}"#);
    assert_eq!(without_time(&balancer.line()), expected);
    // One that finds no server.
    let _ = connect(down).read(&mut [0]);
    let expected = r#"127.0.0.1 - - [] "TCP received=0 sent=0" - 0"#;
    assert_eq!(without_time(&balancer.line()), expected);
}

#[test]
fn what_the_end_of_the_process_cuts_off_has_its_line() {
    let folder = Folder::new("end");
    let listen = free_address();
    let configuration = format!(
        "[global]\ncores = 1\ndrain_timeout = \"50ms\"\n[[listener]]\nbind = \"{listen}\"\n\
         default_pool = \"web\"\nlog = \"json\"\n[pool.web]\nservers = [\"{}\"]\n",
        serve(web)
    );
    let mut balancer = Balancer::start(&folder.0, &configuration);
    let mut stream = connect(listen);
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    stream.read_exact(&mut [0; 1000]).expect("the beginning");
    balancer.stop();
    let line = balancer.line();
    assert_eq!(members(&line, &["target", "end"]), ["/endless", "the balancer ended"]);
}

#[test]
fn a_rotation_loses_no_line() {
    let folder = Folder::new("rotation");
    let log = folder.0.join("access.log");
    let listen = free_address();
    let configuration = format!(
        "[global]\ncores = 2\naccess_log = \"{}\"\n[[listener]]\nbind = \"{listen}\"\n\
         default_pool = \"web\"\nlog = \"common\"\n[pool.web]\nservers = [\"{}\"]\n",
        log.display(),
        serve(web)
    );
    let mut balancer = Balancer::start(&folder.0, &configuration);
    let mut streams = [connect(listen), connect(listen)];
    let mut asked = 0;
    let mut request = || {
        let stream = &mut streams[asked % 2];
        let text = format!("GET /{asked} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(text.as_bytes()).expect("sent");
        let mut reader = BufReader::new(stream);
        read_head(&mut reader).expect("a head");
        reader.read_exact(&mut [0; 5]).expect("a body");
        asked += 1;
    };
    let mut files = vec![log.clone()];
    for rotation in 0..5 {
        (0..20).for_each(|_| request());
        let old = folder.0.join(format!("access.log.{rotation}"));
        std::fs::rename(&log, &old).expect("renamed");
        files.push(old);
        (0..20).for_each(|_| request());
        balancer.signal("-HUP");
        let asked_at = Instant::now();
        while !log.exists() {
            assert!(asked_at.elapsed() < PATIENCE, "the log is opened anew");
            request();
        }
    }
    (0..20).for_each(|_| request());
    balancer.stop();
    let mut numbers = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).expect("a file");
        for line in text.lines() {
            let target = line.split('"').nth(1).and_then(|text| text.split(' ').nth(1));
            let number = target.and_then(|target| target[1..].parse::<usize>().ok());
            numbers.push(number.expect("a whole line"));
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..asked).collect::<Vec<_>>());
}

#[test]
fn a_log_that_nobody_reads_holds_no_request_up() {
    let folder = Folder::new("pipe");
    let log = folder.0.join("pipe");
    assert!(Command::new("mkfifo").arg(&log).status().expect("mkfifo").success());
    let listen = free_address();
    let configuration = format!(
        "[global]\ncores = 1\naccess_log = \"{}\"\n[[listener]]\nname = \"front\"\n\
         bind = \"{listen}\"\ndefault_pool = \"web\"\nlog = \"common\"\n\
         [pool.web]\nservers = [\"{}\"]\n",
        log.display(),
        serve(web)
    );
    let mut balancer = Balancer::start(&folder.0, &configuration);
    let mut stream = connect(listen);
    // Of 12 KB each: more than all batches hold.
    let request = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(12 << 10));
    for _ in 0..300 {
        stream.write_all(request.as_bytes()).expect("sent");
        let mut reader = BufReader::new(&mut stream);
        read_head(&mut reader).expect("an answer in time");
        reader.read_exact(&mut [0; 5]).expect("a body");
    }
    balancer.stop();
    let message = balancer.await_message("lines of the access log got lost");
    assert!(message.contains("listener front: "), "{message}");
}
