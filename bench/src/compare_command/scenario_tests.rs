//! What scenarios may say, and how their mistakes are told.

use super::*;

const GOOD: &str = r#"
title = "a title"
load_cpus = "1-2"

[[backend]]
name = "origin"
kind = "nginx"
config = "events {} http { server { listen {address}; } }"

[[system]]
name = "Redis 7"
kind = "redis-server"

[[system]]
name = "mine"
kind = "command"
path = "./mine"
arguments = "--port {port} --to {origin} --note 'two words'"
ready = "http /ready"
cpus = "0"

[[load]]
name = "both"
arguments = "redis://{address} --ratio 1:1"
prepare = ["redis://{address}", "--fill"]
arguments_of = { mine = "http://{address}/__key__" }

[[load]]
name = "one"
systems = "mine"
arguments = "http://{address}/"
"#;

/// What is wrong with the good scenario when `old` stands as `new` in it.
fn problems(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    parse(&GOOD.replacen(old, new, 1)).expect_err(new).to_string()
}

#[test]
fn a_scenario_is_read_with_what_it_does_not_say() {
    let scenario = parse(GOOD).expect("a good one");
    assert_eq!((scenario.title.as_str(), scenario.rounds), ("a title", 5));
    let [redis, mine] = &scenario.systems[..] else { panic!("{:?}", scenario.systems) };
    assert_eq!(
        (redis.kind.name, &redis.ready, redis.cpus.as_str()),
        ("redis-server", &Ready::Ping, "0")
    );
    assert_eq!(mine.arguments, ["--port", "{port}", "--to", "{origin}", "--note", "two words"]);
    assert_eq!(mine.ready, Ready::Http("/ready".to_owned()));
    assert_eq!(scenario.backends[0].cpus, "1-2", "a backend is beside the load");
    let [both, one] = &scenario.loads[..] else { panic!("{:?}", scenario.loads) };
    assert_eq!(both.systems, [0, 1]);
    assert_eq!(both.arguments[0], ["redis://{address}", "--ratio", "1:1"]);
    assert_eq!(both.arguments[1], ["http://{address}/__key__"]);
    assert_eq!(
        both.prepare.as_deref(),
        Some(&["redis://{address}", "--fill"].map(str::to_owned)[..])
    );
    assert_eq!((&one.systems[..], one.arguments.len()), (&[1][..], 1));
}

#[test]
fn every_mistake_is_told_with_its_line_and_what_may_stand_there() {
    for (old, new, told) in [
        (
            "title =",
            "titel =",
            "no `title` at the top, line 1\nunknown key `titel` at the top, line 2; did you mean `title`?",
        ),
        (
            "load_cpus",
            "lod_cpus",
            "unknown key `lod_cpus` at the top, line 3; did you mean `load_cpus`?",
        ),
        (
            "\"1-2\"",
            "\"one\"",
            "`load_cpus` at the top, line 3: \"one\" is not a list of CPUs such as",
        ),
        (
            "[[load]]",
            "[[loads]]",
            "unknown key `loads` at the top, line 22; each is written as [[load]]",
        ),
        (
            "\"redis-server\"",
            "\"redis\"",
            "line 12: \"redis\" is none of `redis-server`, `ringlet-server`, `haproxy`",
        ),
        (
            "path = ",
            "command = ",
            "in [[system]], line 17; a program is its `path` and its `arguments`",
        ),
        ("path = ", "# ", "`kind` in [[system]], line 16: \"command\" needs a `path`"),
        ("config = ", "# ", "`kind` in [[backend]], line 7: \"nginx\" needs a `config`"),
        (
            "{address}; }",
            "{adress}; }",
            "`config` in [[backend]], line 8: nothing is called {adress}; did you mean `address`?",
        ),
        ("{origin}", "{orange}", "`arguments` in [[system]], line 18: nothing is called {orange}"),
        ("'two words'", "'two words", "`arguments` in [[system]], line 18: a ' that is not closed"),
        ("http /ready", "udp", "\"udp\" is none of `ping`, `tcp`, `http`, `http /path`"),
        ("\"Redis 7\"", "\"mine\"", "`name` in [[system]], line 15: \"mine\" is there twice"),
        ("\"Redis 7\"", "\"a | b\"", "`name` in [[system]], line 11: \"a | b\" is not a name"),
        (
            "\"origin\"",
            "\"port\"",
            "`name` in [[backend]], line 6: {port} has a meaning of its own",
        ),
        ("\"origin\"", "\"My\"", "\"My\" cannot stand in braces"),
        (
            "--ratio",
            "--fill",
            "`arguments` in [[load]], line 24: `--fill` is not measured: it belongs into `prepare`",
        ),
        ("{ mine =", "{ mein =", "no [[system]] is called \"mein\"; did you mean `mine`?"),
        (
            "systems = \"mine\"",
            "systems = [\"mine\", \"mine\"]",
            "`systems` in [[load]], line 30: names a system twice",
        ),
        ("systems = \"mine\"", "systems = []", "`systems` in [[load]], line 30: is empty"),
        ("arguments = \"http", "# \"", "no `arguments` in [[load]], line 28"),
        (
            "title = ",
            "rounds = 0\ntitle = ",
            "`rounds` at the top, line 2: 0 is not a number from 1 to 1000",
        ),
    ] {
        let found = problems(old, new);
        assert!(found.contains(told), "{new}: told\n{found}\nnot\n{told}");
    }
}

#[test]
fn nothing_to_compare_is_a_mistake() {
    let told = parse("title = \"x\"").expect_err("no system").to_string();
    assert!(told.contains("no `[[system]]`") && told.contains("no `[[load]]`"), "{told}");
}

#[test]
fn the_examples_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder of the examples") {
        let path = entry.expect("an entry").path();
        let scenario = load(&path).unwrap_or_else(|told| panic!("{}:\n{told}", path.display()));
        assert!(scenario.systems.len() > 1, "{}: nothing to compare", path.display());
        count += 1;
    }
    assert!(count >= 3, "{count} examples");
}
