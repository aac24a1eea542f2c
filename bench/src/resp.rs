//! Job: the little RESP that a load generator needs: write commands, find the ends of replies.
//! In: words, received bytes. Out: encoded commands, lengths of replies.
//! Invariant: a reply is skipped without a copy and without looking into bulk strings.

use std::io;

use crate::load::Reply;

/// Appends a command as an array of bulk strings.
pub fn encode(words: &[&[u8]], output: &mut Vec<u8>) {
    push_count(b'*', words.len(), output);
    for word in words {
        push_count(b'$', word.len(), output);
        output.extend_from_slice(word);
        output.extend_from_slice(b"\r\n");
    }
}

fn push_count(kind: u8, count: usize, output: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    let mut rest = count;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    output.push(kind);
    output.extend_from_slice(&digits[start..]);
    output.extend_from_slice(b"\r\n");
}

/// The first reply in `input` (RESP2), or `None` if it is not complete.
///
/// # Errors
/// `InvalidData` for bytes that begin no reply.
pub fn skip_reply(input: &[u8]) -> io::Result<Option<Reply>> {
    let mut at = 0;
    let mut items_left = 1u64;
    while items_left > 0 {
        let Some(line) = line_at(input, at) else { return Ok(None) };
        let next = at + line.len() + 2;
        items_left -= 1;
        match line.first() {
            Some(b'+' | b'-' | b':') => at = next,
            Some(b'$') => match number(line)? {
                -1 => at = next,
                length => at = next + usize::try_from(length).map_err(|_| invalid())? + 2,
            },
            Some(b'*') => {
                items_left += u64::try_from(number(line)?.max(0)).map_err(|_| invalid())?;
                at = next;
            }
            _ => return Err(invalid()),
        }
        if at > input.len() {
            return Ok(None);
        }
    }
    Ok(Some(Reply { length: at, error: input[0] == b'-' }))
}

fn line_at(input: &[u8], start: usize) -> Option<&[u8]> {
    let rest = input.get(start..)?;
    let end = rest.iter().position(|&byte| byte == b'\r')?;
    (rest.get(end + 1) == Some(&b'\n')).then(|| &rest[..end])
}

fn number(line: &[u8]) -> io::Result<i64> {
    std::str::from_utf8(&line[1..]).ok().and_then(|text| text.parse().ok()).ok_or_else(invalid)
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the server sent something that is no RESP2 reply")
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
        let replies: [&[u8]; 8] = [
            b"+OK\r\n",
            b"-ERR no\r\n",
            b":12\r\n",
            b"$-1\r\n",
            b"$0\r\n\r\n",
            b"$4\r\n\r\n\r\n\r\n",
            b"*0\r\n",
            b"*3\r\n:1\r\n*2\r\n$1\r\na\r\n*-1\r\n$2\r\nbc\r\n",
        ];
        for reply in replies {
            let with_more = [reply, b"+next\r\n"].concat();
            let found = skip_reply(&with_more).expect("valid").expect("complete");
            assert_eq!(found, Reply { length: reply.len(), error: reply[0] == b'-' });
            for cut in 0..reply.len() {
                assert_eq!(skip_reply(&reply[..cut]).expect("a prefix is no error"), None);
            }
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(skip_reply(b"HTTP/1.1 200 OK\r\n").is_err());
        assert!(skip_reply(b"$x\r\n").is_err());
        assert!(skip_reply(b"$-7\r\n").is_err());
    }
}
