//! Publish and subscribe: who on this core listens to which channel.
//! In: subscriptions of this core's connections; messages that every core gets.
//! Out: pushes behind whatever the subscriber is owed; the number of receivers.
//! Invariant: a subscriber is never waited for: what it does not take piles up in its output buffer
//! until its limit closes it.

use std::collections::BTreeSet;

use ahash::AHashMap;
use bytes::Bytes;
use ringlet_base::glob;
use ringlet_protocol::reply::ReplyBuffer;
use ringlet_protocol::reply::{Reply, Version};

use crate::connection::Connection;
use crate::core::Core;
use crate::message::Client;

/// The subscriptions of one core.
#[derive(Default)]
pub struct Channels {
    exact: AHashMap<Bytes, BTreeSet<u64>>,
    patterns: AHashMap<Bytes, BTreeSet<u64>>,
    clients: AHashMap<u64, Client>,
}

impl Channels {
    /// A connection listens to a channel.
    pub fn subscribe(&mut self, connection: &Connection, channel: &Bytes) {
        self.clients.insert(connection.id, connection.client);
        self.exact.entry(channel.clone()).or_default().insert(connection.id);
    }

    /// A connection listens to a pattern.
    pub fn subscribe_pattern(&mut self, connection: &Connection, pattern: &Bytes) {
        self.clients.insert(connection.id, connection.client);
        self.patterns.entry(pattern.clone()).or_default().insert(connection.id);
    }

    /// A connection no longer listens to a channel.
    pub fn unsubscribe(&mut self, id: u64, channel: &Bytes) {
        leave(&mut self.exact, id, channel);
    }

    /// A connection no longer listens to a pattern.
    pub fn unsubscribe_pattern(&mut self, id: u64, pattern: &Bytes) {
        leave(&mut self.patterns, id, pattern);
    }

    /// A connection is gone.
    pub fn forget(&mut self, connection: &Connection) {
        for channel in &connection.channels {
            self.unsubscribe(connection.id, channel);
        }
        for pattern in &connection.patterns {
            self.unsubscribe_pattern(connection.id, pattern);
        }
        self.clients.remove(&connection.id);
    }

    /// Channels with listeners here.
    pub fn channels(&self) -> impl Iterator<Item = &Bytes> {
        self.exact.keys()
    }

    /// Patterns with listeners here.
    pub fn patterns(&self) -> impl Iterator<Item = &Bytes> {
        self.patterns.keys()
    }

    /// Number of listeners of a channel here.
    pub fn listeners(&self, channel: &[u8]) -> usize {
        self.exact.get(channel).map_or(0, BTreeSet::len)
    }
}

fn leave(table: &mut AHashMap<Bytes, BTreeSet<u64>>, id: u64, name: &Bytes) {
    if let Some(listeners) = table.get_mut(name) {
        listeners.remove(&id);
        if listeners.is_empty() {
            table.remove(name);
        }
    }
}

/// A message for one subscription.
pub struct Published {
    /// The pattern that was subscribed to; none when it was the channel itself.
    pub pattern: Option<Bytes>,
    /// Where it was published.
    pub channel: Bytes,
    /// What was published.
    pub text: Bytes,
}

impl Published {
    /// Writes it for a connection that speaks this version.
    pub fn write(&self, buffer: &mut ReplyBuffer, version: Version) {
        let mut reply = Reply::new(buffer, version);
        match &self.pattern {
            None => {
                reply.push(3);
                reply.bulk(b"message");
            }
            Some(pattern) => {
                reply.push(4);
                reply.bulk(b"pmessage");
                reply.bulk(pattern);
            }
        }
        reply.bulk(&self.channel);
        reply.bulk_shared(&self.text);
    }
}

impl Core {
    /// Gives a message to the listeners of this core; returns how many got it.
    pub fn publish_here(&mut self, channel: &[u8], message: &Bytes) -> usize {
        let mut receivers: Vec<(Client, Option<Bytes>)> = Vec::new();
        if let Some(listeners) = self.channels.exact.get(channel) {
            receivers.extend(listeners.iter().map(|id| (self.channels.clients[id], None)));
        }
        for (pattern, listeners) in &self.channels.patterns {
            if glob::matches(pattern, channel) {
                let all = listeners.iter();
                receivers.extend(all.map(|id| (self.channels.clients[id], Some(pattern.clone()))));
            }
        }
        let count = receivers.len();
        if count == 0 {
            return 0;
        }
        let channel = Bytes::copy_from_slice(channel);
        for (client, pattern) in receivers {
            let Some(connection) = self.clients.get_mut(client) else { continue };
            connection.receive(Published {
                pattern,
                channel: channel.clone(),
                text: message.clone(),
            });
            self.mark_output(client);
        }
        count
    }

    /// Notes that a connection of this core has output.
    pub fn mark_output(&mut self, client: Client) {
        if let (lists, Some(connection)) = self.clients.get_with_lists(client) {
            lists.mark_dirty(connection);
        }
    }
}
