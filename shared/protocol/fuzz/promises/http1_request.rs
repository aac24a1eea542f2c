//! Job: what must hold for any bytes that an HTTP/1 client sends.
//! In: a first byte that says how long the portions are, then what a client sends.
//! Out: a panic if a promise is broken.
//! Invariant: the stream in portions gives the same requests and verdict as in one piece, and what was
//! accepted, written again, is read as the same.

use ringlet_protocol::http1::{
    Body, Framing, HeadLimits, Known, RequestHead, members, write_chunk_head, write_last_chunk,
};

use super::http1_body as body;

const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 400, fields_max: 12 };

/// Panics when `data` makes the parser break a promise.
pub fn check(data: &[u8]) {
    let Some((&first, stream)) = data.split_first() else { return };
    let (requests, verdict) = read(stream, stream.len().max(1));
    let in_portions = read(stream, usize::from(first) + 1);
    assert_eq!((&requests, &verdict), (&in_portions.0, &in_portions.1));
    let again: Vec<u8> = requests.iter().flat_map(|request| request.written.clone()).collect();
    let (read_again, verdict) = read(&again, again.len().max(1));
    assert_eq!(read_again, requests);
    assert_eq!(verdict, "");
}

#[derive(Debug, PartialEq)]
struct Seen {
    head: Vec<Vec<u8>>,
    framing: &'static str,
    keeps_alive: bool,
    content: Vec<u8>,
    /// The request with the chunks of its body made one.
    written: Vec<u8>,
}

/// The requests of a stream, and what was wrong behind them.
fn read(stream: &[u8], portion: usize) -> (Vec<Seen>, String) {
    let (mut seen, mut at, mut head) = (Vec::new(), 0, RequestHead::default());
    let mut ends = body::ends(stream.len(), portion);
    while let Some(&end) = ends.first() {
        let input = &stream[at..end];
        match head.parse(input, &LIMITS) {
            Err(error) => {
                assert!((400..600).contains(&error.status()));
                return (seen, error.to_string());
            }
            Ok(None) => {
                ends.remove(0);
            }
            Ok(Some(length)) => {
                let input = &input[..length];
                promise_clean(&head, input);
                at += length;
                let walk = body::walk(Body::new(head.framing()), stream, &mut at, &mut ends);
                let (content, trailer) = match walk {
                    Ok(Some(body)) => body,
                    Ok(None) => return (seen, "cut in a body".to_owned()),
                    Err(error) => return (seen, error.to_string()),
                };
                seen.push(remember(&head, input, content, &trailer));
            }
        }
    }
    (seen, if at == stream.len() { String::new() } else { "cut in a head".to_owned() })
}

fn promise_clean(head: &RequestHead, input: &[u8]) {
    let count = |known| head.fields().iter().filter(|field| field.known == known).count();
    assert!(count(Known::Host) <= 1 && count(Known::Host) >= head.version_minor().into());
    assert!(count(Known::ContentLength) + count(Known::TransferEncoding) <= 1);
    let is_bad = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    for field in head.fields() {
        assert!(!field.name(input).is_empty());
        assert!(field.name(input).iter().all(|byte| byte.is_ascii_graphic() && *byte != b':'));
        assert!(!field.value(input).iter().any(is_bad));
        if let Some(line) = field.line(input) {
            let written = [field.name(input), b": ", field.value(input), b"\r\n"].concat();
            assert_eq!(input[line], written);
        }
    }
    let is_odd = |byte: &u8| !byte.is_ascii_graphic() || *byte == b'#';
    assert!(!head.target(input).iter().any(is_odd) && !head.authority(input).iter().any(is_odd));
    assert!(!matches!(head.framing(), Framing::UntilClose | Framing::Length(0)));
    if let Some(upgrade) = head.upgrade(input) {
        assert!(!members(upgrade).any(|name| name.eq_ignore_ascii_case(b"h2c")));
    }
}

fn remember(head: &RequestHead, input: &[u8], content: Vec<u8>, trailer: &[u8]) -> Seen {
    let mut parts = vec![
        head.method(input).to_vec(),
        head.target(input).to_vec(),
        head.path(input).to_vec(),
        head.authority(input).to_vec(),
    ];
    let mut written = [head.method(input), b" ", head.target(input)].concat();
    written.extend_from_slice(&[b" HTTP/1.", &[b'0' + head.version_minor()][..]].concat());
    written.extend_from_slice(b"\r\n");
    for (index, field) in head.fields().iter().enumerate() {
        let _ = head.is_hop_by_hop(index);
        let line = [field.name(input), b":", field.value(input)].concat();
        written.extend_from_slice(&[&line, &b"\r\n"[..]].concat());
        parts.push(line);
    }
    written.extend_from_slice(b"\r\n");
    let is_chunked = head.framing() == Framing::Chunked;
    if is_chunked && !content.is_empty() {
        write_chunk_head(&mut written, content.len());
        written.extend_from_slice(&content);
        written.extend_from_slice(b"\r\n");
    } else {
        written.extend_from_slice(&content);
    }
    if is_chunked {
        write_last_chunk(&mut written, trailer);
    }
    parts.push(trailer.to_vec());
    let framing = match head.framing() {
        Framing::None => "none",
        Framing::Length(_) => "length",
        Framing::Chunked => "chunked",
        Framing::UntilClose => "until close",
    };
    Seen { head: parts, framing, keeps_alive: head.keeps_alive(), content, written }
}
