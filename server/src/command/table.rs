//! The command table: every group's rows, and the look-up by name.
//! In: the first words of a command. Out: its `Command`: the `Spec`, its full name and its number.
//! Invariant: a command that is not in its group's rows does not exist.

use std::sync::LazyLock;

use ahash::AHashMap;

use super::spec::{Run, Spec};

/// The groups in the order in which the documentation lists them.
pub const GROUPS: &[&[&Spec]] = &[
    super::connection::COMMANDS,
    super::server::COMMANDS,
    super::generic::COMMANDS,
    super::string::COMMANDS,
    super::list::COMMANDS,
    super::hash::COMMANDS,
    super::set::COMMANDS,
    super::sorted_set::COMMANDS,
    super::pubsub::COMMANDS,
    super::transaction::COMMANDS,
    super::cluster::COMMANDS,
    super::limit::COMMANDS,
];

/// A row of the table, numbered: what dispatch and statistics work with.
pub struct Command {
    /// What the command's file says.
    pub spec: &'static Spec,
    /// Name as COMMAND shows it: `get`, `client|list`.
    pub name: String,
    /// Dense number, for per-core statistics.
    pub number: usize,
    /// The container's subcommands.
    pub subcommands: Vec<Command>,
    /// The container, by number in the table, when this is a subcommand.
    pub container: Option<usize>,
    /// Its time does not grow with the value: others need not be told before it runs.
    pub is_short: bool,
}

/// Longest command name, in bytes: what is longer need not be looked up.
const NAME_BYTES_MAX: usize = 16;

static TABLE: LazyLock<Vec<Command>> = LazyLock::new(|| {
    let mut number = 0;
    let mut next = || {
        number += 1;
        number - 1
    };
    let mut table = Vec::new();
    for spec in GROUPS.iter().flat_map(|group| group.iter().copied()) {
        let own = next();
        let subcommands = match spec.run {
            Run::Subcommands(subcommands) | Run::Container(_, subcommands) => subcommands
                .iter()
                .map(|sub| Command {
                    spec: sub,
                    name: format!("{}|{}", spec.name, sub.name),
                    number: next(),
                    subcommands: Vec::new(),
                    container: Some(own),
                    is_short: is_short(sub),
                })
                .collect(),
            _ => Vec::new(),
        };
        table.push(Command {
            spec,
            name: spec.name.to_string(),
            number: own,
            subcommands,
            container: None,
            is_short: is_short(spec),
        });
    }
    table
});

static BY_NAME: LazyLock<AHashMap<u128, &'static Command>> = LazyLock::new(|| {
    all().map(|command| (packed(command.name.as_bytes()).expect("a short name"), command)).collect()
});

fn is_short(spec: &Spec) -> bool {
    spec.complexity == "O(1)" && matches!(spec.run, Run::Keys(_))
}

/// Every top-level command, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Command> {
    TABLE.iter()
}

/// Every command and subcommand, by number.
pub fn numbered() -> Vec<&'static Command> {
    let mut all: Vec<_> = TABLE
        .iter()
        .flat_map(|command| std::iter::once(command).chain(&command.subcommands))
        .collect();
    all.sort_by_key(|command| command.number);
    all
}

/// A name in lower case as one number, `None` when it is longer than any command's.
#[inline]
fn packed(name: &[u8]) -> Option<u128> {
    let mut bytes = [0; NAME_BYTES_MAX];
    bytes.get_mut(..name.len())?.copy_from_slice(name);
    bytes.make_ascii_lowercase();
    Some(u128::from_le_bytes(bytes))
}

/// The command of this name, whatever its case.
#[inline]
pub fn find(name: &[u8]) -> Option<&'static Command> {
    BY_NAME.get(&packed(name)?).copied()
}

impl Command {
    /// The subcommand of this name, whatever its case.
    pub fn subcommand(&'static self, word: &[u8]) -> Option<&'static Command> {
        self.subcommands.iter().find(|sub| word.eq_ignore_ascii_case(sub.spec.name.as_bytes()))
    }

    /// True when this many words are right for it.
    #[inline]
    pub fn accepts(&self, words: usize) -> bool {
        let arity = self.spec.arity;
        if arity >= 0 { words == arity as usize } else { words >= arity.unsigned_abs() as usize }
    }

    /// True when it carries this flag.
    #[inline]
    pub fn is(&self, flag: u32) -> bool {
        self.spec.flags & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_short_only_if_no_argument_makes_them_long() {
        let is_short = |name: &str| find(name.as_bytes()).expect("a command").is_short;
        for name in ["get", "set", "incr", "hget", "hincrby"] {
            assert!(is_short(name), "{name}");
        }
        for name in ["sadd", "lpush", "hscan", "sscan", "zscan", "lrange", "ping", "exec"] {
            assert!(!is_short(name), "{name}");
        }
    }
}
