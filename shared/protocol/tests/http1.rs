//! Job: hold for any message what the examples show for some.
//! In: messages that proptest makes, good ones and good ones with one thing wrong.
//! Out: test results; a failure shows the smallest message.
//! Invariant: what was put in comes out, however it is cut; what two readers could read in two ways does
//! not come out at all.

use proptest::collection::vec;
use proptest::prelude::*;
use ringlet_protocol::http1::{
    Body, Framing, HeadLimits, Known, Piece, RequestHead, RequestKind, ResponseHead,
    write_chunk_head, write_last_chunk,
};

const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 16_384, fields_max: 64 };

fn field() -> impl Strategy<Value = (String, String)> {
    ("[!#$%&'*+.^`|~0-9A-Za-z-]{1,20}", "([!-~\u{a0}-\u{ff}]([ -~\t]{0,30}[!-~])?)?")
        .prop_filter("a name without meaning", |(name, _)| {
            Known::of(name.as_bytes()) == Known::Other
        })
}

/// The verdicts of a head that grows piece by piece: the first that is not "more".
fn in_pieces(input: &[u8], cuts: &[usize]) -> Option<(RequestHead, Result<usize, u16>)> {
    let mut head = RequestHead::default();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(input.len());
    for end in ends {
        match head.parse(&input[..end], &LIMITS) {
            Ok(None) => {}
            Ok(Some(length)) => return Some((head, Ok(length))),
            Err(error) => return Some((head, Err(error.status()))),
        }
    }
    None
}

fn request(path: &str, fields: &[(String, String)]) -> Vec<u8> {
    let mut text = format!("GET /{path} HTTP/1.1\r\nHost: example.com\r\n");
    for (name, value) in fields {
        text += &format!("{name}: {value}\r\n");
    }
    (text + "\r\n").into_bytes()
}

/// All content and the trailer of a body in pieces of the given sizes, and what was left over.
fn walk(input: &[u8], framing: Framing, sizes: &[usize]) -> (Vec<u8>, Vec<u8>, usize) {
    let (mut body, mut content, mut at, mut end) = (Body::new(framing), Vec::new(), 0, 0);
    let mut sizes = sizes.iter().cycle();
    loop {
        match body.next(&input[at..end]).expect("a good body") {
            Piece::Data { skip, length } => {
                content.extend_from_slice(&input[at + skip..at + skip + length]);
                at += skip + length;
            }
            Piece::More { consumed } => {
                at += consumed;
                assert!(end < input.len(), "no end");
                end = (end + sizes.next().expect("a size")).min(input.len());
            }
            Piece::End { consumed } => {
                return (content, body.trailer().to_vec(), input.len() - at - consumed);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_fields_of_a_request_come_out_as_they_went_in(
        path in "[!-\"$->@-~]{0,30}",
        fields in vec(field(), 0..20),
        cuts in vec(any::<usize>(), 0..5),
        rest in vec(any::<u8>(), 0..9),
    ) {
        let input = request(&path, &fields);
        let all = [&input[..], &rest].concat();
        let (head, verdict) = in_pieces(&all, &cuts).expect("complete");
        prop_assert_eq!(verdict, Ok(input.len()));
        prop_assert_eq!(head.path(&all), [b"/", path.as_bytes()].concat());
        prop_assert_eq!(head.fields().len(), fields.len() + 1);
        for (seen, (name, value)) in head.fields()[1..].iter().zip(&fields) {
            prop_assert_eq!((seen.name(&all), seen.value(&all)), (name.as_bytes(), value.as_bytes()));
        }
        prop_assert_eq!(head.framing(), Framing::None);
    }

    #[test]
    fn a_byte_that_ends_lines_elsewhere_is_refused_anywhere(
        fields in vec(field(), 1..5),
        place in any::<usize>(),
        byte in prop::sample::select(&b"\r\n\0\x0b\x7f"[..]),
        cuts in vec(any::<usize>(), 0..5),
    ) {
        let mut input = request("path", &fields);
        // Not next to a line end, where one more makes an empty line, or a bare end of the one that is.
        let inside: Vec<usize> = (1..input.len())
            .filter(|at| !matches!(input[*at], b'\r' | b'\n') && input[at - 1] != b'\n')
            .collect();
        input.insert(inside[place % inside.len()], byte);
        let (_, verdict) = in_pieces(&input, &cuts).expect("a verdict");
        prop_assert_eq!(verdict, Err(400));
    }

    #[test]
    fn two_framings_are_refused_in_any_order(
        fields in vec(field(), 0..5),
        places in any::<(usize, usize)>(),
        two in prop::sample::subsequence(
            vec!["Content-Length: 5", "content-length:5", "Transfer-Encoding: chunked",
                 "TRANSFER-ENCODING:chunked", "Content_Length: 5", "Transfer_encoding: chunked"], 2),
        cuts in vec(any::<usize>(), 0..5),
    ) {
        let mut lines: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        lines.insert(places.0 % (lines.len() + 1), two[0].to_owned());
        lines.insert(places.1 % (lines.len() + 1), two[1].to_owned());
        let input = format!("POST / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", lines.join("\r\n"));
        let (_, verdict) = in_pieces(input.as_bytes(), &cuts).expect("a verdict");
        prop_assert_eq!(verdict, Err(400));
        let response = format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", lines.join("\r\n"));
        let verdict =
            ResponseHead::default().parse(response.as_bytes(), &LIMITS, RequestKind::default());
        let is_imitated = two.iter().any(|line| line.contains('_'));
        prop_assert!(verdict.is_err() || is_imitated, "imitations of a response are only dropped");
    }

    #[test]
    fn chunks_bring_the_content_however_they_are_cut(
        chunks in vec((vec(any::<u8>(), 1..50), "(;[a-z]{1,5}(=[0-9]{1,3})?)?", 0..3_usize), 0..8),
        trailer in vec(field(), 0..4),
        sizes in vec(1..40_usize, 1..5),
        rest in vec(any::<u8>(), 0..9),
    ) {
        let (mut input, mut content, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        for (data, extension, zeros) in &chunks {
            input.extend_from_slice(&b"00"[..*zeros]);
            let mut size = Vec::new();
            write_chunk_head(&mut size, data.len());
            size.truncate(size.len() - 2);
            input.extend_from_slice(&[&size, extension.as_bytes(), b"\r\n", data, b"\r\n"].concat());
            content.extend_from_slice(data);
        }
        for (name, value) in &trailer {
            lines.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        write_last_chunk(&mut input, &lines);
        input.extend_from_slice(&rest);
        prop_assert_eq!(walk(&input, Framing::Chunked, &sizes), (content, lines, rest.len()));
    }

    #[test]
    fn a_length_takes_so_many_bytes(
        content in vec(any::<u8>(), 0..99),
        rest in vec(any::<u8>(), 0..9),
        sizes in vec(1..40_usize, 1..5),
    ) {
        let input = [&content[..], &rest].concat();
        let framing = Framing::Length(content.len() as u64);
        prop_assert_eq!(walk(&input, framing, &sizes), (content, Vec::new(), rest.len()));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        input in vec(prop::sample::select(&b"\r\n :;,/.0159aHTPCGE\x00\xff"[..]), 0..80),
        framing in prop::sample::select(&[Framing::Chunked, Framing::UntilClose, Framing::Length(9)][..]),
    ) {
        let _ = RequestHead::default().parse(&input, &LIMITS);
        let _ = ResponseHead::default().parse(&input, &LIMITS, RequestKind::default());
        let response = [b"HTTP/1.1 ", &input[..]].concat();
        let _ = ResponseHead::default().parse(&response, &LIMITS, RequestKind::default());
        let mut body = Body::new(framing);
        let mut at = 0;
        while let Ok(Piece::Data { skip, length }) = body.next(&input[at..]) {
            at += skip + length;
        }
    }
}
