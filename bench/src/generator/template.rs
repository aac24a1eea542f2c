//! Job: turn a command with placeholders into pieces, so that encoding a request is copying pieces.
//! In: words as in a shell, with `__key__` and `__data__`. Out: encoded commands.
//! Invariant: whatever a placeholder stands for, the command is one array of bulk strings with right
//! lengths. What is known before the run is a literal by the time of the run.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::resp::push_count;

/// Stands for a key's name.
const KEY: &str = "__key__";
/// Stands for a value.
const DATA: &str = "__data__";
/// Digits at the end of a key's name, as redis-benchmark has them.
pub const KEY_DIGITS: usize = 12;

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Bytes as they are.
    Text(Vec<u8>),
    /// The name of a key.
    Key,
    /// A value.
    Data,
    /// Seconds to live; a word of its own.
    Ttl,
}

/// A command with placeholders; its first word has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    words: Vec<Vec<Part>>,
}

impl Template {
    /// The first word.
    #[must_use]
    pub fn name(&self) -> String {
        match self.words.first().and_then(|word| word.first()) {
            Some(Part::Text(name)) => String::from_utf8_lossy(name).into_owned(),
            _ => String::new(),
        }
    }

    /// Whether the first key is a part of a word: then the name of the key is not the one that is drawn.
    #[must_use]
    pub fn wraps_key(&self) -> bool {
        self.words.iter().find(|word| word.contains(&Part::Key)).is_some_and(|word| word.len() > 1)
    }

    /// The template with another word at its end.
    #[must_use]
    pub fn with(mut self, part: Part) -> Self {
        self.words.push(vec![part]);
        self
    }
}

impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<Vec<Part>> = split(text)?.iter().map(|word| parts(word)).collect();
        match words.first().map(Vec::as_slice) {
            None => Err("an empty command".to_owned()),
            Some([Part::Text(name)]) if !name.is_empty() => {
                Ok(Self { text: text.to_owned(), words })
            }
            Some(_) => Err(format!("\"{text}\" does not begin with the name of a command")),
        }
    }
}

/// Splits at blanks, but for those in quotes or behind a backslash. Double quotes know `\n`, `\r`, `\t`,
/// `\xHH`, `\"` and `\\`; single quotes nothing.
fn split(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (None, b' ' | b'\t' | b'\n') => words.extend(word.take()),
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == byte => quote = None,
            (None | Some(b'"'), b'\\') => {
                let escaped = bytes.next().ok_or_else(|| format!("\"{text}\" ends with \\"))?;
                let word = word.get_or_insert_default();
                match (quote, escaped) {
                    (Some(_), b'n') => word.push(b'\n'),
                    (Some(_), b'r') => word.push(b'\r'),
                    (Some(_), b't') => word.push(b'\t'),
                    (Some(_), b'x') => {
                        let mut digit = || char::from(bytes.next()?).to_digit(16);
                        let digits = digit().zip(digit());
                        let (high, low) = digits.ok_or_else(|| {
                            format!("\\x must be followed by two hexadecimal digits in \"{text}\"")
                        })?;
                        word.push((high * 16 + low) as u8);
                    }
                    (Some(_), b'"' | b'\\') | (None, _) => word.push(escaped),
                    (Some(_), _) => word.extend([b'\\', escaped]),
                }
            }
            _ => word.get_or_insert_default().push(byte),
        }
    }
    if quote.is_some() {
        return Err(format!("a quote is not closed in \"{text}\""));
    }
    words.extend(word);
    Ok(words)
}

/// Finds the placeholders in a word.
fn parts(word: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    let mut rest = word;
    while let Some((&byte, behind)) = rest.split_first() {
        let (part, length) = match rest {
            _ if rest.starts_with(KEY.as_bytes()) => (Part::Key, KEY.len()),
            _ if rest.starts_with(DATA.as_bytes()) => (Part::Data, DATA.len()),
            _ => {
                text.push(byte);
                rest = behind;
                continue;
            }
        };
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        parts.push(part);
        rest = &rest[length..];
    }
    if !text.is_empty() || parts.is_empty() {
        parts.push(Part::Text(text));
    }
    parts
}

/// What is filled in for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The [`KEY_DIGITS`] digits of the request's key.
    FirstKey,
    /// Those of another key.
    OtherKey,
    /// A value of the size that was given.
    Data,
    /// A bulk string with the seconds to live.
    Ttl,
}

#[derive(Clone, Debug)]
enum Piece {
    /// A part of the literals.
    Literal(Range<usize>),
    /// The head of a bulk string of `fixed` bytes and `values` values.
    Head {
        fixed: usize,
        values: usize,
    },
    Gap(Gap),
}

/// A template that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Compiled {
    literals: Vec<u8>,
    pieces: Vec<Piece>,
    has_data: bool,
}

impl Compiled {
    /// Compiles a template for keys with that prefix; `size_bytes` if all values are that long.
    #[must_use]
    pub fn new(template: &Template, prefix: &str, size_bytes: Option<usize>) -> Self {
        let mut compiled = Self { literals: Vec::new(), pieces: Vec::new(), has_data: false };
        let mut key = Gap::FirstKey;
        let mut head = Vec::new();
        push_count(b'*', template.words.len() as u64, &mut head);
        compiled.push_literal(&head);
        for word in &template.words {
            if *word == [Part::Ttl] {
                compiled.pieces.push(Piece::Gap(Gap::Ttl));
                continue;
            }
            compiled.push_head(word, prefix, size_bytes);
            for part in word {
                match part {
                    Part::Text(text) => compiled.push_literal(text),
                    Part::Key => {
                        compiled.push_literal(prefix.as_bytes());
                        compiled.pieces.push(Piece::Gap(key));
                        key = Gap::OtherKey;
                    }
                    Part::Data => {
                        compiled.has_data = true;
                        compiled.pieces.push(Piece::Gap(Gap::Data));
                    }
                    Part::Ttl => {}
                }
            }
            compiled.push_literal(b"\r\n");
        }
        compiled
    }

    fn push_head(&mut self, word: &[Part], prefix: &str, size_bytes: Option<usize>) {
        let length = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Key => prefix.len() + KEY_DIGITS,
            Part::Data | Part::Ttl => 0,
        };
        let fixed: usize = word.iter().map(length).sum();
        let values = word.iter().filter(|part| **part == Part::Data).count();
        match size_bytes {
            None if values > 0 => self.pieces.push(Piece::Head { fixed, values }),
            _ => {
                let mut head = Vec::new();
                let length = fixed + values * size_bytes.unwrap_or(0);
                push_count(b'$', length as u64, &mut head);
                self.push_literal(&head);
            }
        }
    }

    /// Adds bytes, to the last piece if that is a literal as well.
    fn push_literal(&mut self, bytes: &[u8]) {
        let start = self.literals.len();
        self.literals.extend_from_slice(bytes);
        let end = self.literals.len();
        match self.pieces.last_mut() {
            Some(Piece::Literal(range)) => range.end = end,
            _ => self.pieces.push(Piece::Literal(start..end)),
        }
    }

    /// Whether a size must be drawn for it.
    #[must_use]
    pub fn has_data(&self) -> bool {
        self.has_data
    }

    /// Appends the command with values of `size_bytes`; `fill` appends what goes into a gap.
    #[inline]
    pub fn write(
        &self,
        size_bytes: usize,
        output: &mut Vec<u8>,
        mut fill: impl FnMut(Gap, &mut Vec<u8>),
    ) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(range) => output.extend_from_slice(&self.literals[range.clone()]),
                Piece::Head { fixed, values } => {
                    push_count(b'$', (fixed + values * size_bytes) as u64, output);
                }
                Piece::Gap(gap) => fill(*gap, output),
            }
        }
    }
}

/// The last [`KEY_DIGITS`] digits of a number.
#[inline]
#[must_use]
pub fn key_digits(number: u64) -> [u8; KEY_DIGITS] {
    let mut digits = [b'0'; KEY_DIGITS];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, size_bytes: Option<usize>) -> String {
        let compiled = Compiled::new(&text.parse().expect("a template"), "k:", size_bytes);
        let mut output = Vec::new();
        compiled.write(size_bytes.unwrap_or(4), &mut output, |gap, output| match gap {
            Gap::FirstKey => output.extend_from_slice(&key_digits(42)),
            Gap::OtherKey => output.extend_from_slice(&key_digits(43)),
            Gap::Data => output.extend_from_slice(&b"vwxyz"[..size_bytes.unwrap_or(4)]),
            Gap::Ttl => output.extend_from_slice(b"$2\r\n30\r\n"),
        });
        String::from_utf8(output).expect("text").replace("\r\n", "|")
    }

    #[test]
    fn placeholders_are_filled_in_and_counted() {
        assert_eq!(
            written("HSET __key__ 'a b' __data__", None),
            "*4|$4|HSET|$14|k:000000000042|$3|a b|$4|vwxy|"
        );
        assert_eq!(
            written("LPUSH x__key__y -__data__-__data__", Some(5)),
            "*3|$5|LPUSH|$16|xk:000000000042y|$12|-vwxyz-vwxyz|"
        );
        assert_eq!(written("L -__data__-__data__", None), "*2|$1|L|$10|-vwxy-vwxy|");
        assert_eq!(
            written("MGET __key__ __key__", None),
            "*3|$4|MGET|$14|k:000000000042|$14|k:000000000043|"
        );
        assert_eq!(written("PING", None), "*1|$4|PING|");
    }

    #[test]
    fn known_lengths_make_three_literals_of_a_write() {
        let template: Template = "SET __key__ __data__".parse().expect("a template");
        assert_eq!(Compiled::new(&template, "k:", Some(64)).pieces.len(), 5);
        let with_ttl = template.with(Part::Text(b"EX".to_vec())).with(Part::Ttl);
        let mut output = Vec::new();
        Compiled::new(&with_ttl, "k:", Some(0)).write(0, &mut output, |gap, output| {
            if gap == Gap::Ttl {
                output.extend_from_slice(b"$1\r\n9\r\n");
            }
        });
        assert!(output.starts_with(b"*5\r\n") && output.ends_with(b"$2\r\nEX\r\n$1\r\n9\r\n"));
    }

    #[test]
    fn words_are_quoted_as_in_a_shell() {
        let words = |text| {
            split(text).map(|words| {
                words
                    .iter()
                    .map(|word| String::from_utf8_lossy(word).into_owned())
                    .collect::<Vec<_>>()
            })
        };
        let good: [(&str, &[&str]); 6] = [
            ("  a\tb  c ", &["a", "b", "c"]),
            (r#"a 'b "c' "d 'e""#, &["a", "b \"c", "d 'e"]),
            (r#"'' "" x"#, &["", "", "x"]),
            (r#"a\ b a'b'"c""#, &["a b", "abc"]),
            (r#""\x41\n\"\\\q" '\n'"#, &["A\n\"\\\\q", "\\n"]),
            ("", &[]),
        ];
        for (text, expected) in good {
            assert_eq!(words(text).expect(text), expected);
        }
        for bad in ["a 'b", "a \"b", "a\\", "\"\\x4\"", "\"\\xg0\""] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn commands_begin_with_their_name() {
        assert_eq!(Template::from_str("hset __key__").expect("a template").name(), "hset");
        for bad in ["", "  ", "__key__ x", "'' x", "a__data__"] {
            assert!(Template::from_str(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_have_twelve_digits() {
        assert_eq!(&key_digits(0), b"000000000000");
        assert_eq!(&key_digits(1_234_567), b"000001234567");
        assert_eq!(&key_digits(999_999_999_999), b"999999999999");
        assert_eq!(&key_digits(1_000_000_000_007), b"000000000007");
    }
}
