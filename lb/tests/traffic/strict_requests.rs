//! Requests that two readers could understand in two ways.
//!
//! Job: each way to smuggle a request past a proxy that is known, tried on the real binary. In: bytes.
//! Out: the status, and what the server has seen of it. Invariant: the server sees nothing of what is
//! refused, and of what is taken only the one form that has one reading.

use crate::harness::{Backend, Balancer, End, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// What stands for the next request: it must never be taken for a part of the one before, nor the
/// other way round.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

struct Stand {
    backend: Backend,
    balancer: Balancer,
}

fn stand() -> Stand {
    let backend = Backend::answering(OK);
    let balancer = Balancer::to(&[&backend]);
    Stand { backend, balancer }
}

impl Stand {
    /// The request gets this status, the connection ends, and the server sees nothing.
    fn refuses(&self, status: u16, request: impl AsRef<[u8]>) {
        let request = request.as_ref();
        let shown = String::from_utf8_lossy(request).into_owned();
        let before = self.backend.received();
        let mut client = self.balancer.connect();
        client.send(request);
        client.send(NEXT);
        let response = client.response();
        assert_eq!(response.status(), status, "{shown:?} {}", response.text());
        assert_eq!(response.field("Connection").as_deref(), Some("close"), "{shown:?}");
        assert_eq!(client.read_to_end(), (Vec::new(), End::Closed), "{shown:?}");
        assert_eq!(self.backend.received(), before, "{shown:?} was forwarded");
    }

    /// The request is served, as is the one behind it; what the server has seen of both.
    fn takes(&self, request: impl AsRef<[u8]>) -> (String, String) {
        let request = request.as_ref();
        let before = self.backend.received().len();
        let mut client = self.balancer.connect();
        client.send(request);
        client.send(NEXT);
        for _ in 0..2 {
            let response = client.response();
            let shown = String::from_utf8_lossy(request);
            assert_eq!(response.status(), 200, "{shown:?} {}", response.text());
        }
        let seen = self.backend.text().split_off(before);
        let (first, next) = seen.split_at(seen.find("GET /next").expect("the next request"));
        (first.to_owned(), next.to_owned())
    }

    /// The head is taken and the body refused: the client is told, and no server sees a whole request.
    fn breaks(&self, request: impl AsRef<[u8]>) {
        let request = request.as_ref();
        let shown = String::from_utf8_lossy(request).into_owned();
        let before = self.backend.received().len();
        let mut client = self.balancer.connect();
        client.send(request);
        client.send(NEXT);
        let response = client.response();
        assert_eq!(response.status(), 400, "{shown:?} {}", response.text());
        assert_eq!(client.read_to_end(), (Vec::new(), End::Closed), "{shown:?}");
        let seen = self.backend.text().split_off(before);
        assert!(!seen.contains("/next"), "{shown:?} became {seen:?}");
        assert!(!seen.contains("0\r\n\r\n"), "{shown:?} was ended: {seen:?}");
    }
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /first HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

fn get(fields: &str) -> String {
    format!("GET /first HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

#[test]
fn two_framings_are_refused() {
    let stand = stand();
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    ] {
        stand.refuses(400, post(fields, "0\r\n\r\n"));
    }
}

#[test]
fn codings_that_are_not_exactly_chunked_are_refused() {
    let stand = stand();
    for coding in [
        "chunked, chunked",
        "chunked, gzip",
        "chunked,",
        ",chunked",
        "identity",
        "xchunked",
        "chunkedx",
        "chunk",
        "\"chunked\"",
        "chunked;q=1",
        "",
    ] {
        stand.refuses(400, post(&format!("Transfer-Encoding: {coding}\r\n"), "0\r\n\r\n"));
    }
    stand.refuses(400, post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"));
    stand.refuses(400, post("Transfer-Encoding: chunked\x0b\r\n", "0\r\n\r\n"));
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    stand.refuses(400, post(twice, "0\r\n\r\n"));
    let other = "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n";
    stand.refuses(400, post(other, "0\r\n\r\n"));
    // Their length could be found, but not their content.
    for coding in ["gzip, chunked", "identity, chunked"] {
        stand.refuses(501, post(&format!("Transfer-Encoding: {coding}\r\n"), "0\r\n\r\n"));
    }
}

#[test]
fn a_coding_in_http_1_0_is_refused() {
    let stand = stand();
    let old = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
    stand.refuses(400, format!("{old}\r\n0\r\n\r\n"));
    stand.refuses(400, format!("{old}Connection: keep-alive\r\n\r\n0\r\n\r\n"));
}

#[test]
fn lengths_that_are_not_one_decimal_number_are_refused() {
    let stand = stand();
    for length in [
        "5, 6",
        "5, 5",
        "",
        " ",
        "+5",
        "-1",
        "0x5",
        "1_0",
        "5 5",
        "5;",
        "5.0",
        "five",
        "\x0b5",
        "9223372036854775808",
        "18446744073709551617",
        "99999999999999999999999",
    ] {
        stand.refuses(400, post(&format!("Content-Length: {length}\r\n"), "hello"));
    }
    stand.refuses(400, post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"));
    stand.refuses(400, post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"));
}

#[test]
fn a_length_is_decimal_whatever_it_begins_with() {
    let stand = stand();
    let (seen, next) = stand.takes(post("Content-Length: 010\r\n", "0123456789"));
    assert!(seen.contains("\r\nContent-Length: 10\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\n0123456789"), "{seen}");
    assert!(next.starts_with("GET /next HTTP/1.1\r\n"), "{next}");
}

#[test]
fn field_names_are_tokens_right_before_the_colon() {
    let stand = stand();
    for line in [
        &b"X-A : b"[..],
        b"X-A\t: b",
        b"X-A\x85: b",
        b"X-A\xa0: b",
        b": b",
        b"no colon",
        b"X A: b",
        b"X(A): b",
        b"Transfer-Encoding : chunked",
        b"Content-Length : 5",
        b" X-A: b",
        b"\tX-A: b",
    ] {
        let mut request = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n\r\n");
        stand.refuses(400, request);
        let mut request = b"GET / HTTP/1.1\r\n".to_vec();
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\nHost: a\r\n\r\n");
        stand.refuses(400, request);
    }
}

#[test]
fn folded_lines_are_refused() {
    let stand = stand();
    stand.refuses(400, get("X-A: b\r\n c\r\n"));
    stand.refuses(400, get("X-A: b\r\n\tc\r\n"));
    stand.refuses(400, get("X-A:\r\n b\r\n"));
    stand.refuses(400, post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"));
    stand.refuses(400, post("Content-Length: 5\r\n 0\r\n", "hello"));
}

#[test]
fn lines_end_in_crlf_and_hold_no_other_control() {
    let stand = stand();
    for request in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\nX-C: d\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rX-C: d\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX-\0A: b\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        stand.refuses(400, request);
    }
}

#[test]
fn chunks_have_hexadecimal_sizes_and_exact_ends() {
    let stand = stand();
    for body in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\t;a\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";a\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "10000000000000000\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\r\n0\r\nXX",
        "5\r\nhello\r\n0\r\nno colon\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-A: b\n\r\n",
        "5\r\nhello\r\n0\r\n folded\r\n\r\n",
        "5\r\nhello\r\n0\r\nHost: evil\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
    ] {
        stand.breaks(chunked(body));
    }
}

#[test]
fn chunks_are_forwarded_without_what_stands_beside_them() {
    let stand = stand();
    let body = "5;name=value;\"x\"\r\nhello\r\n000b;y\r\n, world of \r\n0;last\r\n\r\n";
    let (seen, next) = stand.takes(chunked(body));
    let (head, body) = seen.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("\r\nTransfer-Encoding: chunked"), "{head}");
    assert!(!head.contains("Content-Length"), "{head}");
    assert!(!body.contains(';') && body.ends_with("0\r\n\r\n"), "{body:?}");
    let mut wire = Vec::new();
    for part in ["hello", ", world of "] {
        wire.extend(format!("{:x}\r\n{part}\r\n", part.len()).into_bytes());
    }
    wire.extend(b"0\r\n\r\n");
    assert_eq!(body.as_bytes(), wire);
    assert!(next.starts_with("GET /next HTTP/1.1\r\n"), "{next}");
}

#[test]
fn a_request_has_one_host() {
    let stand = stand();
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\n\r\n",
        "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET /#fragment HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a\x01b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a\x7fb HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        stand.refuses(400, request);
    }
    stand.refuses(505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n");
    stand.refuses(405, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
    stand.refuses(405, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
}

#[test]
fn an_absolute_target_becomes_a_path() {
    let stand = stand();
    let (seen, _) =
        stand.takes("GET http://A.example:80/first?q=1 HTTP/1.1\r\nHost: a.example:80\r\n\r\n");
    assert!(seen.starts_with("GET /first?q=1 HTTP/1.1\r\nHost: "), "{seen}");
    assert_eq!(seen.matches("\r\nHost:").count(), 1, "{seen}");
}

#[test]
fn get_and_head_may_have_a_body() {
    let stand = stand();
    let request = "GET /first HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n";
    let (seen, next) = stand.takes(format!("{request}{}", &NEXT[..30].replace("next", "body")));
    assert!(seen.contains("\r\nContent-Length: 30\r\n"), "{seen}");
    assert_eq!(seen.matches("GET /body").count(), 1, "{seen}");
    assert!(next.starts_with("GET /next HTTP/1.1\r\n"), "{next}");
}

#[test]
fn imitations_of_framing_fields_are_refused() {
    let stand = stand();
    stand.refuses(400, post("Content_Length: 5\r\n", "hello"));
    stand.refuses(400, post("Transfer_Encoding: chunked\r\n", "0\r\n\r\n"));
    let (seen, _) = stand.takes(get("X_Forwarded_For: 1.2.3.4\r\n"));
    assert!(!seen.contains("1.2.3.4"), "{seen}");
}

#[test]
fn nobody_is_believed_who_is_not_trusted() {
    let stand = stand();
    let fields = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\
                  Forwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n";
    let (seen, _) = stand.takes(get(fields));
    assert!(
        !seen.contains("1.2.3.4") && !seen.contains("evil") && !seen.contains("https"),
        "{seen}"
    );
    assert!(seen.contains("\r\nX-Forwarded-For: 127.0.0.1\r\n"), "{seen}");
    stand.refuses(400, "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn a_proxy_header_of_a_stranger_breaks_the_connection() {
    let backend = Backend::answering(OK);
    let text = "[[listener]]\nbind = \"BIND\"\naccept_proxy = true\ntrusted = [\"10.0.0.0/8\"]\n\
                default_pool = \"p\"\n[pool.p]\nservers = [\"SERVER0\"]\n";
    let balancer = Balancer::of_file(text, &[&backend]);
    let mut client = balancer.connect();
    client.send(format!("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n{NEXT}"));
    assert!(client.read_response().is_err());
    assert_eq!(backend.connections(), 0);
}

#[test]
fn connection_cannot_take_away_what_servers_must_see() {
    let stand = stand();
    for name in ["Host", "Content-Length", "Cookie", "X-Forwarded-For"] {
        stand.refuses(400, get(&format!("Connection: close, {name}\r\n")));
    }
}

/// The verdict must not depend on how the bytes are cut.
#[test]
fn requests_in_single_bytes_are_the_same_requests() {
    let stand = stand();
    let one_by_one = |client: &mut Wire, request: &str| {
        for byte in request.as_bytes() {
            client.send([*byte]);
        }
    };
    let mut client = stand.balancer.connect();
    one_by_one(&mut client, &chunked("5;x\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"));
    assert_eq!(client.response().status(), 200);
    let seen = stand.backend.text();
    let body = seen.split_once("\r\n\r\n").expect("a head").1;
    let content: String =
        body.split("\r\n").skip(1).step_by(2).take_while(|it| *it != "X-T: 1").collect();
    assert_eq!(content.trim_end(), "hello", "{body:?}");
    assert!(body.ends_with("\r\n0\r\nX-T: 1\r\n\r\n"), "{body:?}");
    let before = stand.backend.received().len();
    one_by_one(&mut client, "GET / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n");
    assert_eq!(client.response().status(), 400);
    assert_eq!(stand.backend.received().len(), before);
}
