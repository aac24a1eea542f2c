//! What the subscribing commands share: their confirmations, and the flags.

use bytes::Bytes;
use ringlet_protocol::reply::{Reply, ReplyBuffer};

use crate::command::spec::{CommandError, flags};
use crate::connection::Connection;

/// Flags of the commands that manage subscriptions.
pub const FLAGS: u32 = flags::PUBSUB
    | flags::NOSCRIPT
    | flags::LOADING
    | flags::STALE
    | flags::WHILE_SUBSCRIBED
    | flags::AFTER_OTHERS;

/// Tells a client that a subscription began or ended, and how many it has now. It is a message more
/// than a reply: CLIENT REPLY OFF does not keep it back.
pub fn confirm(
    reply: &mut Reply<'_>,
    connection: &mut Connection,
    word: &str,
    name: Option<&Bytes>,
) {
    if connection.is_muted() {
        let mut message = ReplyBuffer::new();
        write(&mut Reply::new(&mut message, connection.version), connection, word, name);
        connection.push(&message);
    } else {
        write(reply, connection, word, name);
    }
}

fn write(reply: &mut Reply<'_>, connection: &Connection, word: &str, name: Option<&Bytes>) {
    reply.push(3);
    reply.bulk(word.as_bytes());
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.integer(connection.subscriptions() as i64);
}

/// The error of a PUBSUB subcommand with too many words, as Redis words it.
pub fn wrong_subcommand(word: &[u8]) -> CommandError {
    let mut text = b"ERR unknown subcommand or wrong number of arguments for '".to_vec();
    text.extend_from_slice(word);
    text.extend_from_slice(b"'. Try PUBSUB HELP.");
    CommandError::quoting(text)
}
