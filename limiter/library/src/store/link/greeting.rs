//! What is asked of a server first, and what follows from the answers.
//!
//! Job: find out who the server is and what it can do. In: the answers to the greeting. Out: [`Facts`],
//! or why the server cannot be used. Invariant: nothing that only adds comfort (a name, a section of
//! `INFO` that is forbidden) keeps a server from being used.

use ringlet_protocol::Value;

use super::settings::{LinkSettings, NodeId};
use super::words::command;

/// One question of the greeting.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Authenticate,
    Name,
    Server,
    Replication,
    Memory,
    Lease,
    Slots,
    Script,
}

/// How leases are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum LeaseWay {
    /// Not at all: the server has no such command, and takes no script.
    #[default]
    None,
    /// `RL.LEASE`.
    Native,
    /// `EVALSHA` of the script with this digest.
    Script(String),
}

/// What a server has told about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Process and history; another one means that data may be lost. A primary that was a replica in
    /// between has another history, although it is the same process.
    pub(super) identity: String,
    pub(super) is_replica: bool,
    /// `PEXPIREAT` knows `NX`, since version 7.
    pub(super) has_expire_nx: bool,
    pub(super) lease: LeaseWay,
    /// A policy under which counters may vanish.
    pub(super) loose_policy: Option<String>,
}

/// The questions, in order, each with its bytes. The time is asked besides.
pub(super) fn questions(settings: &LinkSettings, node: &NodeId) -> Vec<(Step, Vec<u8>)> {
    let mut questions = Vec::new();
    let mut ask = |step, words: &[&str]| {
        let mut bytes = Vec::new();
        let words: Vec<_> = words.iter().map(|&word| word.into()).collect();
        command(&mut bytes, &words);
        questions.push((step, bytes));
    };
    if let Some(password) = &settings.password {
        match &settings.username {
            Some(username) => ask(Step::Authenticate, &["AUTH", username, password]),
            None => ask(Step::Authenticate, &["AUTH", password]),
        }
    }
    let name = format!("ringlet-limiter-{}", node.as_str());
    ask(Step::Name, &["CLIENT", "SETNAME", &name]);
    ask(Step::Server, &["INFO", "server"]);
    ask(Step::Replication, &["INFO", "replication"]);
    ask(Step::Memory, &["INFO", "memory"]);
    ask(Step::Lease, &["COMMAND", "INFO", "RL.LEASE"]);
    if settings.is_cluster {
        ask(Step::Slots, &["CLUSTER", "SLOTS"]);
    }
    questions
}

impl Facts {
    /// Takes the answer to one question.
    ///
    /// # Errors
    /// Why the server cannot be used.
    pub(super) fn learn(&mut self, step: Step, answer: &Value) -> Result<(), String> {
        let error = match answer {
            Value::Error(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        };
        match (step, error) {
            (Step::Authenticate | Step::Server | Step::Slots, Some(error)) => return Err(error),
            (Step::Server, None) => {
                let run_id = field(answer, "run_id").ok_or("its INFO has no run_id")?;
                self.identity = run_id.to_owned();
                let version = field(answer, "redis_version").unwrap_or_default();
                let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
                self.has_expire_nx = major.is_some_and(|major| major >= 7);
            }
            (Step::Replication, None) => {
                self.is_replica = field(answer, "role") == Some("slave");
                let history = field(answer, "master_replid").unwrap_or_default();
                self.identity = format!("{} {history}", self.identity);
            }
            (Step::Memory, None) => {
                let policy = field(answer, "maxmemory_policy");
                self.loose_policy =
                    policy.filter(|policy| policy.starts_with("allkeys-")).map(str::to_owned);
            }
            // An unknown command is a null in the array.
            (Step::Lease, None) => {
                let is_known = matches!(answer, Value::Array(rows)
                    if matches!(&rows[..], [Value::Array(row)] if !row.is_empty()));
                self.lease = if is_known { LeaseWay::Native } else { LeaseWay::None };
            }
            (Step::Script, None) => {
                self.lease = match answer {
                    Value::Bulk(digest) if digest.iter().all(u8::is_ascii_hexdigit) => {
                        LeaseWay::Script(String::from_utf8_lossy(digest).into_owned())
                    }
                    _ => LeaseWay::None,
                };
            }
            // It will be able to.
            (Step::Script, Some(error))
                if error.starts_with("LOADING") || error.starts_with("BUSY") =>
            {
                return Err(error);
            }
            _ => {}
        }
        Ok(())
    }
}

/// A field of a section of `INFO`.
fn field<'a>(answer: &'a Value, name: &str) -> Option<&'a str> {
    let Value::Bulk(text) = answer else { return None };
    let lines = std::str::from_utf8(text).ok()?.lines();
    lines
        .filter_map(|line| line.split_once(':'))
        .find_map(|(key, value)| (key == name).then_some(value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    #[test]
    fn facts_are_read_from_info() {
        let mut facts = Facts::default();
        let server = bulk("# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n");
        facts.learn(Step::Server, &server).expect("usable");
        let replication = bulk("# Replication\r\nrole:slave\r\nmaster_replid:def\r\n");
        facts.learn(Step::Replication, &replication).expect("usable");
        facts.learn(Step::Memory, &bulk("maxmemory_policy:allkeys-lru\r\n")).expect("usable");
        assert_eq!(
            facts,
            Facts {
                identity: "abc def".to_owned(),
                is_replica: true,
                has_expire_nx: true,
                lease: LeaseWay::None,
                loose_policy: Some("allkeys-lru".to_owned()),
            }
        );
        for (version, has_expire_nx) in [("6.2.14", false), ("10.1", true), ("x", false)] {
            let server = bulk(&format!("redis_version:{version}\r\nrun_id:abc\r\n"));
            facts.learn(Step::Server, &server).expect("usable");
            assert_eq!(facts.has_expire_nx, has_expire_nx, "{version}");
        }
        facts.learn(Step::Memory, &bulk("maxmemory_policy:volatile-ttl\r\n")).expect("usable");
        assert_eq!(facts.loose_policy, None);
    }

    #[test]
    fn the_lease_command_is_known_only_if_it_is_described() {
        let mut facts = Facts::default();
        let unknown = [
            Value::Array(vec![Value::NullArray]),
            Value::Array(vec![Value::NullBulk]),
            Value::Array(vec![]),
            Value::Error(b"NOPERM".to_vec()),
        ];
        for answer in &unknown {
            facts.learn(Step::Lease, answer).expect("usable");
            assert_eq!(facts.lease, LeaseWay::None, "{answer:?}");
        }
        let known = Value::Array(vec![Value::Array(vec![bulk("rl.lease"), Value::Integer(-11)])]);
        facts.learn(Step::Lease, &known).expect("usable");
        assert_eq!(facts.lease, LeaseWay::Native);
        facts.learn(Step::Script, &bulk("0123abc")).expect("usable");
        assert_eq!(facts.lease, LeaseWay::Script("0123abc".to_owned()));
    }

    #[test]
    fn only_what_is_needed_keeps_a_server_from_being_used() {
        let refused = Value::Error(b"NOPERM no".to_vec());
        for step in [Step::Name, Step::Replication, Step::Memory, Step::Lease, Step::Script] {
            assert_eq!(Facts::default().learn(step, &refused), Ok(()), "{step:?}");
        }
        for step in [Step::Authenticate, Step::Server, Step::Slots] {
            assert_eq!(Facts::default().learn(step, &refused), Err("NOPERM no".to_owned()));
        }
        assert!(Facts::default().learn(Step::Server, &Value::NullBulk).is_err());
    }
}
