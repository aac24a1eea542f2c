//! Job: the expiry commands, which differ only in their unit and in where their time starts.
//! In: a time and conditions, or a key to ask about. Out: whether an expiry was set, or its time.
//! Invariant: a time in the past deletes the key; times are milliseconds since 1970 inside.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandError, CommandResult, integer, is_word};
use crate::shard::context::Context;

/// What the number in the command or its reply counts.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// Where it counts from.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The time of the command.
    Now,
    /// 1970.
    Epoch,
}

/// What must hold of the old expiry for the new one to be set.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
struct Conditions {
    is_missing: bool,
    is_there: bool,
    is_earlier: bool,
    is_later: bool,
}

impl Conditions {
    fn parse(options: Arguments<'_>) -> Result<Conditions, CommandError> {
        let mut conditions = Conditions::default();
        for option in options {
            if is_word(option, "NX") {
                conditions.is_missing = true;
            } else if is_word(option, "XX") {
                conditions.is_there = true;
            } else if is_word(option, "GT") {
                conditions.is_earlier = true;
            } else if is_word(option, "LT") {
                conditions.is_later = true;
            } else {
                return Err(CommandError::quoting([b"ERR Unsupported option ", option].concat()));
            }
        }
        let Conditions { is_missing, is_there, is_earlier, is_later } = conditions;
        if is_missing && (is_there || is_earlier || is_later) {
            return Err(CommandError::new(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if is_earlier && is_later {
            return Err(CommandError::new(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    /// A key without an expiry counts as one that expires after all others.
    fn allow(self, old_ms: Option<i64>, new_ms: i64) -> bool {
        let is_wrong = self.is_missing && old_ms.is_some()
            || self.is_there && old_ms.is_none()
            || self.is_earlier && old_ms.is_none_or(|old_ms| new_ms <= old_ms)
            || self.is_later && old_ms.is_some_and(|old_ms| new_ms >= old_ms);
        !is_wrong
    }
}

/// The absolute time in milliseconds that a number stands for; `None` when 64 bits do not hold it.
fn absolute_ms(number: i64, unit: Unit, origin: Origin, now_ms: i64) -> Option<i64> {
    let time_ms = match unit {
        Unit::Seconds => number.checked_mul(1000)?,
        Unit::Milliseconds => number,
    };
    match origin {
        Origin::Now => time_ms.checked_add(now_ms),
        Origin::Epoch => Some(time_ms),
    }
}

/// `EXPIRE key number [NX | XX | GT | LT]` and its kin: replies 1 when the expiry was set (or the
/// key deleted, for a time in the past), otherwise 0.
pub fn set_expiry(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
    unit: Unit,
    origin: Origin,
    command: &str,
) -> CommandResult {
    let key = &words[1];
    let conditions = Conditions::parse(words.from(3))?;
    let new_ms =
        absolute_ms(integer(&words[2])?, unit, origin, context.now_ms).ok_or_else(|| {
            CommandError::with(format!("ERR invalid expire time in '{command}' command"))
        })?;
    let is_set = match context.write(key) {
        Some(entry) => conditions.allow(entry.expiry(), new_ms),
        None => false,
    };
    if is_set && new_ms <= context.now_ms {
        context.remove(key);
    } else if is_set {
        context.set_expiry(key, Some(new_ms));
    }
    reply.integer(i64::from(is_set));
    Ok(())
}

/// `TTL key` and its kin: replies -2 when there is no key, -1 when it does not expire.
pub fn reply_expiry(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
    unit: Unit,
    origin: Origin,
) -> CommandResult {
    let now_ms = context.now_ms;
    reply.integer(match context.look(&words[1]).map(|entry| entry.expiry()) {
        None => -2,
        Some(None) => -1,
        Some(Some(expiry_ms)) => in_unit(expiry_ms, unit, origin, now_ms),
    });
    Ok(())
}

/// A point in time as a reply: seconds are rounded, half up.
fn in_unit(expiry_ms: i64, unit: Unit, origin: Origin, now_ms: i64) -> i64 {
    let time_ms = match origin {
        Origin::Now => expiry_ms.saturating_sub(now_ms).max(0),
        Origin::Epoch => expiry_ms,
    };
    match unit {
        Unit::Milliseconds => time_ms,
        Unit::Seconds => time_ms / 1000 + i64::from(time_ms % 1000 >= 500),
    }
}

#[cfg(test)]
mod tests {
    use super::{Conditions, Origin, Unit, absolute_ms, in_unit};

    #[test]
    fn times_out_of_range_are_refused() {
        let at = |number, unit, origin| absolute_ms(number, unit, origin, 1_000_000);
        assert_eq!(at(5, Unit::Seconds, Origin::Now), Some(1_005_000));
        assert_eq!(at(5, Unit::Milliseconds, Origin::Epoch), Some(5));
        assert_eq!(at(-5, Unit::Seconds, Origin::Now), Some(995_000));
        assert_eq!(at(i64::MAX, Unit::Milliseconds, Origin::Epoch), Some(i64::MAX));
        assert_eq!(at(i64::MAX, Unit::Milliseconds, Origin::Now), None);
        assert_eq!(at(i64::MAX / 1000, Unit::Seconds, Origin::Now), None);
        assert_eq!(at(i64::MIN, Unit::Seconds, Origin::Epoch), None);
        assert_eq!(at(i64::MIN, Unit::Milliseconds, Origin::Epoch), Some(i64::MIN));
    }

    #[test]
    fn seconds_are_rounded() {
        let ttl = |expiry_ms| in_unit(expiry_ms, Unit::Seconds, Origin::Now, 10_000);
        assert_eq!((ttl(11_499), ttl(11_500), ttl(10_000), ttl(9_000)), (1, 2, 0, 0));
        let latest = in_unit(i64::MAX, Unit::Seconds, Origin::Epoch, 10_000);
        assert_eq!(latest, 9_223_372_036_854_776);
    }

    #[test]
    fn a_key_without_expiry_expires_last() {
        let gt = Conditions { is_earlier: true, ..Conditions::default() };
        let lt = Conditions { is_later: true, ..Conditions::default() };
        let nx = Conditions { is_missing: true, ..Conditions::default() };
        let xx = Conditions { is_there: true, ..Conditions::default() };
        for (conditions, old_ms, expected) in [
            (gt, None, false),
            (gt, Some(9), true),
            (gt, Some(10), false),
            (lt, None, true),
            (lt, Some(10), false),
            (lt, Some(11), true),
            (nx, None, true),
            (nx, Some(11), false),
            (xx, None, false),
            (xx, Some(11), true),
            (Conditions { is_earlier: true, ..xx }, Some(9), true),
            (Conditions { is_later: true, ..xx }, None, false),
            (Conditions::default(), None, true),
        ] {
            assert_eq!(conditions.allow(old_ms, 10), expected, "{conditions:?} {old_ms:?}");
        }
    }
}
