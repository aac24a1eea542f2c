//! Job: hold the reader of configuration files to what it tells of each mistake. In: short files,
//! and a reader that knows a few keys. Out: failures. Invariant: what users read is compared whole.

use std::path::PathBuf;

use super::values::{choice, flag, number, size, text, text_as, thousandths, time, time_or_zero};
use super::*;

/// What [`read`] makes of a file.
#[derive(Debug, Default, PartialEq)]
struct Made {
    count: u32,
    wait_ms: u32,
    names: Vec<String>,
    ports: Vec<u16>,
}

fn read(root: Section<'_>) -> Made {
    let mut made = Made { count: 1, ..Made::default() };
    if let Some(section) = root.table("main") {
        section.set("count", &mut made.count, number(1, 10));
        section.set("wait", &mut made.wait_ms, time);
        made.names = section.filled_list("names", text_as(name)).unwrap_or_default();
        section.finish_with(|key| (key == "port").then(|| "it belongs to an entry".to_owned()));
    }
    for section in root.tables("entry") {
        match section.get("port", number(1, u16::MAX)) {
            Some(port) => made.ports.push(port),
            None if section.has("port") => {}
            None => section.missing("port"),
        }
        section.finish();
    }
    root.finish();
    made
}

#[track_caller]
fn wrong(file: &str) -> String {
    parse(file, read).expect_err(file).to_string()
}

#[test]
fn what_is_right_is_read_and_what_is_not_said_has_its_default() {
    assert_eq!(parse("", read), Ok(Made { count: 1, ..Made::default() }));
    let file = "entry = [{ port = 1 }, { port = 0x2 }]\n[main]\nnames = \"a\"\nwait = \"4s\"\n";
    let names = vec!["a".to_owned()];
    assert_eq!(parse(file, read), Ok(Made { count: 1, wait_ms: 4000, names, ports: vec![1, 2] }));
}

#[test]
fn text_that_is_not_toml_is_told_with_its_line() {
    assert_eq!(
        wrong("[main]\ncount = p2c\n[main]\n"),
        "not TOML, line 2: string values must be quoted, expected literal string\n\
         not TOML, line 3: duplicate key"
    );
}

#[test]
fn each_mistake_is_told_with_its_place() {
    for (file, message) in [
        ("[mian]", "unknown key `mian` at the top, line 1; did you mean `main`?"),
        (
            "[main]\nzzz = 1",
            "unknown key `zzz` in [main], line 2; the keys here are `count`, `wait`, `names`",
        ),
        ("[main]\nport = 1", "unknown key `port` in [main], line 2; it belongs to an entry"),
        ("main = 1", "`main` at the top, line 1: is not a table"),
        ("[main]\nnames = []", "`names` in [main], line 2: is empty"),
        (
            "[main]\nnames = [\"a\",\n\"b c\"]",
            "`names` in [main], line 3: \"b c\" is not a name: visible ASCII without quotes and blanks",
        ),
        ("entry = [1]", "`entry` at the top, line 1: is not a table"),
        ("\n[[entry]]", "no `port` in [[entry]], line 2"),
        ("[[entry]]\nport = 0", "`port` in [[entry]], line 2: 0 is not a number from 1 to 65535"),
    ] {
        assert_eq!(wrong(file), message, "{file}");
    }
}

#[test]
fn several_mistakes_are_told_at_once_in_the_order_of_the_file() {
    assert_eq!(
        wrong("[[entry]]\nport = \"a\"\n[main]\nwiat = 1\ncount = 11\n"),
        "`port` in [[entry]], line 2: \"a\" is not a number from 1 to 65535\n\
         unknown key `wiat` in [main], line 4; did you mean `wait`?\n\
         `count` in [main], line 5: 11 is not a number from 1 to 10"
    );
}

#[test]
fn there_is_an_end_of_mistakes() {
    let keys: String = (0..10_000).map(|number| format!("key{number} = 1\n")).collect();
    assert_eq!(parse(&keys, read).expect_err("unknown keys").iter().count(), 100);
}

#[test]
fn nesting_without_end_is_refused() {
    for file in ["[".repeat(100_000), format!("a = {}", "[".repeat(100_000)), "a.".repeat(100_000)]
    {
        assert!(parse(&file, read).is_err());
    }
}

#[test]
fn values_have_their_type_and_bounds() {
    type Read = fn(&toml::de::DeValue<'_>) -> Result<String, String>;
    fn of<T: ToString>(value: Result<T, String>) -> Result<String, String> {
        value.map(|value| value.to_string())
    }
    let cases: [(&str, Read, &str); 14] = [
        ("\"yes\"", |value| of(flag(value)), "\"yes\" is not true or false"),
        ("1", |value| of(text(value)), "1 is not a text in quotes"),
        ("-1", |value| of(number(0, 9)(value)), "-1 is not a number from 0 to 9"),
        ("1.5", |value| of(number(0, 9)(value)), "1.5 is not a number from 0 to 9"),
        ("[]", |value| of(number(0, 9)(value)), "a list is not a number from 0 to 9"),
        ("nan", |value| of(thousandths(value)), "nan is not a number from 0.001 to 100"),
        ("101", |value| of(thousandths(value)), "101 is not a number from 0.001 to 100"),
        ("\"0s\"", |value| of(time(value)), "the time must be above 0"),
        ("4", |value| of(time(value)), "the time \"4\" needs a unit, such as \"4s\""),
        ("{}", |value| of(time(value)), "a table is not a time such as \"4s\""),
        ("\"16k\"", |value| of(size(1, 1024)(value)), "\"16k\" is not a size from 1 to 1k"),
        ("true", |value| of(size(1, 1024)(value)), "true is not a size such as \"16k\""),
        (
            "\"c\"",
            |value| of(text_as(|text| choice(text, &[("a", 1), ("b", 2)]))(value)),
            "\"c\" is none of `a`, `b`",
        ),
        ("1979-05-27", |value| of(text(value)), "1979-05-27 is not a text in quotes"),
    ];
    for (value, read, message) in cases {
        let parsed = toml::de::DeValue::parse(value).expect(value);
        assert_eq!(read(parsed.get_ref()), Err(message.to_owned()), "{value}");
    }
    let cases: [(&str, Read, &str); 5] = [
        ("1.7", |value| of(thousandths(value)), "1700"),
        ("\"0s\"", |value| of(time_or_zero(value)), "0"),
        ("512", |value| of(size(1, 1024)(value)), "512"),
        ("\"1k\"", |value| of(size(1, 1024)(value)), "1024"),
        ("0b101", |value| of(number(0, 9)(value)), "5"),
    ];
    for (value, read, expected) in cases {
        let parsed = toml::de::DeValue::parse(value).expect(value);
        assert_eq!(read(parsed.get_ref()).as_deref(), Ok(expected), "{value}");
    }
}

/// A file of this test that is gone afterwards.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_file_is_text_of_a_bounded_size() {
    let file = format!("ringlet-base-config-{}", std::process::id());
    let file = File(std::env::temp_dir().join(file));
    let place = file.0.display();
    let missing = format!("cannot read {place}: No such file or directory (os error 2)");
    assert_eq!(read_text(&file.0, 3), Err(missing));
    std::fs::write(&file.0, "a\u{fc}").expect("a file");
    assert_eq!(read_text(&file.0, 3), Ok("a\u{fc}".to_owned()));
    assert_eq!(read_text(&file.0, 2), Err(format!("cannot read {place}: it has more than 2")));
    std::fs::write(&file.0, b"\xff").expect("a file");
    assert_eq!(read_text(&file.0, 3), Err(format!("cannot read {place}: it is not UTF-8")));
}
