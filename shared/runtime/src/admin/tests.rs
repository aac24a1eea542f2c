//! Tests of the admin listener over real sockets.
//!
//! Job: show that each kind of request gets its status, and that rude clients are bounded.
//! In: bytes. Out: failed assertions. Invariant: free ports of 127.0.0.1 only.

use super::*;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn start(routes: Vec<AdminRoute>) -> AdminServer {
    AdminServer::start(&[ANY], routes).expect("a free port can be listened on")
}

fn pages() -> Vec<AdminRoute> {
    let answer = |status, body: &[u8]| AdminAnswer { status, body: body.to_vec() };
    vec![
        AdminRoute::new("/metrics", "text/plain; version=0.0.4", move || {
            answer(AdminStatus::Ok, b"up 1\n")
        }),
        AdminRoute::new("/healthz", "text/plain", move || {
            answer(AdminStatus::ServiceUnavailable, b"loading\n")
        }),
        AdminRoute::new("/large", "application/octet-stream", move || {
            answer(AdminStatus::Ok, &vec![b'x'; 3_000_000])
        }),
    ]
}

fn connect(server: &AdminServer) -> TcpStream {
    let stream = TcpStream::connect(server.addresses()[0]).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
    stream
}

/// Sends bytes and reads to the end: (status line, header fields, body).
fn ask(server: &AdminServer, request: &[u8]) -> (String, String, Vec<u8>) {
    let mut stream = connect(server);
    stream.write_all(request).expect("the server reads");
    read_answer(stream)
}

fn read_answer(mut stream: TcpStream) -> (String, String, Vec<u8>) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the server answers and closes");
    let end = http::end_of_head(&bytes).expect("a complete head");
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
    let (status, fields) = head.split_once("\r\n").expect("a status line");
    (status.to_owned(), fields.to_owned(), bytes[end..].to_vec())
}

fn get(server: &AdminServer, path: &str) -> (String, String, Vec<u8>) {
    ask(server, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
}

#[test]
fn pages_are_served_with_their_type_and_length() {
    let server = start(pages());
    let (status, fields, body) = get(&server, "/metrics");
    assert_eq!((status.as_str(), body.as_slice()), ("HTTP/1.1 200 OK", b"up 1\n".as_slice()));
    assert!(fields.contains("Content-Type: text/plain; version=0.0.4\r\n"), "{fields}");
    assert!(fields.contains("Content-Length: 5\r\n"), "{fields}");
    assert!(fields.contains("Connection: close\r\n"), "{fields}");
    let (status, _, body) = get(&server, "/healthz?verbose");
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(body, b"loading\n");
    let (_, _, body) = get(&server, "/large");
    assert_eq!(body.len(), 3_000_000);
    let (status, fields, body) = ask(&server, b"HEAD /large HTTP/1.0\r\n\r\n");
    assert_eq!((status.as_str(), body.len()), ("HTTP/1.1 200 OK", 0));
    assert!(fields.contains("Content-Length: 3000000\r\n"), "{fields}");
}

#[test]
fn requests_that_cannot_be_served_get_the_right_status() {
    let server = start(pages());
    let long = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(MAXIMUM_HEAD_BYTES * 2));
    let body = format!("POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n{}", "y".repeat(30_000));
    let cases: [(&[u8], &str); 10] = [
        (b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found"),
        (b"GET /metrics/ HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found"),
        (b"POST /nothing HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found"),
        (b"DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "405 Method Not Allowed"),
        (body.as_bytes(), "405 Method Not Allowed"),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", "400 Bad Request"),
        (b"GET /metrics HTTP/1.1\r\n\r\n", "400 Bad Request"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", "400 Bad Request"),
        (b"GET /metrics HTTP/3.0\r\nHost: a\r\n\r\n", "505 HTTP Version Not Supported"),
        (long.as_bytes(), "431 Request Header Fields Too Large"),
    ];
    for (request, expected) in cases {
        let (status, fields, _) = ask(&server, request);
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]);
        assert_eq!(status, format!("HTTP/1.1 {expected}"), "{shown:?}");
        assert_eq!(fields.contains("Allow: GET, HEAD"), expected.starts_with("405"));
    }
}

#[test]
fn a_request_may_come_in_pieces_or_break_off() {
    let server = start(pages());
    let mut stream = connect(&server);
    stream.set_nodelay(true).expect("an option of TCP");
    for byte in b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" {
        stream.write_all(&[*byte]).expect("the server reads");
    }
    assert_eq!(read_answer(stream).2, b"up 1\n");
    let mut stream = connect(&server);
    stream.write_all(b"GET /metrics HT").expect("the server reads");
    stream.shutdown(Shutdown::Write).expect("the connection stands");
    assert_eq!(read_answer(stream).0, "HTTP/1.1 400 Bad Request");
    let mut stream = connect(&server);
    stream.shutdown(Shutdown::Write).expect("the connection stands");
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).expect("the server closes"), 0);
}

#[test]
fn clients_that_say_nothing_hold_no_worker_and_the_oldest_makes_room() {
    let server = start(pages());
    let mut silent: Vec<TcpStream> = (0..SILENT_CONNECTIONS).map(|_| connect(&server)).collect();
    // One more, but it speaks as soon as it is there; so it counts for a moment only.
    assert_eq!(get(&server, "/metrics").0, "HTTP/1.1 200 OK");
    let mut rest = Vec::new();
    let oldest = silent.remove(0).read_to_end(&mut rest);
    assert!(!matches!(&oldest, Err(error) if is_passing_by(error)), "{oldest:?}");
    for mut stream in silent {
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("the server reads");
        assert_eq!(read_answer(stream).2, b"up 1\n");
    }
}

#[test]
fn bytes_after_a_request_do_not_destroy_its_answer() {
    let server = start(pages());
    for round in 0..20 {
        let rest = "y".repeat(30_000);
        let request = format!("GET /large HTTP/1.1\r\nHost: a\r\n\r\n{rest}");
        let (status, _, body) = ask(&server, request.as_bytes());
        assert_eq!((status.as_str(), body.len()), ("HTTP/1.1 200 OK", 3_000_000), "round {round}");
    }
}

#[test]
fn silent_clients_hold_a_worker_for_a_bounded_time_only() {
    let server = start(pages());
    let started = Instant::now();
    let silent: Vec<TcpStream> = (0..WORKERS)
        .map(|_| {
            let mut stream = connect(&server);
            stream.write_all(b"GET /metrics HTTP/1.1\r\n").expect("the server reads");
            stream
        })
        .collect();
    // All workers are held, so this one waits for its turn and then gets its page.
    let patient = get(&server, "/metrics");
    let waited = started.elapsed();
    assert_eq!(patient.0, "HTTP/1.1 200 OK");
    let limit = Duration::from_millis(REQUEST_TIMEOUT_MS as u64);
    assert!(waited < limit * 2, "{waited:?}");
    for stream in silent {
        assert_eq!(read_answer(stream).0, "HTTP/1.1 408 Request Timeout");
    }
}

#[test]
fn when_all_workers_and_places_are_taken_connections_are_closed() {
    let (entered, entries) = mpsc::channel();
    let (open, gate) = crossbeam_channel::bounded::<()>(0);
    let server = start(vec![AdminRoute::new("/slow", "text/plain", move || {
        entered.send(()).expect("the test listens");
        assert!(gate.recv().is_err(), "the test only closes the gate");
        AdminAnswer { status: AdminStatus::Ok, body: b"done".to_vec() }
    })]);
    let request = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
    let ask_slow = || {
        let mut stream = connect(&server);
        stream.write_all(request).expect("the server listens");
        stream
    };
    let mut taken: Vec<TcpStream> = Vec::new();
    for _ in 0..WORKERS {
        taken.push(ask_slow());
        entries.recv().expect("a worker serves");
    }
    taken.extend((0..WAITING_CONNECTIONS).map(|_| ask_slow()));
    let mut surplus = connect(&server);
    // A request on its way meets a closed connection: end of stream or a reset.
    let _ = surplus.write_all(request);
    let mut rest = Vec::new();
    let outcome = surplus.read_to_end(&mut rest);
    assert!(rest.is_empty() && !matches!(&outcome, Err(error) if is_passing_by(error)));
    drop(open);
    for stream in taken {
        assert_eq!(read_answer(stream).2, b"done");
    }
}

/// The read ended by the test's own timeout, so the connection was not closed.
fn is_passing_by(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[test]
fn several_addresses_serve_and_a_dropped_server_listens_no_more() {
    let server = AdminServer::start(&[ANY, ANY], pages()).expect("free ports");
    let addresses = server.addresses().to_vec();
    assert_ne!(addresses[0], addresses[1]);
    for address in &addresses {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("the server reads");
        assert_eq!(read_answer(stream).2, b"up 1\n");
    }
    let taken = AdminServer::start(&addresses[..1], pages());
    let error = taken.err().expect("the address is in use");
    assert!(error.to_string().contains(&addresses[0].to_string()), "{error}");
    drop(server);
    for address in &addresses {
        assert!(TcpStream::connect(address).is_err(), "{address} is closed");
    }
}

#[test]
fn addresses_of_other_machines_are_left_out_if_there_is_another() {
    let other = SocketAddr::from(([192, 0, 2, 1], 0));
    let server = AdminServer::start(&[other, ANY], pages()).expect("one address is ours");
    assert_eq!(server.addresses().len(), 1);
    assert_eq!(get(&server, "/metrics").2, b"up 1\n");
    let error = AdminServer::start(&[other], pages()).err().expect("nobody can listen there");
    assert!(error.to_string().contains("192.0.2.1"), "{error}");
}

#[test]
#[should_panic(expected = "/metrics stands in the table twice")]
fn a_path_must_be_unique() {
    drop(start([pages(), pages()].into_iter().flatten().collect()));
}

/// A page and changes that answer with what they were told.
fn changes() -> Vec<AdminRoute> {
    let told = |parameters: &Parameters| {
        let body = format!("{:?} {:?}\n", parameters.get("a"), parameters.get("b")).into_bytes();
        AdminAnswer { status: AdminStatus::Ok, body }
    };
    vec![
        AdminRoute::query("/both", "text/plain", told),
        AdminRoute::change("/both", "application/json", told),
        AdminRoute::change("/change", "application/json", told),
    ]
}

fn post(server: &AdminServer, fields: &str, body: &[u8]) -> (String, String, Vec<u8>) {
    let head = format!("POST /both HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}");
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    ask(server, &[head.as_bytes(), length.as_bytes(), body].concat())
}

const JSON: &str = "Content-Type: application/json\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[test]
fn handlers_get_the_parameters_of_the_query_or_of_the_body() {
    let server = start(changes());
    let (status, fields, body) = get(&server, "/both?a=x%20y&b=2&c");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(body, b"Some(\"x y\") Some(\"2\")\n");
    assert!(fields.contains("Content-Security-Policy: default-src 'self'"), "{fields}");
    let (status, _, body) = post(&server, JSON, br#"{"a": "x", "b": 7}"#);
    assert_eq!(
        (status.as_str(), &body[..]),
        ("HTTP/1.1 200 OK", &b"Some(\"x\") Some(\"7\")\n"[..])
    );
    let marked = format!("{FORM}{MARK}: 1\r\n");
    assert_eq!(post(&server, &marked, b"a=1&b=+").2, b"Some(\"1\") Some(\" \")\n");
    let full = format!("a={}&b=1", "y".repeat(MAXIMUM_BODY_BYTES - 6));
    assert_eq!(post(&server, &marked, full.as_bytes()).2.len(), MAXIMUM_BODY_BYTES + 13);
    let empty = format!("POST /change HTTP/1.1\r\nHost: a\r\n{MARK}: 1\r\n\r\n");
    assert_eq!(ask(&server, empty.as_bytes()).2, b"None None\n");
}

#[test]
fn changes_that_cannot_be_taken_get_the_right_status() {
    let server = start(changes());
    let large = vec![b'y'; MAXIMUM_BODY_BYTES + 1];
    let marked = format!("{MARK}: 1\r\n");
    let chunked = format!("{JSON}Transfer-Encoding: chunked\r\n");
    let foreign = format!("{JSON}Origin: http://evil.example\r\n");
    let expects = format!("{JSON}Expect: 100-continue\r\n");
    let cases: [(&str, &[u8], &str); 8] = [
        (FORM, b"a=1", "415 Unsupported Media Type"),
        (&marked, b"a=1", "415 Unsupported Media Type"),
        ("", b"", "415 Unsupported Media Type"),
        (&foreign, b"{}", "403 Forbidden"),
        (JSON, b"{\"a\"", "400 Bad Request"),
        (JSON, &large, "413 Content Too Large"),
        (&chunked, b"{}", "411 Length Required"),
        (&expects, b"{}", "417 Expectation Failed"),
    ];
    for (fields, body, expected) in cases {
        let (status, ..) = post(&server, fields, body);
        assert_eq!(status, format!("HTTP/1.1 {expected}"), "{fields}");
    }
    let broken_off = {
        let mut stream = connect(&server);
        let head = format!("POST /both HTTP/1.1\r\nHost: a\r\n{JSON}Content-Length: 9\r\n\r\n{{");
        stream.write_all(head.as_bytes()).expect("the server reads");
        stream.shutdown(Shutdown::Write).expect("the connection stands");
        read_answer(stream).0
    };
    assert_eq!(broken_off, "HTTP/1.1 400 Bad Request");
}

#[test]
fn each_path_names_its_methods() {
    let server = start(changes());
    for (path, allow) in [("/both", "GET, HEAD, POST"), ("/change", "POST")] {
        let request = format!("PUT {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let (status, fields, _) = ask(&server, request.as_bytes());
        assert_eq!(status, "HTTP/1.1 405 Method Not Allowed");
        assert!(fields.contains(&format!("Allow: {allow}\r\n")), "{fields}");
    }
    assert_eq!(get(&server, "/change").0, "HTTP/1.1 405 Method Not Allowed");
}
