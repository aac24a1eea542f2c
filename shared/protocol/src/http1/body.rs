//! Bodies: where the content of a message lies in what comes, and where it ends.
//!
//! Job: walk through a body without copying it. In: bytes, in any pieces. Out: [`Piece`]s of the
//! input. Invariant: of a chunked body only the content and the trailer fields leave here: how a peer
//! has cut it into chunks, and what it wrote beside their sizes, is never forwarded.

use std::io::Write;

use super::trailer::Trailer;
use super::{BodyError, Framing};

/// The end of a chunked body without trailer fields.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Digits of a chunk size.
const SIZE_DIGITS_MAX: u8 = 16;
/// Bytes of the extensions of one chunk.
const EXTENSION_BYTES_MAX: u16 = 1024;

/// What comes next of a body.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// `length` bytes of content after `skip` others; both have been accounted for.
    Data {
        /// Bytes before the content that are none.
        skip: usize,
        /// Bytes of content, at least one.
        length: usize,
    },
    /// So many bytes, all there were, are no content; more must come.
    More {
        /// Bytes accounted for.
        consumed: usize,
    },
    /// The body ends after so many bytes; what follows belongs to the next message.
    End {
        /// Bytes accounted for.
        consumed: usize,
    },
}

/// Where a walk through a body stands.
#[derive(Debug)]
pub struct Body {
    state: State,
    trailer: Trailer,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum State {
    Ended,
    Length(u64),
    UntilClose,
    Size { size: u64, digits: u8 },
    Extension { size: u64, bytes: u16 },
    SizeLineFeed { size: u64 },
    Data(u64),
    DataReturn,
    DataLineFeed,
    Trailer,
}

impl Body {
    /// A body that has just begun.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None => State::Ended,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size { size: 0, digits: 0 },
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, trailer: Trailer::default() }
    }

    /// Whether the end has been seen: no byte that follows belongs to this body.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended | State::Length(0))
    }

    /// The next piece of `input`, which begins where the last piece ended.
    ///
    /// # Errors
    /// When this is no chunked body: the connection cannot go on.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, BodyError> {
        match self.state {
            State::Ended => Ok(Piece::End { consumed: 0 }),
            State::UntilClose if input.is_empty() => Ok(Piece::More { consumed: 0 }),
            State::UntilClose => Ok(Piece::Data { skip: 0, length: input.len() }),
            State::Length(0) => {
                self.state = State::Ended;
                Ok(Piece::End { consumed: 0 })
            }
            State::Length(_) if input.is_empty() => Ok(Piece::More { consumed: 0 }),
            State::Length(left) => {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                self.state = State::Length(left - length as u64);
                Ok(Piece::Data { skip: 0, length })
            }
            _ => self.next_of_chunks(input),
        }
    }

    fn next_of_chunks(&mut self, input: &[u8]) -> Result<Piece, BodyError> {
        for (at, &byte) in input.iter().enumerate() {
            self.state = match self.state {
                State::Data(left) => {
                    let rest = input.len() - at;
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(rest);
                    let left = left - length as u64;
                    self.state = if left == 0 { State::DataReturn } else { State::Data(left) };
                    return Ok(Piece::Data { skip: at, length });
                }
                State::Size { size, digits } => match (char::from(byte).to_digit(16), byte) {
                    (Some(_), _) if digits == SIZE_DIGITS_MAX => return Err(BodyError::ChunkSize),
                    (Some(digit), _) => {
                        State::Size { size: (size << 4) | u64::from(digit), digits: digits + 1 }
                    }
                    (None, b'\r') if digits > 0 => State::SizeLineFeed { size },
                    (None, b';') if digits > 0 => State::Extension { size, bytes: 0 },
                    _ => return Err(BodyError::ChunkSize),
                },
                State::Extension { size, bytes } => match byte {
                    b'\r' => State::SizeLineFeed { size },
                    b'\t' | b' '..=b'~' | 0x80.. if bytes < EXTENSION_BYTES_MAX => {
                        State::Extension { size, bytes: bytes + 1 }
                    }
                    _ => return Err(BodyError::ChunkExtension),
                },
                State::SizeLineFeed { size } => match (byte, size) {
                    (b'\n', 0) => State::Trailer,
                    (b'\n', size) => State::Data(size),
                    _ => return Err(BodyError::ChunkExtension),
                },
                State::DataReturn if byte == b'\r' => State::DataLineFeed,
                State::DataLineFeed if byte == b'\n' => State::Size { size: 0, digits: 0 },
                State::DataReturn | State::DataLineFeed => return Err(BodyError::ChunkEnd),
                State::Trailer => {
                    if self.trailer.take(byte)? {
                        self.state = State::Ended;
                        return Ok(Piece::End { consumed: at + 1 });
                    }
                    State::Trailer
                }
                State::Ended | State::Length(_) | State::UntilClose => self.state,
            };
        }
        Ok(Piece::More { consumed: input.len() })
    }

    /// The trailer fields that may be forwarded, normalised: lines, each with its CRLF. Empty before the
    /// end.
    #[must_use]
    pub fn trailer(&self) -> &[u8] {
        if self.has_ended() { self.trailer.lines() } else { &[] }
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// When that was too early.
    pub fn end_of_stream(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Ended | State::Length(0) => {}
            State::UntilClose => self.state = State::Ended,
            _ => return Err(BodyError::Truncated),
        }
        Ok(())
    }
}

/// Writes the end of a chunked body with the trailer fields of [`Body::trailer`].
pub fn write_last_chunk(out: &mut Vec<u8>, trailer: &[u8]) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailer);
    out.extend_from_slice(b"\r\n");
}

/// Writes the size of a chunk and its line end. CRLF must follow the data.
pub fn write_chunk_head(out: &mut Vec<u8>, length: usize) {
    // A vector takes everything.
    let _ = write!(out, "{length:x}\r\n");
}
