//! Job: read a body out of a stream that arrives in portions.
//! In: the stream, where the body begins, where the portions end. Out: content and trailer.
//! Invariant: no byte is accounted for that has not arrived.

use ringlet_protocol::http1::{Body, BodyError, Piece};

/// Content and trailer.
pub type Read = (Vec<u8>, Vec<u8>);

/// Where portions of a stream end, the last one at its end.
pub fn ends(length: usize, portion: usize) -> Vec<usize> {
    (1..length).filter(|end| end % portion == 0).chain([length]).collect()
}

/// The content and the trailer; `None` when the stream ends before the body. `at` moves behind what was
/// read, and of `ends` those stay that lie ahead.
pub fn walk(
    mut body: Body,
    stream: &[u8],
    at: &mut usize,
    ends: &mut Vec<usize>,
) -> Result<Option<Read>, BodyError> {
    let mut content = Vec::new();
    while let Some(&end) = ends.first() {
        let input = &stream[*at..end];
        match body.next(input)? {
            Piece::Data { skip, length } => {
                assert!(length > 0 && skip + length <= input.len());
                content.extend_from_slice(&input[skip..skip + length]);
                *at += skip + length;
            }
            Piece::More { consumed } => {
                assert_eq!(consumed, input.len());
                assert!(!body.has_ended() && body.trailer().is_empty());
                *at += consumed;
                ends.remove(0);
            }
            Piece::End { consumed } => {
                assert!(consumed <= input.len() && body.has_ended());
                *at += consumed;
                return Ok(Some((content, body.trailer().to_vec())));
            }
        }
    }
    Ok(body.end_of_stream().is_ok().then(|| (content, body.trailer().to_vec())))
}
