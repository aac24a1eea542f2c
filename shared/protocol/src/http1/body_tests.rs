//! Bodies: where they end, what of them goes on, and what is refused. Every one is read in one piece and
//! in pieces of every size.

use super::*;

/// All content, what was left over, and the trailer; from input in pieces of `size` bytes.
fn walk(
    framing: Framing,
    input: &[u8],
    size: usize,
) -> Result<(Vec<u8>, usize, Vec<u8>), BodyError> {
    let mut body = Body::new(framing);
    let (mut content, mut consumed) = (Vec::new(), 0);
    for end in (0..=input.len()).step_by(size).chain([input.len()]) {
        loop {
            let rest = &input[consumed..end.max(consumed)];
            match body.next(rest)? {
                Piece::Data { skip, length } => {
                    content.extend_from_slice(&rest[skip..skip + length]);
                    consumed += skip + length;
                }
                Piece::More { consumed: more } => {
                    consumed += more;
                    break;
                }
                Piece::End { consumed: more } => {
                    consumed += more;
                    return Ok((content, input.len() - consumed, body.trailer().to_vec()));
                }
            }
        }
    }
    body.end_of_stream()?;
    Ok((content, input.len() - consumed, Vec::new()))
}

fn every_way(framing: Framing, input: &[u8]) -> Result<(Vec<u8>, usize, Vec<u8>), BodyError> {
    let whole = walk(framing, input, input.len().max(1));
    for size in 1..input.len() {
        assert_eq!(walk(framing, input, size), whole, "in pieces of {size}");
    }
    whole
}

#[test]
fn bodies_end_where_they_say() {
    assert_eq!(every_way(Framing::Length(3), b"abcdef"), Ok((b"abc".to_vec(), 3, vec![])));
    assert_eq!(every_way(Framing::UntilClose, b"abc"), Ok((b"abc".to_vec(), 0, vec![])));
    assert_eq!(every_way(Framing::None, b"abc"), Ok((vec![], 3, vec![])));
    assert_eq!(every_way(Framing::Length(9), b"abc"), Err(BodyError::Truncated));
    let chunked = |text: &str| every_way(Framing::Chunked, text.as_bytes());
    assert_eq!(
        chunked("3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\nGET"),
        Ok((b"abc0123456789".to_vec(), 3, vec![]))
    );
    assert_eq!(chunked("3;name=\"value\"\r\nabc\r\n000\r\n\r\n"), Ok((b"abc".to_vec(), 0, vec![])));
    assert_eq!(chunked("ffffffffffffffff\r\na"), Err(BodyError::Truncated));
    assert_eq!(chunked("3\r\nab"), Err(BodyError::Truncated));
}

#[test]
fn chunks_are_strict() {
    for (text, error) in [
        ("0x5\r\nabcde\r\n0\r\n\r\n", BodyError::ChunkSize),
        ("+5\r\n", BodyError::ChunkSize),
        (" 5\r\n", BodyError::ChunkSize),
        ("5 \r\n", BodyError::ChunkSize),
        ("\r\n", BodyError::ChunkSize),
        (";a\r\n", BodyError::ChunkSize),
        ("g\r\n", BodyError::ChunkSize),
        ("5\nabcde", BodyError::ChunkSize),
        ("00000000000000005\r\n", BodyError::ChunkSize),
        ("5;a\rb\r\n", BodyError::ChunkExtension),
        ("5;a\nb\r\n", BodyError::ChunkExtension),
        ("5;a\0\r\n", BodyError::ChunkExtension),
        ("5\r\r\n", BodyError::ChunkExtension),
        ("3\r\nabcd\r\n", BodyError::ChunkEnd),
        ("3\r\nabc\n", BodyError::ChunkEnd),
        ("3\r\nabc\rx", BodyError::ChunkEnd),
        ("0\r\nGET / HTTP/1.1\r\n\r\n", BodyError::Trailer),
        ("0\r\nxx", BodyError::Truncated),
        ("0\r\n\n", BodyError::Trailer),
        ("0\r\nA: 1\n", BodyError::Trailer),
        ("0\r\nA : 1\r\n\r\n", BodyError::Trailer),
        ("0\r\nxx\r\n\r\n", BodyError::Trailer),
        ("0\r\n\rx", BodyError::Trailer),
        ("0\r\nA: 1\r\n\rx", BodyError::Trailer),
        ("0\r\nA: 1\r\n folded\r\n\r\n", BodyError::Trailer),
        ("0\r\nA: \0\r\n\r\n", BodyError::Trailer),
        ("5 \r\nabcde\r\n", BodyError::ChunkSize),
        ("5;a\r\r\nabcde\r\n", BodyError::ChunkExtension),
        ("-5\r\n", BodyError::ChunkSize),
        ("0\r\nContent-Length: 5\r\n\r\n", BodyError::Trailer),
        ("0\r\ntransfer-encoding: chunked\r\n\r\n", BodyError::Trailer),
        ("0\r\nHost: a\r\n\r\n", BodyError::Trailer),
    ] {
        assert_eq!(every_way(Framing::Chunked, text.as_bytes()), Err(error), "{text:?}");
    }
    let long = format!("5;{}\r\n", "a".repeat(2000));
    assert_eq!(walk(Framing::Chunked, long.as_bytes(), 100), Err(BodyError::ChunkExtension));
    let long = format!("0\r\nA: {}\r\n\r\n", "a".repeat(TRAILER_BYTES_MAX));
    assert_eq!(walk(Framing::Chunked, long.as_bytes(), 100), Err(BodyError::Trailer));
    let mut out = Vec::new();
    write_chunk_head(&mut out, 255);
    assert_eq!(out, b"ff\r\n");
}

#[test]
fn only_harmless_trailer_fields_go_on() {
    let trailer = |text: &str| {
        let (_, left, trailer) = every_way(Framing::Chunked, text.as_bytes()).expect(text);
        assert_eq!(left, 1, "{text:?}");
        String::from_utf8(trailer).expect("text")
    };
    assert_eq!(trailer("0\r\n\r\nx"), "");
    assert_eq!(trailer("0\r\nA:1\r\nb: \t2 \r\n\r\nx"), "A: 1\r\nb: 2\r\n");
    assert_eq!(
        trailer("0\r\nX-Forwarded-For: 1\r\nA: 1\r\nConnection: b\r\ncontent_length: 5\r\n\r\nx"),
        "A: 1\r\n"
    );
    let mut out = Vec::new();
    write_last_chunk(&mut out, b"");
    assert_eq!(out, LAST_CHUNK);
    write_last_chunk(&mut out, b"A: 1\r\n");
    assert_eq!(out, b"0\r\n\r\n0\r\nA: 1\r\n\r\n");
}

#[test]
fn a_body_of_known_length_has_ended_with_its_last_byte() {
    let mut body = Body::new(Framing::Length(3));
    assert_eq!(body.next(b"ab"), Ok(Piece::Data { skip: 0, length: 2 }));
    assert!(!body.has_ended());
    assert_eq!(body.next(b"cd"), Ok(Piece::Data { skip: 0, length: 1 }));
    assert!(body.has_ended());
    assert_eq!(body.next(b"d"), Ok(Piece::End { consumed: 0 }));
    assert!(Body::new(Framing::None).has_ended() && !Body::new(Framing::UntilClose).has_ended());
}
