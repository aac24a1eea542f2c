//! CLIENT LIST: one line for each connection.
//! In: TYPE or ID. Out: the lines, in the order of the connections' numbers, or of the numbers
//! asked for.
//! Invariant: each core tells of its own connections; the merge only puts lines in order.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_protocol::resp_value::elements;

use super::client_line::client_line;
use super::client_type::ClientType;
use crate::command::spec::{
    CommandError, CommandResult, Group, Keys, Merge, Run, Spec, flags, is_word,
};
use crate::connection::Ending;
use crate::core::Core;
use crate::gather::integer_of;
use crate::message::Header;

/// CLIENT LIST [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]
pub const SPEC: Spec = Spec {
    name: "list",
    arity: -2,
    keys: Keys::NONE,
    flags: flags::ADMIN | flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "2.4.0",
    complexity: "O(N) where N is the number of client connections",
    summary: "Lists open connections.",
    syntax: "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
    examples: &[
        ("CLIENT LIST TYPE master", "\"\""),
        ("CLIENT LIST ID x", "(error) ERR Invalid client ID"),
        ("CLIENT LIST TYPE some", "(error) ERR Unknown client type 'some'"),
    ],
    run: Run::EveryCore(run, Merge::With(merge)),
};

/// Which connections are listed.
enum Wanted {
    All,
    Type(ClientType),
    /// In this order.
    Ids(Vec<u64>),
}

/// One core's part: for each line its place in the order, and the line.
fn run(core: &mut Core, _: &Header, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let wanted = parse(words)?;
    let mut lines: Vec<(u64, String)> = Vec::new();
    for connection in core.clients.iter().filter(|connection| connection.ending != Ending::Closing)
    {
        let mut show =
            |place| lines.push((place, client_line(&core.ring, connection, core.monotonic_ms)));
        match &wanted {
            Wanted::All => show(connection.id),
            Wanted::Type(kind) if *kind == ClientType::of(connection) => show(connection.id),
            Wanted::Type(_) => {}
            Wanted::Ids(ids) => {
                let places = (0..).zip(ids).filter(|(_, id)| **id == connection.id);
                places.for_each(|(place, _)| show(place));
            }
        }
    }
    reply.array(lines.len() * 2);
    for (place, line) in lines {
        reply.integer(place as i64);
        reply.bulk(line.as_bytes());
    }
    Ok(())
}

fn parse(words: Arguments<'_>) -> Result<Wanted, CommandError> {
    let Some(option) = words.get(2) else { return Ok(Wanted::All) };
    if words.len() == 4 && is_word(option, "TYPE") {
        return ClientType::parse(&words[3]).map(Wanted::Type);
    }
    if words.len() > 3 && is_word(option, "ID") {
        let ids = words.from(3).iter().map(|word| {
            let id = ringlet_base::number::parse_i64(word);
            id.map(|id| id as u64).ok_or(CommandError::new("ERR Invalid client ID"))
        });
        return ids.collect::<Result<_, _>>().map(Wanted::Ids);
    }
    Err(CommandError::SYNTAX)
}

fn merge(parts: &[&[u8]], reply: &mut Reply<'_>) {
    let mut lines: Vec<(i64, &[u8])> = Vec::new();
    for part in parts {
        let mut values = elements(part).expect("bug: a part of CLIENT LIST is no array");
        while let Some((place, line)) = values.next().zip(values.next()) {
            lines.push((integer_of(place), bulk_of(line)));
        }
    }
    lines.sort_unstable();
    let lines: Vec<&[u8]> = lines.into_iter().map(|(_, line)| line).collect();
    reply.verbatim(b"txt", &lines.concat());
}

/// The bytes in a `$n` reply.
fn bulk_of(value: &[u8]) -> &[u8] {
    let start = value.iter().position(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    value[start..].strip_suffix(b"\r\n").expect("bug: a line of CLIENT LIST is no bulk string")
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::reply::{ReplyBuffer, Version};

    use super::*;

    #[test]
    fn lines_of_all_cores_come_in_order() {
        let part = |lines: &[(i64, &str)]| {
            let mut out = ReplyBuffer::new();
            let mut reply = Reply::new(&mut out, Version::Resp3);
            reply.array(lines.len() * 2);
            for (place, line) in lines {
                reply.integer(*place);
                reply.bulk(line.as_bytes());
            }
            out.to_vec()
        };
        let parts = [part(&[(3, "c\n"), (1, "a\n")]), part(&[]), part(&[(2, "b\r\n")])];
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let mut out = ReplyBuffer::new();
        merge(&parts, &mut Reply::new(&mut out, Version::Resp2));
        assert_eq!(out.to_vec(), b"$7\r\na\nb\r\nc\n\r\n");
    }
}
