//! Directives: the table of all directives, a row each, by theme.
//! In: a name. Out: its row: kind, where the value is kept, when it may change, what is refused.
//! Invariant: a directive that is not in the table does not exist; one that would promise what this
//! server does not do is refused with a line that says what to do instead.

mod clustering;
mod data;
mod general;
mod monitoring;
mod network;
mod persistence;

use std::fmt;
use std::sync::LazyLock;

use ringlet_protocol::inline::split_words;

use super::Config;
use super::value::{Kind, Value};

/// When a directive may change.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// By CONFIG SET at any time.
    Anytime,
    /// Only at the start.
    AtStart,
    /// Only at the start, or with `enable-protected-configs`.
    Protected,
}

/// Where the value of a directive is kept.
#[derive(Copy, Clone)]
pub enum Keep {
    /// In a field of [`Config`].
    Field {
        /// Reads the field.
        get: fn(&Config) -> Value,
        /// Writes a value of the right kind into the field.
        set: fn(&mut Config, &Value) -> Result<(), Refusal>,
    },
    /// Nowhere but in the list of kept values: it changes nothing here. With the default.
    Inert(&'static str),
    /// Nowhere: the first text is the only value that this server can do; the second says, for any
    /// other value, what is missing and what to do.
    Only(&'static str, &'static str),
}

/// Why a directive does not take a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It is none of its values: what is wrong, in Redis's words.
    Invalid(String),
    /// It asks for what this server does not do: what is missing and what to do. In a file it
    /// counts only if no later line takes it back.
    Unsupported(&'static str),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Refusal {
        Refusal::Invalid(reason)
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Refusal {
        Refusal::Invalid(reason.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Invalid(reason) => reason,
            Refusal::Unsupported(reason) => reason,
        })
    }
}

/// A row of the table.
pub struct Directive {
    /// Name in redis.conf.
    pub name: &'static str,
    /// Its older name, if it has one.
    pub alias: Option<&'static str>,
    /// Kind of value.
    pub kind: Kind,
    /// When it may change.
    pub change: Change,
    /// Where its value is kept.
    pub keep: Keep,
    /// Its value must not be shown in logs.
    pub is_secret: bool,
    /// A word that its value may not have, and what is missing and what to do.
    pub refused: Option<(&'static str, &'static str)>,
}

/// A number in a field.
macro_rules! number {
    ($($field:ident).+) => {
        $crate::config::directives::Keep::Field {
            get: |config| $crate::config::value::Value::Number(config.$($field).+ as i64),
            set: |config, value| {
                config.$($field).+ = value.number() as _;
                Ok(())
            },
        }
    };
}

/// A flag in a field.
macro_rules! flag {
    ($field:ident) => {
        $crate::config::directives::Keep::Field {
            get: |config| $crate::config::value::Value::Flag(config.$field),
            set: |config, value| {
                config.$field = value.flag();
                Ok(())
            },
        }
    };
}

/// A text in a field.
macro_rules! text {
    ($field:ident) => {
        $crate::config::directives::Keep::Field {
            get: |config| $crate::config::value::Value::Text(config.$field.clone()),
            set: |config, value| {
                config.$field = value.text().into();
                Ok(())
            },
        }
    };
}

use {flag, number, text};

impl Directive {
    /// A row with a field.
    const fn field(name: &'static str, kind: Kind, change: Change, keep: Keep) -> Directive {
        Directive { name, alias: None, kind, change, keep, is_secret: false, refused: None }
    }

    /// A row whose value is accepted and changes nothing.
    const fn inert(name: &'static str, kind: Kind, default: &'static str) -> Directive {
        Directive::field(name, kind, Change::Anytime, Keep::Inert(default))
    }

    /// A row that takes one value only.
    const fn only(
        name: &'static str,
        kind: Kind,
        value: &'static str,
        otherwise: &'static str,
    ) -> Directive {
        Directive::field(name, kind, Change::Anytime, Keep::Only(value, otherwise))
    }

    /// The row, with an older name.
    const fn or(mut self, alias: &'static str) -> Directive {
        self.alias = Some(alias);
        self
    }

    /// The row, with the rule when it may change.
    const fn set(mut self, change: Change) -> Directive {
        self.change = change;
        self
    }

    /// The row, with a value that logs must not show.
    const fn secret(mut self) -> Directive {
        self.is_secret = true;
        self
    }

    /// The row, with a word that its value may not have; the second text says why and what to do.
    const fn without(mut self, word: &'static str, otherwise: &'static str) -> Directive {
        self.refused = Some((word, otherwise));
        self
    }

    /// The value in force.
    pub fn value(&self, config: &Config) -> Value {
        match self.keep {
            Keep::Field { get, .. } => get(config),
            Keep::Inert(default) => {
                config.inert.get(self.name).cloned().unwrap_or_else(|| self.fixed(default))
            }
            Keep::Only(value, _) => self.fixed(value),
        }
    }

    /// A text of this table as a value.
    fn fixed(&self, text: &str) -> Value {
        self.parse(&self.split(text)).expect("bug: the table has a bad default")
    }

    /// The value as CONFIG GET shows it.
    pub fn text(&self, config: &Config) -> String {
        self.kind.text(&self.value(config))
    }

    /// One text, as CONFIG SET gets it, as the words that a file would have.
    pub fn split(&self, text: &str) -> Vec<String> {
        if self.kind.takes_several_words() {
            text.split(' ').map(Into::into).collect()
        } else {
            vec![text.into()]
        }
    }

    /// A list that a file or an option has as one quoted word: `--bind "127.0.0.1 -::1"`.
    fn split_list(&self, list: &str) -> Result<Vec<String>, Refusal> {
        let words = split_words(list.as_bytes()).map_err(|_| "unbalanced quotes in its list")?;
        let words = words.into_iter().map(String::from_utf8).collect::<Result<_, _>>();
        words.map_err(|_| "the value is not UTF-8".into())
    }

    fn parse(&self, words: &[String]) -> Result<Value, String> {
        self.kind.parse(words)
    }

    /// Sets the value from the words of a file.
    pub fn set_words(&self, config: &mut Config, words: &[String]) -> Result<(), Refusal> {
        let value = match words {
            [list] if self.kind.takes_several_words() && !list.is_empty() => {
                self.parse(&self.split_list(list)?)?
            }
            words => self.parse(words)?,
        };
        let has = |word: &str| match &value {
            Value::Text(text) => text == word,
            Value::Words(words) => words.iter().any(|one| one == word),
            Value::Flag(_) | Value::Number(_) => false,
        };
        if let Some((_, otherwise)) = self.refused.filter(|(word, _)| has(word)) {
            return Err(Refusal::Unsupported(otherwise));
        }
        match self.keep {
            Keep::Field { set, .. } => set(config, &value)?,
            Keep::Inert(_) => {
                config.inert.insert(self.name, value);
            }
            Keep::Only(only, _) if value == self.fixed(only) => {}
            Keep::Only(_, otherwise) => return Err(Refusal::Unsupported(otherwise)),
        }
        Ok(())
    }

    /// The lines that a file needs for the value in force: one for most, several for output limits,
    /// none for a server that follows nobody.
    pub fn file_lines(&self, config: &Config) -> Vec<String> {
        let value = self.value(config);
        match self.name {
            network::OUTPUT_LIMITS => {
                let classes = value.words().chunks(4);
                classes.map(|class| format!("{} {}", self.name, class.join(" "))).collect()
            }
            clustering::REPLICA_OF => Vec::new(),
            _ => vec![format!("{} {}", self.name, self.kind.file_text(&value))],
        }
    }
}

const THEMES: [&[Directive]; 6] = [
    network::DIRECTIVES,
    general::DIRECTIVES,
    data::DIRECTIVES,
    persistence::DIRECTIVES,
    clustering::DIRECTIVES,
    monitoring::DIRECTIVES,
];

/// Every row, by its names in alphabetical order: first of the pair the name or older name.
static BY_NAME: LazyLock<Vec<(&'static str, &'static Directive)>> = LazyLock::new(|| {
    let mut names: Vec<_> = all()
        .flat_map(|row| std::iter::once((row.name, row)).chain(row.alias.map(|alias| (alias, row))))
        .collect();
    names.sort_unstable_by_key(|(name, _)| *name);
    names
});

/// All rows, by theme.
pub fn all() -> impl Iterator<Item = &'static Directive> {
    THEMES.into_iter().flatten()
}

/// All names and older names with their rows, in alphabetical order.
pub fn by_name() -> &'static [(&'static str, &'static Directive)] {
    &BY_NAME
}

/// The row of a name or an older name, whatever its case.
pub fn find(name: &str) -> Option<&'static Directive> {
    let name = name.to_ascii_lowercase();
    let at = BY_NAME.binary_search_by_key(&name.as_str(), |(name, _)| name).ok()?;
    Some(BY_NAME[at].1)
}

/// Lines of redis.conf that are no directives with a value, and why this server refuses them.
pub const REFUSED: [(&str, &str); 4] = [
    (
        "user",
        "ACL users are not supported yet: remove the line, and set requirepass for a password",
    ),
    (
        "rename-command",
        "renaming commands is not supported: remove the line, and keep clients out with bind, \
         requirepass or a firewall",
    ),
    ("loadmodule", "modules cannot be loaded: remove the line"),
    ("sentinel", "Ringlet has no sentinel mode: run redis-sentinel itself for that"),
];

/// Directives of older files that Redis 7 still takes, with one value, and forgets.
pub const FORGOTTEN: [&str; 3] =
    ["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// The known name that is most like a misspelt one, if any is.
pub fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let (distance, nearest) =
        BY_NAME.iter().map(|(known, _)| (distance(&name, known), *known)).min()?;
    (distance <= 1 + name.len() / 4).then_some(nearest)
}

/// Edits (insert, delete, replace one byte) from one word to the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_once_and_defaults_are_values() {
        let config = Config::default();
        assert!(BY_NAME.windows(2).all(|pair| pair[0].0 < pair[1].0), "a name stands there twice");
        for row in all() {
            let text = row.text(&config);
            let mut copy = config.clone();
            // A relative path becomes absolute; following nobody is shown as nothing.
            if ["dir", clustering::REPLICA_OF].contains(&row.name) {
                continue;
            }
            row.set_words(&mut copy, &row.split(&text))
                .unwrap_or_else(|error| panic!("{} {text:?}: {error}", row.name));
            assert_eq!(row.text(&copy), text, "{}", row.name);
        }
    }

    #[test]
    fn misspelt_names_are_recognised() {
        assert_eq!(nearest("prot"), Some("port"));
        assert_eq!(nearest("max-memory"), Some("maxmemory"));
        assert_eq!(nearest("MAXCLIENT"), Some("maxclients"));
        assert_eq!(nearest("completely-different"), None);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
