//! A store that says what a test wants.
//!
//! Job: stand for the driver and the store. In: actions of a link. Out: commands as text, and whatever
//! bytes the test answers. Invariant: time moves only when the test moves it.

use ringlet_protocol::Value;

use super::super::{Link, LinkAction, LinkSettings, NodeId};
use crate::store::{StoreCall, StoreCommand, StoreReply};
use crate::time::NS_PER_MS;

/// Unix milliseconds of the store at time 0.
pub const UNIX_MS: u64 = 1_700_000_000_000;
/// The digest of the script.
pub const DIGEST: &str = "0123456789012345678901234567890123456789";

pub struct Fake {
    pub link: Link,
    pub now_ns: u64,
    /// Connections asked for, with their addresses.
    pub connects: Vec<(u32, String)>,
    pub closes: Vec<u32>,
    /// Commands that were sent, and not yet taken by the test.
    pub sent: Vec<(u32, String)>,
}

/// What a store says in the greeting.
#[derive(Clone)]
pub struct Store {
    pub run_id: &'static str,
    pub version: &'static str,
    pub role: &'static str,
    pub policy: &'static str,
    pub has_lease: bool,
    pub slots: Option<String>,
}

pub const STORE: Store = Store {
    run_id: "run1",
    version: "7.0.15",
    role: "master",
    policy: "noeviction",
    has_lease: true,
    slots: None,
};

pub fn settings() -> LinkSettings {
    LinkSettings::at(vec!["store:6379".to_owned()])
}

pub fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

impl Fake {
    pub fn new(settings: LinkSettings) -> Self {
        let link = Link::new(settings, NodeId::new(0xabc), 7, 0);
        let mut fake =
            Self { link, now_ns: 0, connects: Vec::new(), closes: Vec::new(), sent: Vec::new() };
        fake.look();
        fake
    }

    /// One that is connected and greeted.
    pub fn up(settings: LinkSettings, store: &Store) -> Self {
        let mut fake = Self::new(settings);
        fake.greet(0, store);
        assert!(fake.link.view().is_up);
        fake
    }

    /// Takes the link's actions.
    pub fn look(&mut self) {
        for action in self.link.take_actions() {
            match action {
                LinkAction::Connect { connection, address } => {
                    self.connects.push((connection, address));
                }
                LinkAction::Close { connection } => self.closes.push(connection),
                LinkAction::Send { connection, bytes } => {
                    let mut rest = &bytes[..];
                    while let Some((command, length)) = Value::parse(rest).expect("well formed") {
                        self.sent.push((connection, text_of(&command)));
                        rest = &rest[length..];
                    }
                    assert!(rest.is_empty(), "whole commands");
                }
            }
        }
    }

    /// Commands that were sent on a connection, without questions for the time; they are taken away.
    pub fn take_sent(&mut self, connection: u32) -> Vec<String> {
        let (taken, kept) =
            std::mem::take(&mut self.sent).into_iter().partition(|(on, _)| *on == connection);
        self.sent = kept;
        taken.into_iter().map(|(_, text)| text).collect()
    }

    /// Lets time pass with a tick in each millisecond.
    pub fn pass_ms(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now_ns += NS_PER_MS;
            self.link.tick(self.now_ns);
            self.look();
        }
    }

    /// Lets time pass until a trial begins: the connection that is asked for, if it is one.
    pub fn pass_until_connect(&mut self) -> u32 {
        let former = self.connects.len();
        for _ in 0..5000 {
            self.pass_ms(1);
            if self.connects.len() > former {
                return self.connects[former].0;
            }
        }
        panic!("no connection is asked for");
    }

    pub fn bytes(&mut self, connection: u32, bytes: &str) {
        self.link.on_bytes(connection, bytes.as_bytes(), self.now_ns);
        self.look();
    }

    /// The answer to TIME, as the store's clock is now.
    pub fn time(&self) -> String {
        let us = UNIX_MS * 1000 + self.now_ns / 1000;
        let (seconds, rest) = (us / 1_000_000, us % 1_000_000);
        format!("*2\r\n{}{}", bulk(&seconds.to_string()), bulk(&rest.to_string()))
    }

    /// Answers all commands of the greeting, and the script's if it is loaded.
    pub fn greet(&mut self, connection: u32, store: &Store) {
        self.link.on_connected(connection, self.now_ns);
        self.look();
        self.answer_all(connection, store);
    }

    /// Answers whatever was sent as a store does that keeps nothing.
    pub fn answer_all(&mut self, connection: u32, store: &Store) {
        loop {
            let sent = self.take_sent(connection);
            if sent.is_empty() {
                return;
            }
            let answers: String =
                sent.iter().map(|command| self.answer_of(command, store)).collect();
            self.bytes(connection, &answers);
        }
    }

    pub fn answer_of(&self, command: &str, store: &Store) -> String {
        match command {
            "TIME" => self.time(),
            "INFO server" => bulk(&format!(
                "# Server\r\nredis_version:{}\r\nrun_id:{}\r\n",
                store.version, store.run_id
            )),
            "INFO replication" => bulk(&format!("role:{}\r\n", store.role)),
            "INFO memory" => bulk(&format!("maxmemory_policy:{}\r\n", store.policy)),
            "COMMAND INFO RL.LEASE" if store.has_lease => "*1\r\n*1\r\n$8\r\nrl.lease\r\n".into(),
            "COMMAND INFO RL.LEASE" => "*1\r\n*-1\r\n".into(),
            "CLUSTER SLOTS" => store.slots.clone().expect("a cluster"),
            text if text.starts_with("SCRIPT LOAD") => bulk(DIGEST),
            text if text.starts_with("CLIENT") || text.starts_with("AUTH") => "+OK\r\n".into(),
            text if text.starts_with("GET") => "$-1\r\n".into(),
            _ => ":1\r\n".into(),
        }
    }

    pub fn submit(&mut self, calls: Vec<StoreCall>) {
        self.link.submit(calls, self.now_ns);
        self.look();
    }

    pub fn replies(&mut self) -> Vec<(u64, StoreReply)> {
        self.link.take_replies()
    }
}

fn text_of(command: &Value) -> String {
    let Value::Array(words) = command else { panic!("{command:?}") };
    let words: Vec<_> = words
        .iter()
        .map(|word| match word {
            Value::Bulk(word) => String::from_utf8_lossy(word).into_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    words.join(" ")
}

pub fn count(id: u64, key: &str) -> StoreCall {
    let command = StoreCommand::Count {
        key: key.as_bytes().to_vec(),
        previous: None,
        amount: 5,
        expire_at_ms: UNIX_MS + 60_000,
    };
    StoreCall { id, command }
}

pub fn uncount(id: u64, key: &str, before_ms: u64) -> StoreCall {
    let command = StoreCommand::Uncount {
        key: key.as_bytes().to_vec(),
        amount: 2,
        before_ms,
        expire_at_ms: UNIX_MS + 60_000,
    };
    StoreCall { id, command }
}

pub fn lease(id: u64, key: &str) -> StoreCall {
    let command = StoreCommand::Lease {
        key: key.as_bytes().to_vec(),
        burst: 10,
        count: 1,
        period_ms: 1000,
        sequence: id,
        held: 0,
        returned: 0,
        want: 4,
        ttl_ms: 1000,
    };
    StoreCall { id, command }
}

pub fn counted(total: i64) -> StoreReply {
    StoreReply::Counted { total, previous: 0 }
}
