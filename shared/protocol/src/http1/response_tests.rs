//! Heads of responses: what is accepted, how it is read, and what is refused. Every one is read in one
//! piece and cut at every byte.

use super::*;

const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 8192, fields_max: 100 };
const GET: RequestKind = RequestKind { is_head: false, asked_upgrade: false };
const HEAD: RequestKind = RequestKind { is_head: true, asked_upgrade: false };
const UPGRADE: RequestKind = RequestKind { is_head: false, asked_upgrade: true };

fn parse(text: &str, request: RequestKind) -> Result<ResponseHead, ResponseError> {
    let input = text.as_bytes();
    let mut head = ResponseHead::default();
    let length = head.parse(input, &LIMITS, request)?.expect("a complete head");
    for cut in 0..length {
        let mut again = ResponseHead::default();
        assert_eq!(again.parse(&input[..cut], &LIMITS, request), Ok(None), "cut at {cut}");
        assert_eq!(again.parse(input, &LIMITS, request), Ok(Some(length)));
    }
    Ok(head)
}

fn with(status: &str, fields: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}\r\n")
}

#[test]
fn the_end_of_a_response_is_found_by_one_rule() {
    let framing = |status: &str, fields: &str, request| {
        parse(&with(status, fields), request).expect(status).framing()
    };
    assert_eq!(framing("200 OK", "Content-Length: 5\r\n", GET), Framing::Length(5));
    assert_eq!(framing("200 OK", "Content-Length: 5\r\n", HEAD), Framing::None);
    assert_eq!(framing("200 OK", "Transfer-Encoding: chunked\r\n", GET), Framing::Chunked);
    assert_eq!(framing("200 OK", "Transfer-Encoding: chunked\r\n", HEAD), Framing::None);
    assert_eq!(framing("200", "", GET), Framing::UntilClose);
    assert_eq!(framing("204 No Content", "Content-Length: 5\r\n", GET), Framing::None);
    assert_eq!(framing("304 Not Modified", "Content-Length: 5\r\n", GET), Framing::None);
    assert_eq!(framing("100 Continue", "", GET), Framing::None);
    let length = |status: &str, request| {
        parse(&with(status, "Content-Length: 5\r\n"), request).expect(status).content_length()
    };
    assert_eq!((length("200 OK", HEAD), length("304 Not Modified", GET)), (Some(5), Some(5)));
    assert_eq!((length("103 Early Hints", GET), length("204 No Content", GET)), (None, None));
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: x\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Name : value\r\n",
        "Name: a\r\n folded\r\n",
    ] {
        assert!(parse(&with("200 OK", fields), GET).is_err(), "{fields}");
    }
}

#[test]
fn what_is_no_response_is_refused_early() {
    for text in
        ["SSH-2.0-OpenSSH", "220 mail", "HTTP/2 200", "\r\nHTTP/1.1 200 OK\r\n\r\n", "\x15\x03"]
    {
        assert!(ResponseHead::default().parse(text.as_bytes(), &LIMITS, GET).is_err(), "{text}");
    }
    for text in [
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 1000 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1\r\n\r\n",
    ] {
        assert!(ResponseHead::default().parse(text.as_bytes(), &LIMITS, GET).is_err(), "{text}");
    }
    assert_eq!(parse("HTTP/1.1 999 Odd\r\n\r\n", GET).expect("in use").status(), 999);
    let limits = HeadLimits { head_bytes_max: 20, fields_max: 9 };
    let long = b"HTTP/1.1 200 OK and more";
    assert_eq!(ResponseHead::default().parse(long, &limits, GET), Err(ResponseError::HeadTooLarge));
}

#[test]
fn a_head_can_be_used_again_after_anything() {
    let mut head = ResponseHead::default();
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(head.parse(&text.as_bytes()[..text.len() - 1], &LIMITS, GET), Ok(None));
    let short = b"HTTP/1.1 204\r\n\r\n";
    assert_eq!(head.parse(short, &LIMITS, GET), Ok(Some(short.len())));
    assert_eq!((head.status(), head.fields().len()), (204, 0));
    assert!(head.parse(b"220 mail", &LIMITS, GET).is_err());
    assert_eq!((head.status(), head.framing()), (0, Framing::None));
}

#[test]
fn connections_are_kept_only_with_a_known_end() {
    let keeps = |text: &str| parse(text, GET).expect(text).keeps_alive();
    assert!(keeps("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert!(!keeps("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
    assert!(!keeps("HTTP/1.1 200 OK\r\n\r\n"));
    assert!(!keeps("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert!(keeps("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"));
}

#[test]
fn protocols_change_only_when_asked() {
    let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    assert!(parse(text, GET).is_err());
    let head = parse(text, UPGRADE).expect("asked for");
    assert!(!head.is_interim());
    assert!(parse("HTTP/1.1 103 Early Hints\r\n\r\n", GET).expect("good").is_interim());
}
