//! Job: compare what COMMAND tells client libraries with what redis-server 7.0.15 tells them.
//! In: both servers' COMMAND INFO, DOCS, GETKEYS and GETKEYSANDFLAGS.
//! Out: test results; a failure names the command, the fact and what each server says.
//! Invariant: a difference is a row of [`DIFFERENCES`] with its reason, and a row that no
//! difference needs fails, too.

use std::collections::{BTreeMap, BTreeSet};

use ringlet_check::process::{Launch, RunningServer, ServerBinary};
use ringlet_check::value::Value;
use ringlet_check::wire::Wire;
use ringlet_protocol::inline::split_words;
use ringlet_server::command::table;

/// What differs on purpose: command, fact, reason.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("wait", "flags", "7.2 lets scripts call it, and says that it blocks"),
    ("wait", "categories", "7.2 says that it blocks"),
    ("zrank", "arity", "7.2 has WITHSCORE"),
    ("zrevrank", "arity", "7.2 has WITHSCORE"),
    ("command|getkeys", "arity", "7.2 takes a command without arguments"),
    ("command|getkeysandflags", "arity", "7.2 takes a command without arguments"),
    ("client", "subcommands", "7.2 has NO-TOUCH and SETINFO"),
    (
        "cluster",
        "subcommands",
        "7.2 has MYSHARDID; the layout of slots is fixed, so none changes it",
    ),
    ("debug", "subcommands", "redis-server does not list its subcommands"),
];

/// Lines whose keys are asked for besides all examples of the documentation.
const LINES: &[&str] = &[
    "SET a b",
    "set a b get",
    "SET a b EX 10 GET",
    "SET GET GET",
    "LMOVE a b LEFT RIGHT",
    "BLMOVE a b LEFT RIGHT 0",
    "COPY a b DB 1 REPLACE",
    "RENAMENX a b",
    "SMOVE a b m",
    "SINTERSTORE to a b c",
    "SUNIONSTORE to a",
    "ZRANGESTORE to from 0 -1",
    "ZUNIONSTORE to 2 a b WEIGHTS 1 2",
    "ZUNIONSTORE to 3 a b",
    "ZUNIONSTORE to 0 a",
    "ZUNIONSTORE to many a",
    "ZINTERSTORE to -1 a",
    "ZDIFF 2 a b WITHSCORES",
    "LMPOP 2 a b LEFT",
    "LMPOP 9 a b LEFT",
    "BLMPOP 0 1 a LEFT",
    "BLMPOP 0 x a LEFT",
    "BZMPOP 0 2 a b MIN",
    "SINTERCARD 2 a b LIMIT 1",
    "MSET a 1 b 2",
    "MSET a 1 b",
    "MSETNX a 1",
    "BLPOP a b 0",
    "BZPOPMIN a 0",
    "OBJECT ENCODING a",
    "MEMORY USAGE a",
    "DEL a b c",
    "GET a b",
    "PING a",
    "JUNK a",
    "OBJECT junk a",
    "CONFIG GET a",
    "WATCH a b",
    "LCS a b",
];

/// Beginnings of lines that 7.0 cannot know, with the reason.
const UNKNOWN_LINES: &[(&str, &str)] = &[
    ("CLIENT NO-TOUCH", "7.2 has it"),
    ("CLIENT SETINFO", "7.2 has it"),
    ("CLUSTER MYSHARDID", "7.2 has it"),
    ("ZRANK", "7.2 has WITHSCORE"),
    ("ZREVRANK", "7.2 has WITHSCORE"),
    ("DEBUG", "redis-server does not tell its subcommands apart"),
];

fn servers() -> (RunningServer, RunningServer) {
    let tested = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    let start = |binary: ServerBinary| {
        binary.launch(&Launch::with_shards(2)).unwrap_or_else(|error| panic!("{error}"))
    };
    (start(ServerBinary::at("redis-server")), start(tested))
}

fn resp3(server: &RunningServer) -> Wire {
    Wire::open_resp3(&server.wire_address()).expect("the server speaks RESP3")
}

/// Facts of all commands and subcommands, by name.
type Table = BTreeMap<String, BTreeMap<&'static str, String>>;

#[test]
fn command_tables_agree() {
    let (reference, tested) = servers();
    let (reference, tested) = (facts(&mut resp3(&reference)), facts(&mut resp3(&tested)));
    assert!(tested.len() > 200, "only {} commands", tested.len());
    let mut unexplained = Vec::new();
    let mut used = BTreeSet::new();
    for (name, known) in &tested {
        let Some(expected) = reference.get(name) else { continue };
        for (fact, text) in known {
            let should = expected.get(fact).map_or("nothing", String::as_str);
            let row = |(of, what, _): &&(&str, &str, &str)| of == name && what == fact;
            match DIFFERENCES.iter().find(row) {
                _ if should == text => {}
                Some(row) => drop(used.insert((row.0, row.1))),
                None => unexplained.push(format!("{name}: {fact}\n  {should}\n  {text}")),
            }
        }
    }
    assert!(unexplained.is_empty(), "redis-server first:\n{}", unexplained.join("\n"));
    let stale: Vec<_> = DIFFERENCES.iter().filter(|row| !used.contains(&(row.0, row.1))).collect();
    assert!(stale.is_empty(), "no difference needs these rows: {stale:?}");
}

fn facts(wire: &mut Wire) -> Table {
    let mut table = Table::new();
    let infos = wire.call(&["COMMAND"]).expect("COMMAND").into_items();
    infos.into_iter().for_each(|info| add_info(info, &mut table));
    let docs = wire.call(&["COMMAND", "DOCS"]).expect("COMMAND DOCS");
    add_docs(docs, &mut table);
    table
}

fn add_info(info: Value, table: &mut Table) {
    let [name, arity, flags, first, last, step, categories, _tips, key_specs, subcommands] =
        info.into_items().try_into().expect("ten facts of a command");
    let subcommands = subcommands.into_items();
    let mut names: Vec<String> = subcommands.iter().map(name_of).collect();
    names.sort();
    let facts = BTreeMap::from([
        ("arity", arity.to_string()),
        ("flags", ordered(flags).to_string()),
        ("range", format!("{first} {last} {step}")),
        ("categories", ordered(categories).to_string()),
        ("key specs", ordered(key_specs).to_string()),
        ("subcommands", names.join(" ")),
    ]);
    table.insert(name.text(), facts);
    subcommands.into_iter().for_each(|info| add_info(info, table));
}

fn name_of(info: &Value) -> String {
    info.items().and_then(<[Value]>::first).expect("a command's name").text()
}

/// To which specification each argument belongs that COMMAND DOCS calls a key.
fn add_docs(docs: Value, table: &mut Table) {
    for (name, facts) in pairs(docs) {
        let mut facts: BTreeMap<String, Value> = pairs(facts).collect();
        let mut indices = String::new();
        if let Some(arguments) = facts.remove("arguments") {
            add_key_arguments(arguments, &mut indices);
        }
        table.entry(name).or_default().insert("keys in the arguments", indices);
        if let Some(subcommands) = facts.remove("subcommands") {
            add_docs(subcommands, table);
        }
    }
}

fn add_key_arguments(arguments: Value, out: &mut String) {
    for argument in arguments.into_items() {
        let mut facts: BTreeMap<String, Value> = pairs(argument).collect();
        if let Some(index) = facts.get("key_spec_index") {
            *out += &format!("{}={index} ", facts["name"].text());
        }
        if let Some(inner) = facts.remove("arguments") {
            add_key_arguments(inner, out);
        }
    }
}

fn pairs(value: Value) -> impl Iterator<Item = (String, Value)> {
    let Value::Map(pairs) = value else { panic!("not a map: {value}") };
    pairs.into_iter().map(|(name, value)| (name.text(), value))
}

/// The same value with the elements of sets of names in order, however deep; lists of key
/// specifications are sets, too, but their order counts.
fn ordered(value: Value) -> Value {
    let all = |items: Vec<Value>| items.into_iter().map(ordered).collect::<Vec<_>>();
    match value {
        Value::Set(items) => {
            let mut items = all(items);
            if items.iter().all(|item| item.bytes().is_some()) {
                items.sort();
            }
            Value::Set(items)
        }
        Value::Array(items) => Value::Array(all(items)),
        Value::Map(pairs) => {
            Value::Map(pairs.into_iter().map(|(name, value)| (name, ordered(value))).collect())
        }
        other => other,
    }
}

#[test]
fn keys_are_found_alike() {
    let (reference, tested) = servers();
    let (mut reference, mut tested) = (resp3(&reference), resp3(&tested));
    let examples = table::numbered()
        .into_iter()
        .filter(|command| command.spec.group.is_in_redis())
        .flat_map(|command| command.spec.examples.iter().map(|(line, _)| *line));
    let mut differing = Vec::new();
    let mut compared = 0;
    let is_known = |line: &&str| !UNKNOWN_LINES.iter().any(|(start, _)| line.starts_with(start));
    for line in LINES.iter().copied().chain(examples).filter(is_known) {
        let words = split_words(line.as_bytes()).expect("a line of words");
        if words.len() == 1 {
            // 7.0 wants another word (see DIFFERENCES).
            continue;
        }
        for subcommand in ["GETKEYS", "GETKEYSANDFLAGS"] {
            let mut asked: Vec<&[u8]> = vec![b"COMMAND", subcommand.as_bytes()];
            asked.extend(words.iter().map(|word| -> &[u8] { word }));
            let expected = ordered(reference.call(&asked).expect("a reply"));
            let found = ordered(tested.call(&asked).expect("a reply"));
            compared += 1;
            if expected != found {
                differing.push(format!("{subcommand} {line}\n  {expected}\n  {found}"));
            }
        }
    }
    assert!(compared > 800, "only {compared} lines");
    assert!(differing.is_empty(), "redis-server first:\n{}", differing.join("\n"));
}
