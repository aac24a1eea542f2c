//! Job: one test for each kind of mistake. In: a rule with one line that is wrong. Out: failures.
//! Invariant: the whole message is compared, as that is what a user has to work with.

use super::*;

/// Each text with the message that it gets.
#[track_caller]
fn get(cases: &[(&str, &str)]) {
    for (text, message) in cases {
        let problems = match read(text) {
            Ok(_) => panic!("accepted: {text}"),
            Err(problems) => problems.to_string(),
        };
        assert_eq!(problems, *message, "{text}");
    }
}

/// The same for lines of a rule.
#[track_caller]
fn rule(cases: &[(&str, &str)]) {
    for (lines, message) in cases {
        get(&[(&format!("[rule.a]\n{lines}"), message)]);
    }
}

#[test]
fn unknown_keys_and_algorithms_get_a_suggestion() {
    rule(&[
        (
            "rate = \"100/m\"\nlimt = 3",
            "unknown key `limt` in [rule.a], line 3; did you mean `limit`?",
        ),
        (
            "rate = \"100/m\"\nperiod = \"1m\"",
            "unknown key `period` in [rule.a], line 3; did you mean `window`?",
        ),
        (
            "rate = \"100/m\"\ndry_run = true",
            "unknown key `dry_run` in [rule.a], line 3; did you mean `shadow`?",
        ),
        (
            "algorithm = \"gcrra\"\nrate = \"1/s\"",
            "`algorithm` in [rule.a], line 2: \"gcrra\" is none of `token-bucket`, `leaky-bucket`, `shaper`, `gcra`, `fixed-window`, `sliding-window`, `sliding-log`, `concurrency`, `calendar`; did you mean `gcra`?",
        ),
    ]);
}

#[test]
fn numbers_are_within_bounds_and_said_once() {
    rule(&[
        (
            "rate = \"100\"",
            "`rate` in [rule.a], line 2: \"100\" is not a rate such as \"100/m\" or \"5/10s\"",
        ),
        (
            "rate = \"0/s\"",
            "`rate` in [rule.a], line 2: the rate \"0/s\" is not from 1 to 4294967295",
        ),
        ("limit = 100", "no `window` in [rule.a], line 1"),
        ("window = \"1m\"", "no `limit` in [rule.a], line 1"),
        (
            "key = \"ip\"",
            "no limit in [rule.a], line 1: write `limit = 100` and `window = \"1m\"`, or `rate = \"100/m\"`",
        ),
        ("limit = 100\nwindow = 60", "`window` in [rule.a], line 3: 60 is not a text in quotes"),
        (
            "limit = 100\nwindow = \"60\"",
            "`window` in [rule.a], line 3: the time \"60\" needs a unit, such as \"60s\"",
        ),
        (
            "limit = 100\nwindow = \"day\"",
            "`window` in [rule.a], line 3: \"day\" is a window of the calendar, for algorithm `calendar`; others have a time such as \"1m\" or \"1d\"",
        ),
        (
            "limit = 0\nwindow = \"1m\"",
            "`limit` in [rule.a], line 2: 0 is not a number from 1 to 4294967295",
        ),
        (
            "limit = 4294967296\nwindow = \"1m\"",
            "`limit` in [rule.a], line 2: 4294967296 is not a number from 1 to 4294967295",
        ),
        (
            "limit = 5\nrate = \"5/m\"",
            "`rate` in [rule.a], line 3: says what `limit` and `window` say; keep one of them",
        ),
        (
            "rate = \"5/m\"\nburst = 0",
            "`burst` in [rule.a], line 3: 0 is not a number from 1 to 4294967295",
        ),
    ]);
}

#[test]
fn each_algorithm_has_its_own_keys() {
    rule(&[
        (
            "algorithm = \"fixed-window\"\nrate = \"5/m\"\nburst = 3",
            "`burst` in [rule.a], line 4: says nothing to algorithm `fixed-window`; it belongs to a bucket or a shaper",
        ),
        (
            "algorithm = \"sliding-window\"\nrate = \"5/m\"\nstrict_window = true",
            "`strict_window` in [rule.a], line 4: says nothing to algorithm `sliding-window`; it belongs to a bucket",
        ),
        (
            "algorithm = \"shaper\"\nrate = \"5/m\"",
            "no `burst` in [rule.a], line 1: how many requests may wait in a shaper",
        ),
        (
            "algorithm = \"concurrency\"\nrate = \"5/m\"",
            "no `hold` in [rule.a], line 1: after which time a permit that nobody gave back is free again, such as \"30s\"\nno `permits` in [rule.a], line 1\n`rate` in [rule.a], line 3: algorithm `concurrency` has `permits` and `hold` in its place",
        ),
        (
            "algorithm = \"concurrency\"\npermits = 5",
            "no `hold` in [rule.a], line 1: after which time a permit that nobody gave back is free again, such as \"30s\"",
        ),
        (
            "algorithm = \"gcra\"\nrate = \"5/m\"\npermits = 5",
            "`permits` in [rule.a], line 4: says nothing to algorithm `gcra`; it belongs to algorithm `concurrency`",
        ),
        (
            "algorithm = \"calendar\"\nrate = \"5/m\"",
            "no `limit` in [rule.a], line 1\nno `window` in [rule.a], line 1\nno `zone` in [rule.a], line 1: whose midnight counts, such as \"UTC\" or \"Europe/Berlin\"\n`rate` in [rule.a], line 3: algorithm `calendar` has `limit` and `window` in its place",
        ),
        (
            "algorithm = \"calendar\"\nlimit = 5\nwindow = \"1d\"\nzone = \"UTC\"",
            "`window` in [rule.a], line 4: \"1d\" is none of `minute`, `hour`, `day`, `week`, `month`, `year`",
        ),
        (
            "algorithm = \"calendar\"\nlimit = 5\nwindow = \"day\"",
            "no `zone` in [rule.a], line 1: whose midnight counts, such as \"UTC\" or \"Europe/Berlin\"",
        ),
        (
            "algorithm = \"calendar\"\nlimit = 5\nwindow = \"day\"\nzone = \"Europe/Berln\"",
            "`zone` in [rule.a], line 5: \"Europe/Berln\" is no time zone of this system, such as \"Europe/Berlin\"",
        ),
        (
            "rate = \"5/m\"\nzone = \"UTC\"",
            "`zone` in [rule.a], line 3: says nothing to algorithm `token-bucket`; it belongs to algorithm `calendar`",
        ),
    ]);
}

#[test]
fn what_can_never_be_allowed_is_refused() {
    rule(&[
        (
            "algorithm = \"sliding-log\"\nrate = \"65/m\"",
            "`rate` in [rule.a], line 3: a sliding log remembers each request, at most 64 of a key; `sliding-window` counts more",
        ),
        (
            "limit = 1\nwindow = \"1m\"\nstrict_window = true",
            "`strict_window` in [rule.a], line 4: needs a limit of at least 2; `sliding-log` keeps to a limit of 1 in any window",
        ),
        (
            "rate = \"5/m\"\nburst = 5\nstrict_window = true",
            "`burst` in [rule.a], line 3: with `strict_window` this leaves nothing of the limit to come back: at most 4",
        ),
        (
            "rate = \"5/m\"\ncost = 6",
            "`cost` in [rule.a], line 3: 6 can never be allowed: at most 5 at once",
        ),
        (
            "rate = \"5/m\"\nburst = 2\ncost = 3",
            "`cost` in [rule.a], line 4: 3 can never be allowed: at most 2 at once",
        ),
    ]);
}

#[test]
fn modes_need_what_they_are_about() {
    rule(&[
        ("rate = \"5/m\"\ncredit = 1", "`credit` in [rule.a], line 3: needs `mode = \"soft\"`"),
        (
            "rate = \"5/m\"\nmode = \"soft\"\ncredit = 6",
            "`credit` in [rule.a], line 4: is more than the 5 at once of the limit",
        ),
        (
            "rate = \"5/m\"\nmode = \"sof\"",
            "`mode` in [rule.a], line 3: \"sof\" is none of `hard`, `soft`",
        ),
        (
            "rate = \"5/m\"\nlocal = true\nmode = \"hard\"",
            "`mode` in [rule.a], line 4: the rule is local: it asks no store",
        ),
        (
            "rate = \"5/m\"\non_store_failure = \"fail\"",
            "`on_store_failure` in [rule.a], line 3: \"fail\" is none of `share`, `open`, `closed`",
        ),
        (
            "algorithm = \"sliding-log\"\nrate = \"5/m\"\non_store_failure = \"open\"",
            "`on_store_failure` in [rule.a], line 4: the rule is local: it asks no store",
        ),
        ("rate = \"5/m\"\nquota = true", "`quota` in [rule.a], line 3: needs a `descriptor`"),
        (
            "unlimited = true",
            "`unlimited` in [rule.a], line 2: needs a `descriptor`; clients that no rule applies to stand in `allow` of [lists]",
        ),
        (
            "descriptor = \"a\"\nunlimited = true\nrate = \"5/m\"",
            "`rate` in [rule.a], line 4: the rule is `unlimited`",
        ),
    ]);
    get(&[(
        "[store]\naddress = \"a:1\"\n[rule.a]\nalgorithm = \"sliding-log\"\nrate = \"5/m\"",
        "no `local = true` in [rule.a], line 3: algorithm `sliding-log` counts on each node alone, whatever the store",
    )]);
}

#[test]
fn a_rule_applies_to_what_can_be() {
    rule(&[
        (
            "rate = \"5/m\"\ndescriptor = \"a=b\"\nmethod = \"GET\"",
            "`method` in [rule.a], line 4: a rule with a `descriptor` looks at nothing else",
        ),
        (
            "rate = \"5/m\"\ndescriptor = \"a=b\"\nkey = \"ip\"",
            "`key` in [rule.a], line 4: `ip`: a rule with a `descriptor` looks at nothing else",
        ),
        (
            "rate = \"5/m\"\ndescriptor = \"a=b\"\nkey = \"descriptor:c\"",
            "`key` in [rule.a], line 4: `descriptor:c`: the rule's `descriptor` has no such entry",
        ),
        (
            "rate = \"5/m\"\ndescriptor = \"=b\"",
            "`descriptor` in [rule.a], line 3: the key of an entry is empty",
        ),
        (
            "rate = \"5/m\"\ndescriptor = { kye = \"a\" }",
            "`descriptor` in [rule.a], line 3: an entry is written \"key=value\" or { key = \"...\", value = \"...\" }",
        ),
        (
            "rate = \"5/m\"\nkey = \"pi\"",
            "`key` in [rule.a], line 3: \"pi\" is none of `ip`, `method`, `path`, `host`, `header:NAME`, `descriptor:KEY`; did you mean `ip`?",
        ),
        (
            "rate = \"5/m\"\nkey = [\"ip\", \"ip\"]",
            "`key` in [rule.a], line 3: `ip` is there twice",
        ),
        ("rate = \"5/m\"\nkey = []", "`key` in [rule.a], line 3: is empty"),
        (
            "rate = \"5/m\"\nipv6_prefix = 56",
            "`ipv6_prefix` in [rule.a], line 3: needs \"ip\" in `key`",
        ),
        (
            "rate = \"5/m\"\nkey = \"ip\"\nipv6_prefix = 129",
            "`ipv6_prefix` in [rule.a], line 4: 129 is not a number from 1 to 128",
        ),
        (
            "rate = \"5/m\"\nmethod = \"get\"",
            "`method` in [rule.a], line 3: methods have a case; did you mean `GET`?",
        ),
        (
            "rate = \"5/m\"\nmethod = \"a b\"",
            "`method` in [rule.a], line 3: \"a b\" is not a token of letters, digits and -_.",
        ),
        (
            "rate = \"5/m\"\npath = \"login\"",
            "`path` in [rule.a], line 3: \"login\" is not a path: it does not begin with /",
        ),
        (
            "rate = \"5/m\"\npath = \"/a?b\"",
            "`path` in [rule.a], line 3: \"/a?b\" can match no path: it has more than a path in it",
        ),
        (
            "rate = \"5/m\"\npath = \"/a/../b\"",
            "`path` in [rule.a], line 3: \"/a/../b\" can match no path: dots and empty segments are removed before",
        ),
        (
            "rate = \"5/m\"\npath = \"/a//b\"",
            "`path` in [rule.a], line 3: \"/a//b\" can match no path: dots and empty segments are removed before",
        ),
        (
            "rate = \"5/m\"\npath = \"/%41\"",
            "`path` in [rule.a], line 3: \"/%41\" can match no path: what need not be encoded is decoded",
        ),
        (
            "rate = \"5/m\"\npath = \"/{*rest}/a\"",
            "`path` in [rule.a], line 3: `{*rest}` must be the last segment",
        ),
        (
            "rate = \"5/m\"\npath = \"/a{id}\"",
            "`path` in [rule.a], line 3: `a{id}`: braces must enclose a whole segment",
        ),
        (
            "rate = \"5/m\"\npath = \"/a/{}\"",
            "`path` in [rule.a], line 3: `{}` has no name of letters, digits, - and _",
        ),
        (
            "rate = \"5/m\"\npath = \"/a/*\"",
            "`path` in [rule.a], line 3: `*`: what follows is written {*rest}",
        ),
        (
            "rate = \"5/m\"\nhost = \"a.example:80\"",
            "`host` in [rule.a], line 3: \"a.example:80\" has a port; hosts are compared without it",
        ),
        (
            "rate = \"5/m\"\nhost = \"*.example\"",
            "`host` in [rule.a], line 3: \"*.example\" has a wildcard; hosts are compared whole: list them",
        ),
        (
            "rate = \"5/m\"\nheader = { x-a = 1 }",
            "`x-a` in [rule.a.header], line 3: 1 is neither a text nor true",
        ),
        (
            "rate = \"5/m\"\nclient = \"10.0.0.1/8\"",
            "`client` in [rule.a], line 3: \"10.0.0.1/8\" has bits behind its prefix; did you mean 10.0.0.0/8?",
        ),
        (
            "rate = \"5/m\"\nclient = \"10.0.0\"",
            "`client` in [rule.a], line 3: \"10.0.0\" is not a network such as 10.0.0.0/8 or 2001:db8::/32",
        ),
        ("rate = \"5/m\"\ndomain = \"\"", "`domain` in [rule.a], line 3: the domain is empty"),
    ]);
}

#[test]
fn the_store_and_the_lists() {
    get(&[
        ("[store]\nnodes = 2", "no `address` in [store], line 1"),
        (
            "[store]\naddress = \"127.0.0.1\"",
            "`address` in [store], line 2: \"127.0.0.1\" has no port; an address is written HOST:PORT",
        ),
        (
            "[store]\naddress = [\"a:1\", \"b:2\"]",
            "`address` in [store], line 2: several addresses need `cluster = true`",
        ),
        (
            "[store]\naddress = \"a:1\"\ntimeout = 20",
            "`timeout` in [store], line 3: the time \"20\" needs a unit, such as \"20s\"",
        ),
        (
            "[store]\naddress = \"a:1\"\ntimeout = \"1m\"",
            "`timeout` in [store], line 3: the time is longer than 10000 ms",
        ),
        (
            "[store]\naddress = \"a:1\"\nnodes = 0",
            "`nodes` in [store], line 3: 0 is not a number from 1 to 10000",
        ),
        (
            "[store]\naddress = \"a:1\"\nprefix = \"{x}\"",
            "`prefix` in [store], line 3: \"{x}\" is not a prefix: 1 to 64 of letters, digits and ._-",
        ),
        (
            "[store]\naddress = \"a:1\"\nusername = \"u\"",
            "`username` in [store], line 3: needs a `password`",
        ),
        (
            "[store]\naddress = \"unix:/run/a\"\ncluster = true",
            "`address` in [store], line 2: a cluster has no unix sockets",
        ),
        (
            "[store]\nurl = \"redis://a\"",
            "no `address` in [store], line 1\nunknown key `url` in [store], line 2; did you mean `address`?",
        ),
        ("[lists]\nalow = []", "unknown key `alow` in [lists], line 2; did you mean `allow`?"),
        (
            "[lists]\nallow = [\"10.0.0.0/33\"]",
            "`allow` in [lists], line 2: \"10.0.0.0/33\" is not a network such as 10.0.0.0/8 or 2001:db8::/32",
        ),
    ]);
}

#[test]
fn rules_have_names() {
    get(&[
        (
            "[rule.a]\nrate = \"5/m\"\ndescriptor = \"a=b\"\n[rule.b]\nrate = \"6/m\"\ndescriptor = \"a=b\"",
            "`b` in [rule], line 4: rule a has the same `descriptor` and domain",
        ),
        (
            "[rule.\"a b\"]\nrate = \"5/m\"",
            "`a b` in [rule], line 1: \"a b\" is not the name of a rule: 1 to 64 of letters, digits and ._-",
        ),
        (
            "[rule]\nrate = \"5/m\"",
            "`rate` in [rule], line 2: is not a table; rules have names: [rule.NAME]",
        ),
        (
            "[[rule]]\nrate = \"5/m\"",
            "`rule` at the top, line 1: is a list; a rule is a table with a name: [rule.NAME]",
        ),
    ]);
}
