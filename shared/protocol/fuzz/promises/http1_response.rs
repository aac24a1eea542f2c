//! Job: what must hold for any bytes that an HTTP/1 server sends.
//! In: a first byte that says how long the portions are and what was asked, then what a server sends.
//! Out: a panic if a promise is broken.
//! Invariant: the response in portions is the same as in one piece, and a response that has no body by
//! its kind has none whatever it says.

use ringlet_protocol::http1::{Body, Framing, HeadLimits, Known, RequestKind, ResponseHead};

use super::http1_body as body;

const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 400, fields_max: 12 };

/// Panics when `data` makes the parser break a promise.
pub fn check(data: &[u8]) {
    let Some((&first, stream)) = data.split_first() else { return };
    let request = RequestKind { is_head: first & 0x80 != 0, asked_upgrade: first & 0x40 != 0 };
    let portion = usize::from(first & 0x3f) + 1;
    assert_eq!(read(stream, stream.len().max(1), request), read(stream, portion, request));
}

/// The responses to one request, and how they end.
fn read(stream: &[u8], portion: usize, request: RequestKind) -> (Vec<String>, String) {
    let (mut seen, mut at, mut head) = (Vec::new(), 0, ResponseHead::default());
    let mut ends = body::ends(stream.len(), portion);
    while let Some(&end) = ends.first() {
        let input = &stream[at..end];
        match head.parse(input, &LIMITS, request) {
            Err(error) => return (seen, error.to_string()),
            Ok(None) => {
                ends.remove(0);
            }
            Ok(Some(length)) => {
                promise_clean(&head, &input[..length], request);
                let fields: Vec<String> = head
                    .fields()
                    .iter()
                    .map(|field| format!("{:?} {:?}", field.known, field.value(input)))
                    .collect();
                seen.push(format!("{} {:?} {fields:?}", head.status(), head.framing()));
                at += length;
                if !head.is_interim() {
                    let walk = body::walk(Body::new(head.framing()), stream, &mut at, &mut ends);
                    let end = match walk {
                        Err(error) => error.to_string(),
                        Ok(body) => format!("{body:?} {}", stream.len() - at),
                    };
                    return (seen, end);
                }
            }
        }
    }
    (seen, "cut in a head".to_owned())
}

fn promise_clean(head: &ResponseHead, input: &[u8], request: RequestKind) {
    let status = head.status();
    assert!((100..=999).contains(&status));
    assert!(status != 101 || request.asked_upgrade);
    if request.is_head || status < 200 || status == 204 || status == 304 {
        assert_eq!(head.framing(), Framing::None);
    }
    assert!(head.framing() != Framing::UntilClose || !head.keeps_alive());
    let count = |known| head.fields().iter().filter(|field| field.known == known).count();
    assert!(count(Known::ContentLength) + count(Known::TransferEncoding) <= 1);
    let is_bad = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    assert!(!head.reason(input).iter().any(is_bad));
    for (index, field) in head.fields().iter().enumerate() {
        let _ = head.is_hop_by_hop(index);
        assert!(!field.name(input).is_empty() && !field.value(input).iter().any(is_bad));
    }
}
