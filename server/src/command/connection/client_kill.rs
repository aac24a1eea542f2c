//! CLIENT KILL: closes connections, by address or by what they are.
//! In: an address, or filters that must all hold. Out: OK or an error, or how many were closed.
//! Invariant: a connection that closes itself gets its answer first, and nothing behind it is run.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::authentication::DEFAULT_USER;
use super::client_type::ClientType;
use crate::command::spec::{
    CommandError, CommandResult, Group, Keys, Merge, Run, Spec, flags, is_word,
};
use crate::connection::{Connection, Ending};
use crate::core::Core;
use crate::gather::integer_of;
use crate::message::{Client, Header};

/// CLIENT KILL <ip:port | filter value [filter value ...]>
pub const SPEC: Spec = Spec {
    name: "kill",
    arity: -3,
    keys: Keys::NONE,
    flags: flags::ADMIN | flags::NOSCRIPT | flags::LOADING | flags::STALE | flags::BARRIER,
    categories: 0,
    group: Group::Connection,
    since: "2.4.0",
    complexity: "O(N) where N is the number of client connections",
    summary: "Terminates open connections.",
    syntax: "<ip:port | [ID client-id] [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] [USER username] [ADDR ip:port] [LADDR ip:port] [SKIPME <YES | NO>]>",
    examples: &[
        ("CLIENT KILL 127.0.0.1:1", "(error) ERR No such client"),
        ("CLIENT KILL ID 9999999", "(integer) 0"),
        ("CLIENT KILL ID 0", "(error) ERR client-id should be greater than 0"),
    ],
    run: Run::EveryCore(run, Merge::With(merge)),
};

/// Which connections are closed: those for which all that is given holds.
#[derive(Default, Debug, PartialEq, Eq)]
struct Filter<'a> {
    id: Option<u64>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    kind: Option<ClientType>,
    skips_caller: bool,
}

/// What a core answers in the old form when it has no such connection.
const NONE: &str = "NONE";

fn run(
    core: &mut Core,
    header: &Header,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let is_old_form = words.len() == 3;
    let filter = if is_old_form {
        Filter { address: Some(&words[2]), ..Filter::default() }
    } else {
        parse(words)?
    };
    let caller = header.caller.client_id;
    let victims: Vec<(Client, u64)> = core
        .clients
        .iter()
        .filter(|connection| connection.ending != Ending::Closing)
        .filter(|connection| filter.matches(connection, caller))
        .map(|connection| (connection.client, connection.id))
        .collect();
    for (client, id) in &victims {
        if *id != caller {
            core.close_client(*client);
        } else if let Some(connection) = core.clients.get_mut(*client) {
            connection.ending = Ending::AfterReplies;
        }
    }
    match victims.len() {
        0 if is_old_form => reply.simple(NONE),
        _ if is_old_form => reply.ok(),
        closed => reply.integer(closed as i64),
    }
    Ok(())
}

fn parse(words: Arguments<'_>) -> Result<Filter<'_>, CommandError> {
    let mut filter = Filter { skips_caller: true, ..Filter::default() };
    let mut options = words.from(2).iter();
    while let Some(option) = options.next() {
        let value = options.next().ok_or(CommandError::SYNTAX)?;
        match option.to_ascii_uppercase().as_slice() {
            b"ID" => {
                let id = ringlet_base::number::parse_i64(value).filter(|id| *id > 0);
                let id = id.ok_or(CommandError::new("ERR client-id should be greater than 0"))?;
                filter.id = Some(id as u64);
            }
            b"TYPE" => filter.kind = Some(ClientType::parse(value)?),
            b"ADDR" => filter.address = Some(value),
            b"LADDR" => filter.local_address = Some(value),
            b"USER" if value == DEFAULT_USER => {}
            b"USER" => {
                let name = String::from_utf8_lossy(value);
                return Err(CommandError::with(format!("ERR No such user '{name}'")));
            }
            b"SKIPME" if is_word(value, "YES") => filter.skips_caller = true,
            b"SKIPME" if is_word(value, "NO") => filter.skips_caller = false,
            _ => return Err(CommandError::SYNTAX),
        }
    }
    Ok(filter)
}

impl Filter<'_> {
    fn matches(&self, connection: &Connection, caller: u64) -> bool {
        let is = |wanted: Option<&[u8]>, given: &str| {
            wanted.is_none_or(|wanted| wanted == given.as_bytes())
        };
        self.id.is_none_or(|id| id == connection.id)
            && is(self.address, &connection.address)
            && is(self.local_address, &connection.local_address)
            && self.kind.is_none_or(|kind| kind == ClientType::of(connection))
            && !(self.skips_caller && connection.id == caller)
    }
}

/// In the new form numbers are added; in the old form one core's OK is enough.
fn merge(parts: &[&[u8]], reply: &mut Reply<'_>) {
    if parts.iter().all(|part| part.starts_with(b":")) {
        reply.integer(parts.iter().map(|part| integer_of(part)).sum());
    } else if parts.iter().any(|part| part.starts_with(b"+OK")) {
        reply.ok();
    } else {
        reply.error("ERR No such client");
    }
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::arguments::ArgumentArena;
    use ringlet_protocol::reply::{ReplyBuffer, Version};

    use super::*;

    fn parsed(words: &str) -> Result<String, String> {
        let mut arena = ArgumentArena::new();
        let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        let range = arena.push_words(&words);
        parse(arena.get(range))
            .map(|filter| format!("{filter:?}"))
            .map_err(|error| String::from_utf8_lossy(error.text()).into_owned())
    }

    #[test]
    fn filters_are_read_in_any_order_and_case() {
        let one = parsed("client kill ID 7 addr 1:2 type NORMAL skipme no user default");
        let other =
            parsed("client kill user default SkipMe yes skipme NO Type normal ADDR 1:2 id 7");
        assert!(one.is_ok());
        assert_eq!(one, other);
    }

    #[test]
    fn wrong_filters_are_refused_as_redis_does() {
        for (words, error) in [
            ("client kill id 0", "ERR client-id should be greater than 0"),
            ("client kill id x", "ERR client-id should be greater than 0"),
            ("client kill type x", "ERR Unknown client type 'x'"),
            ("client kill user x", "ERR No such user 'x'"),
            ("client kill skipme x", "ERR syntax error"),
            ("client kill colour red", "ERR syntax error"),
            ("client kill id 1 addr", "ERR syntax error"),
        ] {
            assert_eq!(parsed(words), Err(error.into()), "{words}");
        }
    }

    #[test]
    fn parts_of_both_forms_are_joined() {
        let merged = |parts: &[&[u8]]| {
            let mut out = ReplyBuffer::new();
            merge(parts, &mut Reply::new(&mut out, Version::Resp2));
            out.to_vec()
        };
        assert_eq!(merged(&[b":1\r\n", b":0\r\n", b":3\r\n"]), b":4\r\n");
        assert_eq!(merged(&[b"+NONE\r\n", b"+OK\r\n"]), b"+OK\r\n");
        assert_eq!(merged(&[b"+NONE\r\n"]), b"-ERR No such client\r\n");
    }
}
