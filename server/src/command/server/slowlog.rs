//! Job: show the commands that took long.
//! In: the words `SLOWLOG subcommand ...`. Out: entries of all cores, newest first.
//! Invariant: ids increase over all cores, so that merging by id is merging by time.

use ringlet_base::number::parse_i64;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_protocol::resp_value::elements;

use super::support::{self, ALWAYS, spec};
use crate::command::spec::{CommandError, CommandResult, Merge, Run, Spec, flags};
use crate::core::Core;
use crate::gather::integer_of;
use crate::info::part::Reader;
use crate::message::Header;
use crate::shard::context::Context;

const SUBCOMMANDS: &[&Spec] = &[&GET, &HELP, &LEN, &RESET];
const FLAGS: u32 = flags::ADMIN | flags::LOADING | flags::STALE;

/// Entries that SLOWLOG GET shows when it is not told how many.
const ENTRIES_DEFAULT: i64 = 10;

/// `SLOWLOG subcommand`
pub const SPEC: Spec = Spec {
    complexity: "Depends on subcommand.",
    summary: "Holds the commands that show which commands took long.",
    examples: &[
        ("SLOWLOG", "(error) ERR wrong number of arguments for 'slowlog' command"),
        ("SLOWLOG PUT", "(error) ERR unknown subcommand 'PUT'. Try SLOWLOG HELP."),
    ],
    ..about("slowlog", -2, 0, Run::Subcommands(SUBCOMMANDS))
};

const fn about(name: &'static str, arity: i32, flags: u32, run: Run) -> Spec {
    Spec { since: "2.2.12", ..spec(name, arity, flags, run) }
}

const GET: Spec = Spec {
    complexity: "O(N) where N is the number of entries.",
    summary: "Shows the newest entries: id, time, duration in microseconds, words, client.",
    syntax: "[count]",
    examples: &[
        ("SLOWLOG RESET", "OK"),
        ("SLOWLOG GET", "(empty array)"),
        (
            "SLOWLOG GET 1 2",
            "(error) ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.",
        ),
        ("SLOWLOG GET many", "(error) ERR count should be greater than or equal to -1"),
    ],
    ..about("get", -2, FLAGS, Run::EveryCore(entries, Merge::With(newest)))
};

const LEN: Spec = Spec {
    summary: "Counts the entries.",
    examples: &[("SLOWLOG RESET", "OK"), ("SLOWLOG LEN", "(integer) 0")],
    ..about("len", 2, FLAGS, Run::EveryCore(length, Merge::With(bounded_sum)))
};

const RESET: Spec = Spec {
    complexity: "O(N) where N is the number of entries.",
    summary: "Drops all entries.",
    examples: &[
        ("SLOWLOG RESET", "OK"),
        ("SLOWLOG RESET now", "(error) ERR wrong number of arguments for 'slowlog|reset' command"),
    ],
    ..about("reset", 2, FLAGS, Run::EveryCore(reset, Merge::AllOk))
};

const HELP: Spec = Spec {
    since: "6.2.0",
    summary: "Lists the subcommands.",
    ..about("help", 2, ALWAYS, Run::Keys(help))
};

/// The part of one core: how many entries are wanted at most, then its newest ones.
fn entries(
    core: &mut Core,
    _: &Header,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let count = match words.len() {
        2 => ENTRIES_DEFAULT,
        3 => parse_i64(&words[2])
            .filter(|count| *count >= -1)
            .ok_or(CommandError::new("ERR count should be greater than or equal to -1"))?,
        _ => {
            return Err(CommandError::subcommand("SLOWLOG", &words[1]));
        }
    };
    let kept = core.config.slowlog_entries_max;
    let wanted = usize::try_from(count).unwrap_or(usize::MAX).min(kept);
    let shown = wanted.min(core.statistics.slow_log.len());
    reply.array(shown + 1);
    reply.integer(wanted as i64);
    for entry in core.statistics.slow_log.iter().take(shown) {
        reply.array(6);
        reply.integer(entry.id as i64);
        reply.integer(entry.time_s);
        reply.integer(entry.duration_us as i64);
        let words = entry.words.iter();
        reply.array(words.len());
        words.for_each(|word| reply.bulk(word));
        reply.bulk(entry.address.as_bytes());
        reply.bulk(entry.name.as_bytes());
    }
    Ok(())
}

fn newest(parts: &[&[u8]], reply: &mut Reply<'_>) {
    let mut wanted = 0;
    let mut all: Vec<(i64, &[u8])> = Vec::new();
    for part in parts {
        let mut values = elements(part).expect("bug: a part is no array");
        wanted = integer_of(values.next().expect("bug: a part is empty")) as usize;
        all.extend(values.map(|entry| (Reader::new(entry).integer(), entry)));
    }
    all.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
    all.truncate(wanted);
    reply.array(all.len());
    all.iter().for_each(|(_, entry)| reply.raw(entry));
}

/// The part of one core: how many entries there may be at most, and how many it has.
fn length(core: &mut Core, _: &Header, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.array(2);
    reply.integer(core.config.slowlog_entries_max as i64);
    reply.integer(core.statistics.slow_log.len() as i64);
    Ok(())
}

fn bounded_sum(parts: &[&[u8]], reply: &mut Reply<'_>) {
    let (mut most, mut sum) = (0, 0_i64);
    for part in parts {
        let mut values = Reader::new(part);
        most = values.integer();
        sum += values.integer();
    }
    reply.integer(sum.min(most));
}

fn reset(core: &mut Core, _: &Header, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    core.statistics.slow_log.clear();
    reply.ok();
    Ok(())
}

fn help(_: &mut Context<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    support::help(
        reply,
        "SLOWLOG",
        &[
            "GET [<count>]",
            "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
            "    Entries are made of:",
            "    id, timestamp, time in microseconds, arguments array, client IP and port,",
            "    client name",
            "LEN",
            "    Return the length of the slowlog.",
            "RESET",
            "    Reset the slowlog.",
        ],
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::reply::{ReplyBuffer, Version};

    use super::*;

    fn written(write: impl FnOnce(&mut Reply<'_>)) -> Vec<u8> {
        let mut buffer = ReplyBuffer::new();
        write(&mut Reply::new(&mut buffer, Version::Resp2));
        buffer.to_vec()
    }

    #[test]
    fn entries_of_all_cores_come_newest_first_and_not_too_many() {
        let part = |ids: &[i64]| {
            written(|reply| {
                reply.array(ids.len() + 1);
                reply.integer(3);
                for id in ids {
                    reply.array(2);
                    reply.integer(*id);
                    reply.bulk(b"x");
                }
            })
        };
        let parts = [part(&[9, 4, 1]), part(&[]), part(&[7, 5])];
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let merged = written(|reply| newest(&parts, reply));
        let ids: Vec<i64> =
            elements(&merged).expect("an array").map(|it| Reader::new(it).integer()).collect();
        assert_eq!(ids, [9, 7, 5]);
        let lengths = [[128, 100], [128, 20], [128, 30]].map(|[most, own]| {
            written(|reply| {
                reply.array(2);
                reply.integer(most);
                reply.integer(own);
            })
        });
        let lengths: Vec<&[u8]> = lengths.iter().map(Vec::as_slice).collect();
        assert_eq!(written(|reply| bounded_sum(&lengths, reply)), b":128\r\n");
    }
}
