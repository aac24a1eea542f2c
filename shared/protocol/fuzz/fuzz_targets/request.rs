//! Job: find bytes that make the request parser panic, or whose commands depend on how they arrive.
//! In: a first byte that says how long the portions are, then what a client sends.
//! Out: a crash if the promise is broken.
//! Invariant: the stream in portions gives the same commands and error as in one piece.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringlet_protocol::{RequestLimits, RequestParser, Step};

/// What a stream amounts to: its commands, and the error at its end.
fn read(stream: &[u8], portion: usize) -> (Vec<Vec<Vec<u8>>>, Option<Vec<u8>>) {
    let mut parser = RequestParser::new(RequestLimits::default());
    let (mut kept, mut commands) = (Vec::new(), Vec::new());
    for bytes in stream.chunks(portion) {
        kept.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let input = &kept[at..];
            let parsed = parser.parse(input);
            match parsed.step {
                Step::Command => {
                    let words = parser.arguments(input);
                    commands.push(words.iter().map(<[u8]>::to_vec).collect());
                }
                Step::Incomplete => {
                    at += parsed.consumed;
                    break;
                }
                Step::Failed(error) => return (commands, Some(error.reply_text())),
            }
            at += parsed.consumed;
        }
        kept.drain(..at);
    }
    (commands, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&portion, stream)) = data.split_first() else { return };
    let whole = read(stream, stream.len().max(1));
    assert_eq!(whole, read(stream, usize::from(portion) + 1));
});
