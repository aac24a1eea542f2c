//! Job: run the examples of every command, which docs/commands.md shows.
//! In: the examples in the command table; the server that cargo built (or `RINGLET_SERVER_BINARY`).
//! Out: test results.
//! Invariant: a command's examples run in order on a connection of their own and an empty server,
//! and print as redis-cli prints them on a terminal; on one shard and on several.

use std::time::Duration;

use ringlet_check::process::ServerBinary;
use ringlet_check::value::Value;
use ringlet_check::wire::Wire;
use ringlet_protocol::inline::split_words;
use ringlet_server::command::table;

/// Replies that redis-cli prints as they are, for people.
const RAW: &[&str] = &[
    "info",
    "lolwut",
    "memory doctor",
    "memory malloc-stats",
    "latency doctor",
    "latency graph",
    "cluster info",
    "cluster nodes",
    "client info",
    "client list",
];

#[test]
fn examples_print_what_the_documentation_says_on_one_shard() {
    run_all(1);
}

#[test]
fn examples_print_what_the_documentation_says_on_several_shards() {
    run_all(4);
}

fn run_all(shards: usize) {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    let server = binary.start(shards, &[]).unwrap_or_else(|error| panic!("{error}"));
    let mut cleaner = server.connect();
    let mut broken = Vec::new();
    let mut examples = 0;
    for command in table::numbered() {
        cleaner.line("FLUSHALL").expect("FLUSHALL");
        cleaner.line("CONFIG RESETSTAT").expect("CONFIG RESETSTAT");
        let mut wire = server.connect();
        for (line, expected) in command.spec.examples {
            examples += 1;
            match printed(&mut wire, line, expected) {
                Ok(reply) if reply == *expected => {}
                Ok(reply) => broken.push(format!(
                    "{}: `{line}`\n  says {expected:?}\n  is   {reply:?}",
                    command.name
                )),
                Err(error) => {
                    broken.push(format!("{}: `{line}`: {error}", command.name));
                    wire = server.connect();
                }
            }
        }
    }
    assert!(examples > 400, "only {examples} examples were found");
    assert!(broken.is_empty(), "{} of {examples}:\n{}", broken.len(), broken.join("\n"));
}

/// What redis-cli prints for a line. One line may have several replies (SUBSCRIBE), or none, which
/// is what an empty text expects.
fn printed(wire: &mut Wire, line: &str, expected: &str) -> Result<String, String> {
    let words = split_words(line.as_bytes()).map_err(|error| format!("{error:?}"))?;
    wire.send(&words).map_err(|error| error.to_string())?;
    if expected.is_empty() {
        let unexpected = wire.read_within(Duration::from_millis(50));
        return match unexpected.map_err(|error| error.to_string())? {
            None => Ok(String::new()),
            Some(reply) => Ok(format(&reply, "")),
        };
    }
    let mut text = String::new();
    loop {
        let reply = wire.read().map_err(|error| error.to_string())?;
        text += &if is_raw(line) { raw(&reply) } else { format(&reply, "") };
        let rest = expected.strip_prefix(text.as_str()).and_then(|rest| rest.strip_prefix('\n'));
        if rest.is_none() {
            return Ok(text);
        }
        text.push('\n');
    }
}

fn is_raw(line: &str) -> bool {
    let line = line.to_lowercase();
    RAW.iter().any(|name| {
        line.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    })
}

/// A text for people as it is; whatever else as usual.
fn raw(value: &Value) -> String {
    match value {
        Value::Bulk(text) if !text.is_empty() => {
            String::from_utf8_lossy(text).replace("\r\n", "\n").trim_end_matches('\n').into()
        }
        other => format(other, ""),
    }
}

/// A reply as redis-cli prints it on a terminal. `prefix` stands before all lines but the first.
fn format(value: &Value, prefix: &str) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match value {
        Value::Simple(bytes) => text(bytes),
        Value::Error(bytes) => format!("(error) {}", text(bytes)),
        Value::Integer(number) => format!("(integer) {number}"),
        Value::Bulk(bytes) => quoted(bytes),
        Value::Verbatim(bytes) => text(&bytes[4..]),
        Value::NullBulk | Value::NullArray | Value::Null => "(nil)".into(),
        Value::Double(bytes) => format!("(double) {}", text(bytes)),
        Value::Boolean(flag) => format!("({flag})"),
        Value::BigNumber(bytes) => text(bytes),
        Value::Array(values) => list(values, "array", ')', prefix),
        Value::Set(values) => list(values, "set", '~', prefix),
        Value::Push(values) => list(values, "push", ')', prefix),
        Value::Map(pairs) => map(pairs, prefix),
    }
}

fn list(values: &[Value], name: &str, mark: char, prefix: &str) -> String {
    if values.is_empty() {
        return format!("(empty {name})");
    }
    let width = values.len().to_string().len();
    let inner = format!("{prefix}{}", " ".repeat(width + 2));
    let line = |(index, value): (usize, &Value)| {
        let prefix = if index == 0 { "" } else { prefix };
        format!("{prefix}{:>width$}{mark} {}", index + 1, format(value, &inner))
    };
    values.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn map(pairs: &[(Value, Value)], prefix: &str) -> String {
    if pairs.is_empty() {
        return "(empty hash)".into();
    }
    let width = pairs.len().to_string().len();
    let inner = format!("{prefix}{}", " ".repeat(width + 2));
    let line = |(index, (key, value)): (usize, &(Value, Value))| {
        let prefix = if index == 0 { "" } else { prefix };
        let (key, value) = (format(key, &inner), format(value, &inner));
        format!("{prefix}{:>width$}# {key} => {value}", index + 1)
    };
    pairs.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            7 => text.push_str("\\a"),
            8 => text.push_str("\\b"),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text.push('"');
    text
}

#[test]
fn replies_are_printed_as_redis_cli_does() {
    let bulk = |text: &str| Value::Bulk(text.into());
    let nested = Value::Array(vec![
        bulk("a\n\"\u{1}"),
        Value::Array(vec![Value::Integer(1), Value::Array(Vec::new())]),
        Value::NullBulk,
    ]);
    assert_eq!(
        format(&nested, ""),
        "1) \"a\\n\\\"\\x01\"\n2) 1) (integer) 1\n   2) (empty array)\n3) (nil)"
    );
    let ten = Value::Array((0..10).map(Value::Integer).collect());
    assert!(format(&ten, "").starts_with(" 1) (integer) 0\n 2) (integer) 1\n"));
    let pairs = Value::Map(vec![(bulk("k"), Value::Set(vec![Value::Boolean(true), bulk("x")]))]);
    assert_eq!(format(&pairs, ""), "1# \"k\" => 1~ (true)\n   2~ \"x\"");
}
