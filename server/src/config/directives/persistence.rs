//! Directives of persistence: there is none yet, so whatever asks for it is refused, and the rest
//! is kept for the day when there is.

use super::Change::{AtStart, Protected};
use super::Directive;
use crate::config::value::Kind;

const BYTES: Kind = Kind::Memory(0, i64::MAX);

pub const DIRECTIVES: &[Directive] = &[
    Directive::only(
        "save",
        Kind::Words,
        "",
        "snapshots are not supported yet, data lives in memory only: remove the line or write \
         save \"\"",
    ),
    Directive::only(
        "appendonly",
        Kind::Flag,
        "no",
        "the append-only file is not supported yet, data lives in memory only: remove the line or \
         set it to 'no'",
    ),
    Directive::inert("dbfilename", Kind::Text, "dump.rdb").set(Protected),
    Directive::inert("rdbcompression", Kind::Flag, "yes"),
    Directive::inert("rdbchecksum", Kind::Flag, "yes").set(AtStart),
    Directive::inert("rdb-save-incremental-fsync", Kind::Flag, "yes"),
    Directive::inert("rdb-del-sync-files", Kind::Flag, "no"),
    Directive::inert("stop-writes-on-bgsave-error", Kind::Flag, "yes"),
    Directive::inert("appendfilename", Kind::Text, "appendonly.aof").set(AtStart),
    Directive::inert("appenddirname", Kind::Text, "appendonlydir").set(AtStart),
    Directive::inert("appendfsync", Kind::Choice(&["everysec", "always", "no"]), "everysec"),
    Directive::inert("no-appendfsync-on-rewrite", Kind::Flag, "no"),
    Directive::inert("auto-aof-rewrite-percentage", Kind::Number(0, i32::MAX as i64), "100"),
    Directive::inert("auto-aof-rewrite-min-size", BYTES, "67108864"),
    Directive::inert("aof-load-truncated", Kind::Flag, "yes"),
    Directive::inert("aof-use-rdb-preamble", Kind::Flag, "yes"),
    Directive::inert("aof-timestamp-enabled", Kind::Flag, "no"),
    Directive::inert("aof-rewrite-incremental-fsync", Kind::Flag, "yes"),
    Directive::inert("aof-disable-auto-gc", Kind::Flag, "no"),
];
