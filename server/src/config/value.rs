//! Value: the kinds of values that directives have, and their text forms.
//! In: the words behind a directive's name. Out: a typed value, or Redis's words for what is wrong.
//! Invariant: what `Kind::text` prints, `Kind::parse` reads back as the same value.

/// The value of a directive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// `yes` or `no`.
    Flag(bool),
    /// A number, in the unit of the directive.
    Number(i64),
    /// Anything else that is one word.
    Text(String),
    /// Several words.
    Words(Vec<String>),
}

/// What kind of value a directive has.
#[derive(Copy, Clone, Debug)]
pub enum Kind {
    /// `yes` or `no`.
    Flag,
    /// An integer from the first number to the second.
    Number(i64, i64),
    /// Bytes from the first number to the second, with a unit such as `kb` if the user likes.
    Memory(i64, i64),
    /// File permissions in octal.
    Permissions,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Some of these words.
    Choices(&'static [&'static str]),
    /// Any text.
    Text,
    /// Any number of words.
    Words,
    /// So many integers, in this range; its error is that of `oom-score-adj-values`.
    Numbers(usize, i64, i64),
    /// Percentages with fractions; its error is that of `latency-tracking-info-percentiles`.
    Percentages,
}

impl Value {
    /// The flag. Panics when the value is of another kind, which the directive's kind rules out.
    pub fn flag(&self) -> bool {
        match self {
            Value::Flag(flag) => *flag,
            other => panic!("bug: {other:?} is no flag"),
        }
    }

    /// The number. Panics as [`Value::flag`].
    pub fn number(&self) -> i64 {
        match self {
            Value::Number(number) => *number,
            other => panic!("bug: {other:?} is no number"),
        }
    }

    /// The text. Panics as [`Value::flag`].
    pub fn text(&self) -> &str {
        match self {
            Value::Text(text) => text,
            other => panic!("bug: {other:?} is no text"),
        }
    }

    /// The words. Panics as [`Value::flag`].
    pub fn words(&self) -> &[String] {
        match self {
            Value::Words(words) => words,
            other => panic!("bug: {other:?} is no list of words"),
        }
    }
}

impl Kind {
    /// Whether the value may be several words in a file, or one text with blanks in CONFIG SET.
    pub fn takes_several_words(self) -> bool {
        matches!(self, Kind::Words | Kind::Choices(_) | Kind::Numbers(..) | Kind::Percentages)
    }

    /// Reads the words behind the directive's name. Errors are sentences in Redis's words.
    pub fn parse(self, words: &[String]) -> Result<Value, String> {
        match self {
            Kind::Words => Ok(Value::Words(without_single_empty(words))),
            Kind::Choices(choices) => {
                let word = words.iter().find(|word| position(choices, word).is_none());
                if words.is_empty() || word.is_some() {
                    return Err(must_be_one_of(choices));
                }
                Ok(Value::Words(words.iter().map(|word| word.to_lowercase()).collect()))
            }
            Kind::Numbers(count, min, max) => {
                if words.len() != count {
                    return Err("wrong number of arguments".into());
                }
                if words.iter().any(|word| number(word, min, max).is_err()) {
                    return Err(format!(
                        "Invalid oom-score-adj-values, elements must be between {min} and {max}."
                    ));
                }
                Ok(Value::Words(words.to_vec()))
            }
            Kind::Percentages => {
                let words = without_single_empty(words);
                let is_percentage =
                    |word: &String| word.parse().is_ok_and(|p: f64| (0.0..=100.0).contains(&p));
                if !words.iter().all(is_percentage) {
                    return Err("latency-tracking-info-percentiles parameters should sit between \
                                [0.0,100.0]"
                        .into());
                }
                Ok(Value::Words(words))
            }
            single => match words {
                [word] => single.parse_word(word),
                _ => Err("wrong number of arguments".into()),
            },
        }
    }

    fn parse_word(self, word: &str) -> Result<Value, String> {
        match self {
            Kind::Flag => match word.to_ascii_lowercase().as_str() {
                "yes" => Ok(Value::Flag(true)),
                "no" => Ok(Value::Flag(false)),
                _ => Err("argument must be 'yes' or 'no'".into()),
            },
            Kind::Number(min, max) => number(word, min, max).map(Value::Number),
            Kind::Memory(min, max) => {
                let bytes = parse_memory(word).ok_or("argument must be a memory value")?;
                between(bytes, min, max).map(Value::Number)
            }
            Kind::Permissions => i64::from_str_radix(word, 8)
                .ok()
                .filter(|mode| (0..=0o777).contains(mode))
                .map(Value::Number)
                .ok_or_else(|| "argument couldn't be parsed as an octal number".into()),
            Kind::Choice(choices) => match position(choices, word) {
                Some(at) => Ok(Value::Text(choices[at].into())),
                None => Err(must_be_one_of(choices)),
            },
            Kind::Text => Ok(Value::Text(word.into())),
            Kind::Words | Kind::Choices(_) | Kind::Numbers(..) | Kind::Percentages => {
                unreachable!("bug: {self:?} has several words")
            }
        }
    }

    /// The text of a value, as CONFIG GET shows it.
    pub fn text(self, value: &Value) -> String {
        match value {
            Value::Flag(flag) => if *flag { "yes" } else { "no" }.into(),
            Value::Number(number) if matches!(self, Kind::Permissions) => format!("{number:o}"),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            Value::Words(words) => words.join(" "),
        }
    }

    /// The value as it stands in a file: quoted where it must be, memory with a unit.
    pub fn file_text(self, value: &Value) -> String {
        match value {
            Value::Number(bytes) if matches!(self, Kind::Memory(..)) => format_memory(*bytes),
            Value::Text(text) => quoted(text),
            Value::Words(words) if words.is_empty() => "\"\"".into(),
            Value::Words(words) => {
                words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
            }
            other => self.text(other),
        }
    }
}

/// `save ""` and the like mean no words at all.
fn without_single_empty(words: &[String]) -> Vec<String> {
    if words.len() == 1 && words[0].is_empty() { Vec::new() } else { words.to_vec() }
}

fn position(choices: &[&str], word: &str) -> Option<usize> {
    choices.iter().position(|choice| choice.eq_ignore_ascii_case(word))
}

fn must_be_one_of(choices: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", choices.join(", "))
}

fn number(word: &str, min: i64, max: i64) -> Result<i64, String> {
    let number = ringlet_base::number::parse_i64(word.as_bytes())
        .ok_or("argument couldn't be parsed into an integer")?;
    between(number, min, max)
}

fn between(number: i64, min: i64, max: i64) -> Result<i64, String> {
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("argument must be between {min} and {max} inclusive"))
    }
}

/// Units in bytes: those that end in `b` are powers of 1024, the others of 1000, as in Redis.
const UNITS: [(&str, i64); 8] = [
    ("", 1),
    ("b", 1),
    ("k", 1000),
    ("kb", 1 << 10),
    ("m", 1000 * 1000),
    ("mb", 1 << 20),
    ("g", 1000 * 1000 * 1000),
    ("gb", 1 << 30),
];

/// Reads `1gb`, `512`, `64MB`; `None` when it is nothing like it or too large.
pub fn parse_memory(word: &str) -> Option<i64> {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = word.split_at(digits);
    let factor = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1;
    number.parse::<i64>().ok()?.checked_mul(factor)
}

/// Writes bytes in the largest unit that fits without a rest.
pub fn format_memory(bytes: i64) -> String {
    for (unit, factor) in [("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)] {
        if bytes != 0 && bytes % factor == 0 {
            return format!("{}{unit}", bytes / factor);
        }
    }
    bytes.to_string()
}

/// Writes a word so that a configuration file gives it back: in quotes unless it is plain.
pub fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,*{}%@+=".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.into();
    }
    let mut text = String::from("\"");
    for character in word.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            character if character.is_ascii_control() => {
                text.push_str(&format!("\\x{:02x}", u32::from(character)));
            }
            character => text.push(character),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: Kind, text: &str) -> Result<Value, String> {
        let words: Vec<String> = text.split(' ').map(Into::into).collect();
        kind.parse(&words)
    }

    #[test]
    fn memory_has_units() {
        let cases = [
            ("0", Some(0)),
            ("1k", Some(1000)),
            ("1Kb", Some(1024)),
            ("64mb", Some(64 << 20)),
            ("2G", Some(2_000_000_000)),
            ("2gb", Some(2 << 30)),
            ("7b", Some(7)),
            ("", None),
            ("kb", None),
            ("-1", None),
            ("1.5gb", None),
            ("1tb", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("9000000000gb", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_memory(text), expected, "{text}");
        }
        for bytes in [0, 1, 1000, 1024, 3 << 20, 5 << 30, i64::MAX] {
            assert_eq!(parse_memory(&format_memory(bytes)), Some(bytes));
        }
        assert_eq!(format_memory(64 << 20), "64mb");
    }

    #[test]
    fn values_are_checked_in_redis_words() {
        let error = |kind, text| parse(kind, text).expect_err(text);
        assert_eq!(error(Kind::Flag, "maybe"), "argument must be 'yes' or 'no'");
        assert_eq!(
            error(Kind::Number(0, 65535), "99999"),
            "argument must be between 0 and 65535 inclusive"
        );
        assert_eq!(error(Kind::Number(0, 9), "1.5"), "argument couldn't be parsed into an integer");
        assert_eq!(error(Kind::Memory(0, 9), "1zb"), "argument must be a memory value");
        assert_eq!(
            error(Kind::Permissions, "999"),
            "argument couldn't be parsed as an octal number"
        );
        assert_eq!(
            error(Kind::Choice(&["a", "b"]), "c"),
            "argument(s) must be one of the following: a, b"
        );
        assert_eq!(error(Kind::Flag, "yes no"), "wrong number of arguments");
        assert!(parse(Kind::Percentages, "1 200").is_err());
        assert!(parse(Kind::Numbers(3, 0, 9), "1 2").is_err());
    }

    #[test]
    fn texts_are_read_back() {
        let cases = [
            (Kind::Flag, "yes"),
            (Kind::Number(-5, 5), "-3"),
            (Kind::Memory(0, 1 << 40), "1024"),
            (Kind::Permissions, "700"),
            (Kind::Choice(&["everysec"]), "everysec"),
            (Kind::Words, "127.0.0.1 -::1"),
            (Kind::Numbers(3, -9, 999), "0 200 800"),
            (Kind::Percentages, "50 99 99.9"),
        ];
        for (kind, text) in cases {
            let value = parse(kind, text).expect(text);
            assert_eq!(kind.text(&value), text);
        }
        assert_eq!(parse(Kind::Words, ""), Ok(Value::Words(Vec::new())));
    }

    #[test]
    fn quoted_words_survive_a_file() {
        for word in ["", "plain", "with blank", "qu\"ote", "back\\slash", "tab\t\n\r\u{1}", "ü"] {
            let line = quoted(word);
            let words = ringlet_protocol::inline::split_words(line.as_bytes()).expect(word);
            assert_eq!(words, [word.as_bytes()], "{line}");
        }
    }
}
