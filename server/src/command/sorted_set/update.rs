//! Job: ZADD and ZINCRBY: add members and change scores under conditions.
//! In: the words from the options on.
//! Out: the changed sorted set; how many members are new or changed, or the new score.
//! Invariant: all words are checked before anything changes; no score becomes NaN; a sorted set
//! that is made gets at least one member.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::{Limits, SortedSet};

use crate::command::spec::{CommandError, CommandResult, float, is_word};
use crate::shard::context::Context;

/// When a score may change, and what the command replies.
#[derive(Copy, Clone, Default, PartialEq, Eq, Debug)]
struct Options {
    /// NX: only add members.
    only_new: bool,
    /// XX: only change members.
    only_existing: bool,
    /// GT: only raise scores.
    only_greater: bool,
    /// LT: only lower scores.
    only_less: bool,
    /// CH: count changed members, too.
    count_changed: bool,
    /// INCR: the score is added to the old one, and the reply is the sum.
    increment: bool,
}

impl Options {
    /// Reads options as long as there are any; returns how many words they were.
    fn parse(words: Arguments<'_>, increment: bool) -> (Options, usize) {
        let mut options = Options { increment, ..Options::default() };
        for (index, word) in words.iter().enumerate() {
            let option = if is_word(word, "NX") {
                &mut options.only_new
            } else if is_word(word, "XX") {
                &mut options.only_existing
            } else if is_word(word, "GT") {
                &mut options.only_greater
            } else if is_word(word, "LT") {
                &mut options.only_less
            } else if is_word(word, "CH") {
                &mut options.count_changed
            } else if is_word(word, "INCR") {
                &mut options.increment
            } else {
                return (options, index);
            };
            *option = true;
        }
        (options, words.len())
    }

    /// Refuses what makes no sense for `pairs` pairs of score and member.
    fn check(&self, pairs: usize) -> Result<(), CommandError> {
        if self.only_new && self.only_existing {
            return Err(CommandError::new(
                "ERR XX and NX options at the same time are not compatible",
            ));
        }
        if u8::from(self.only_new) + u8::from(self.only_greater) + u8::from(self.only_less) > 1 {
            return Err(CommandError::new(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if self.increment && pairs > 1 {
            return Err(CommandError::new(
                "ERR INCR option supports a single increment-element pair",
            ));
        }
        Ok(())
    }

    /// True when a new score always replaces the old one.
    fn is_plain(&self) -> bool {
        !(self.only_new
            || self.only_existing
            || self.only_greater
            || self.only_less
            || self.increment)
    }
}

/// What became of one member.
#[derive(Copy, Clone, PartialEq, Debug)]
enum Outcome {
    /// The conditions forbade the change.
    Refused,
    /// It is new, with this score.
    Added(f64),
    /// It has another score now.
    Changed(f64),
    /// It had this score before.
    Same(f64),
}

impl Outcome {
    fn compare(old: f64, score: f64) -> Outcome {
        if old == score { Outcome::Same(score) } else { Outcome::Changed(score) }
    }
}

/// ZADD, and with `increment` ZINCRBY (which in Redis reads the same options).
pub fn add_reply(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    increment: bool,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let key = &words[1];
    let (options, read) = Options::parse(words.from(2), increment);
    let pairs = words.from(2 + read);
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(CommandError::SYNTAX);
    }
    options.check(pairs.len() / 2)?;
    let scores = pairs.iter().step_by(2).map(float).collect::<Result<Vec<f64>, CommandError>>()?;

    let limits = context.limits();
    let set = if options.only_existing {
        context.get_mut::<SortedSet>(key)?
    } else {
        Some(context.get_or_create::<SortedSet>(key)?)
    };
    let (mut added, mut changed, mut last) = (0, 0, Outcome::Refused);
    if let Some(set) = set {
        set.prepare(scores.len(), pairs[1].len(), &limits);
        for (member, score) in pairs.iter().skip(1).step_by(2).zip(scores) {
            last = apply(set, member, score, &options, &limits)?;
            added += i64::from(matches!(last, Outcome::Added(_)));
            changed += i64::from(matches!(last, Outcome::Changed(_)));
        }
        if added + changed > 0 {
            context.changed(key);
        }
    }
    match last {
        _ if !options.increment && options.count_changed => reply.integer(added + changed),
        _ if !options.increment => reply.integer(added),
        Outcome::Added(score) | Outcome::Changed(score) | Outcome::Same(score) => {
            reply.double(score);
        }
        Outcome::Refused => reply.null(),
    }
    Ok(())
}

fn apply(
    set: &mut SortedSet,
    member: &[u8],
    score: f64,
    options: &Options,
    limits: &Limits,
) -> Result<Outcome, CommandError> {
    if options.is_plain() {
        return Ok(match set.insert(member, score, limits) {
            None => Outcome::Added(score),
            Some(old) => Outcome::compare(old, score),
        });
    }
    let Some(old) = set.score(member) else {
        if options.only_existing {
            return Ok(Outcome::Refused);
        }
        set.insert(member, score, limits);
        return Ok(Outcome::Added(score));
    };
    if options.only_new {
        return Ok(Outcome::Refused);
    }
    let score = if options.increment { old + score } else { score };
    if score.is_nan() {
        return Err(CommandError::new("ERR resulting score is not a number (NaN)"));
    }
    if (options.only_greater && score <= old) || (options.only_less && score >= old) {
        return Ok(Outcome::Refused);
    }
    set.insert(member, score, limits);
    Ok(Outcome::compare(old, score))
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::arguments::ArgumentArena;
    use ringlet_store::KeyHasher;

    use super::*;

    fn options(line: &str) -> (Options, usize) {
        let words: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        let mut arena = ArgumentArena::new();
        let range = arena.push_words(&words);
        Options::parse(arena.get(range), false)
    }

    fn outcome(line: &str, member: &[u8], score: f64) -> Result<Outcome, CommandError> {
        let limits = Limits::new(KeyHasher::new([1, 2, 3, 4]));
        let mut set = SortedSet::new();
        set.insert(b"five", 5.0, &limits);
        set.insert(b"high", f64::INFINITY, &limits);
        let before = set.score(member);
        let outcome = apply(&mut set, member, score, &options(line).0, &limits);
        let after = set.score(member);
        match outcome {
            Ok(Outcome::Added(score) | Outcome::Changed(score) | Outcome::Same(score)) => {
                assert_eq!(after, Some(score), "{line}");
            }
            Ok(Outcome::Refused) | Err(_) => assert_eq!(after, before, "{line}"),
        }
        outcome
    }

    #[test]
    fn options_end_at_the_first_other_word() {
        assert_eq!(options("1 a"), (Options::default(), 0));
        let both = Options { only_existing: true, count_changed: true, ..Options::default() };
        assert_eq!(options("xx CH 1 nx"), (both, 2));
        assert_eq!(options("NX NX").1, 2);
    }

    #[test]
    fn contradictions_are_refused_in_the_order_of_redis() {
        let text = |line: &str, pairs| {
            let error = options(line).0.check(pairs).unwrap_err();
            String::from_utf8_lossy(error.text()).into_owned()
        };
        assert!(text("NX XX GT LT INCR", 2).starts_with("ERR XX and NX"));
        assert!(text("NX GT INCR", 2).starts_with("ERR GT, LT, and/or NX"));
        assert!(text("GT LT", 1).starts_with("ERR GT, LT, and/or NX"));
        assert!(text("INCR GT", 2).starts_with("ERR INCR"));
        for line in ["XX GT", "XX LT INCR CH", "NX INCR", ""] {
            assert_eq!(options(line).0.check(1), Ok(()), "{line}");
        }
    }

    #[test]
    fn conditions_decide_what_becomes_of_a_member() {
        use Outcome::{Added, Changed, Refused, Same};
        for (line, member, score, expected) in [
            ("", "new", 1.0, Added(1.0)),
            ("", "five", 5.0, Same(5.0)),
            ("", "five", 6.0, Changed(6.0)),
            ("NX", "new", 1.0, Added(1.0)),
            ("NX", "five", 6.0, Refused),
            ("XX", "new", 1.0, Refused),
            ("XX", "five", 6.0, Changed(6.0)),
            ("GT", "new", 1.0, Added(1.0)),
            ("GT", "five", 6.0, Changed(6.0)),
            ("GT", "five", 5.0, Refused),
            ("LT", "five", 4.0, Changed(4.0)),
            ("LT", "five", 5.0, Refused),
            ("INCR", "new", 2.0, Added(2.0)),
            ("INCR", "five", 2.0, Changed(7.0)),
            ("INCR", "five", 0.0, Same(5.0)),
            ("INCR GT", "five", -2.0, Refused),
            ("INCR LT", "five", -2.0, Changed(3.0)),
            ("XX INCR", "new", 2.0, Refused),
        ] {
            assert_eq!(outcome(line, member.as_bytes(), score), Ok(expected), "{line} {member}");
        }
        let error = outcome("INCR", b"high", f64::NEG_INFINITY).unwrap_err();
        assert_eq!(error.text(), b"ERR resulting score is not a number (NaN)");
    }
}
