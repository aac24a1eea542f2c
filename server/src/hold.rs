//! Hold: a command that decides what becomes of its connection.
//! In: EXEC that has changed its connection before it is known whether it happens, or a command
//! that changes every core. Out: when it is answered, the connection as it is from then on.
//! Invariant: while a connection is held nothing more of it is parsed and no message overtakes the
//! answer; a refused EXEC leaves the connection as it was, subscriptions included.

use std::collections::BTreeSet;

use bytes::Bytes;
use ringlet_protocol::reply::Version;

use crate::connection::{Connection, ReplyMode};
use crate::message::Origin;
use crate::pubsub::{Channels, Published};

/// A command behind which nothing is parsed until it is answered: EXEC that has changed this
/// connection, or one that changes every core (CLIENT PAUSE, CLIENT KILL).
pub struct Hold {
    /// Its number.
    pub origin: Origin,
    /// What the connection returns to if EXEC is refused.
    before: Option<Settings>,
    /// What has come for its subscriptions meanwhile: it may be that EXEC has made them.
    messages: Vec<Published>,
    message_bytes: usize,
    /// What monitors see when it is known whether EXEC is refused: the last line (EXEC) in any
    /// case.
    pub unshown: Option<Vec<Bytes>>,
}

/// What queued commands can change of a connection before it is known whether EXEC happens.
pub struct Settings {
    db: usize,
    version: Version,
    is_authenticated: bool,
    name: Box<str>,
    library_name: Box<str>,
    library_version: Box<str>,
    no_evict: bool,
    no_touch: bool,
    is_readonly: bool,
    reply_mode: ReplyMode,
    channels: BTreeSet<Bytes>,
    patterns: BTreeSet<Bytes>,
}

impl Hold {
    /// Bytes of the messages that are held back.
    pub fn held_bytes(&self) -> usize {
        self.message_bytes
    }

    /// The connection is closed: it returns to nothing and nobody reads messages.
    pub fn forget_connection(&mut self) {
        self.before = None;
        self.messages = Vec::new();
        self.message_bytes = 0;
    }
}

impl Connection {
    /// What a refused EXEC returns to.
    pub fn settings(&self) -> Settings {
        Settings {
            db: self.db,
            version: self.version,
            is_authenticated: self.is_authenticated,
            name: self.name.clone(),
            library_name: self.library_name.clone(),
            library_version: self.library_version.clone(),
            no_evict: self.no_evict,
            no_touch: self.no_touch,
            is_readonly: self.is_readonly,
            reply_mode: self.reply_mode,
            channels: self.channels.clone(),
            patterns: self.patterns.clone(),
        }
    }

    /// Parses nothing more until the command with this number is answered.
    pub fn hold(&mut self, origin: Origin, before: Option<Settings>, unshown: Option<Vec<Bytes>>) {
        self.held = Some(Hold { origin, before, messages: Vec::new(), message_bytes: 0, unshown });
    }

    /// The command that holds the connection was answered; if it was refused, all is as before.
    /// What has come for its subscriptions meanwhile follows the answer, as far as they still are.
    /// Returns what monitors are to see now.
    pub fn end_hold(&mut self, is_refused: bool, channels: &mut Channels) -> Vec<Bytes> {
        let Some(Hold { before, messages, unshown, .. }) = self.held.take() else {
            return Vec::new();
        };
        let mut lines = unshown.unwrap_or_default();
        if is_refused {
            lines.drain(..lines.len().saturating_sub(1));
        }
        if let Some(before) = before.filter(|_| is_refused) {
            self.restore(before, channels);
        }
        for message in messages {
            let is_wanted = match &message.pattern {
                None => self.channels.contains(&message.channel),
                Some(pattern) => self.patterns.contains(pattern),
            };
            if is_wanted {
                message.write(&mut self.output, self.version);
            }
        }
        lines
    }

    fn restore(&mut self, before: Settings, channels: &mut Channels) {
        channels.forget(self);
        self.db = before.db;
        self.version = before.version;
        self.is_authenticated = before.is_authenticated;
        self.has_new_limits = true;
        self.name = before.name;
        self.library_name = before.library_name;
        self.library_version = before.library_version;
        self.no_evict = before.no_evict;
        self.no_touch = before.no_touch;
        self.is_readonly = before.is_readonly;
        self.reply_mode = before.reply_mode;
        self.channels = before.channels;
        self.patterns = before.patterns;
        self.channels.iter().for_each(|channel| channels.subscribe(self, channel));
        self.patterns.iter().for_each(|pattern| channels.subscribe_pattern(self, pattern));
    }

    /// Gives it a message of one of its subscriptions. It may overtake replies that are still on
    /// their way, but not the confirmation of its subscription: such commands run when nothing is
    /// under way, and those in a transaction hold the message back until EXEC is answered.
    pub fn receive(&mut self, message: Published) {
        match &mut self.held {
            Some(hold) => {
                let pattern_bytes = message.pattern.as_ref().map_or(0, |pattern| pattern.len());
                hold.message_bytes += message.text.len() + message.channel.len() + pattern_bytes;
                hold.messages.push(message);
            }
            None => message.write(&mut self.output, self.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::request::RequestParser;
    use ringlet_runtime::ring::SocketId;

    use super::*;
    use crate::clients::client_of;
    use crate::config::Config;

    #[test]
    fn what_is_held_back_counts_with_its_names() {
        let socket = SocketId::from_bits(0);
        let client = client_of(0, socket);
        let parser = RequestParser::new(Connection::request_limits(&Config::default(), false));
        let mut connection = Connection::new(client, 1, socket, parser, 0);
        connection.hold(Origin { client, sequence: 0 }, None, None);
        for pattern in [None, Some(Bytes::from_static(b"chan*"))] {
            let (channel, text) = (Bytes::from_static(b"channel"), Bytes::from_static(b"text"));
            connection.receive(Published { pattern, channel, text });
        }
        assert_eq!(connection.output_bytes(), 2 * (7 + 4) + 5);
        connection.held.as_mut().expect("it is held").forget_connection();
        assert_eq!(connection.output_bytes(), 0);
        connection.end_hold(true, &mut Channels::default());
        assert_eq!(connection.output_bytes(), 0, "nobody reads messages any more");
    }
}
