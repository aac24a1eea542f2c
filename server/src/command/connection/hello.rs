//! HELLO: settles the protocol's version, with AUTH and CLIENT SETNAME in one step.
//! In: a version and options. Out: a map that tells who answers.
//! Invariant: an error changes nothing but that a right AUTH stays.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::{Reply, Version};

use super::authentication::authenticate;
use super::client_setname::client_name;
use crate::REDIS_VERSION;
use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags, is_word};
use crate::session::Session;

/// HELLO [protover [AUTH username password] [SETNAME clientname]]
pub const SPEC: Spec = Spec {
    name: "hello",
    arity: -1,
    keys: Keys::NONE,
    flags: flags::AFTER_OTHERS
        | flags::NOSCRIPT
        | flags::LOADING
        | flags::STALE
        | flags::FAST
        | flags::NO_AUTH
        | flags::ALLOW_BUSY
        | flags::SECRET,
    categories: 0,
    group: Group::Connection,
    since: "6.0.0",
    complexity: "O(1)",
    summary: "Handshakes with the Redis server.",
    syntax: "[protover [AUTH username password] [SETNAME clientname]]",
    examples: &[
        ("HELLO 4", "(error) NOPROTO unsupported protocol version"),
        ("HELLO x", "(error) ERR Protocol version is not an integer or out of range"),
        ("HELLO 2 AUTH default", "(error) ERR Syntax error in HELLO option 'AUTH'"),
        (
            "HELLO 2 SETNAME \"a b\"",
            "(error) ERR Client names cannot contain spaces, newlines or special characters.",
        ),
    ],
    run: Run::Session(run),
};

/// What the words ask for.
#[derive(Default)]
struct Request<'a> {
    version: Option<Version>,
    credentials: Option<(&'a [u8], &'a [u8])>,
    name: Option<Box<str>>,
}

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let request = parse(words)?;
    if let Some((user, password)) = request.credentials {
        authenticate(session, user, password)?;
    }
    if session.connection.must_authenticate(&session.core.config) {
        return Err(CommandError::new(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO AUTH <user> <pass> option can be used to authenticate the client and select the \
             RESP protocol version at the same time",
        ));
    }
    if let Some(name) = request.name {
        session.connection.name = name;
    }
    if let Some(version) = request.version {
        session.connection.version = version;
    }
    introduce(session, reply);
    Ok(())
}

fn parse(words: Arguments<'_>) -> Result<Request<'_>, CommandError> {
    let mut request = Request::default();
    let mut options = words.iter().skip(1);
    let Some(version) = options.next() else { return Ok(request) };
    let version = ringlet_base::number::parse_i64(version)
        .ok_or(CommandError::new("ERR Protocol version is not an integer or out of range"))?;
    request.version = match version {
        2 => Some(Version::Resp2),
        3 => Some(Version::Resp3),
        _ => return Err(CommandError::new("NOPROTO unsupported protocol version")),
    };
    while let Some(option) = options.next() {
        if is_word(option, "AUTH") && options.len() >= 2 {
            request.credentials = options.next().zip(options.next());
        } else if is_word(option, "SETNAME")
            && let Some(name) = options.next()
        {
            request.name = Some(client_name(name)?);
        } else {
            let option = String::from_utf8_lossy(option);
            return Err(CommandError::with(format!("ERR Syntax error in HELLO option '{option}'")));
        }
    }
    Ok(request)
}

/// Says who answers, in the version that holds from now on.
fn introduce(session: &Session<'_>, reply: &mut Reply<'_>) {
    let connection = &session.connection;
    let mut reply = Reply::new(reply.buffer(), connection.version);
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.integer(if connection.version == Version::Resp2 { 2 } else { 3 });
    reply.bulk(b"id");
    reply.integer(connection.id as i64);
    reply.bulk(b"mode");
    reply.bulk(if connection.is_shard_port { b"cluster" } else { b"standalone" });
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
}
