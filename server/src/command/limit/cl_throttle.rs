//! Job: let a request through or refuse it, by a rate with a burst; the interface of redis-cell.
//! In: the words `CL.THROTTLE key max_burst count period [quantity]`.
//! Out: five integers: limited (0 or 1), limit, remaining, retry after and reset after in seconds.
//! Invariant: a refused request and a quantity of 0 change nothing.

use ringlet_base::number::parse_i64;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_runtime::clock;

use super::gcra::{Arrival, Rate};
use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::command::string::support::bytes_of;
use crate::shard::context::Context;

/// `CL.THROTTLE key max_burst count period [quantity]`
pub const SPEC: Spec = Spec {
    name: "cl.throttle",
    arity: -5,
    keys: Keys::FIRST,
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::Limit,
    since: "Ringlet 0.1.0",
    complexity: "O(1)",
    summary: "Asks whether a request may pass: `count` of them in `period` seconds, and \
              `max_burst` more at once. Replies as redis-cell does: 1 when it is limited; the \
              limit; what remains; the seconds until it would pass (-1: it does, or it never \
              will); the seconds until the limit is whole again. The quantity 0 only looks; a \
              negative one is refused. The key holds the time in nanoseconds at which the limit \
              is whole again (with a fraction behind a `+` where `period / count` has one), and \
              expires then; DEL resets it.",
    syntax: "key max_burst count period [quantity]",
    examples: &[
        (
            "CL.THROTTLE user 4 1 100",
            "1) (integer) 0\n2) (integer) 5\n3) (integer) 4\n4) (integer) -1\n5) (integer) 100",
        ),
        (
            "CL.THROTTLE user 4 1 100 6",
            "1) (integer) 1\n2) (integer) 5\n3) (integer) 4\n4) (integer) -1\n5) (integer) 100",
        ),
        ("TYPE user", "string"),
        (
            "CL.THROTTLE other 4 1 100 0",
            "1) (integer) 0\n2) (integer) 5\n3) (integer) 5\n4) (integer) -1\n5) (integer) 0",
        ),
        ("EXISTS other", "(integer) 0"),
        ("CL.THROTTLE user 4 0 100", "(error) ERR Cell error: Zero rates are not supported"),
        ("CL.THROTTLE user 4 x 100", "(error) ERR Cell error: Couldn't parse as integer: x"),
        ("CL.THROTTLE user 4 1 100 -1", "(error) ERR Cell error: quantity must not be negative"),
        ("RPUSH list value", "(integer) 1"),
        (
            "CL.THROTTLE list 4 1 100",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if words.len() > 6 {
        return Err(CommandError::new(
            "ERR Cell error: Usage: cl.throttle <key> <max_burst> <count> <period> [<quantity>]",
        ));
    }
    let key = &words[1];
    let max_burst = natural(&words[2], "max_burst")?;
    let rate = Rate::new(max_burst, natural(&words[3], "count")?, natural(&words[4], "period")?)?;
    let quantity = words.get(5).map_or(Ok(1), |word| natural(word, "quantity"))?;
    let stored = match context.write(key) {
        None => None,
        Some(entry) => Some(Arrival::parse(bytes_of(entry)?).ok_or(CommandError::new(
            "ERR Cell error: The value of the key is no time in nanoseconds",
        ))?),
    };
    // The milliseconds of the loop's pass would be too coarse for rates above 1000 in a second.
    let now_ns = clock::wall_clock_us().saturating_mul(1000);
    let decision = rate.decide(stored, quantity, now_ns)?;
    if let Some(arrival) = decision.stored {
        context.set_string(key, arrival.to_text().as_bytes(), Some(arrival.expiry_ms()));
    }
    reply.array(5);
    reply.integer(i64::from(decision.is_limited));
    reply.integer(decision.limit);
    reply.integer(decision.remaining);
    reply.integer(decision.retry_after_s);
    reply.integer(decision.reset_after_s);
    Ok(())
}

/// An integer that is not negative, or the error that names it.
fn natural(word: &[u8], name: &str) -> Result<i64, CommandError> {
    let number = parse_i64(word).ok_or_else(|| {
        let shown = &word[..word.len().min(128)];
        CommandError::quoting([b"ERR Cell error: Couldn't parse as integer: ", shown].concat())
    })?;
    if number < 0 {
        return Err(CommandError::with(format!("ERR Cell error: {name} must not be negative")));
    }
    Ok(number)
}
