//! What clients of Redis say before and between questions.
//!
//! Job: let redis-cli and the client libraries connect. In: words. Out: the replies of Redis.
//! Invariant: nothing here changes more than this connection.

use ringlet_base::number::parse_i64;
use ringlet_protocol::{Reply, Version};

use super::commands::{COMMANDS, Call, Command, Done, find};

/// The version of Redis whose protocol is spoken, for clients that look at it.
const REDIS_VERSION: &str = "7.0.15";

/// Bytes of a connection's name.
const NAME_BYTES_MAX: usize = 256;

/// What a connection has said of itself.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) version: Version,
    id: u64,
    name: String,
}

impl Session {
    pub(super) fn new(id: u64) -> Self {
        Self { version: Version::Resp2, id, name: String::new() }
    }
}

/// The end of a command that has its reply.
type Ended = Result<Done, String>;

fn is_word(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

pub(super) fn ping(call: &mut Call<'_>, reply: &mut Reply<'_>) -> Ended {
    match (call.words.len(), call.words.get(1)) {
        (1, _) => reply.simple("PONG"),
        (2, Some(text)) => reply.bulk(text),
        _ => return Err("ERR wrong number of arguments for 'ping' command".into()),
    }
    Ok(Done::Replied)
}

pub(super) fn echo(call: &mut Call<'_>, reply: &mut Reply<'_>) -> Ended {
    reply.bulk(&call.words[1]);
    Ok(Done::Replied)
}

pub(super) fn hello(call: &mut Call<'_>, reply: &mut Reply<'_>) -> Ended {
    let mut words = call.words.iter().skip(1);
    let mut version = call.session.version;
    if let Some(word) = words.next() {
        version = match parse_i64(word) {
            Some(2) => Version::Resp2,
            Some(3) => Version::Resp3,
            Some(_) => return Err("NOPROTO unsupported protocol version".into()),
            None => return Err("ERR Protocol version is not an integer or out of range".into()),
        };
    }
    let mut name = None;
    while let Some(option) = words.next() {
        match words.next() {
            Some(given) if is_word(option, "SETNAME") => name = Some(name_of(given)?),
            Some(_) if is_word(option, "AUTH") => {
                return Err(
                    "ERR HELLO AUTH: there are no passwords here; connect without one".into()
                );
            }
            _ => {
                let option = String::from_utf8_lossy(option);
                return Err(format!("ERR Syntax error in HELLO option '{option}'"));
            }
        }
    }
    call.session.version = version;
    if let Some(name) = name {
        call.session.name = name;
    }
    let mut reply = Reply::new(reply.buffer(), version);
    reply.map(7);
    for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"proto");
    reply.integer(if version == Version::Resp2 { 2 } else { 3 });
    reply.bulk(b"id");
    reply.integer(call.session.id as i64);
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
    Ok(Done::Replied)
}

fn name_of(word: &[u8]) -> Result<String, String> {
    let is_right = word.len() <= NAME_BYTES_MAX && word.iter().all(u8::is_ascii_graphic);
    let name = String::from_utf8_lossy(word).into_owned();
    is_right.then_some(name).ok_or_else(|| {
        "ERR Client names cannot contain spaces, newlines or special characters.".into()
    })
}

pub(super) fn client(call: &mut Call<'_>, reply: &mut Reply<'_>) -> Ended {
    let words = call.words;
    match (&words[1], words.len()) {
        (word, 3) if is_word(word, "SETNAME") => {
            call.session.name = name_of(&words[2])?;
            reply.ok();
        }
        // Nobody asks for what libraries say of themselves.
        (word, 4) if is_word(word, "SETINFO") => reply.ok(),
        (word, 2) if is_word(word, "GETNAME") && call.session.name.is_empty() => reply.null(),
        (word, 2) if is_word(word, "GETNAME") => reply.bulk(call.session.name.as_bytes()),
        (word, 2) if is_word(word, "ID") => reply.integer(call.session.id as i64),
        (word, _) => return Err(unknown_subcommand("client", word)),
    }
    Ok(Done::Replied)
}

fn unknown_subcommand(command: &str, word: &[u8]) -> String {
    let syntax = find(command.as_bytes()).map_or("", |one| one.syntax);
    let (word, upper) = (String::from_utf8_lossy(word), command.to_uppercase());
    format!(
        "ERR unknown subcommand or wrong number of arguments for '{word}'. Try {upper} {syntax}."
    )
}

pub(super) fn command(call: &mut Call<'_>, reply: &mut Reply<'_>) -> Ended {
    match call.words.get(1) {
        None => {
            reply.array(COMMANDS.len());
            COMMANDS.iter().for_each(|one| describe(one, reply));
        }
        Some(word) if is_word(word, "COUNT") => reply.integer(COMMANDS.len() as i64),
        Some(word) if is_word(word, "DOCS") => reply.map(0),
        Some(word) if is_word(word, "INFO") && call.words.len() == 2 => {
            reply.array(COMMANDS.len());
            COMMANDS.iter().for_each(|one| describe(one, reply));
        }
        Some(word) if is_word(word, "INFO") => {
            let names = call.words.from(2);
            reply.array(names.len());
            for name in names {
                match find(name) {
                    Some(one) => describe(one, reply),
                    None => reply.null_array(),
                }
            }
        }
        Some(word) => return Err(unknown_subcommand("command", word)),
    }
    Ok(Done::Replied)
}

/// The entry of a command as in Redis 7.
fn describe(command: &Command, reply: &mut Reply<'_>) {
    reply.array(10);
    reply.bulk(command.name.as_bytes());
    reply.integer(command.arity);
    reply.set(1);
    reply.simple("fast");
    let last_and_step = i64::from(command.key_place > 0);
    reply.integer(command.key_place);
    reply.integer(last_and_step * command.key_place);
    reply.integer(last_and_step);
    // Categories, tips, key specifications, subcommands.
    reply.set(0);
    (0..3).for_each(|_| reply.array(0));
}

pub(super) fn select(call: &mut Call<'_>, reply: &mut Reply<'_>) -> Ended {
    match parse_i64(&call.words[1]) {
        Some(0) => reply.ok(),
        Some(_) => return Err("ERR DB index is out of range".into()),
        None => return Err("ERR value is not an integer or out of range".into()),
    }
    Ok(Done::Replied)
}

pub(super) fn info(call: &mut Call<'_>, reply: &mut Reply<'_>) -> Ended {
    let text = format!(
        "# Server\r\nredis_version:{REDIS_VERSION}\r\nredis_mode:standalone\r\n\
         ringlet_limiter_version:{}\r\n# Persistence\r\nloading:0\r\n# Replication\r\n\
         role:master\r\n# Rules\r\nrules:{}\r\nrules_generation:{}\r\n",
        env!("CARGO_PKG_VERSION"),
        call.desk.rules().slots().count(),
        call.desk.rules().generation(),
    );
    reply.verbatim(b"txt", text.as_bytes());
    Ok(Done::Replied)
}

pub(super) fn reset(call: &mut Call<'_>, reply: &mut Reply<'_>) -> Ended {
    call.session.version = Version::Resp2;
    call.session.name.clear();
    reply.simple("RESET");
    Ok(Done::Replied)
}

pub(super) fn quit(_: &mut Call<'_>, reply: &mut Reply<'_>) -> Ended {
    reply.ok();
    Ok(Done::Closing)
}
