//! Job: compare RL.LEASE with the script that does the same on other servers.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`), `redis-server` on the path, the
//! script; `RINGLET_SEED` to repeat a run.
//! Out: test results; a failure names the call and what each server says.
//! Invariant: replies and hashes are equal but for the times in them, which are near each other;
//! each server goes on with what the other has stored.

use std::collections::BTreeMap;

use ringlet_check::process::{Launch, RunningServer, ServerBinary};
use ringlet_check::random::{Choices, seed};
use ringlet_check::value::Value;
use ringlet_check::wire::Wire;
use ringlet_protocol::inline::split_words;

const SCRIPT: &str = include_str!("../../limiter/library/src/store/lease.lua");

/// A token takes a day, so that none comes while the test runs.
const DAY_MS: i64 = 86_400_000;
/// How far times may be apart: the servers are asked one after the other.
const NEAR_MS: i64 = 60_000;
const NUMBER_MAX: i64 = (1 << 53) - 1;

struct Pair {
    redis: Wire,
    tested: Wire,
    _servers: [RunningServer; 2],
}

impl Pair {
    fn start() -> Pair {
        let tested = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
        let start = |binary: ServerBinary| {
            binary.launch(&Launch::with_shards(2)).unwrap_or_else(|error| panic!("{error}"))
        };
        let servers = [start(ServerBinary::at("redis-server")), start(tested)];
        Pair { redis: servers[0].connect(), tested: servers[1].connect(), _servers: servers }
    }

    /// The replies of both to the same words behind `RL.LEASE key`.
    fn lease(&mut self, words: &[String]) -> [Value; 2] {
        let words = words.iter().map(String::as_str);
        let script: Vec<_> =
            ["EVAL", SCRIPT, "1", "key"].into_iter().chain(words.clone()).collect();
        let command: Vec<_> = ["RL.LEASE", "key"].into_iter().chain(words).collect();
        let call = |wire: &mut Wire, words: &[&str]| wire.call(words).expect("a reply");
        [call(&mut self.redis, &script), call(&mut self.tested, &command)]
    }

    /// The replies of both to the same line.
    fn line(&mut self, line: &str) -> [Value; 2] {
        let words = split_words(line.as_bytes()).expect("a line of words");
        [&mut self.redis, &mut self.tested].map(|wire| wire.call(&words).expect("a reply"))
    }

    fn hashes(&mut self) -> [BTreeMap<String, String>; 2] {
        self.line("HGETALL key").map(|reply| {
            let texts: Vec<String> = reply.into_items().iter().map(Value::text).collect();
            texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
        })
    }

    /// Gives each server the key of the other.
    fn exchange(&mut self) {
        let [redis, tested] = self.hashes();
        self.line("DEL key");
        for (wire, hash) in [(&mut self.redis, tested), (&mut self.tested, redis)] {
            let fields = hash.iter().flat_map(|(field, value)| [field.as_str(), value]);
            let words: Vec<&str> = ["HSET", "key"].into_iter().chain(fields).collect();
            if words.len() > 2 {
                assert!(!wire.call(&words).expect("a reply").is_error());
            }
        }
    }
}

fn near(first: i64, second: i64, units_in_ms: i64, what: &str) {
    let most = NEAR_MS.saturating_mul(units_in_ms);
    assert!((first - second).abs() <= most, "{what}: {first} and {second}");
}

/// Both replies are arrays of six, equal but for the times, and for the tokens that came between them.
fn compare_replies(replies: &[Value; 2], count: i64, period_ms: i64, what: &str) {
    let numbers = replies.each_ref().map(|reply| -> Vec<i64> {
        let items = reply.items().unwrap_or_else(|| panic!("{what}: {reply}"));
        items.iter().map(|item| item.integer().expect("an integer")).collect()
    });
    let [redis, tested] = &numbers;
    assert_eq!((redis.len(), tested.len()), (6, 6), "{what}");
    let figures = |reply: &[i64]| (reply[0], reply[2] == 0, reply[5]);
    assert_eq!(figures(redis), figures(tested), "{what}: {numbers:?}");
    let come = i128::from((redis[3] - tested[3]).abs()) * i128::from(count) / i128::from(period_ms);
    let differ = i128::from((redis[1] - tested[1]).abs());
    assert!(differ <= come, "{what}: {numbers:?}");
    for index in [2, 3, 4] {
        near(redis[index], tested[index], 1, what);
    }
}

fn compare_hashes([redis, tested]: &[BTreeMap<String, String>; 2], count: i64, what: &str) {
    let names = |hash: &BTreeMap<String, String>| hash.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(redis), names(tested), "{what}");
    for (field, value) in redis {
        let numbers = [value, &tested[field]].map(|text| -> Vec<i64> {
            text.split(' ').map(|word| word.parse().expect("a number")).collect()
        });
        let [redis, tested] = &numbers;
        let times = if field.starts_with("h:") { 2 } else { 0 };
        assert_eq!(redis[..times], tested[..times], "{what}: {field}: {numbers:?}");
        let units = if field == "debt" { count } else { 1 };
        near(redis[times], tested[times], units, what);
    }
}

#[test]
fn random_calls_are_answered_as_by_the_script() {
    let mut pair = Pair::start();
    let mut choices = Choices::new(seed());
    for _ in 0..60 {
        pair.line("FLUSHALL");
        let (burst, count) = (1 + choices.below(20) as i64, 1 + choices.below(9) as i64);
        let mut sequences = [0; 4];
        for _ in 0..30 {
            let one = choices.below(sequences.len());
            // Sometimes the same or an older one comes again.
            let step = *choices.pick(&[-1, 0, 1, 1, 1, 1, 2]);
            sequences[one] = (sequences[one] + step).max(1);
            let mut amount = || choices.below(burst as usize + 2) as i64;
            let (held, returned, want) = (amount(), amount(), amount());
            let ttl_ms = *choices.pick(&[DAY_MS, DAY_MS / 2]);
            let words = [burst, count, DAY_MS].map(|number| number.to_string()).into_iter();
            let words = words.chain([format!("holder-{one}")]);
            let rest = [sequences[one], held, returned, want, ttl_ms];
            let words: Vec<String> = words.chain(rest.map(|number| number.to_string())).collect();
            let what = words.join(" ");
            compare_replies(&pair.lease(&words), count, DAY_MS, &what);
            compare_hashes(&pair.hashes(), count, &what);
            let expiries = pair.line("PEXPIRETIME key").map(|reply| reply.integer());
            near(expiries[0].expect("a time"), expiries[1].expect("a time"), 1, &what);
            if choices.percent(20) {
                pair.exchange();
            }
            if choices.percent(20) {
                travel(&mut pair, &mut choices);
            }
        }
    }
}

/// Lets the key look as if time had passed since the last call, for some holders all of theirs.
fn travel(pair: &mut Pair, choices: &mut Choices) {
    let [hash, _] = pair.hashes();
    let Some(at_ms) = hash.get("at").and_then(|text| text.parse::<i64>().ok()) else { return };
    let at_ms = at_ms - choices.below(3 * DAY_MS as usize) as i64;
    pair.line(&format!("HSET key at {at_ms}"));
    for (holder, record) in hash.iter().filter(|(field, _)| field.starts_with("h:")) {
        if choices.percent(30) {
            let (figures, _) = record.rsplit_once(' ').expect("a record of three numbers");
            let expires_ms = at_ms + choices.below(DAY_MS as usize / 4) as i64;
            pair.line(&format!("HSET key {holder} \"{figures} {expires_ms}\""));
        }
    }
}

#[test]
fn what_is_wrong_is_refused_as_by_the_script_and_changes_nothing() {
    let mut pair = Pair::start();
    let (over, long) = ((NUMBER_MAX + 1).to_string(), "x".repeat(65));
    let good = ["10", "1", "60000", "a", "1", "0", "0", "4", "1000"].map(str::to_string);
    let mut refused = Vec::new();
    for index in [0, 1, 2, 4, 5, 6, 7, 8] {
        for wrong in ["", "x", "-1", "1.5", "01", "1e3", " 1", "18446744073709551617", &over] {
            refused.push((index, wrong));
        }
    }
    let zero = [(0, "0"), (1, "0"), (2, "0"), (4, "0"), (8, "0"), (8, "86400001")];
    refused.extend(zero);
    refused.extend([(3, ""), (3, "a b"), (3, &long), (0, "900719925474"), (2, "900719925474100")]);
    for (index, wrong) in refused {
        let mut words = good.clone();
        words[index] = wrong.to_string();
        let [redis, tested] = pair.lease(&words);
        assert!(tested.is_error(), "{words:?}: {tested}");
        assert_eq!(redis, tested, "{words:?}");
        assert_eq!(pair.line("EXISTS key").map(|reply| reply.integer()), [Some(0); 2]);
    }
    for wrong in [
        "SET key text",
        "RPUSH key element",
        "HSET key debt 1 at 1",
        "HSET key at 1 epoch 1",
        "HSET key debt 1 at 1 epoch 1 other 1",
        "HSET key debt -1 at 1 epoch 1",
        "HSET key debt 1 at 1.5 epoch 1",
        "HSET key debt 1 at 1 epoch 9007199254740992",
        "HSET key debt 1 at 1 epoch 1 h:a \"1 2\"",
        "HSET key debt 1 at 1 epoch 1 h:b \"1 2 3 4\"",
        "HSET key debt 1 at 1 epoch 1 h:b \"1  2 3\"",
        "HSET key debt 1 at 1 epoch 1 h:b \"1 02 3\"",
        "HSET key debt 1 at 1 epoch 1 h:b \"1 2 9007199254740992\"",
    ] {
        pair.line("DEL key");
        pair.line(wrong);
        let before = pair.line("HGETALL key");
        let [redis, tested] = pair.lease(&good);
        assert!(tested.is_error(), "{wrong}: {tested}");
        assert_eq!(redis, tested, "{wrong}");
        assert_eq!(pair.line("HGETALL key"), before, "{wrong}");
        assert_eq!(pair.line("PTTL key").map(|reply| reply.integer()), [Some(-1); 2], "{wrong}");
    }
}

#[test]
fn the_largest_numbers_are_counted_as_by_the_script() {
    let mut pair = Pair::start();
    let most = NUMBER_MAX;
    let record = format!("\"{most} 1 {most}\"");
    for (burst, count, period_ms) in
        [(most, most, 1), (most, 1, 1), (1, 1, most), (1, most, most), (3, 7, most / 3)]
    {
        for stored in [
            "DEL key".to_string(),
            format!("HSET key debt {most} at 0 epoch 0 h:a {record} h:c {record}"),
            format!("HSET key debt {most} at 0 epoch 0 h:a \"{most} 1 5\" h:c \"{most} 1 7\""),
            format!("HSET key debt 0 at {most} epoch {most} h:a {record}"),
        ] {
            for rest in [[2, 0, most, most, DAY_MS], [2, most, 0, 0, 1], [2, 1, 1, 1, DAY_MS]] {
                pair.line("DEL key");
                pair.line(&stored);
                let limit = [burst, count, period_ms].map(|number| number.to_string());
                let rest = rest.map(|number| number.to_string());
                let words = limit.into_iter().chain(["a".to_string()]).chain(rest);
                let words: Vec<String> = words.collect();
                let what = format!("{stored}: {}", words.join(" "));
                compare_replies(&pair.lease(&words), count, period_ms, &what);
                compare_hashes(&pair.hashes(), count, &what);
            }
        }
    }
}
