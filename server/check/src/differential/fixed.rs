//! Job: lines about the server itself, which random streams cannot send without harm to each other.
//! In: the addresses of both servers, started with `--enable-debug-command yes`.
//! Out: nothing, or every difference.
//! Invariant: a step leaves settings and connection as it found them, so steps are independent.

use std::io;

use crate::value::Value;
use crate::wire::{Address, Wire};

use super::compare::{Rule, agree};
use super::player::{Mismatch, Pair};

/// Rule for all replies of the step, and its lines, which go out in one write.
type Step = (Rule, &'static str);

const STEPS: &[Step] = &[
    (Rule::Exact, "CLIENT ; CLIENT junk ; CLIENT HELP x ; CLIENT ID x ; CLIENT INFO x"),
    // 7.2 lists more.
    (Rule::Kind, "CLIENT HELP"),
    (Rule::Kind, "CLIENT INFO"),
    (Rule::Exact, "CLIENT LIST TYPE junk ; CLIENT LIST TYPE master ; CLIENT LIST TYPE pubsub"),
    (Rule::Exact, "CLIENT LIST ID 0 ; CLIENT LIST ID abc ; CLIENT LIST ID ; CLIENT LIST junk"),
    (Rule::Kind, "CLIENT LIST ; CLIENT LIST TYPE normal"),
    (Rule::Exact, "CLIENT KILL ; CLIENT KILL 1.2.3.4:5 ; CLIENT KILL ID ; CLIENT KILL junk junk"),
    (Rule::Exact, "CLIENT KILL ID 0 ; CLIENT KILL ID abc ; CLIENT KILL ID 99999999"),
    (
        Rule::Exact,
        "CLIENT KILL ADDR 1.2.3.4:5 ; CLIENT KILL LADDR 1.2.3.4:5 ; CLIENT KILL ID 1 junk",
    ),
    (Rule::Exact, "CLIENT KILL TYPE junk ; CLIENT KILL TYPE master ; CLIENT KILL TYPE replica"),
    (Rule::Exact, "CLIENT KILL TYPE pubsub ; CLIENT KILL USER nobody ; CLIENT KILL SKIPME maybe"),
    (Rule::Exact, "CLIENT KILL ID 99999999 TYPE normal SKIPME yes"),
    (Rule::Exact, "CLIENT PAUSE ; CLIENT PAUSE abc ; CLIENT PAUSE -1 ; CLIENT PAUSE 1.5"),
    (Rule::Exact, "CLIENT PAUSE 0 junk ; CLIENT PAUSE 99999999999999999999"),
    (Rule::Exact, "CLIENT PAUSE 1 WRITE ; GET a ; SET a b ; DEL a ; CLIENT UNPAUSE"),
    (Rule::Exact, "CLIENT PAUSE 1 ALL ; PING ; CLIENT UNPAUSE ; CLIENT UNPAUSE x"),
    (Rule::Exact, "CLIENT REPLY ; CLIENT REPLY junk ; CLIENT REPLY ON ; CLIENT REPLY ON x"),
    (Rule::Exact, "CLIENT REPLY OFF ; PING ; junk ; CLIENT REPLY ON ; PING"),
    (Rule::Exact, "CLIENT REPLY SKIP ; PING ; PING"),
    (Rule::Exact, "CLIENT REPLY SKIP ; CLIENT REPLY SKIP ; PING ; PING"),
    (Rule::Exact, "CLIENT TRACKINGINFO ; CLIENT TRACKINGINFO x ; CLIENT GETREDIR x"),
    (Rule::Exact, "CLIENT TRACKING ; CLIENT TRACKING junk ; CLIENT TRACKING OFF"),
    (Rule::Exact, "CLIENT CACHING YES ; CLIENT CACHING NO ; CLIENT CACHING junk"),
    (Rule::Exact, "CLIENT UNBLOCK abc ; CLIENT UNBLOCK 99999999 ; CLIENT UNBLOCK 99999999 junk"),
    (Rule::Exact, "CLUSTER ; CLUSTER junk ; CLUSTER HELP ; CLUSTER HELP x ; CLUSTER INFO"),
    (Rule::Exact, "CLUSTER SLOTS ; CLUSTER SHARDS ; CLUSTER LINKS ; CLUSTER NODES ; CLUSTER MYID"),
    (Rule::Exact, "CLUSTER REPLICAS x ; CLUSTER SLAVES x ; CLUSTER COUNT-FAILURE-REPORTS x"),
    (Rule::Exact, "CLUSTER KEYSLOT a ; CLUSTER COUNTKEYSINSLOT 0 ; CLUSTER GETKEYSINSLOT 0 1"),
    (Rule::Exact, "CLUSTER KEYSLOT ; CLUSTER NODES x ; CLUSTER GETKEYSINSLOT 1"),
    (Rule::Exact, "READONLY ; READWRITE ; ASKING ; READONLY x ; READWRITE x ; ASKING x"),
    (Rule::Exact, "COMMAND HELP ; COMMAND junk ; COMMAND COUNT x ; COMMAND HELP x"),
    // 7.0 has commands that are not here yet; a test of its own compares the tables.
    (Rule::Kind, "COMMAND COUNT ; COMMAND ; COMMAND INFO ; COMMAND DOCS ; COMMAND LIST"),
    (Rule::Exact, "COMMAND INFO nothing client|nothing ; COMMAND DOCS nothing"),
    (Rule::Exact, "COMMAND LIST FILTERBY ; COMMAND LIST FILTERBY junk x ; COMMAND LIST junk"),
    (Rule::Exact, "COMMAND LIST FILTERBY MODULE json ; COMMAND LIST FILTERBY ACLCAT nothing"),
    (Rule::Set, "COMMAND LIST FILTERBY ACLCAT hash ; COMMAND LIST FILTERBY PATTERN mse*"),
    (Rule::Exact, "COMMAND GETKEYSANDFLAGS MSET a b c d ; COMMAND GETKEYSANDFLAGS PING x"),
    (Rule::Exact, "CONFIG ; CONFIG junk ; CONFIG HELP ; CONFIG HELP x ; CONFIG GET ; CONFIG SET a"),
    (Rule::Exact, "CONFIG RESETSTAT ; CONFIG RESETSTAT x ; CONFIG REWRITE ; CONFIG REWRITE x"),
    (Rule::Exact, "LATENCY ; LATENCY junk ; LATENCY HELP ; LATENCY HELP x ; LATENCY LATEST"),
    (
        Rule::Exact,
        "LATENCY HISTORY ; LATENCY HISTORY nothing ; LATENCY GRAPH ; LATENCY GRAPH nothing",
    ),
    (Rule::Exact, "LATENCY RESET ; LATENCY RESET nothing ; LATENCY DOCTOR x ; LATENCY LATEST x"),
    (Rule::Exact, "LATENCY HISTOGRAM nothing"),
    (Rule::Kind, "LATENCY DOCTOR ; LATENCY HISTOGRAM"),
    (
        Rule::Exact,
        "MEMORY ; MEMORY junk ; MEMORY HELP ; MEMORY HELP x ; MEMORY PURGE ; MEMORY PURGE x",
    ),
    (Rule::Exact, "MEMORY USAGE ; MEMORY USAGE a SAMPLES x ; MEMORY USAGE a SAMPLES -1"),
    (
        Rule::Exact,
        "MEMORY USAGE a junk 1 ; MEMORY STATS x ; MEMORY DOCTOR x ; MEMORY MALLOC-STATS x",
    ),
    (Rule::Kind, "MEMORY STATS ; MEMORY DOCTOR"),
    (Rule::Exact, "OBJECT ; OBJECT HELP ; OBJECT HELP x ; OBJECT FREQ ; OBJECT IDLETIME nothing"),
    (Rule::Exact, "PUBSUB ; PUBSUB junk ; PUBSUB HELP ; PUBSUB HELP x ; PUBSUB NUMPAT x"),
    (Rule::Exact, "PUBSUB SHARDCHANNELS ; PUBSUB SHARDCHANNELS a* ; PUBSUB SHARDCHANNELS a b"),
    (Rule::Exact, "PUBSUB SHARDNUMSUB ; PUBSUB SHARDNUMSUB a b ; PUBSUB CHANNELS a b"),
    (Rule::Exact, "SLOWLOG ; SLOWLOG junk ; SLOWLOG HELP ; SLOWLOG HELP x ; SLOWLOG GET 1 2"),
    (
        Rule::Exact,
        "SLOWLOG get -2 ; SLOWLOG get abc ; SLOWLOG get 0 x ; SLOWLOG LEN x ; SLOWLOG RESET x",
    ),
    (
        Rule::Exact,
        "CONFIG SET slowlog-log-slower-than -1 ; SLOWLOG RESET ; SLOWLOG LEN ; SLOWLOG GET ; \
         CONFIG SET slowlog-log-slower-than 10000",
    ),
    // Redis has no arity for its subcommands, and says so in other words.
    (Rule::Exact, "DEBUG"),
    // Each server's own.
    (Rule::Kind, "DEBUG HELP"),
    (Rule::Exact, "DEBUG SLEEP 0 ; DEBUG SLEEP x ; DEBUG LOG text ; DEBUG CHANGE-REPL-ID"),
    (Rule::Exact, "DEBUG OBJECT nothing ; DEBUG ERROR oops ; DEBUG SET-ACTIVE-EXPIRE 1"),
    (Rule::Kind, "SET a b ; DEBUG OBJECT a ; DEL a"),
    (Rule::Exact, "DEBUG POPULATE x ; DEBUG POPULATE -1 ; DEBUG POPULATE 1 a x"),
    (Rule::Exact, "DEBUG POPULATE 3 ; DBSIZE ; GET key:2 ; FLUSHALL"),
    (Rule::Exact, "SET a:0 old ; DEBUG POPULATE 2 a 10 ; DBSIZE ; MGET a:0 a:1 ; FLUSHALL"),
    (Rule::Exact, "DEBUG PROTOCOL string ; DEBUG PROTOCOL integer ; DEBUG PROTOCOL double"),
    (Rule::Exact, "DEBUG PROTOCOL null ; DEBUG PROTOCOL array ; DEBUG PROTOCOL set"),
    (Rule::Exact, "DEBUG PROTOCOL map ; DEBUG PROTOCOL attrib ; DEBUG PROTOCOL push"),
    (Rule::Exact, "DEBUG PROTOCOL bignum ; DEBUG PROTOCOL true ; DEBUG PROTOCOL false"),
    (Rule::Exact, "DEBUG PROTOCOL verbatim ; DEBUG PROTOCOL junk"),
    (Rule::Kind, "INFO ; INFO server ; INFO junk ; LOLWUT ; LOLWUT VERSION 5 1 1"),
    (Rule::Exact, "LOLWUT VERSION x"),
    // There is no persistence and no replication yet, and MONITOR and SHUTDOWN end what the check
    // needs: only what is wrong is answered alike.
    (Rule::Exact, "SAVE x ; BGSAVE x ; BGREWRITEAOF x ; LASTSAVE x ; MONITOR x ; ROLE x"),
    (Rule::Exact, "REPLICAOF NO ONE ; SLAVEOF no one ; REPLICAOF x ; REPLICAOF a b c ; SLAVEOF a"),
    (Rule::Exact, "SHUTDOWN x ; SHUTDOWN ABORT ; SHUTDOWN NOSAVE ABORT ; SHUTDOWN SAVE NOSAVE"),
];

/// Ends a step: what comes before its reply belongs to the step.
const MARK: &str = "the-step-ends-here";

/// Plays all steps with each protocol; gives the number of replies that agree.
///
/// # Errors
/// All differences.
pub fn play(pair: &Pair) -> Result<usize, Vec<Mismatch>> {
    let mut agreed = 0;
    let mut mismatches = Vec::new();
    for protocol in ["2", "3"] {
        let opened = (open(&pair.reference, protocol), open(&pair.tested, protocol));
        let (Ok(mut reference), Ok(mut tested)) = opened else {
            let failed = (opened.0.map(|_| ()), opened.1.map(|_| ()));
            return Err(vec![Mismatch::failed("HELLO, FLUSHALL", failed.0, failed.1)]);
        };
        for &(rule, text) in STEPS {
            let outcome = (answers(&mut reference, text), answers(&mut tested, text));
            let (Ok(expected), Ok(got)) = outcome else {
                let failed = (outcome.0.map(|_| ()), outcome.1.map(|_| ()));
                mismatches.push(Mismatch::failed(text, failed.0, failed.1));
                return Err(mismatches);
            };
            let equal = expected.len() == got.len()
                && expected.iter().zip(&got).all(|(a, b)| agree(rule, a, b));
            if equal {
                agreed += expected.len();
            } else {
                let (expected, got) = (Value::Array(expected), Value::Array(got));
                let what = format!("RESP{protocol}: {text}");
                let (expected, got) = (expected.to_string(), got.to_string());
                mismatches.push(Mismatch { step: None, what, expected, got });
            }
        }
    }
    if mismatches.is_empty() { Ok(agreed) } else { Err(mismatches) }
}

/// True when some line begins with these words.
pub fn sends(words: &[&str]) -> bool {
    STEPS
        .iter()
        .flat_map(|(_, text)| text.split(" ; "))
        .any(|line| line.split(' ').take(words.len()).eq(words.iter().copied()))
}

fn open(address: &Address, protocol: &str) -> io::Result<Wire> {
    let mut wire = Wire::open(address)?;
    wire.call(&["HELLO", protocol])?;
    wire.call(&["FLUSHALL"])?;
    Ok(wire)
}

/// The replies to the lines of a step; some lines have none.
fn answers(wire: &mut Wire, text: &str) -> io::Result<Vec<Value>> {
    let lines = text.split(" ; ").map(|line| line.split(' ').collect());
    let lines: Vec<Vec<&str>> = lines.chain([vec!["ECHO", MARK]]).collect();
    let mut bytes = Vec::new();
    lines.iter().for_each(|line| crate::client::encode(line, &mut bytes));
    wire.send_raw(&bytes)?;
    let mut replies = Vec::new();
    loop {
        match wire.read()? {
            reply if reply == Value::bulk(MARK) => return Ok(replies),
            reply => replies.push(reply),
        }
    }
}
