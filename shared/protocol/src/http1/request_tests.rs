//! Heads of requests: what is accepted, how it is read, and what is refused with which status. Every
//! request is read in one piece and cut at every byte.

use super::*;

const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 8192, fields_max: 100 };

fn parse(text: &str) -> Result<(RequestHead, usize), RequestError> {
    parse_bytes(text.as_bytes())
}

fn parse_bytes(input: &[u8]) -> Result<(RequestHead, usize), RequestError> {
    let mut head = RequestHead::default();
    let length = head.parse(input, &LIMITS)?.expect("a complete head");
    // Whatever pieces it comes in, it is the same.
    for cut in 0..length {
        let mut again = RequestHead::default();
        assert_eq!(again.parse(&input[..cut], &LIMITS), Ok(None), "cut at {cut}");
        assert_eq!(again.parse(input, &LIMITS), Ok(Some(length)));
        assert_eq!(format!("{again:?}"), format!("{head:?}"));
    }
    Ok((head, length))
}

/// The status that refuses this request, whole and in any two pieces.
fn refused(text: &[u8]) -> u16 {
    let mut head = RequestHead::default();
    let whole = head.parse(text, &LIMITS);
    let error = whole.expect_err(&String::from_utf8_lossy(text));
    for cut in 0..text.len() {
        let mut head = RequestHead::default();
        if let Ok(None) = head.parse(&text[..cut], &LIMITS) {
            assert_eq!(head.parse(text, &LIMITS), Err(error), "cut at {cut}");
        }
    }
    error.status()
}

fn with(fields: &str) -> Vec<u8> {
    format!("POST /path HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n").into_bytes()
}

#[test]
fn the_parts_of_a_request_are_found() {
    let text =
        "GET /a/b?c=d HTTP/1.1\r\nHost: example.com:80\r\nAccept:\t */* \r\nX-Empty:\r\n\r\nrest";
    let (head, length) = parse(text).expect("a good request");
    let input = text.as_bytes();
    assert_eq!(length, input.len() - 4);
    assert_eq!(head.method(input), b"GET");
    assert_eq!((head.path(input), head.query(input)), (&b"/a/b"[..], Some(&b"c=d"[..])));
    assert_eq!(head.target(input), b"/a/b?c=d");
    assert_eq!(head.authority(input), b"example.com:80");
    assert_eq!((head.form(), head.framing()), (Target::Origin, Framing::None));
    assert!(head.keeps_alive() && head.is_idempotent(input) && !head.is_head(input));
    assert!(head.is_safe(input) && !head.is_connect(input));
    assert_eq!(head.fields()[1].value(input), b"*/*");
    assert_eq!(head.fields()[2].value(input), b"");
}

#[test]
fn one_empty_line_before_a_request_is_forgiven() {
    let (head, length) = parse("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("forgiven");
    assert_eq!((head.path(b"\r\nGET / HTTP/1.1"), length), (&b"/"[..], 29));
    assert_eq!(refused(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
}

#[test]
fn bodies_have_one_length() {
    let framing = |fields: &str| parse_bytes(&with(fields)).expect(fields).0.framing();
    assert_eq!(framing("Content-Length: 5"), Framing::Length(5));
    assert_eq!(framing("Content-Length: 010"), Framing::Length(10));
    assert_eq!(framing("content-LENGTH:0"), Framing::None);
    assert_eq!(framing("Transfer-Encoding: Chunked"), Framing::Chunked);
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 6",
        "Content-Length: 5, 5",
        "Content-Length:",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x10",
        "Content-Length: 1_0",
        "Content-Length: 99999999999999999999",
        "Content-Length: 9223372036854775808",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: gzip, chunked, chunked",
        "Transfer-Encoding: gzip,, chunked",
        "Transfer-Encoding: gzip chunked",
        "Content_Length: 5",
        "Transfer_Encoding: chunked",
        "Transfer-Encoding: \u{b}chunked",
    ] {
        assert_eq!(refused(&with(fields)), 400, "{fields}");
    }
    for coding in ["gzip, chunked", "new-coding,Chunked", "gzip, br, chunked"] {
        assert_eq!(refused(&with(&format!("Transfer-Encoding: {coding}"))), 501, "{coding}");
    }
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        let text = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(parse(&text).expect(method).0.framing(), Framing::Length(5), "of any method");
    }
    let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refused(old), 400);
}

#[test]
fn names_and_lines_are_clean() {
    for fields in [
        "Name : value",
        "Name\t: value",
        ": value",
        "no colon",
        "Name: a\r\n folded",
        "Name: a\r\n\tfolded",
        "Name: a\u{0}b",
        "Name: a\rb",
        "Na(me: a",
        " Name: a",
        "N\u{e9}: a",
    ] {
        assert_eq!(refused(&with(fields)), 400, "{fields:?}");
    }
    for text in [
        &b"GET / HTTP/1.1\nHost: a\n\n"[..],
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nName\x85: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nName\xa0: b\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\r\nHost: a\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ] {
        assert_eq!(refused(text), 400, "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_request_has_one_host() {
    let text = |lines: &str| format!("{lines}\r\n\r\n").into_bytes();
    for lines in [
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a",
        "GET / HTTP/1.0\r\nHost: a\r\nhost: b",
        "GET / HTTP/1.1\r\nHost: a b",
        "GET / HTTP/1.1\r\nHost: a/b",
        "GET / HTTP/1.1\r\nHost: user@a",
        "GET / HTTP/1.1\r\nHost: a,b",
        "GET / HTTP/1.1\r\nHost: a:b",
        "GET / HTTP/1.1\r\nHost: a:65536",
        "GET / HTTP/1.1\r\nHost: [::1",
        "GET / HTTP/1.1\r\nHost: [::1]x",
        "GET http://a/ HTTP/1.1\r\nHost: b",
        "GET http:///path HTTP/1.1\r\nHost: a",
        "GET http://u@a/ HTTP/1.1\r\nHost: a",
        "GET ftp://a/ HTTP/1.1\r\nHost: a",
        "GET path HTTP/1.1\r\nHost: a",
        "GET /#fragment HTTP/1.1\r\nHost: a",
        "GET /\u{7f} HTTP/1.1\r\nHost: a",
        "GET /\u{e9} HTTP/1.1\r\nHost: a",
        "GET * HTTP/1.1\r\nHost: a",
        "CONNECT /path HTTP/1.1\r\nHost: a",
    ] {
        assert_eq!(refused(&text(lines)), 400, "{lines}");
    }
    for (lines, authority, path) in [
        ("GET http://A.b:80/x?y HTTP/1.1\r\nHost: a.B", "A.b:80", "/x"),
        ("GET http://a HTTP/1.1\r\nHost: a", "a", "/"),
        ("GET / HTTP/1.0", "", "/"),
        ("GET / HTTP/1.1\r\nHost: [::1]:8080", "[::1]:8080", "/"),
        ("GET / HTTP/1.1\r\nHost:", "", "/"),
        ("OPTIONS http://a HTTP/1.1\r\nHost: a", "a", "*"),
        ("OPTIONS http://a?x HTTP/1.1\r\nHost: a", "a", "/"),
        ("GET / HTTP/1.1\r\nHost: a:65535", "a:65535", "/"),
        ("OPTIONS * HTTP/1.1\r\nHost: a", "a", "*"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443", "a:443", ""),
    ] {
        let input = text(lines);
        let (head, _) = parse_bytes(&input).expect(lines);
        assert_eq!(head.authority(&input), authority.as_bytes(), "{lines}");
        assert_eq!(head.path(&input), path.as_bytes(), "{lines}");
    }
}

#[test]
fn connections_stay_or_end_as_asked() {
    let keeps = |text: &str| parse(text).expect(text).0.keeps_alive();
    assert!(keeps("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(!keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"));
    assert!(!keeps("GET / HTTP/1.0\r\n\r\n"));
    assert!(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    assert!(!keeps("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"));
}

#[test]
fn what_connection_names_stays_here() {
    let input = with("Connection: x-private, close\r\nX-Private: 1\r\nX-Public: 2\r\nTE: trailers");
    let (head, _) = parse_bytes(&input).expect("good");
    let private: Vec<bool> = (0..head.fields().len()).map(|at| head.is_hop_by_hop(at)).collect();
    assert_eq!(private, [false, true, true, false, true]);
    for name in ["Host", "Content-Length", "Cookie", "X-Forwarded-For"] {
        assert_eq!(refused(&with(&format!("Connection: {name}"))), 400, "{name}");
    }
    let sixteen = format!("Connection: close, {}\r\nx: 1", "x,".repeat(16));
    assert!(parse_bytes(&with(&sixteen)).expect("good").0.is_hop_by_hop(2));
    let seventeen = format!("Connection: {}\r\nConnection: {}", "x,".repeat(9), "y,".repeat(8));
    assert_eq!(refused(&with(&seventeen)), 400, "work grows with them");
}

#[test]
fn expectations_and_upgrades() {
    let (head, _) = parse_bytes(&with("Expect: 100-Continue\r\nContent-Length: 1")).expect("good");
    assert!(head.expects_continue());
    assert_eq!(refused(&with("Expect: the-unexpected")), 417);
    let input = with("Connection: Upgrade\r\nUpgrade: websocket");
    assert_eq!(parse_bytes(&input).expect("good").0.upgrade(&input), Some(&b"websocket"[..]));
    for fields in ["Upgrade: websocket", "Connection: Upgrade\r\nUpgrade: websocket, H2C"] {
        let input = with(fields);
        assert_eq!(parse_bytes(&input).expect("good").0.upgrade(&input), None, "{fields}");
    }
    assert_eq!(refused(&with("Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b")), 400);
}

#[test]
fn versions_other_than_ours_are_refused() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2"] {
        let text = format!("GET / {version}\r\nHost: a\r\n\r\n");
        assert_eq!(refused(text.as_bytes()), 505, "{version}");
    }
    assert_eq!(refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
    for version in ["http/1.1", "HTTP/1.1x", "HTTP/11", "HTTP 1.1", "HTP/1.1"] {
        let text = format!("GET / {version}\r\nHost: a\r\n\r\n");
        assert_eq!(refused(text.as_bytes()), 400, "{version}");
    }
}

#[test]
fn heads_have_bounds() {
    let limits = HeadLimits { head_bytes_max: 64, fields_max: 2 };
    let status = |text: &[u8]| RequestHead::default().parse(text, &limits).unwrap_err().status();
    assert_eq!(status(&[b'a'; 65]), 414);
    let mut long = vec![b'a'; 65];
    long.extend_from_slice(b" / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(status(&long), 414, "complete or not");
    let mut long = b"GET / HTTP/1.1\r\nHost: a\r\nLong: ".to_vec();
    long.resize(65, b'a');
    assert_eq!(status(&long), 431);
    long.extend_from_slice(b"\r\n\r\n");
    assert_eq!(status(&long), 431);
    assert_eq!(status(b"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n"), 431);
}

#[test]
fn a_verdict_on_length_does_not_depend_on_cuts() {
    let limits = HeadLimits { head_bytes_max: 32, fields_max: 2 };
    for text in [
        &b"GET / HTTP/1.1\r\nHost: aaaaa\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: aaaaaa\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\nHost: aaaaa\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaa\n\r\n",
        b"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\n\n",
    ] {
        let whole = RequestHead::default().parse(text, &limits);
        for size in 1..text.len() {
            let mut head = RequestHead::default();
            let verdict = (1..=text.len())
                .filter(|end| end % size == 0 || *end == text.len())
                .map(|end| head.parse(&text[..end], &limits))
                .find(|verdict| *verdict != Ok(None));
            assert_eq!(verdict, Some(whole), "{} by {size}", text.escape_ascii());
        }
    }
}

#[test]
fn a_head_can_be_used_again_after_anything() {
    let mut head = RequestHead::default();
    let long = with("Name: some long value");
    let part = &long[..long.len() - 4];
    let refused = [part, b"\n"].concat();
    let short = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(head.parse(part, &LIMITS), Ok(None));
    assert!(head.parse(&refused, &LIMITS).is_err());
    assert_eq!(head.parse(short, &LIMITS), Ok(Some(short.len())));
    assert_eq!(head.parse(part, &LIMITS), Ok(None));
    assert_eq!((head.method(b""), head.fields().len()), (&b""[..], 0), "nothing of the last one");
    assert_eq!(head.parse(short, &LIMITS), Ok(Some(short.len())));
    assert_eq!((head.method(short), head.fields().len()), (&b"GET"[..], 1));
}
