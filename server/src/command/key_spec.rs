//! Key specifications: where the keys of a command stand among its words, and what it does to them.
//! In: the data in a command's `Spec`, and the words of one call. Out: the index of each key.
//! Invariant: routing, locks and all that `COMMAND` tells about keys read the same data.
//! Source of the vocabulary: <https://redis.io/docs/latest/develop/reference/key-specs/>.

use ringlet_base::number::parse_i64;
use ringlet_protocol::arguments::Arguments;

/// All keys of a command: a specification for each group of keys that it treats alike.
#[derive(Copy, Clone)]
pub struct Keys(pub &'static [KeySpec]);

/// Some keys of a command.
#[derive(Copy, Clone)]
pub struct KeySpec {
    /// Index of the word where the search begins.
    pub begin: usize,
    /// How the keys are found from there.
    pub find: Find,
    /// Bits of [`access`]. `0`: what the command's flags say, so only what is special needs words.
    pub access: u32,
    /// What one call does, where that depends on its other words; `access` is then the most it
    /// does.
    pub access_of: Option<fn(Arguments<'_>) -> u32>,
    /// A remark for the reader of `COMMAND INFO`, or nothing.
    pub notes: &'static str,
}

/// How keys are found from the word where the search begins.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Find {
    /// Every `step`-th word up to `last`, which counts from the beginning of the search, or when it
    /// is negative from the end of the words.
    Range {
        /// The last key.
        last: i32,
        /// From one key to the next.
        step: usize,
    },
    /// The first word says how many keys follow it.
    Count,
}

/// What is done to keys.
pub mod access {
    /// Reads the value, its length, its type, or whether it is there.
    pub const RO: u32 = 1;
    /// Changes the value.
    pub const RW: u32 = 1 << 1;
    /// Puts another value in its place, whatever it was.
    pub const OW: u32 = 1 << 2;
    /// Removes the key.
    pub const RM: u32 = 1 << 3;
    /// The caller gets to know the value, or it goes to another key.
    pub const ACCESS: u32 = 1 << 4;
    /// The value may change.
    pub const UPDATE: u32 = 1 << 5;
    /// Something may be added; nothing that is there changes.
    pub const INSERT: u32 = 1 << 6;
    /// Something may be removed; nothing that stays changes.
    pub const DELETE: u32 = 1 << 7;
    /// It depends on the other words.
    pub const VARIABLE_FLAGS: u32 = 1 << 10;

    /// The names, in Redis's order.
    pub const NAMES: [(u32, &str); 9] = [
        (RO, "RO"),
        (RW, "RW"),
        (OW, "OW"),
        (RM, "RM"),
        (ACCESS, "access"),
        (UPDATE, "update"),
        (INSERT, "insert"),
        (DELETE, "delete"),
        (VARIABLE_FLAGS, "variable_flags"),
    ];
}

impl KeySpec {
    /// One key at this index.
    pub const fn at(begin: usize) -> KeySpec {
        let find = Find::Range { last: 0, step: 1 };
        KeySpec { begin, find, access: 0, access_of: None, notes: "" }
    }

    /// Keys from here to `last` (see [`Find::Range`]).
    pub const fn to(self, last: i32) -> KeySpec {
        self.by(last, 1)
    }

    /// Every `step`-th word from here to `last`.
    pub const fn by(self, last: i32, step: usize) -> KeySpec {
        KeySpec { find: Find::Range { last, step }, ..self }
    }

    /// A count at this index, and that many keys behind it.
    pub const fn counted(begin: usize) -> KeySpec {
        KeySpec { find: Find::Count, ..KeySpec::at(begin) }
    }

    /// The same keys, with what is done to them.
    pub const fn with(self, access: u32) -> KeySpec {
        KeySpec { access, ..self }
    }

    /// The places of the keys, or `None` when a count is no number or larger than the words.
    #[inline]
    fn places(&self, words: Arguments<'_>) -> Option<Places> {
        match self.find {
            Find::Range { last, step } => {
                let end = match usize::try_from(last) {
                    Ok(last) => (self.begin + last + 1).min(words.len()),
                    Err(_) => (words.len() + 1).saturating_sub(last.unsigned_abs() as usize),
                };
                Some(Places { next: self.begin, end, step })
            }
            Find::Count => {
                let next = self.begin + 1;
                let count = usize::try_from(parse_i64(words.get(self.begin)?)?).ok()?;
                let fits = count > 0 && count <= words.len() - next;
                fits.then_some(Places { next, end: next + count, step: 1 })
            }
        }
    }
}

/// The places of keys, in their order.
struct Places {
    next: usize,
    end: usize,
    step: usize,
}

impl Iterator for Places {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let place = self.next;
        self.next += self.step;
        (place < self.end).then_some(place)
    }
}

/// First key, last key and step, as `COMMAND INFO` gives them to clients that know no more.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Legacy {
    /// Index of the first key, or 0.
    pub first: usize,
    /// Index of the last key; negative counts from the end.
    pub last: i32,
    /// From one key to the next.
    pub step: usize,
    /// There are keys that these numbers do not show (`movablekeys`).
    pub is_partial: bool,
}

impl Keys {
    /// There are none.
    pub const NONE: Keys = Keys(&[]);
    /// One key, at index 1.
    pub const FIRST: Keys = Keys(&[KeySpec::at(1)]);
    /// Every word from index 1 on.
    pub const ALL: Keys = Keys(&[KeySpec::at(1).to(-1)]);

    /// True when there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The index of the key when there is always exactly one.
    #[inline]
    pub fn single(self) -> Option<usize> {
        match self.0 {
            [KeySpec { begin, find: Find::Range { last: 0, .. }, .. }] => Some(*begin),
            _ => None,
        }
    }

    /// Calls `f` with the index of each key. A count that is no number or too large gives no keys:
    /// the command then runs anywhere and says itself what is wrong.
    #[inline]
    pub fn for_each(self, words: Arguments<'_>, f: impl FnMut(usize)) {
        self.0.iter().filter_map(|spec| spec.places(words)).flatten().for_each(f);
    }

    /// The index of each key with its specification, or `None` when the words do not fit.
    pub fn find(self, words: Arguments<'_>) -> Option<Vec<(usize, &'static KeySpec)>> {
        let mut found = Vec::new();
        for spec in self.0 {
            found.extend(spec.places(words)?.map(|place| (place, spec)));
        }
        Some(found)
    }

    /// False when the words do not come in whole steps (MSET a 1 b): such a command cannot be
    /// split.
    pub fn is_whole(self, words: usize) -> bool {
        self.0.iter().all(|spec| match spec.find {
            Find::Range { step, .. } => words.saturating_sub(spec.begin) % step == 0,
            Find::Count => true,
        })
    }

    /// The words from one key to the next, when each owns them: what [`super::spec::Run::Parts`]
    /// can split.
    pub fn step(self) -> usize {
        match self.0 {
            [KeySpec { find: Find::Range { step, .. }, .. }] => *step,
            _ => 1,
        }
    }

    /// What an old client gets to know: ranges that follow each other count as one, and what is
    /// found otherwise is left out.
    pub fn legacy(self) -> Legacy {
        let mut shown = Legacy::default();
        for spec in self.0 {
            let follows = shown.step == 0 || shown.step == 1 && shown.last + 1 == spec.begin as i32;
            match spec.find {
                Find::Range { last, step } if follows && (shown.step == 0 || step == 1) => {
                    if shown.step == 0 {
                        shown.first = spec.begin;
                    }
                    shown.last = if last < 0 { last } else { spec.begin as i32 + last };
                    shown.step = step;
                }
                _ => shown.is_partial = true,
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::arguments::ArgumentArena;

    use super::*;

    fn places(keys: Keys, line: &str) -> Vec<usize> {
        let mut arena = ArgumentArena::new();
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let range = arena.push_words(&words);
        let mut places = Vec::new();
        keys.for_each(arena.get(range), |place| places.push(place));
        places
    }

    const DESTINATION_AND_COUNTED: Keys = Keys(&[KeySpec::at(1), KeySpec::counted(2)]);

    #[test]
    fn keys_are_found_where_the_data_says() {
        const PAIRS: Keys = Keys(&[KeySpec::at(1).by(-1, 2)]);
        const BEFORE_TIMEOUT: Keys = Keys(&[KeySpec::at(1).to(-2)]);
        const COUNTED: Keys = Keys(&[KeySpec::counted(1)]);
        let cases: [(Keys, &str, &[usize]); 13] = [
            (Keys::NONE, "PING a", &[]),
            (Keys::FIRST, "GET a", &[1]),
            (Keys::FIRST, "SET a b", &[1]),
            (Keys::FIRST, "GET", &[]),
            (Keys::ALL, "DEL a b c", &[1, 2, 3]),
            (PAIRS, "MSET a 1 b 2", &[1, 3]),
            (PAIRS, "MSET a 1 b", &[1, 3]),
            (BEFORE_TIMEOUT, "BLPOP a b 0", &[1, 2]),
            (BEFORE_TIMEOUT, "BLPOP", &[]),
            (COUNTED, "ZUNION 2 a b WITHSCORES", &[2, 3]),
            (COUNTED, "ZUNION 3 a b", &[]),
            (COUNTED, "ZUNION", &[]),
            (DESTINATION_AND_COUNTED, "ZUNIONSTORE to -1 a b", &[1]),
        ];
        for (keys, line, expected) in cases {
            assert_eq!(places(keys, line), expected, "{line}");
        }
    }

    #[test]
    fn old_clients_see_ranges_that_follow_each_other_as_one() {
        const APART: Keys = Keys(&[KeySpec::at(1), KeySpec::at(3)]);
        const TWO: Keys = Keys(&[KeySpec::at(1), KeySpec::at(2)]);
        const FROM_SECOND: Keys = Keys(&[KeySpec::at(1), KeySpec::at(2).to(-1)]);
        const COUNTED: Keys = Keys(&[KeySpec::counted(1)]);
        let cases = [
            (Keys::NONE, (0, 0, 0, false)),
            (Keys::ALL, (1, -1, 1, false)),
            (TWO, (1, 2, 1, false)),
            (FROM_SECOND, (1, -1, 1, false)),
            (APART, (1, 1, 1, true)),
            (COUNTED, (0, 0, 0, true)),
            (DESTINATION_AND_COUNTED, (1, 1, 1, true)),
        ];
        for (number, (keys, (first, last, step, is_partial))) in cases.into_iter().enumerate() {
            let expected = Legacy { first, last, step, is_partial };
            assert_eq!(keys.legacy(), expected, "case {number}");
        }
    }
}
