//! Directives of replication and of Redis Cluster: there is one server, so whatever would make it
//! follow another one is refused; settings without effect on a lone server are kept.

use super::Change::{Anytime, AtStart};
use super::{Directive, Keep, Refusal, number, text};
use crate::config::value::{Kind, Value};

const INT: Kind = Kind::Number(0, i32::MAX as i64);
const PORT: Kind = Kind::Number(0, 65535);

/// Its value may be shown empty, but a line needs two words.
pub const REPLICA_OF: &str = "replicaof";

pub const DIRECTIVES: &[Directive] = &[
    Directive::field(
        REPLICA_OF,
        Kind::Words,
        AtStart,
        Keep::Field {
            get: |_| Value::Text(String::new()),
            set: |_, value| match value.words() {
                [no, one] if no.eq_ignore_ascii_case("no") && one.eq_ignore_ascii_case("one") => {
                    Ok(())
                }
                [_, _] => {
                    Err(Refusal::Unsupported("replication is not supported yet: remove the line"))
                }
                _ => Err("wrong number of arguments".into()),
            },
        },
    )
    .or("slaveof"),
    Directive::only(
        "cluster-enabled",
        Kind::Flag,
        "no",
        "Ringlet is not a node of a Redis Cluster: set it to 'no'; for cluster clients set \
         shard-ports, which gives every core a port of its own",
    )
    .set(AtStart),
    Directive::only(
        "min-replicas-to-write",
        INT,
        "0",
        "replication is not supported yet, and no write could ever succeed: set it to 0",
    )
    .or("min-slaves-to-write"),
    Directive::inert("min-replicas-max-lag", INT, "10").or("min-slaves-max-lag"),
    Directive::inert("masterauth", Kind::Text, "").secret(),
    Directive::inert("masteruser", Kind::Text, "").secret(),
    Directive::inert("replica-serve-stale-data", Kind::Flag, "yes").or("slave-serve-stale-data"),
    Directive::inert("replica-read-only", Kind::Flag, "yes").or("slave-read-only"),
    Directive::inert("replica-ignore-maxmemory", Kind::Flag, "yes").or("slave-ignore-maxmemory"),
    Directive::inert("replica-lazy-flush", Kind::Flag, "no").or("slave-lazy-flush"),
    Directive::inert("replica-priority", INT, "100").or("slave-priority"),
    Directive::inert("replica-announce-ip", Kind::Text, "").or("slave-announce-ip"),
    Directive::inert("replica-announce-port", PORT, "0").or("slave-announce-port"),
    Directive::inert("replica-announced", Kind::Flag, "yes"),
    Directive::inert("replica-ignore-disk-write-errors", Kind::Flag, "no"),
    Directive::inert(
        "propagation-error-behavior",
        Kind::Choice(&["ignore", "panic", "panic-on-replicas"]),
        "ignore",
    ),
    Directive::inert("repl-ping-replica-period", Kind::Number(1, i32::MAX as i64), "10")
        .or("repl-ping-slave-period"),
    Directive::inert("repl-timeout", Kind::Number(1, i32::MAX as i64), "60"),
    Directive::inert("repl-backlog-size", Kind::Memory(1, i64::MAX), "1048576"),
    Directive::inert("repl-backlog-ttl", Kind::Number(0, i64::MAX), "3600"),
    Directive::inert("repl-disable-tcp-nodelay", Kind::Flag, "no"),
    Directive::inert("repl-diskless-sync", Kind::Flag, "yes"),
    Directive::inert("repl-diskless-sync-delay", INT, "5"),
    Directive::inert("repl-diskless-sync-max-replicas", INT, "0"),
    Directive::inert(
        "repl-diskless-load",
        Kind::Choice(&["disabled", "on-empty-db", "swapdb"]),
        "disabled",
    ),
    Directive::inert("cluster-config-file", Kind::Text, "nodes.conf").set(AtStart),
    Directive::inert("cluster-node-timeout", Kind::Number(0, i64::MAX), "15000"),
    Directive::inert("cluster-port", PORT, "0").set(AtStart),
    Directive::inert("cluster-replica-validity-factor", INT, "10")
        .or("cluster-slave-validity-factor"),
    Directive::inert("cluster-migration-barrier", INT, "1"),
    Directive::inert("cluster-allow-replica-migration", Kind::Flag, "yes"),
    Directive::inert("cluster-require-full-coverage", Kind::Flag, "yes"),
    Directive::inert("cluster-replica-no-failover", Kind::Flag, "no")
        .or("cluster-slave-no-failover"),
    Directive::inert("cluster-allow-reads-when-down", Kind::Flag, "no"),
    Directive::inert("cluster-allow-pubsubshard-when-down", Kind::Flag, "yes"),
    Directive::inert("cluster-link-sendbuf-limit", Kind::Memory(0, i64::MAX), "0"),
    Directive::field("cluster-announce-ip", Kind::Text, Anytime, text!(announce_ip)),
    Directive::field("cluster-announce-port", PORT, Anytime, number!(announce_port)),
    Directive::inert("cluster-announce-tls-port", PORT, "0"),
    Directive::inert("cluster-announce-bus-port", PORT, "0"),
    Directive::field("cluster-announce-hostname", Kind::Text, Anytime, text!(announce_hostname)),
    Directive::inert("cluster-announce-human-nodename", Kind::Text, ""),
    Directive::field(
        "cluster-preferred-endpoint-type",
        Kind::Choice(&["ip", "hostname", "unknown-endpoint"]),
        Anytime,
        text!(endpoint_type),
    ),
];
