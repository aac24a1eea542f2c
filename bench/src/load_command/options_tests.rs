//! Command lines, and what they mean or why they are refused.

use clap::Parser;

use super::*;
use crate::generator::plan::Gaps;
use crate::generator::resp_settings::{Commands, Ratio, RespSettings, Ttl};
use crate::load_command::output::Format;
use crate::load_command::talk::Talk;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

/// The arguments of a line of words, or what is said instead of them.
fn read(line: &str) -> Result<Arguments, String> {
    let words = std::iter::once("load").chain(line.split_whitespace());
    let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
    check(&line.arguments)?;
    Talk::new(&line.arguments, 1, 1)?;
    Ok(line.arguments)
}

fn plan_of(line: &str) -> Plan {
    let nodes = vec!["127.0.0.1:1".parse().expect("an address")];
    plan(&read(line).expect(line), nodes)
}

#[test]
fn without_options_it_is_redis_benchmark() {
    let plan = plan_of("h:1");
    assert_eq!(
        plan.stream,
        StreamPlan { clients: 50, keeps_to_node: false, pace: Pace::Closed { pipeline: 1 } }
    );
    assert_eq!(plan.limit, Limit::Time(Duration::from_secs(10)));
    assert_eq!((plan.cores, plan.warm_up), (1, Duration::from_secs(1)));
    assert_eq!((plan.probe, plan.reconnects, plan.shares_cpu), (None, false, false));
    let arguments = read("h:1").expect("a line");
    assert_eq!((arguments.keys.keys, arguments.output.format), (100_000, Format::Human));
    assert!(bound(&arguments).is_none());
}

#[test]
fn paces_and_limits_reach_the_plan() {
    let open = |rate, gaps| Pace::Open { rate, gaps, burst: 1 };
    assert_eq!(plan_of("h --rate 50k").stream.pace, open(50_000.0, Gaps::Random));
    assert_eq!(plan_of("h --rate 5 --gaps equal").stream.pace, open(5.0, Gaps::Equal));
    let bursts = Pace::Open { rate: 900.0, gaps: Gaps::Random, burst: 30 };
    assert_eq!(plan_of("h --rate 900 --burst 30").stream.pace, bursts);
    assert_eq!(plan_of("h --pipeline 16").stream.pace, Pace::Closed { pipeline: 16 });
    let plan =
        plan_of("h --requests 1000 --connections 8 --threads 2 --new-connections --share-cpu");
    assert_eq!(plan.limit, Limit::Requests(1000));
    assert_eq!(plan.warm_up, Duration::ZERO, "or so few requests would not be measured");
    assert_eq!((plan.stream.clients, plan.cores), (8, 2));
    assert!(plan.reconnects && plan.shares_cpu);
    let plan = plan_of("h --time 2m --warm-up 500ms --probe 100");
    assert_eq!(plan.limit, Limit::Time(Duration::from_secs(120)));
    assert_eq!(plan.warm_up, Duration::from_millis(500));
    assert_eq!(
        plan.probe,
        Some(StreamPlan { clients: 1, keeps_to_node: false, pace: open(100.0, Gaps::Random) })
    );
    let plan = plan_of("h --probe 100 --gaps equal");
    assert_eq!(
        plan.probe,
        Some(StreamPlan { clients: 1, keeps_to_node: false, pace: open(100.0, Gaps::Equal) })
    );
    assert_eq!(plan_of("h --warm-up 0").warm_up, Duration::ZERO);
}

#[test]
fn a_fill_sets_each_key_once_and_fast() {
    let arguments = read("h --fill --keys 1000 --rate 5 --threads 2 --new-connections --probe 9");
    let plan = fill_plan(&arguments.expect("a line"), Vec::new());
    assert_eq!(plan.limit, Limit::Requests(1000));
    assert_eq!(plan.stream.pace, Pace::Closed { pipeline: FILL_PIPELINE });
    assert_eq!((plan.cores, plan.warm_up, plan.probe), (2, Duration::ZERO, None));
    assert!(!plan.reconnects);
}

#[test]
fn a_search_has_its_bound() {
    let arguments = read("h --max-p99 5ms --max-rate 20k --time 3s").expect("a line");
    let bound = bound(&arguments).expect("a bound");
    assert_eq!((bound.p99_us, bound.rate_max), (5000.0, Some(20_000.0)));
}

#[test]
fn what_does_not_go_together_is_refused() {
    for (line, text) in [
        ("", "<ADDRESS>"),
        ("https://h", "TLS is not supported"),
        ("h --rate 5 --pipeline 2", "cannot be used with"),
        ("h --burst 2", "--rate"),
        ("h --time 5s --requests 2", "cannot be used with"),
        ("h --max-p99 5ms --rate 5", "cannot be used with"),
        ("h --max-p99 5ms --requests 5", "cannot be used with"),
        ("h --max-p99 5ms --hlog f", "cannot be used with"),
        ("h --max-rate 5", "--max-p99"),
        ("h --verify --command PING", "cannot be used with"),
        ("h --ratio 1:1 --command PING", "cannot be used with"),
        ("h --command-ratio 1", "--command"),
        ("h --ratio 0:0", "asks for nothing"),
        ("h --ttl 9-3", "no time to live"),
        ("h --command 'GET", "quote is not closed"),
        ("h/3 --cluster", "database 0 only"),
        ("h --command PING --command-ratio 1 --command-ratio 2", "2 for 1"),
        ("h --verify --value-bytes 39", "40 bytes at least"),
        ("h --verify --value-bytes 16-1024", "40 bytes at least"),
        ("h --method GET", "--method is for an http:// address only"),
        ("h --expect 200", "--expect is for an http:// address only"),
        ("http://h --ratio 1:1", "--ratio is for a redis:// address only"),
        ("http://h --fill", "--fill is for a redis:// address only"),
        ("h --one-node", "--cluster"),
        ("h --cluster --one-node --distribution sequential", "another --distribution"),
        ("http://h --cluster", "--cluster is for a redis:// address only"),
        ("http://h --key-prefix k", "--key-prefix is for a redis:// address only"),
        ("h --threads 51", "51 threads need a connection each"),
        ("h --threads 3 --keys 2 --verify", "need 3 keys"),
        ("h --pipeline 100000", "give less --pipeline"),
        ("h --connections 0", "not in 1..=100000"),
        ("h --pipeline 0", "not in 1..=100000"),
        ("h --keys 0", "not in 1..="),
        ("h --requests 0", "not in 1.."),
        ("h --time 10", "with a unit"),
        ("h --rate 5/s", "requests per second"),
        ("h --distribution gauss", "zipfian"),
        ("http://h --expect 200,99", "is no status"),
        ("http://h --header a", "is no header"),
        ("http://h --header connection:close", "is not for a header"),
        ("http://h --method G/T", "no method"),
        ("h --format xml", "human, json, csv"),
    ] {
        let error = read(line).map(|_| ()).expect_err(line);
        assert!(error.contains(text), "{line}: {error}");
    }
}

#[test]
fn the_longest_values_that_can_be_checked_and_lists_are_taken() {
    read("h --verify --value-bytes 40").expect("long enough");
    read("h --verify").expect("the default is long enough");
    let arguments = read("http://h/__key__ --expect 200,429 --header a:b --header c:d");
    let arguments = arguments.expect("a line");
    let Talk::Http(settings) = Talk::new(&arguments, 7, 1).expect("settings") else {
        panic!("HTTP")
    };
    assert_eq!(settings.expected.to_string(), "200,429");
    assert_eq!((settings.path.as_str(), settings.host.as_str()), ("/__key__", "h"));
    assert_eq!((settings.headers.len(), settings.seed), (2, 7));
}

#[test]
fn a_cluster_takes_only_keys_whose_slot_is_known() {
    let talk = |command: &str| {
        let mut arguments = read("h --cluster").expect("a line");
        arguments.redis.command = vec![command.parse().expect(command)];
        Talk::new(&arguments, 7, 8).map(|_| ())
    };
    assert_eq!(talk("SET __key__ a:__key__"), Ok(()), "the first one says where it goes");
    for command in ["GET a:__key__", "GET __key__:a"] {
        assert!(talk(command).expect_err(command).contains("--key-prefix"), "{command}");
    }
}

#[test]
fn options_reach_the_traffic() {
    let line =
        "redis://u:p@h/3 --ratio 1:9 --keys 7 --key-prefix x --value-bytes 50-60 --ttl 9 --verify";
    let arguments = read(line).expect(line);
    let Talk::Redis(settings) = Talk::new(&arguments, 7, 8).expect("settings") else {
        panic!("RESP")
    };
    assert_eq!((settings.user.as_deref(), settings.password.as_deref()), (Some("u"), Some("p")));
    assert_eq!((settings.database, settings.keys, settings.seed, settings.run), (3, 7, 7, 8));
    assert_eq!(settings.commands, Commands::Ratio(Ratio { sets: 1, gets: 9 }));
    assert_eq!(
        (settings.key_prefix.as_str(), settings.sizes.to_string()),
        ("x", "50-60".to_owned())
    );
    assert_eq!((settings.ttl, settings.verify), (Some(Ttl { min_s: 9, max_s: 9 }), true));
    let arguments = read("h --command PING --command DBSIZE --command-ratio 1 --command-ratio 3");
    let talk = Talk::new(&arguments.expect("a line"), 7, 8).expect("settings");
    let Talk::Redis(RespSettings { commands: Commands::Templates(list), .. }) = talk else {
        panic!("templates")
    };
    let list: Vec<_> = list.iter().map(|(template, weight)| (template.name(), *weight)).collect();
    assert_eq!(list, [("PING".to_owned(), 1), ("DBSIZE".to_owned(), 3)]);
}
