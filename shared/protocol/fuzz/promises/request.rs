//! Job: what must hold for any bytes that a client sends.
//! In: a first byte that says how long the portions are, then what a client sends.
//! Out: a panic if a promise is broken.
//! Invariant: the stream in portions gives the same commands and error as in one piece; no command
//! is empty, no byte is consumed that has not arrived, and an error is final.

use ringlet_protocol::{ProtocolError, RequestLimits, RequestParser, Step};

/// What a stream amounts to: its commands, and the error at its end.
type Seen = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

/// Panics when `data` makes the parser break a promise.
pub fn check(data: &[u8]) {
    let Some((&first, stream)) = data.split_first() else { return };
    // Most portions are short; the longest hold a whole argument of the size that is not copied.
    let portion = match usize::from(first) {
        short @ 0..240 => short + 1,
        long => (long - 239) * 1200,
    };
    assert_eq!(read(stream, stream.len().max(1)), read(stream, portion));
}

fn read(stream: &[u8], portion: usize) -> Seen {
    let mut parser = RequestParser::new(RequestLimits::default());
    let (mut kept, mut commands) = (Vec::new(), Vec::new());
    for bytes in stream.chunks(portion) {
        kept.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let input = &kept[at..];
            let parsed = parser.parse(input);
            assert!(parsed.consumed <= input.len());
            match parsed.step {
                Step::Command => {
                    let words = parser.arguments(input);
                    assert!(!words.is_empty());
                    commands.push(words.iter().map(<[u8]>::to_vec).collect());
                }
                Step::Incomplete => {
                    at += parsed.consumed;
                    break;
                }
                Step::Failed(error) => {
                    assert_eq!(parser.parse(input).step, parsed.step, "errors are final");
                    return (commands, Some(error));
                }
            }
            at += parsed.consumed;
        }
        kept.drain(..at);
    }
    (commands, None)
}
