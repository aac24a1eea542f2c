//! Job: show that bad input is a problem and never a panic, and that what is right is written so that
//! it is read as the same. In: lines and texts at random. Out: failures with their input. Invariant: no
//! time and no randomness but proptest's, which prints what it failed with.

use proptest::prelude::*;

use super::*;

/// Values of all kinds, right ones and wrong ones.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("true".to_owned()),
        Just("[]".to_owned()),
        Just("{ x = 1 }".to_owned()),
        Just("\"100/m\"".to_owned()),
        Just("\"1m\"".to_owned()),
        Just("\"day\"".to_owned()),
        Just("\"ip\"".to_owned()),
        Just("[\"ip\", \"path\", \"header:a\"]".to_owned()),
        Just("[\"a=b\", \"c*\", \"d=e*\"]".to_owned()),
        Just("\"gcra\"".to_owned()),
        Just("\"sliding-log\"".to_owned()),
        Just("\"concurrency\"".to_owned()),
        Just("\"soft\"".to_owned()),
        Just("\"/a/{b}/{*c}\"".to_owned()),
        Just("\"GET\"".to_owned()),
        Just("\"UTC\"".to_owned()),
        Just("\"10.0.0.0/8\"".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        (0_u64..200).prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        ".{0,20}".prop_map(|text| quoted(&text)),
        "[a-z0-9/{}*:=.]{0,20}".prop_map(|text| quoted(&text)),
    ]
}

const KEYS: [&str; 28] = [
    "algorithm",
    "limit",
    "window",
    "rate",
    "burst",
    "strict_window",
    "zone",
    "permits",
    "hold",
    "cost",
    "domain",
    "method",
    "path",
    "host",
    "header",
    "client",
    "descriptor",
    "key",
    "ipv4_prefix",
    "ipv6_prefix",
    "mode",
    "credit",
    "on_store_failure",
    "shadow",
    "quota",
    "local",
    "unlimited",
    "other",
];

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn what_is_accepted_is_written_and_read_as_the_same(
        name in "[a-z._-]{1,8}",
        lines in prop::collection::btree_map(prop::sample::select(&KEYS[..]), value(), 0..8),
        has_store in any::<bool>(),
    ) {
        let mut text = format!("[rule.{}]\n", quoted(&name));
        for (key, value) in &lines {
            text.push_str(&format!("{key} = {value}\n"));
        }
        if has_store {
            text.push_str("[store]\naddress = \"a:1\"\n");
        }
        if let Ok(file) = read(&text) {
            let written = write_rule(&file.rules.rules[0]);
            let again = read(&written).map_err(|problems| TestCaseError::fail(problems.to_string()))?;
            prop_assert_eq!(format!("{:?}", again.rules), format!("{:?}", file.rules), "{}", written);
            prop_assert!(RuleSet::compile(&file.rules, None, 1).is_ok(), "{}", written);
            let _ = rules_table(&file.rules, file.store.as_ref());
        }
    }

    #[test]
    fn a_template_that_is_accepted_can_be_matched(path in "/(a|b|\\.|/|\\{|\\}|\\*|%2[0-9a-fA-F]|%|[ -~]|\u{fc}){0,12}") {
        let text = format!("[rule.a]\nrate = \"1/s\"\npath = {}\n", quoted(&path));
        if let Ok(file) = read(&text) {
            let compiled = RuleSet::compile(&file.rules, None, 1);
            prop_assert!(compiled.is_ok(), "{:?}", compiled.err());
        }
    }

    #[test]
    fn numbers_are_written_and_read_as_the_same(
        algorithm in prop::sample::select(
            crate::algorithm::ALGORITHMS.iter().map(|one| one.name).collect::<Vec<_>>()
        ),
        count in 1_u64..=64,
        ms in 1_u64..100_000_000_000,
        burst in 0_u64..1000,
    ) {
        let numbers = match algorithm {
            "concurrency" => format!("permits = {count}\nhold = \"{ms}ms\""),
            "calendar" => format!("limit = {count}\nwindow = \"week\"\nzone = \"Asia/Tokyo\""),
            "shaper" => format!("limit = {count}\nwindow = \"{ms}ms\"\nburst = {burst}"),
            _ => format!("rate = \"{count}/{ms}ms\""),
        };
        one(&format!("algorithm = \"{algorithm}\"\n{numbers}\ncost = 1"));
    }
}
