//! Job: split an inline command (a line typed into telnet, or of a configuration file) into words.
//! In: one line without its end. Out: the words, appended to an arena.
//! Invariant: quoting is that of Redis: `"..."` knows `\n \r \t \b \a \xHH` and takes any other
//! escaped byte as it is, `'...'` knows `\'` alone, and a closing quote ends its word.

use crate::arguments::ArgumentArena;

/// A quote was not closed, or something stands right behind a closing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

/// Appends the words of `line` to `arena`, as the beginning or the rest of one command.
///
/// # Errors
/// [`UnbalancedQuotes`]; the words before the fault may have been appended.
pub(crate) fn split(line: &[u8], arena: &mut ArgumentArena) -> Result<(), UnbalancedQuotes> {
    let mut word = Vec::new();
    let mut rest = line;
    loop {
        rest = skip_space(rest);
        if rest.is_empty() {
            return Ok(());
        }
        rest = read_word(rest, &mut word)?;
        arena.push_word(&word);
        word.clear();
    }
}

/// Splits a line into owned words by the same rules; for configuration files and command lines.
///
/// # Errors
/// [`UnbalancedQuotes`].
pub fn split_words(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let mut words = Vec::new();
    let mut rest = skip_space(line);
    while !rest.is_empty() {
        let mut word = Vec::new();
        rest = skip_space(read_word(rest, &mut word)?);
        words.push(word);
    }
    Ok(words)
}

/// Reads one word, which begins at the first byte, and returns what follows it.
fn read_word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        match rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t' | b'\0', ..] => return Ok(rest),
            [b'"', quoted @ ..] => return read_double_quoted(quoted, word),
            [b'\'', quoted @ ..] => return read_single_quoted(quoted, word),
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
        }
    }
}

fn read_double_quoted<'a>(
    mut rest: &'a [u8],
    word: &mut Vec<u8>,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (byte, after) = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'"', after @ ..] => return end_of_quotes(after),
            [b'\\', b'x', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex_digit(*high) << 4 | hex_digit(*low), after)
            }
            [b'\\', escaped, after @ ..] => (unescape(*escaped), after),
            [byte, after @ ..] => (*byte, after),
        };
        word.push(byte);
        rest = after;
    }
}

fn read_single_quoted<'a>(
    mut rest: &'a [u8],
    word: &mut Vec<u8>,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (byte, after) = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'\'', after @ ..] => return end_of_quotes(after),
            [b'\\', b'\'', after @ ..] => (b'\'', after),
            [byte, after @ ..] => (*byte, after),
        };
        word.push(byte);
        rest = after;
    }
}

fn end_of_quotes(rest: &[u8]) -> Result<&[u8], UnbalancedQuotes> {
    match rest.first() {
        Some(&byte) if !is_space(byte) && byte != 0 => Err(UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn skip_space(line: &[u8]) -> &[u8] {
    let spaces = line.iter().take_while(|&&byte| is_space(byte) || byte == 0).count();
    &line[spaces..]
}

/// White space of C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        letter => (letter | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_is_that_of_redis() {
        // The words that redis-server 7.0.15 echoes for these lines.
        for (line, expected) in [
            (&b"ECHO a"[..], Some(&[&b"ECHO"[..], b"a"][..])),
            (b"  ECHO \ta\t\x0b\r", Some(&[b"ECHO", b"a"])),
            (b"ECHO a\rb", Some(&[b"ECHO", b"a", b"b"])),
            (b"ECHO a\x0bb", Some(&[b"ECHO", b"a\x0bb"])),
            (br#"ECHO "\x41\n\r\t\b\a\q\"\\\xZZ""#, Some(&[b"ECHO", b"A\n\r\t\x08\x07q\"\\xZZ"])),
            (br"ECHO 'a\'b\n'", Some(&[b"ECHO", br"a'b\n"])),
            (br#"ECHO a"b""#, Some(&[b"ECHO", b"ab"])),
            (br#"ECHO """#, Some(&[b"ECHO", b""])),
            (b"", Some(&[])),
            (b" \r", Some(&[])),
            (br#"ECHO "a"#, None),
            (br#"ECHO "a\"#, None),
            (b"ECHO 'a", None),
            (br#"ECHO "a"b"#, None),
            (b"ECHO 'a'b", None),
            (br#"ECHO a"b c"d"#, None),
            (br#"ECHO "a" "b"#, None),
        ] {
            let words = split_words(line).ok();
            let expected: Option<Vec<Vec<u8>>> =
                expected.map(|words| words.iter().map(|word| word.to_vec()).collect());
            assert_eq!(words, expected, "{:?}", String::from_utf8_lossy(line));
        }
    }
}
