//! Job: every command as the differential check sends it.
//! In: nothing. Out: one row for each form of a command: how often, its template, how its replies
//! are compared.
//! Invariant: every command and subcommand of the server has a row, a step of [`fixed`], or a
//! reason in [`UNCOVERED`]; a test asks the server for its list.

use super::compare::Rule;
use super::fixed;
use super::grammar::Template;

/// One form of a command.
#[derive(Clone, Debug)]
pub struct Row {
    /// Share of the lines, relative to the other rows.
    pub weight: usize,
    /// What the line looks like.
    pub template: Template,
    /// How two replies are compared.
    pub rule: Rule,
    /// True when it may block outside MULTI.
    pub blocking: bool,
}

type Entry = (usize, Rule, &'static str);

const STRINGS: &[Entry] = &[
    (
        30,
        Rule::Exact,
        "SET {string} {value} [NX|XX] [GET] [EX {seconds}|PX {milliseconds}|EXAT {at}|PXAT {pat}|KEEPTTL]",
    ),
    (15, Rule::Exact, "SET {counter} {integer}"),
    (3, Rule::Exact, "SET {any} {value}"),
    (20, Rule::Exact, "GET {string}"),
    (6, Rule::Exact, "GETSET {string} {value}"),
    (6, Rule::Exact, "GETDEL {string}"),
    (
        8,
        Rule::Exact,
        "GETEX {string} [EX {seconds}|PX {milliseconds}|EXAT {at}|PXAT {pat}|PERSIST]",
    ),
    (6, Rule::Exact, "SETNX {string} {value}"),
    (5, Rule::Exact, "SETEX {string} {seconds} {value}"),
    (5, Rule::Exact, "PSETEX {string} {milliseconds} {value}"),
    (10, Rule::Exact, "APPEND {string} {value}"),
    (8, Rule::Exact, "STRLEN {string}"),
    (8, Rule::Exact, "SETRANGE {string} {offset} {text}"),
    (8, Rule::Exact, "GETRANGE {string} {index} {index}"),
    (2, Rule::Exact, "SUBSTR {string} {index} {index}"),
    (10, Rule::Exact, "MSET ({string} {value})+"),
    (6, Rule::Exact, "MSETNX ({string} {value})+"),
    (10, Rule::Exact, "MGET {string}+"),
    (4, Rule::Exact, "MGET {any}+"),
    (10, Rule::Exact, "INCR {counter}"),
    (8, Rule::Exact, "DECR {counter}"),
    (10, Rule::Exact, "INCRBY {counter} {integer}"),
    (8, Rule::Exact, "DECRBY {counter} {integer}"),
    (10, Rule::Exact, "INCRBYFLOAT {counter} {float}"),
    (10, Rule::Exact, "LCS {string} {string} [LEN] [IDX] [MINMATCHLEN {amount}] [WITHMATCHLEN]"),
    (
        5,
        Rule::Exact,
        "SET {string} {value} (NX|XX|GET|KEEPTTL|EX {seconds}|PX {milliseconds}|PERSIST)+",
    ),
    (3, Rule::Exact, "GETEX {string} (EX {seconds}|PERSIST|PXAT {pat}|KEEPTTL)+"),
    (5, Rule::Exact, "LCS {string} {string} (LEN|IDX|MINMATCHLEN {count}|WITHMATCHLEN)+"),
];

const LISTS: &[Entry] = &[
    (20, Rule::Exact, "LPUSH {list} {value}+"),
    (25, Rule::Exact, "RPUSH {list} {value}+"),
    (3, Rule::Exact, "RPUSH {list} {many-members}"),
    (5, Rule::Exact, "LPUSHX {list} {value}+"),
    (5, Rule::Exact, "RPUSHX {list} {value}+"),
    (10, Rule::Exact, "LPOP {list} [{count}]"),
    (10, Rule::Exact, "RPOP {list} [{count}]"),
    (8, Rule::Exact, "LLEN {list}"),
    (8, Rule::Exact, "LINDEX {list} {index}"),
    (8, Rule::Exact, "LSET {list} {index} {value}"),
    (12, Rule::Exact, "LRANGE {list} {index} {index}"),
    (6, Rule::Exact, "LTRIM {list} {index} {index}"),
    (8, Rule::Exact, "LREM {list} {rank} {value}"),
    (8, Rule::Exact, "LINSERT {list} (BEFORE|AFTER) {value} {value}"),
    (12, Rule::Exact, "LPOS {list} {value} [RANK {rank}] [COUNT {count}] [MAXLEN {count}]"),
    (12, Rule::Exact, "LMOVE {list} {list} (LEFT|RIGHT) (LEFT|RIGHT)"),
    (8, Rule::Exact, "RPOPLPUSH {list} {list}"),
    (10, Rule::Exact, "LMPOP {lists} (LEFT|RIGHT) [COUNT {amount}]"),
    (4, Rule::Exact, "LPOS {list} {value} (RANK {rank}|COUNT {count}|MAXLEN {count})+"),
    (2, Rule::Exact, "LMPOP {lists} (LEFT|RIGHT|COUNT {amount})+"),
];

const BLOCKING: &[Entry] = &[
    (10, Rule::Exact, "BLPOP {list}+ 0"),
    (8, Rule::Exact, "BRPOP {list}+ 0"),
    (6, Rule::Exact, "BLMOVE {list} {list} (LEFT|RIGHT) (LEFT|RIGHT) 0"),
    (6, Rule::Exact, "BRPOPLPUSH {list} {list} 0"),
    (8, Rule::Exact, "BLMPOP 0 {lists} (LEFT|RIGHT) [COUNT {amount}]"),
    (8, Rule::Scores, "BZPOPMIN {sorted}+ 0"),
    (8, Rule::Scores, "BZPOPMAX {sorted}+ 0"),
    (8, Rule::Scores, "BZMPOP 0 {sorteds} (MIN|MAX) [COUNT {amount}]"),
    (1, Rule::Exact, "BLPOP {list} (-1|abc|nan)"),
    (1, Rule::Exact, "BZPOPMIN {sorted} (-1|abc|-0.5)"),
    (6, Rule::Exact, "CLIENT UNBLOCK {client} [TIMEOUT|ERROR]"),
];

const HASHES: &[Entry] = &[
    (25, Rule::Exact, "HSET {hash} ({field} {value})+"),
    (5, Rule::Exact, "HMSET {hash} ({field} {value})+"),
    (3, Rule::Exact, "HSET {hash} {many-fields}"),
    (6, Rule::Exact, "HSETNX {hash} {field} {value}"),
    (12, Rule::Exact, "HGET {hash} {field}"),
    (8, Rule::Exact, "HMGET {hash} {field}+"),
    (10, Rule::Pairs, "HGETALL {hash}"),
    (6, Rule::Set, "HKEYS {hash}"),
    (6, Rule::Set, "HVALS {hash}"),
    (6, Rule::Exact, "HLEN {hash}"),
    (6, Rule::Exact, "HEXISTS {hash} {field}"),
    (12, Rule::Exact, "HDEL {hash} {field}+"),
    (5, Rule::Exact, "HSET {hash} {field} {integer}"),
    (8, Rule::Exact, "HINCRBY {hash} {field} {integer}"),
    (8, Rule::Exact, "HINCRBYFLOAT {hash} {field} {float}"),
    (6, Rule::Exact, "HSTRLEN {hash} {field}"),
    (8, Rule::Sample, "HRANDFIELD {hash} [{count}|{count} WITHVALUES]"),
    (6, Rule::Walk, "HSCAN {hash} 0 [MATCH {pattern}] [COUNT {amount}]"),
];

const SETS: &[Entry] = &[
    (25, Rule::Exact, "SADD {set} {member}+"),
    (2, Rule::Exact, "SADD {set} {many-integers}"),
    (2, Rule::Exact, "SADD {set} {many-members}"),
    (12, Rule::Exact, "SREM {set} {member}+"),
    (8, Rule::Exact, "SISMEMBER {set} {member}"),
    (8, Rule::Exact, "SMISMEMBER {set} {member}+"),
    (8, Rule::Set, "SMEMBERS {set}"),
    (8, Rule::Exact, "SCARD {set}"),
    (10, Rule::Exact, "SMOVE {set} {set} {member}"),
    (8, Rule::Set, "SINTER {set}+"),
    (8, Rule::Set, "SUNION {set}+"),
    (8, Rule::Set, "SDIFF {set}+"),
    (8, Rule::Exact, "SINTERSTORE {set} {set}+"),
    (8, Rule::Exact, "SUNIONSTORE {set} {set}+"),
    (8, Rule::Exact, "SDIFFSTORE {set} {set}+"),
    (8, Rule::Exact, "SINTERCARD {sets} [LIMIT {count}]"),
    (8, Rule::Pop, "SPOP {set} [{count}]"),
    (8, Rule::Sample, "SRANDMEMBER {set} [{count}]"),
    (6, Rule::Walk, "SSCAN {set} 0 [MATCH {pattern}] [COUNT {amount}]"),
];

const SORTED_SETS: &[Entry] = &[
    (30, Rule::Scores, "ZADD {sorted} [NX|XX] [GT|LT] [CH] ({score} {member})+"),
    (8, Rule::Scores, "ZADD {sorted} [NX|XX] [GT|LT] [CH] INCR {score} {member}"),
    (3, Rule::Scores, "ZADD {sorted} {many-scores}"),
    (12, Rule::Exact, "ZADD {lexical} (0 {member})+"),
    (10, Rule::Scores, "ZINCRBY {sorted} {score} {member}"),
    (10, Rule::Exact, "ZREM {sorted} {member}+"),
    (6, Rule::Exact, "ZCARD {sorted}"),
    (8, Rule::Scores, "ZSCORE {sorted} {member}"),
    (8, Rule::Scores, "ZMSCORE {sorted} {member}+"),
    (8, Rule::Exact, "ZRANK {sorted} {member}"),
    (8, Rule::Exact, "ZREVRANK {sorted} {member}"),
    (8, Rule::Exact, "ZCOUNT {sorted} {low} {high}"),
    (6, Rule::Exact, "ZLEXCOUNT {lexical} {from} {to}"),
    (10, Rule::Scores, "ZRANGE {sorted} {index} {index} [REV] [WITHSCORES]"),
    (8, Rule::Scores, "ZRANGE {sorted} {low} {high} BYSCORE [LIMIT {index} {count}] [WITHSCORES]"),
    (
        6,
        Rule::Scores,
        "ZRANGE {sorted} {high} {low} BYSCORE REV [LIMIT {index} {count}] [WITHSCORES]",
    ),
    (6, Rule::Scores, "ZRANGE {lexical} {from} {to} BYLEX [LIMIT {index} {count}] [WITHSCORES]"),
    (5, Rule::Scores, "ZRANGE {lexical} {to} {from} BYLEX REV [LIMIT {index} {count}]"),
    (6, Rule::Scores, "ZREVRANGE {sorted} {index} {index} [WITHSCORES]"),
    (8, Rule::Scores, "ZRANGEBYSCORE {sorted} {low} {high} [WITHSCORES] [LIMIT {index} {count}]"),
    (
        6,
        Rule::Scores,
        "ZREVRANGEBYSCORE {sorted} {high} {low} [WITHSCORES] [LIMIT {index} {count}]",
    ),
    (6, Rule::Exact, "ZRANGEBYLEX {lexical} {from} {to} [LIMIT {index} {count}]"),
    (6, Rule::Exact, "ZREVRANGEBYLEX {lexical} {to} {from} [LIMIT {index} {count}]"),
    (6, Rule::Exact, "ZRANGESTORE {sorted} {sorted} {index} {index} [REV]"),
    (5, Rule::Exact, "ZRANGESTORE {sorted} {sorted} {low} {high} BYSCORE [LIMIT {index} {count}]"),
    (5, Rule::Exact, "ZRANGESTORE {lexical} {lexical} {from} {to} BYLEX [LIMIT {index} {count}]"),
    (4, Rule::Exact, "ZREMRANGEBYRANK {sorted} {index} {index}"),
    (4, Rule::Exact, "ZREMRANGEBYSCORE {sorted} {low} {high}"),
    (4, Rule::Exact, "ZREMRANGEBYLEX {lexical} {from} {to}"),
    (8, Rule::Scores, "ZPOPMIN {sorted} [{count}]"),
    (8, Rule::Scores, "ZPOPMAX {sorted} [{count}]"),
    (8, Rule::Scores, "ZMPOP {sorteds} (MIN|MAX) [COUNT {amount}]"),
    (8, Rule::Scores, "ZUNION {weighted} [WITHSCORES]"),
    (8, Rule::Scores, "ZINTER {weighted} [WITHSCORES]"),
    (8, Rule::Scores, "ZDIFF {sorteds} [WITHSCORES]"),
    (8, Rule::Exact, "ZUNIONSTORE {sorted} {weighted}"),
    (8, Rule::Exact, "ZINTERSTORE {sorted} {weighted}"),
    (8, Rule::Exact, "ZDIFFSTORE {sorted} {sorteds}"),
    (8, Rule::Exact, "ZINTERCARD {sorteds} [LIMIT {count}]"),
    (8, Rule::Sample, "ZRANDMEMBER {sorted} [{count}|{count} WITHSCORES]"),
    (6, Rule::Walk, "ZSCAN {sorted} 0 [MATCH {pattern}] [COUNT {amount}]"),
    (5, Rule::Scores, "ZADD {sorted} (NX|XX|GT|LT|CH|INCR)+ {score} {member}"),
    (
        5,
        Rule::Scores,
        "ZRANGE {sorted} {index} {index} (BYSCORE|BYLEX|REV|WITHSCORES|LIMIT {index} {count})+",
    ),
    (2, Rule::Scores, "ZMPOP {sorteds} (MIN|MAX|COUNT {amount})+"),
    (2, Rule::Exact, "ZRANGEBYLEX {any} - + [LIMIT {index} {count}|junk]"),
    (2, Rule::Exact, "ZREVRANGEBYLEX {any} + - [LIMIT {index} {count}|junk]"),
    (2, Rule::Exact, "ZRANGE {any} - + BYLEX [WITHSCORES|REV]"),
    (1, Rule::Exact, "ZLEXCOUNT {any} - + [junk]"),
    (1, Rule::Exact, "ZREMRANGEBYLEX {any} - + [junk]"),
];

const GENERIC: &[Entry] = &[
    (12, Rule::Exact, "DEL {any}+"),
    (8, Rule::Exact, "UNLINK {any}+"),
    (10, Rule::Exact, "EXISTS {any}+"),
    (10, Rule::Exact, "TYPE {any}"),
    (6, Rule::Exact, "TOUCH {any}+"),
    (6, Rule::Set, "KEYS {pattern}"),
    (
        8,
        Rule::Walk,
        "SCAN 0 [MATCH {pattern}] [COUNT {amount}] [TYPE (string|list|hash|set|zset|nothing)]",
    ),
    (1, Rule::Walk, "SCAN (abc|1.5|99999999999999999999999)"),
    (1, Rule::Walk, "SSCAN {set} (abc|1.5)"),
    (3, Rule::SomeKey, "RANDOMKEY"),
    (12, Rule::Exact, "RENAME {any} {any}"),
    (8, Rule::Exact, "RENAMENX {any} {any}"),
    (12, Rule::Exact, "COPY {any} {any} [DB {database}] [REPLACE]"),
    (8, Rule::Exact, "MOVE {any} {database}"),
    (12, Rule::Encoding, "OBJECT ENCODING {any}"),
    // Redis counts the words of a queued command as references, too.
    (2, Rule::Kind, "OBJECT REFCOUNT {none}"),
    (2, Rule::Kind, "OBJECT REFCOUNT {any}"),
    (2, Rule::Exact, "OBJECT FREQ {any}"),
    (2, Rule::Time, "OBJECT IDLETIME {any}"),
    (10, Rule::Exact, "EXPIRE {any} {expire} [NX|XX|GT|LT]"),
    (8, Rule::Exact, "PEXPIRE {any} {pexpire} [NX|XX|GT|LT]"),
    (8, Rule::Exact, "EXPIREAT {any} {when} [NX|XX|GT|LT]"),
    (8, Rule::Exact, "PEXPIREAT {any} {pwhen} [NX|XX|GT|LT]"),
    (2, Rule::Exact, "EXPIRE {any} {expire} (NX|XX|GT|LT|junk)+"),
    (20, Rule::Lapse, "PEXPIRE {any} 1"),
    (5, Rule::Lapse, "PEXPIRE {any} 1 (NX|XX|GT|LT)"),
    (8, Rule::Lapse, "SET {string} {value} PX 1"),
    (4, Rule::Lapse, "PSETEX {string} 1 {value}"),
    (4, Rule::Lapse, "GETEX {string} PX 1"),
    (8, Rule::Time, "TTL {any}"),
    (8, Rule::Time, "PTTL {any}"),
    (5, Rule::Time, "EXPIRETIME {any}"),
    (5, Rule::Time, "PEXPIRETIME {any}"),
    (8, Rule::Exact, "PERSIST {any}"),
    (4, Rule::Exact, "DBSIZE"),
    (1, Rule::Exact, "FLUSHDB [SYNC|ASYNC|junk]"),
    (1, Rule::Exact, "FLUSHALL [SYNC|ASYNC|junk]"),
    (4, Rule::Exact, "SELECT {database}"),
    (3, Rule::Exact, "SELECT 0"),
    (4, Rule::Exact, "SWAPDB {database} {database}"),
    (2, Rule::Exact, "WAIT 0 0"),
    (4, Rule::Kind, "MEMORY USAGE {any} [SAMPLES {amount}]"),
    (3, Rule::Exact, "COPY {any} {any} (DB {database}|REPLACE)+"),
    (3, Rule::Exact, "RENAME {lexical} {lexical}"),
    (3, Rule::Exact, "COPY {lexical} {lexical} [REPLACE]"),
    (3, Rule::Exact, "UNLINK {lexical}+"),
];

const CONNECTION: &[Entry] = &[
    (3, Rule::Exact, "PING [{value}]"),
    (3, Rule::Exact, "ECHO {value}"),
    (2, Rule::Exact, "CLIENT SETNAME {name}"),
    (2, Rule::Exact, "CLIENT GETNAME"),
    (1, Rule::Kind, "CLIENT ID"),
    (1, Rule::Exact, "CLIENT NO-EVICT (on|off|junk)"),
    (1, Rule::Exact, "CLIENT GETREDIR"),
    (1, Rule::Exact, "CLIENT junk"),
    (1, Rule::Hello, "HELLO [2|3] [SETNAME one]"),
    (1, Rule::Exact, "HELLO (1|4|abc) [AUTH a b]"),
    (1, Rule::Exact, "RESET"),
    (1, Rule::Exact, "AUTH {text}"),
    (
        2,
        Rule::Exact,
        "COMMAND GETKEYS (MSET a b c d|ZUNIONSTORE a 2 b c|LMPOP 2 a b LEFT|GET a|PING a|JUNK a)",
    ),
    (
        1,
        Rule::Exact,
        "COMMAND GETKEYS (BLPOP a b c 0|BLMPOP 0 1 a LEFT|SINTERCARD 2 a b|MSET a b c)",
    ),
    (1, Rule::Exact, "OBJECT junk {any}"),
    (1, Rule::Pairs, "CONFIG GET (databases|hash-max-*|port-nothing|maxmemory-policy)"),
    (1, Rule::Exact, "CONFIG SET (nothing 1|databases 3|hash-max-listpack-entries abc)"),
    (1, Rule::Shape, "TIME"),
    (2, Rule::Exact, "{junk} {any} {text}"),
    (1, Rule::Exact, "PUBLISH {channel} {value}"),
    (1, Rule::Exact, "PUBSUB NUMSUB {channel}+"),
    (1, Rule::Exact, "PUBSUB NUMPAT"),
    (1, Rule::Exact, "PUBSUB CHANNELS {pattern}"),
    (1, Rule::Exact, "ROLE"),
    (1, Rule::Kind, "LASTSAVE"),
];

const TRANSACTIONS: &[Entry] = &[
    (25, Rule::Exact, "MULTI"),
    (20, Rule::Exact, "EXEC"),
    (5, Rule::Exact, "DISCARD"),
    (20, Rule::Exact, "WATCH {any}+"),
    (4, Rule::Exact, "UNWATCH"),
];

/// All rows.
pub fn rows() -> Vec<Row> {
    let parts: [(&[Entry], bool); 9] = [
        (STRINGS, false),
        (LISTS, false),
        (BLOCKING, true),
        (HASHES, false),
        (SETS, false),
        (SORTED_SETS, false),
        (GENERIC, false),
        (CONNECTION, false),
        (TRANSACTIONS, false),
    ];
    let row = |blocking| {
        move |&(weight, rule, text): &Entry| Row {
            weight,
            template: Template::parse(text),
            rule,
            blocking,
        }
    };
    parts.iter().flat_map(|&(entries, blocking)| entries.iter().map(row(blocking))).collect()
}

/// Commands and subcommands that no row sends and no step of [`fixed`]: why, and their names.
const UNCOVERED: &[(&str, &[&str])] = &[
    ("7.2 has it, 7.0 has not", &["client|no-touch", "client|setinfo", "cluster|myshardid"]),
    ("it is refused until there are snapshots", &["debug|reload"]),
    (
        "subscribers have rounds of their own",
        &["subscribe", "psubscribe", "unsubscribe", "punsubscribe"],
    ),
    ("it ends what the check needs", &["quit"]),
    ("Redis has no such command", &["cl.throttle", "rl.lease"]),
];

/// True when a row or a step of [`fixed`] sends the command or subcommand `name` (`get`,
/// `client|list`), or a reason says why none does.
pub fn is_accounted_for(rows: &[Row], name: &str) -> bool {
    let upper = name.to_uppercase();
    let words: Vec<&str> = upper.split('|').collect();
    let begins_so = |text: &str| text.split(' ').take(words.len()).eq(words.iter().copied());
    rows.iter().any(|row| begins_so(&row.template.name()))
        || fixed::sends(&words)
        || UNCOVERED.iter().any(|(_, names)| names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::words::Words;
    use crate::random::Choices;

    #[test]
    fn every_row_makes_lines() {
        let words = Words::new(1_700_000_000_000);
        let mut choices = Choices::new(1);
        for row in rows() {
            for _ in 0..200 {
                assert!(!row.template.line(&words, &mut choices).is_empty());
            }
        }
    }
}
