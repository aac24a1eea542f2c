//! Directives of keys and values: encodings, memory, expiry.

use super::Change::Anytime;
use super::{Directive, number, text};
use crate::config::value::Kind;

const INT: Kind = Kind::Number(0, i32::MAX as i64);
const LONG: Kind = Kind::Number(0, i64::MAX);
const BYTES: Kind = Kind::Memory(0, i64::MAX);
const PERCENT: Kind = Kind::Number(0, 1000);

pub const DIRECTIVES: &[Directive] = &[
    Directive::field(
        "hash-max-listpack-entries",
        LONG,
        Anytime,
        number!(limits.hash_max_listpack_entries),
    )
    .or("hash-max-ziplist-entries"),
    Directive::field(
        "hash-max-listpack-value",
        BYTES,
        Anytime,
        number!(limits.hash_max_listpack_value),
    )
    .or("hash-max-ziplist-value"),
    Directive::field(
        "list-max-listpack-size",
        Kind::Number(i32::MIN as i64, i32::MAX as i64),
        Anytime,
        number!(limits.list_max_listpack_size),
    )
    .or("list-max-ziplist-size"),
    Directive::field(
        "set-max-intset-entries",
        LONG,
        Anytime,
        number!(limits.set_max_intset_entries),
    ),
    Directive::field(
        "set-max-listpack-entries",
        LONG,
        Anytime,
        number!(limits.set_max_listpack_entries),
    ),
    Directive::field(
        "set-max-listpack-value",
        BYTES,
        Anytime,
        number!(limits.set_max_listpack_value),
    ),
    Directive::field(
        "zset-max-listpack-entries",
        LONG,
        Anytime,
        number!(limits.zset_max_listpack_entries),
    )
    .or("zset-max-ziplist-entries"),
    Directive::field(
        "zset-max-listpack-value",
        BYTES,
        Anytime,
        number!(limits.zset_max_listpack_value),
    )
    .or("zset-max-ziplist-value"),
    Directive::field("lfu-log-factor", INT, Anytime, number!(lfu_log_factor)),
    Directive::field("lfu-decay-time", INT, Anytime, number!(lfu_decay_minutes)),
    Directive::only(
        "maxmemory",
        BYTES,
        "0",
        "keys are not evicted yet: set it to 0, and bound the process from outside (MemoryMax= of \
         systemd, a container's limit)",
    ),
    Directive::field(
        "maxmemory-policy",
        Kind::Choice(&[
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "noeviction",
        ]),
        Anytime,
        text!(eviction_policy),
    ),
    Directive::inert("maxmemory-samples", Kind::Number(1, 64), "5"),
    Directive::inert("maxmemory-eviction-tenacity", Kind::Number(0, 100), "10"),
    Directive::inert("list-compress-depth", INT, "0"),
    Directive::inert("hll-sparse-max-bytes", BYTES, "3000"),
    Directive::inert("stream-node-max-bytes", BYTES, "4096"),
    Directive::inert("stream-node-max-entries", LONG, "100"),
    Directive::inert("active-expire-effort", Kind::Number(1, 10), "1"),
    Directive::inert("activerehashing", Kind::Flag, "yes"),
    Directive::inert("dynamic-hz", Kind::Flag, "yes"),
    Directive::inert("lazyfree-lazy-eviction", Kind::Flag, "no"),
    Directive::inert("lazyfree-lazy-expire", Kind::Flag, "no"),
    Directive::inert("lazyfree-lazy-server-del", Kind::Flag, "no"),
    Directive::inert("lazyfree-lazy-user-del", Kind::Flag, "no"),
    Directive::inert("lazyfree-lazy-user-flush", Kind::Flag, "no"),
    Directive::inert("jemalloc-bg-thread", Kind::Flag, "yes"),
    Directive::only(
        "activedefrag",
        Kind::Flag,
        "no",
        "Active defragmentation cannot be enabled: Ringlet's allocator has none; set it to 'no'",
    ),
    Directive::inert("active-defrag-ignore-bytes", Kind::Memory(1, i64::MAX), "104857600"),
    Directive::inert("active-defrag-threshold-lower", PERCENT, "10"),
    Directive::inert("active-defrag-threshold-upper", PERCENT, "100"),
    Directive::inert("active-defrag-cycle-min", Kind::Number(1, 99), "1"),
    Directive::inert("active-defrag-cycle-max", Kind::Number(1, 99), "25"),
    Directive::inert("active-defrag-max-scan-fields", Kind::Number(1, i64::MAX), "1000"),
    Directive::inert("tracking-table-max-keys", LONG, "1000000"),
    Directive::inert("sanitize-dump-payload", Kind::Choice(&["no", "yes", "clients"]), "no"),
];
