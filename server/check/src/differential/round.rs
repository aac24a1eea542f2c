//! Job: one round of the differential check: which connections send which lines in which order.
//! In: a seed and the number of the round. Out: a [`Round`].
//! Invariant: a round is data; to play it twice, or a part of it, needs no more choices.

use crate::random::Choices;

use super::compare::Rule;
use super::grammar::Line;
use super::table::Row;
use super::words::Words;

/// How often a row takes part in a round. Rounds with few kinds of commands reach further.
const ROW_PERCENT: usize = 45;
/// How often a round lets keys expire, which takes time.
const LAPSE_PERCENT: usize = 15;
/// Longest run of commands in one write.
const PIPELINE_MAX: usize = 40;

/// Thresholds of the encodings: name, default, unusual value.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("hash-max-listpack-entries", "128", "6"),
    ("hash-max-listpack-value", "64", "10"),
    ("set-max-intset-entries", "512", "6"),
    ("zset-max-listpack-entries", "128", "6"),
    ("zset-max-listpack-value", "64", "10"),
    ("list-max-listpack-size", "-2", "4"),
];

/// One command of one connection.
#[derive(Clone, Debug)]
pub struct Step {
    /// Index of the connection.
    pub connection: usize,
    /// The command. A word `@client:1` stands for the id of connection 1.
    pub line: Line,
    /// How the replies are compared.
    pub rule: Rule,
    /// True when it goes out in one write with the step before it, if that has the same connection.
    pub joined: bool,
}

/// A stream of commands for an empty server.
#[derive(Clone, Debug)]
pub struct Round {
    /// Number of connections.
    pub connections: usize,
    /// Whether the connections begin with HELLO 3.
    pub resp3: bool,
    /// Whether commands may block; then nothing is pipelined.
    pub blocking: bool,
    /// Whether keys expire during the round; then nobody counts keys.
    pub lapses: bool,
    /// Directives to set before.
    pub settings: Vec<(&'static str, &'static str)>,
    /// The commands.
    pub steps: Vec<Step>,
}

impl Round {
    /// The round that follows from `choices`, `length` commands long, made of `rows`; `may_block`
    /// allows rounds with commands that block.
    pub fn generate(
        rows: &[Row],
        words: &Words,
        length: usize,
        may_block: bool,
        choices: &mut Choices,
    ) -> Self {
        let blocking = choices.percent(25) && may_block;
        let connections = if blocking { 4 } else { 1 + choices.below(3) };
        let pipeline = if blocking || choices.percent(40) { 1 } else { PIPELINE_MAX };
        let lapses = choices.percent(LAPSE_PERCENT);
        // Redis counts keys whose time is over until they are dropped, and MEMORY USAGE shows them.
        let sees_lapsed =
            |row: &Row| matches!(row.template.name().as_str(), "DBSIZE" | "MEMORY USAGE");
        let fits = |row: &&Row| match row.rule {
            Rule::Lapse => lapses,
            _ => !(lapses && sees_lapsed(row)),
        };
        let takes_part = |_: &&Row| choices.percent(ROW_PERCENT);
        let allowed: Vec<&Row> = rows.iter().filter(fits).filter(takes_part).collect();
        let settings = SETTINGS
            .iter()
            .map(|&(name, usual, odd)| (name, if choices.percent(30) { odd } else { usual }))
            .collect();
        let resp3 = choices.percent(40);
        let steps = Generator { rows: allowed, words, blocking, inside: vec![false; connections] }
            .steps(length, pipeline, choices);
        Self { connections, resp3, blocking, lapses, settings, steps }
    }
}

impl Step {
    /// True for a command that blocks outside MULTI.
    pub fn may_block(&self) -> bool {
        self.line[0].first().is_some_and(|letter| letter.eq_ignore_ascii_case(&b'B'))
    }
}

/// `steps` with a PING in place of each command that would block outside MULTI.
pub fn without_blocking(steps: &[Step], connections: usize) -> Vec<Step> {
    let mut inside = vec![false; connections];
    let mut harmless = steps.to_vec();
    for step in &mut harmless {
        follow_transaction(&step.line, &mut inside[step.connection]);
        if step.may_block() && !inside[step.connection] {
            step.line = vec![b"PING".to_vec()];
        }
    }
    harmless
}

/// Sets whether a connection that sends `line` is between MULTI and EXEC afterwards.
fn follow_transaction(line: &Line, inside: &mut bool) {
    match (line[0].to_ascii_uppercase().as_slice(), line.len()) {
        (b"MULTI", 1) => *inside = true,
        // EXEC with too many words discards the transaction, DISCARD does not.
        (b"EXEC", _) | (b"DISCARD" | b"RESET", 1) => *inside = false,
        _ => {}
    }
}

struct Generator<'a> {
    rows: Vec<&'a Row>,
    words: &'a Words,
    blocking: bool,
    /// For each connection whether it is probably between MULTI and EXEC.
    inside: Vec<bool>,
}

impl<'a> Generator<'a> {
    fn steps(mut self, length: usize, pipeline: usize, choices: &mut Choices) -> Vec<Step> {
        let mut steps = Vec::with_capacity(length);
        while steps.len() < length {
            let connection = choices.below(self.inside.len());
            for position in 0..1 + choices.below(pipeline) {
                let (line, rule) = self.line(connection, choices);
                steps.push(Step { connection, line, rule, joined: position > 0 });
            }
        }
        steps
    }

    fn line(&mut self, connection: usize, choices: &mut Choices) -> (Line, Rule) {
        let inside = self.inside[connection];
        let row = self.row(inside, choices);
        let Some(row) = row else { return (vec![b"PING".to_vec()], Rule::Exact) };
        let mut line = row.template.line(self.words, choices);
        if row.blocking {
            // A time-out that passes would make the replies depend on the clock.
            for word in line.iter_mut().filter(|word| *word == b"1.5") {
                *word = b"0".to_vec();
            }
        }
        if row.rule == Rule::Walk {
            // A valid cursor for Redis, at which each server finds what it likes.
            for word in line.iter_mut().filter(|word| *word == b"-1") {
                *word = b"-x".to_vec();
            }
        }
        if row.rule == Rule::Sample {
            // Redis would answer with as many elements as it is asked for.
            for word in line.iter_mut().filter(|word| word.starts_with(b"-") && word.len() > 3) {
                *word = b"-30".to_vec();
            }
        }
        if matches!(row.template.name().as_str(), "ZRANK" | "ZREVRANK") {
            // Redis 7.2 takes WITHSCORE behind the member, 7.0 takes nothing.
            line.truncate(3);
        }
        if row.template.name() == "HELLO" {
            // Of a line with a wrong word behind the name, 7.0 takes the name nevertheless.
            line.truncate(4);
        }
        if row.template.name() == "COMMAND GETKEYS" && line.len() == 3 {
            // Redis 7.0 wants a word behind the command's name, 7.2 does not.
            line.push(b"word".to_vec());
        }
        follow_transaction(&line, &mut self.inside[connection]);
        // Damage can turn a line into one whose reply is each server's own.
        let rule = match (line[0].to_ascii_uppercase().as_slice(), line.len()) {
            (b"HELLO", _) => Rule::Hello,
            (b"COMMAND", 1) => Rule::Kind,
            _ => row.rule,
        };
        (line, rule)
    }

    fn row(&self, inside: bool, choices: &mut Choices) -> Option<&'a Row> {
        let fits = |row: &&&'a Row| {
            let blocks = row.blocking && !inside && !self.blocking;
            // What SPOP takes inside a transaction cannot be taken from the other server in time,
            // and nothing can be waited for there.
            !(blocks || inside && matches!(row.rule, Rule::Pop | Rule::Lapse))
        };
        let weight = |row: &Row| row.weight * if row.blocking { 3 } else { 1 };
        let total: usize = self.rows.iter().filter(fits).map(|row| weight(row)).sum();
        if total == 0 {
            return None;
        }
        let mut left = choices.below(total);
        self.rows.iter().filter(fits).copied().find(|row| match left.checked_sub(weight(row)) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
    }
}
