//! Tests of RESP traffic against a server of a few lines that can be told to cheat.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ringlet_base::slot::{SLOT_COUNT, slot};

use super::mix::RespTraffic;
use super::resp_settings::{Commands, Ratio, RespSettings, Ttl};
use super::traffic::{Answer, Asked, Seat, Traffic};
use super::values::Sizes;

const SEED: u64 = 4711;
const ALONE: Seat = Seat { core: 0, cores: 1, is_probe: false };

fn settings() -> RespSettings {
    RespSettings { keys: 10, seed: SEED, run: 99, ..RespSettings::default() }
}

fn verified() -> RespSettings {
    RespSettings { verify: true, sizes: Sizes::Range(40, 80), ..settings() }
}

fn words(command: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = command;
    let mut count = |kind: u8| {
        assert_eq!(rest[0], kind, "in {:?}", String::from_utf8_lossy(command));
        let end = rest.iter().position(|&byte| byte == b'\r').expect("a line");
        let number: usize =
            std::str::from_utf8(&rest[1..end]).expect("text").parse().expect("a number");
        rest = &rest[end + 2..];
        if kind == b'*' {
            return (number, Vec::new());
        }
        let word = rest[..number].to_vec();
        assert_eq!(&rest[number..number + 2], b"\r\n");
        rest = &rest[number + 2..];
        (number, word)
    };
    let (length, _) = count(b'*');
    let words = (0..length).map(|_| count(b'$').1).collect();
    assert!(rest.is_empty());
    words
}

fn next(traffic: &mut RespTraffic) -> (Asked, Vec<Vec<u8>>) {
    let asked = traffic.draw(None);
    let mut command = Vec::new();
    traffic.encode(&asked, &mut command);
    (asked, words(&command))
}

/// Judges a reply, which is not complete at any byte before its end.
fn judge(traffic: &mut RespTraffic, asked: &Asked, reply: &[u8]) -> Answer {
    for cut in 0..reply.len() {
        assert_eq!(traffic.judge(asked, &reply[..cut]), Ok(None), "cut at {cut}");
    }
    let with_more = [reply, b"+more\r\n"].concat();
    let judged = traffic.judge(asked, &with_more).expect("RESP").expect("complete");
    assert_eq!((judged.length, judged.closes), (reply.len(), false));
    judged.answer
}

fn bulk(value: Option<&[u8]>) -> Vec<u8> {
    match value {
        Some(value) => [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat(),
        None => b"$-1\r\n".to_vec(),
    }
}

#[test]
fn sets_and_gets_come_in_their_ratio() {
    let commands = Commands::Ratio(Ratio { sets: 1, gets: 3 });
    let mut traffic = RespTraffic::new(&RespSettings { commands, ..settings() }, ALONE);
    assert_eq!(traffic.kinds(), ["SET", "GET"]);
    let mut sets = 0i64;
    for _ in 0..20_000 {
        let (asked, words) = next(&mut traffic);
        let name = format!("key:{:012}", asked.key).into_bytes();
        assert!(asked.key < 10);
        assert_eq!(words[1], name);
        match asked.kind {
            0 => assert_eq!((words.len(), &words[0][..], words[2].len()), (3, &b"SET"[..], 64)),
            _ => assert_eq!((words.len(), &words[0][..]), (2, &b"GET"[..])),
        }
        sets += i64::from(asked.kind == 0);
    }
    assert!((sets - 5000).abs() < 350, "{sets} of 20000, seed {SEED}");
    let commands = Commands::Ratio(Ratio { sets: 0, gets: 1 });
    let reads = RespTraffic::new(&RespSettings { commands, ..settings() }, ALONE);
    assert_eq!(reads.kinds(), ["GET"]);
}

#[test]
fn templates_are_drawn_by_weight_under_names_of_their_own() {
    let list = [("HSET __key__ f __data__", 2), ("hset __key__ g 1", 1), ("HSET __key__ h 1", 7)];
    let commands = list.map(|(text, weight)| (text.parse().expect("a template"), weight));
    let settings = RespSettings {
        commands: Commands::Templates(commands.to_vec()),
        sizes: "3*1,5*1".parse().expect("sizes"),
        ..settings()
    };
    let mut traffic = RespTraffic::new(&settings, ALONE);
    assert_eq!(traffic.kinds(), ["HSET", "hset", "HSET 2"]);
    let (mut counts, mut sizes) = ([0i64; 3], BTreeSet::new());
    for _ in 0..10_000 {
        let (asked, words) = next(&mut traffic);
        counts[usize::from(asked.kind)] += 1;
        if asked.kind == 0 {
            sizes.insert(words[3].len());
        }
    }
    for (count, expected) in counts.into_iter().zip([2000, 1000, 7000]) {
        assert!((count - expected).abs() < 250, "{counts:?}, seed {SEED}");
    }
    assert_eq!(sizes, [3, 5].into());
    // The bystander stays away from keys that may be hashes.
    let mut probe = RespTraffic::new(&settings, Seat { is_probe: true, ..ALONE });
    let (asked, words) = next(&mut probe);
    assert_eq!((probe.kinds(), &words[0][..]), (&["GET".to_owned()][..], &b"GET"[..]));
    assert!((10..20).contains(&asked.key));
}

#[test]
fn what_is_set_lives_for_its_time() {
    let commands = Commands::Ratio(Ratio { sets: 1, gets: 0 });
    let ttl = Some(Ttl { min_s: 9, max_s: 11 });
    let mut traffic = RespTraffic::new(&RespSettings { commands, ttl, ..settings() }, ALONE);
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let (_, words) = next(&mut traffic);
        assert_eq!((words.len(), &words[3][..]), (5, &b"EX"[..]));
        seen.insert(String::from_utf8(words[4].clone()).expect("text"));
    }
    assert_eq!(seen, ["9", "10", "11"].map(String::from).into(), "seed {SEED}");
}

#[test]
fn connections_log_in_and_select() {
    let login = RespSettings {
        user: Some("me".to_owned()),
        password: Some("secret".to_owned()),
        database: 3,
        ..verified()
    };
    let mut output = Vec::new();
    let mut traffic = RespTraffic::new(&login, ALONE);
    assert_eq!(traffic.greeting(&mut output), 2);
    let expected: &[u8] =
        b"*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n";
    assert_eq!(output, expected);
    assert_eq!(judge(&mut traffic, &Asked::default(), b"+OK\r\n"), Answer::Good);
    let refusal = b"-WRONGPASS no\r\n";
    assert_eq!(judge(&mut traffic, &Asked::default(), refusal), Answer::Refused);
    let outside = Asked { kind: u16::MAX, ..Asked::default() };
    assert_eq!(traffic.explain(&outside, refusal), "WRONGPASS no");
    let mut output = Vec::new();
    assert_eq!(RespTraffic::new(&settings(), ALONE).greeting(&mut output), 0);
    assert!(output.is_empty());
}

#[test]
fn keys_of_a_cluster_go_to_the_node_of_their_slot() {
    let nodes: Vec<u16> = (0..SLOT_COUNT).map(|slot| slot % 7).collect();
    let slots = Arc::new(nodes.try_into().expect("one for each slot"));
    let cluster = RespSettings { slots: Some(slots), keys: 1000, ..settings() };
    let mut traffic = RespTraffic::new(&cluster, ALONE);
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let (asked, words) = next(&mut traffic);
        assert_eq!(asked.node, slot(&words[1]) % 7);
        seen.insert(asked.node);
    }
    assert_eq!(seen.len(), 7);
    for only in 0..7 {
        assert!((0..50).all(|_| traffic.draw(Some(only)).node == only));
    }
    // A node without slots has no keys.
    assert!(traffic.draw(Some(7)).node != 7);
    let (asked, moved) = (Asked::default(), b"-MOVED 12 127.0.0.1:7001\r\n");
    assert_eq!(judge(&mut traffic, &asked, moved), Answer::Refused);
    assert_eq!(
        traffic.explain(&asked, moved),
        traffic.explain(&asked, b"-MOVED 13 127.0.0.1:7002\r\n")
    );
    assert!(traffic.explain(&asked, moved).contains("moved during the run"));
}

#[test]
fn filling_sets_every_key_once() {
    let mut counts = BTreeMap::new();
    for core in 0..3 {
        let mut traffic = RespTraffic::fill(&verified(), Seat { core, cores: 3, is_probe: false });
        assert_eq!(traffic.kinds(), ["SET"]);
        for _ in 0..if core == 0 { 4 } else { 3 } {
            let (_, words) = next(&mut traffic);
            assert_eq!(words[0], b"SET");
            *counts.entry(words[1].clone()).or_insert(0) += 1;
        }
    }
    assert_eq!(counts.len(), 10);
    assert!(counts.values().all(|count| *count == 1));
}

#[test]
fn replies_are_good_misses_or_refusals() {
    let mut traffic = RespTraffic::new(&settings(), ALONE);
    let get = Asked { kind: 1, ..Asked::default() };
    for (reply, answer) in [
        (&b"+OK\r\n"[..], Answer::Good),
        (b"$3\r\nabc\r\n", Answer::Good),
        (b"$-1\r\n", Answer::Miss),
        (b"-ERR no\r\n", Answer::Refused),
        (b"*2\r\n$-1\r\n-ERR inside\r\n", Answer::Good),
    ] {
        assert_eq!(judge(&mut traffic, &get, reply), answer);
    }
    assert_eq!(traffic.explain(&get, b"-OOM too much\r\n"), "GET: OOM too much");
    assert!(traffic.judge(&get, b"HTTP/1.1 400\r\n").is_err());
}

/// Sets a key some times and reads it, for what comes back then.
fn read_after_sets(traffic: &mut RespTraffic) -> (Asked, Vec<Vec<u8>>) {
    let mut written: HashMap<u64, Vec<Vec<u8>>> = HashMap::new();
    loop {
        let (asked, words) = next(traffic);
        let values = written.entry(asked.key).or_default();
        if asked.version > 0 {
            assert_eq!(judge(traffic, &asked, b"+OK\r\n"), Answer::Good);
            values.push(words[2].clone());
        } else if values.len() >= 3 {
            return (asked, values.clone());
        }
    }
}

#[test]
fn an_honest_server_is_never_called_wrong() {
    // Replies come late and writes in flight land in any order.
    let mut traffic = RespTraffic::new(&verified(), ALONE);
    let mut random = ringlet_base::random::Random::new(SEED);
    let mut store: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    let (mut waiting, mut checked) = (Vec::new(), 0);
    for _ in 0..5000 {
        for _ in 0..random.below(3) {
            waiting.push(next(&mut traffic));
        }
        if !waiting.is_empty() {
            let (asked, words) = waiting.swap_remove(random.below(waiting.len() as u64) as usize);
            let reply = match words.get(2) {
                Some(value) => {
                    store.insert(words[1].clone(), value.clone());
                    b"+OK\r\n".to_vec()
                }
                None => bulk(store.get(&words[1]).map(Vec::as_slice)),
            };
            checked += u64::from(asked.floor > 0);
            let answer = traffic.judge(&asked, &reply).expect("RESP").expect("complete").answer;
            assert_ne!(answer, Answer::Wrong, "{}", traffic.explain(&asked, &reply));
        }
    }
    assert!(checked > 500, "{checked} checked, seed {SEED}");
}

#[test]
fn each_kind_of_wrong_value_is_caught() {
    let mut traffic = RespTraffic::new(&verified(), ALONE);
    let (asked, values) = read_after_sets(&mut traffic);
    let newest = values.last().expect("three").clone();
    assert_eq!(judge(&mut traffic, &asked, &bulk(Some(&newest))), Answer::Good);
    let mut flipped = newest.clone();
    flipped[35] ^= 4;
    let mut write = |key, version| {
        let mut command = Vec::new();
        traffic.encode(&Asked { kind: 0, key, version, ..Asked::default() }, &mut command);
        words(&command)[2].clone()
    };
    let (other_key, unsent) = (write(asked.key + 1, asked.floor), write(asked.key, 1_000_000));
    for (reply, part) in [
        (bulk(None), "nothing came back"),
        (bulk(Some(&values[values.len() - 2])), "older than one acknowledged"),
        (bulk(Some(&flipped)), "changed bytes"),
        (bulk(Some(&newest[..newest.len() - 1])), "shorter or longer"),
        (bulk(Some(b"hello")), "this run has not written"),
        (b"+OK\r\n".to_vec(), "this run has not written"),
        (bulk(Some(&other_key)), "another key"),
        (bulk(Some(&unsent)), "not sent yet"),
    ] {
        assert_eq!(judge(&mut traffic, &asked, &reply), Answer::Wrong, "{part}");
        let text = traffic.explain(&asked, &reply);
        assert!(text.starts_with("GET: ") && text.contains(part), "{text}");
    }
    let set = Asked { kind: 0, key: 0, version: 1, ..Asked::default() };
    assert_eq!(judge(&mut traffic, &set, b":1\r\n"), Answer::Wrong);
    assert_eq!(traffic.explain(&set, b":1\r\n"), "SET: \":1\" came for +OK");
}

#[test]
fn what_was_not_written_or_may_have_expired_is_not_wrong() {
    let mut traffic = RespTraffic::new(&verified(), ALONE);
    let unwritten = Asked { kind: 1, ..Asked::default() };
    assert_eq!(judge(&mut traffic, &unwritten, &bulk(None)), Answer::Miss);
    assert_eq!(judge(&mut traffic, &unwritten, &bulk(Some(b"of before"))), Answer::Good);
    let ttl = Some(Ttl { min_s: 1, max_s: 1 });
    let mut expiring = RespTraffic::new(&RespSettings { ttl, ..verified() }, ALONE);
    let (asked, values) = read_after_sets(&mut expiring);
    assert_eq!(judge(&mut expiring, &asked, &bulk(None)), Answer::Miss);
    assert_eq!(judge(&mut expiring, &asked, &bulk(Some(&values[0]))), Answer::Wrong);
}

#[test]
fn each_core_has_keys_of_its_own_when_they_are_checked() {
    for core in 0..3 {
        let mut traffic = RespTraffic::new(&verified(), Seat { core, cores: 3, is_probe: false });
        assert!((0..100).all(|_| traffic.draw(None).key % 3 == core as u64));
    }
    let mut probe = RespTraffic::new(&verified(), Seat { core: 0, cores: 3, is_probe: true });
    let drawn: Vec<Asked> = (0..100).map(|_| probe.draw(None)).collect();
    assert_eq!(drawn.iter().map(|asked| asked.key % 3).collect::<BTreeSet<_>>(), [0, 1, 2].into());
    assert!(drawn.iter().all(|asked| (asked.version, asked.floor) == (0, 0)));
}
