//! Commands on the wire.
//!
//! Job: write commands as RESP arrays. In: words. Out: bytes at the end of a buffer.
//! Invariant: one call writes exactly one command, which brings exactly one reply.

/// One word of a command.
#[derive(Copy, Clone)]
pub(super) enum Word<'a> {
    Text(&'a [u8]),
    Number(u64),
}

impl<'a> From<&'a [u8]> for Word<'a> {
    fn from(text: &'a [u8]) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a str> for Word<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.as_bytes())
    }
}

impl From<u64> for Word<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// Appends one command.
pub(super) fn command(out: &mut Vec<u8>, words: &[Word<'_>]) {
    let mut digits = itoa::Buffer::new();
    out.push(b'*');
    out.extend_from_slice(digits.format(words.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    for word in words {
        let mut number = itoa::Buffer::new();
        let text = match word {
            Word::Text(text) => text,
            Word::Number(value) => number.format(*value).as_bytes(),
        };
        out.push(b'$');
        out.extend_from_slice(digits.format(text.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_strings() {
        let mut out = Vec::new();
        command(&mut out, &["INCRBY".into(), (&b"a\r\nb"[..]).into(), 120u64.into()]);
        command(&mut out, &["TIME".into()]);
        assert_eq!(out, b"*3\r\n$6\r\nINCRBY\r\n$4\r\na\r\nb\r\n$3\r\n120\r\n*1\r\n$4\r\nTIME\r\n");
    }
}
