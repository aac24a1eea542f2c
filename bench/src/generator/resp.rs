//! Job: the RESP2 that a load generator needs: write commands, find the ends of replies.
//! In: words, received bytes. Out: encoded commands, lengths and forms of replies.
//! Invariant: a reply is found without a copy and without looking into bulk strings; no length that a
//! server claims leads to a panic or to more memory than a reply may take.

use super::plan::REPLY_BYTES_MAX;

/// Bytes of a line, which is the longest error text that is waited for.
const LINE_BYTES_MAX: usize = 64 << 10;

/// A reply at the front of received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its length in bytes.
    pub length: usize,
    /// What it is.
    pub form: Form,
}

/// What a reply is, as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An error.
    Error,
    /// Nothing: a nil of either kind.
    Nil,
    /// Anything else.
    Other,
}

/// Appends a command as an array of bulk strings.
pub fn encode(words: &[&[u8]], output: &mut Vec<u8>) {
    push_count(b'*', words.len() as u64, output);
    for word in words {
        push_count(b'$', word.len() as u64, output);
        output.extend_from_slice(word);
        output.extend_from_slice(b"\r\n");
    }
}

/// Appends the head of an array or of a bulk string.
#[inline]
pub fn push_count(kind: u8, count: u64, output: &mut Vec<u8>) {
    output.push(kind);
    push_number(count, output);
    output.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal digits.
#[inline]
pub fn push_number(number: u64, output: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    let mut rest = number;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    output.extend_from_slice(&digits[start..]);
}

/// The first reply in `input`, or `None` if it is not complete.
///
/// # Errors
/// Bytes that begin no reply, and replies that are too long.
#[inline]
pub fn find_reply(input: &[u8]) -> Result<Option<Found>, String> {
    let mut at = 0;
    let mut items_left = 1u64;
    let mut form = None;
    while items_left > 0 {
        let Some((kind, line)) = line_at(input, at)? else { return Ok(None) };
        at += line.len() + 3;
        items_left -= 1;
        let mut its_form = Form::Other;
        match kind {
            b'+' | b':' => {}
            b'-' => its_form = Form::Error,
            _ => match number(line)? {
                None => its_form = Form::Nil,
                Some(length) if kind == b'$' => {
                    at += length + 2;
                    if at > input.len() {
                        return if at > REPLY_BYTES_MAX + 64 { Err(too_long()) } else { Ok(None) };
                    }
                }
                Some(items) => items_left += items as u64,
            },
        }
        form.get_or_insert(its_form);
    }
    Ok(Some(Found { length: at, form: form.unwrap_or(Form::Other) }))
}

/// What a whole reply holds if it is a bulk string.
#[must_use]
pub fn bulk(reply: &[u8]) -> Option<&[u8]> {
    let (kind, line) = line_at(reply, 0).ok()??;
    let length = number(line).ok()??;
    let start = line.len() + 3;
    if kind == b'$' { reply.get(start..start + length) } else { None }
}

/// The kind of the line that begins at `start`, and what follows it; `None` if its end has not come.
#[inline]
fn line_at(input: &[u8], start: usize) -> Result<Option<(u8, &[u8])>, String> {
    let Some((&kind, rest)) = input.get(start..).and_then(<[u8]>::split_first) else {
        return Ok(None);
    };
    if !matches!(kind, b'+' | b'-' | b':' | b'$' | b'*') {
        return Err(invalid());
    }
    match rest.iter().position(|&byte| byte == b'\r') {
        None if rest.len() > LINE_BYTES_MAX => Err(too_long()),
        None => Ok(None),
        Some(end) => match rest.get(end + 1) {
            None => Ok(None),
            Some(b'\n') => Ok(Some((kind, &rest[..end]))),
            Some(_) => Err(invalid()),
        },
    }
}

/// The length of a bulk string or an array, or `None` for a nil.
#[inline]
fn number(digits: &[u8]) -> Result<Option<usize>, String> {
    if digits == b"-1" {
        return Ok(None);
    }
    if digits.is_empty() || digits.len() > 10 {
        return Err(invalid());
    }
    let mut number = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(invalid());
        }
        number = number * 10 + usize::from(digit - b'0');
    }
    Ok(Some(number))
}

fn invalid() -> String {
    "the server sent something that is no RESP2 reply".to_owned()
}

fn too_long() -> String {
    "the server sent a reply that is too long".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        let mut output = Vec::new();
        encode(&[b"SET", b"k", b"0123456789"], &mut output);
        assert_eq!(output, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n");
    }

    #[test]
    fn replies_of_all_kinds_are_skipped_whole_and_never_cut() {
        let replies: [(&[u8], Form); 10] = [
            (b"+OK\r\n", Form::Other),
            (b"-ERR no\r\n", Form::Error),
            (b":12\r\n", Form::Other),
            (b"$-1\r\n", Form::Nil),
            (b"*-1\r\n", Form::Nil),
            (b"$0\r\n\r\n", Form::Other),
            (b"$4\r\n\r\n\r\n\r\n", Form::Other),
            (b"*0\r\n", Form::Other),
            (b"*3\r\n:1\r\n*2\r\n$1\r\na\r\n*-1\r\n$2\r\nbc\r\n", Form::Other),
            (b"*2\r\n-ERR\r\n$-1\r\n", Form::Other),
        ];
        for (reply, form) in replies {
            let with_more = [reply, b"+next\r\n"].concat();
            let found = find_reply(&with_more).expect("valid").expect("complete");
            assert_eq!(found, Found { length: reply.len(), form });
            for cut in 0..reply.len() {
                assert_eq!(find_reply(&reply[..cut]).expect("a prefix is no error"), None);
            }
        }
    }

    #[test]
    fn bulk_strings_are_taken_out() {
        assert_eq!(bulk(b"$4\r\na\r\nb\r\n"), Some(&b"a\r\nb"[..]));
        assert_eq!(bulk(b"$0\r\n\r\n"), Some(&b""[..]));
        for other in [&b"$-1\r\n"[..], b"+OK\r\n", b"*0\r\n", b"$9\r\nabc\r\n", b""] {
            assert_eq!(bulk(other), None);
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let others = ["HTTP/1.1 200 OK\r\n", "$x\r\n", "$-7\r\n", "$\r\n", "+a\rb\n", "*1x\r\n"];
        for other in others {
            assert!(find_reply(other.as_bytes()).is_err(), "{other:?}");
        }
        for long in ["$9999999999\r\n", "$99999999999999999999\r\n"] {
            assert!(find_reply(long.as_bytes()).is_err(), "{long:?}");
        }
        // Many items are waited for, but nothing is set aside for them, and nothing overflows.
        let nested = "*9999999999\r\n".repeat(1000);
        assert_eq!(find_reply(nested.as_bytes()), Ok(None));
        assert!(find_reply(&[b'+'; LINE_BYTES_MAX + 2]).is_err());
    }
}
