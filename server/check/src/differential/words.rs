//! Job: the words that fill the places of the templates: keys, values, numbers, options.
//! In: the name of a place and seeded choices. Out: words appended to a command line.
//! Invariant: few keys of each type, so that commands meet each other's data; no time that passes
//! while a check runs.

use crate::random::Choices;

use super::grammar::Line;

/// How often a place takes a key made for another type.
const STRANGE_KEY_PERCENT: usize = 6;
/// How often a number is no number, or one at the edge of its range.
const STRANGE_NUMBER_PERCENT: usize = 5;

const KEYS_PER_TYPE: usize = 4;
const TYPES: &[&str] = &["string", "counter", "list", "hash", "set", "sorted", "none"];
/// Sorted sets whose scores are all equal: what ranges by name do to others is left open.
const LEXICAL: &str = "lexical";

const NUMBERS: &[&str] = &[
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-9223372036854775809",
    "4294967296",
    "2147483648",
    "-2147483649",
    "abc",
    "",
    "+5",
    " 5",
    "5 ",
    "05",
    "1.5",
    "1e3",
    "-0",
    "0",
    "0x10",
    "18446744073709551615",
];

const FLOATS: &[&str] = &[
    "1", "-1", "0.5", "-0.25", "2.75", "10", "3.0", "1e3", "-1.5e2", "0", "-0", "100000", "1e10",
    "0.125", "5.0e-1", "7",
];

const STRANGE_FLOATS: &[&str] = &[
    "inf",
    "-inf",
    "+inf",
    "Infinity",
    "nan",
    "abc",
    "",
    " 1",
    "1 ",
    "1e400",
    "1e308",
    "-1e308",
    "0x1p3",
    "1e-400",
    "1,5",
    "9007199254740993",
    "12345678901234567890",
    "0.1",
    "3.14159",
    "1e17",
    "1e-5",
];

const PATTERNS: &[&str] = &[
    "*", "?", "s*", "*:1", "[sl]*", "[^s]*", "h?sh:*", "*[0-9]", "\\*", "*[a-", "**", "", "f1*",
    "m?", "[a-c]*", "*:[13]", "nothing", "member-2", "[z-a]*", "*\\",
];

/// Makes words.
#[derive(Clone, Debug)]
pub struct Words {
    now_ms: i64,
}

impl Words {
    /// `now_ms` is the Unix time from which absolute expire times are counted.
    pub fn new(now_ms: i64) -> Self {
        Self { now_ms }
    }

    /// Appends what the place `name` stands for.
    ///
    /// # Panics
    /// When no place has this name: the table is part of the program.
    pub fn append(&self, name: &str, choices: &mut Choices, line: &mut Line) {
        if TYPES.contains(&name) || name == LEXICAL {
            line.push(key(name, choices));
            return;
        }
        let word = match name {
            "any" => {
                let kind = *choices.pick(TYPES);
                key(kind, choices)
            }
            "value" => value(choices),
            "text" => letters(choices, 24),
            "field" => field(choices),
            "member" => member(choices),
            "integer" => integer(choices, -20, 40),
            "index" => integer(choices, -6, 8),
            "offset" => integer(choices, 0, 60),
            "count" => integer(choices, -3, 8),
            // Redis 7.2 refuses the smallest number, 7.0 takes it for one that has an opposite.
            "rank" => match integer(choices, -3, 8) {
                word if word == b"-9223372036854775808" => b"-9223372036854775807".to_vec(),
                word => word,
            },
            "amount" => integer(choices, 1, 6),
            "float" | "score" => float(choices),
            "seconds" => integer(choices, 5_000, 90_000),
            "milliseconds" => integer(choices, 5_000_000, 90_000_000),
            "expire" => self.expire(choices, 1_000),
            "pexpire" => self.expire(choices, 1),
            "at" => self.later(choices, 1_000),
            "pat" => self.later(choices, 1),
            "when" => self.sometime(choices, 1_000),
            "pwhen" => self.sometime(choices, 1),
            "low" => edge(choices, "-inf", -6),
            "high" => edge(choices, "+inf", 2),
            "from" => lexical_edge(choices, "-"),
            "to" => lexical_edge(choices, "+"),
            "pattern" => choices.pick(PATTERNS).as_bytes().to_vec(),
            "database" => database(choices),
            "client" => format!("@client:{}", choices.below(4)).into_bytes(),
            "channel" => format!("channel:{}", choices.below(3)).into_bytes(),
            "name" => choices.pick(&["one", "two", "", "with space", "\n"]).as_bytes().to_vec(),
            "junk" => choices
                .pick(&["junk", "", "0", "-1", "1.5", "NX", "string:1", "list:1", "COUNT", "\r\n"])
                .as_bytes()
                .to_vec(),
            "lists" => return counted("list", choices, line),
            "sets" => return counted("set", choices, line),
            "sorteds" => return counted("sorted", choices, line),
            "weighted" => return weighted(choices, line),
            "many-members" => {
                return many(choices, line, |number| vec![format!("member-{number}")]);
            }
            "many-integers" => return many(choices, line, |number| vec![number.to_string()]),
            "many-fields" => {
                return many(choices, line, |number| vec![format!("field-{number}"), "v".into()]);
            }
            "many-scores" => {
                return many(choices, line, |number| {
                    vec![(number / 3).to_string(), format!("member-{number}")]
                });
            }
            _ => panic!("no place is called {name}"),
        };
        line.push(word);
    }

    /// A relative time: far away, or gone already, or impossible.
    fn expire(&self, choices: &mut Choices, unit_ms: i64) -> Vec<u8> {
        if choices.percent(8) {
            return number(choices.pick(&[0, -1, -100, i64::MAX, i64::MIN, i64::MAX / 1000]));
        }
        number(&((5_000_000 + choices.below(90_000_000) as i64) / unit_ms))
    }

    /// An absolute time that is far away or impossible, never one in the past.
    fn later(&self, choices: &mut Choices, unit_ms: i64) -> Vec<u8> {
        if choices.percent(4) {
            return number(choices.pick(&[0, -1, i64::MAX, i64::MIN]));
        }
        number(&((self.now_ms + 5_000_000 + choices.below(90_000_000) as i64) / unit_ms))
    }

    fn sometime(&self, choices: &mut Choices, unit_ms: i64) -> Vec<u8> {
        match choices.percent(6) {
            true => number(choices.pick(&[1, 0, -1, 1_000_000, i64::MAX, i64::MIN])),
            false => self.later(choices, unit_ms),
        }
    }
}

fn number(value: &i64) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn key(kind: &str, choices: &mut Choices) -> Vec<u8> {
    let strange = *choices.pick(TYPES);
    let kind = match choices.percent(STRANGE_KEY_PERCENT) {
        true if kind != LEXICAL => strange,
        _ => kind,
    };
    // Half of the keys share a hash tag, so that all distances between keys occur.
    match choices.below(2 * KEYS_PER_TYPE) {
        near if near < KEYS_PER_TYPE => format!("{{tag}}{kind}:{near}").into_bytes(),
        far => format!("{kind}:{far}").into_bytes(),
    }
}

fn letters(choices: &mut Choices, length_max: usize) -> Vec<u8> {
    (0..choices.below(length_max + 1)).map(|_| *choices.pick(b"abcd")).collect()
}

fn value(choices: &mut Choices) -> Vec<u8> {
    match choices.below(20) {
        0..5 => letters(choices, 8),
        5..9 => integer(choices, -20, 100),
        9..11 => float(choices),
        11 => b"hello world".to_vec(),
        12 => vec![b'x'; *choices.pick(&[19, 20, 21, 43, 44, 45, 63, 64, 65])],
        13 => (0..choices.below(30)).map(|_| choices.below(256) as u8).collect(),
        14 => letters(choices, 300),
        15 if choices.percent(20) => vec![b'L'; 1000 + choices.below(20_000)],
        16 => b"a\r\nb\0c".to_vec(),
        17 => choices.pick(NUMBERS).as_bytes().to_vec(),
        _ => choices.pick(&["a", "b", "c", "", "foo", "bar"]).as_bytes().to_vec(),
    }
}

fn field(choices: &mut Choices) -> Vec<u8> {
    match choices.below(20) {
        0 => value(choices),
        1 => vec![b'f'; *choices.pick(&[63, 64, 65])],
        _ => format!("f{}", choices.below(12)).into_bytes(),
    }
}

fn member(choices: &mut Choices) -> Vec<u8> {
    match choices.below(20) {
        0 => value(choices),
        1 => vec![b'm'; *choices.pick(&[63, 64, 65])],
        2..9 => choices.below(12).to_string().into_bytes(),
        9 => {
            choices.pick(&["32767", "32768", "-32769", "2147483648", "01", "-0"]).as_bytes().into()
        }
        _ => format!("m{}", choices.below(12)).into_bytes(),
    }
}

fn integer(choices: &mut Choices, low: i64, high: i64) -> Vec<u8> {
    if choices.percent(STRANGE_NUMBER_PERCENT) {
        return choices.pick(NUMBERS).as_bytes().to_vec();
    }
    number(&(low + choices.below((high - low + 1) as usize) as i64))
}

fn float(choices: &mut Choices) -> Vec<u8> {
    if choices.percent(STRANGE_NUMBER_PERCENT) {
        return choices.pick(STRANGE_FLOATS).as_bytes().to_vec();
    }
    match choices.percent(60) {
        true => choices.pick(FLOATS).as_bytes().to_vec(),
        false => integer(choices, -5, 12),
    }
}

/// A bound of a range of scores.
fn edge(choices: &mut Choices, infinite: &str, low: i64) -> Vec<u8> {
    let mut word = match choices.percent(20) {
        true => infinite.as_bytes().to_vec(),
        false => integer(choices, low, low + 12),
    };
    if choices.percent(25) {
        word.insert(0, b'(');
    }
    word
}

fn lexical_edge(choices: &mut Choices, infinite: &str) -> Vec<u8> {
    match choices.below(10) {
        0..3 => infinite.as_bytes().to_vec(),
        3..6 => [b"[".to_vec(), member(choices)].concat(),
        6..9 => [b"(".to_vec(), member(choices)].concat(),
        _ => choices.pick(&["", "a", "[", "(", "+", "-", "-inf"]).as_bytes().to_vec(),
    }
}

fn database(choices: &mut Choices) -> Vec<u8> {
    match choices.below(20) {
        0 => choices.pick(&["16", "-1", "x", "15", "99999999999", ""]).as_bytes().to_vec(),
        other => ((other % 4) * usize::from(other < 12)).to_string().into_bytes(),
    }
}

/// A number of keys and the keys; now and then the number is wrong.
fn counted(kind: &str, choices: &mut Choices, line: &mut Line) {
    let count = 1 + choices.below(3);
    let said = match choices.below(30) {
        0 => choices.pick(NUMBERS).to_string(),
        1 => (count + 1).to_string(),
        2 => (count - 1).to_string(),
        _ => count.to_string(),
    };
    line.push(said.into_bytes());
    line.extend((0..count).map(|_| key(kind, choices)));
}

/// The inputs of a union or intersection, sets among the sorted sets, with weights.
fn weighted(choices: &mut Choices, line: &mut Line) {
    let kind = if choices.percent(15) { "set" } else { "sorted" };
    let start = line.len();
    counted(kind, choices, line);
    let keys = line.len() - start - 1;
    if choices.percent(40) {
        line.push(b"WEIGHTS".to_vec());
        let weights = keys + usize::from(choices.percent(3));
        line.extend((0..weights).map(|_| float(choices)));
    }
    if choices.percent(40) {
        line.push(b"AGGREGATE".to_vec());
        line.push(choices.pick(&["SUM", "MIN", "MAX", "sum", "AVG"]).as_bytes().to_vec());
    }
}

/// So many words that a compact encoding gives way.
fn many(choices: &mut Choices, line: &mut Line, each: fn(usize) -> Vec<String>) {
    let count = *choices.pick(&[5, 60, 127, 128, 129, 200, 511, 512, 513, 600]);
    let first = choices.below(40);
    let words = (first..first + count).flat_map(each);
    line.extend(words.map(String::into_bytes));
}
