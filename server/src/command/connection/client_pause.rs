//! CLIENT PAUSE: holds commands back for a while, those of all clients or only those that write.
//! In: milliseconds, WRITE or ALL. Out: OK, from when on no core lets a command in.
//! Invariant: a pause in force is only prolonged, and only made stricter.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::client_command::unknown_syntax;
use crate::command::spec::{
    CommandError, CommandResult, Group, Keys, Merge, Run, Spec, flags, is_word,
};
use crate::core::{Core, Pause};
use crate::message::Header;

/// CLIENT PAUSE timeout [WRITE | ALL]
pub const SPEC: Spec = Spec {
    name: "pause",
    arity: -3,
    keys: Keys::NONE,
    flags: flags::ADMIN
        | flags::NOSCRIPT
        | flags::LOADING
        | flags::STALE
        | flags::BARRIER
        | flags::WHILE_PAUSED,
    categories: 0,
    group: Group::Connection,
    since: "2.9.50",
    complexity: "O(1)",
    summary: "Suspends commands processing.",
    syntax: "timeout [WRITE | ALL]",
    examples: &[
        ("CLIENT PAUSE 0", "OK"),
        ("CLIENT PAUSE -1", "(error) ERR timeout is negative"),
        ("CLIENT PAUSE 1 SOME", "(error) ERR CLIENT PAUSE mode must be WRITE or ALL"),
    ],
    run: Run::EveryCore(run, Merge::AllOk),
};

fn run(core: &mut Core, _: &Header, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let writes_only = match words.len() {
        3 => false,
        4 if is_word(&words[3], "WRITE") => true,
        4 if is_word(&words[3], "ALL") => false,
        4 => return Err(CommandError::new("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(unknown_syntax(words)),
    };
    let until_ms = end_of_pause(&words[2], core.monotonic_ms)?;
    core.end_pause_in_time();
    core.begin_pause(prolonged(core.pause, Pause { until_ms, writes_only }));
    reply.ok();
    Ok(())
}

/// When a pause of this many milliseconds ends, monotonic clock in milliseconds.
fn end_of_pause(word: &[u8], monotonic_ms: i64) -> Result<i64, CommandError> {
    let timeout_ms = ringlet_base::number::parse_i64(word)
        .ok_or(CommandError::new("ERR timeout is not an integer or out of range"))?;
    if timeout_ms < 0 {
        return Err(CommandError::new("ERR timeout is negative"));
    }
    monotonic_ms.checked_add(timeout_ms).ok_or(CommandError::new("ERR timeout is out of range"))
}

fn prolonged(running: Option<Pause>, new: Pause) -> Pause {
    let Some(running) = running else { return new };
    Pause {
        until_ms: running.until_ms.max(new.until_ms),
        writes_only: running.writes_only && new.writes_only,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_pause_is_only_prolonged_and_made_stricter() {
        let pause = |until_ms, writes_only| Pause { until_ms, writes_only };
        assert_eq!(prolonged(None, pause(5, true)), pause(5, true));
        assert_eq!(prolonged(Some(pause(9, true)), pause(5, true)), pause(9, true));
        assert_eq!(prolonged(Some(pause(9, true)), pause(12, true)), pause(12, true));
        assert_eq!(prolonged(Some(pause(9, true)), pause(5, false)), pause(9, false));
        assert_eq!(prolonged(Some(pause(9, false)), pause(5, true)), pause(9, false));
    }

    #[test]
    fn a_pause_ends_at_a_time_that_exists() {
        assert_eq!(end_of_pause(b"0", 1000), Ok(1000));
        assert_eq!(end_of_pause(b"25", 1000), Ok(1025));
        for wrong in [&b"-1"[..], b"x", b"1.5", b"9223372036854775807", b"9223372036854775808"] {
            assert!(end_of_pause(wrong, 1000).is_err(), "{wrong:?}");
        }
    }
}
