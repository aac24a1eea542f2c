//! Job: one test for each kind of mistake. In: [`super::SMALL`] with one line more or another one.
//! Out: failures. Invariant: the whole message is compared, as that is what a user has to work
//! with.

use super::*;

/// Each text with the message that it gets.
#[track_caller]
fn get(cases: &[(String, &str)]) {
    for (text, message) in cases {
        assert_eq!(wrong(text), *message, "{text}");
    }
}

#[test]
fn unknown_keys_get_a_suggestion() {
    get(&[
        (
            with_pool("check = { http = \"/\", interal = \"2s\" }"),
            "unknown key `interal` in [pool.api.check], line 5; did you mean `interval`?",
        ),
        (
            format!("{SMALL}[globl]\n"),
            "unknown key `globl` at the top, line 6; did you mean `global`?",
        ),
        (
            with_server("\"10.0.0.2:9000 wieght=2\""),
            "unknown key `wieght` in [pool.api.servers], line 5; did you mean `weight`?",
        ),
        (
            format!("{SMALL}[global]\nlogging = 1\n"),
            "unknown key `logging` in [global], line 7; the keys here are `cores`, `admin`, \
             `maxconn`, `drain_timeout`, `access_log`",
        ),
        (
            with_pool("client_timeout = \"4s\""),
            "unknown key `client_timeout` in [pool.api], line 5; it belongs to a listener",
        ),
        (
            with_listener("connect_timeout = \"4s\""),
            "unknown key `connect_timeout` in [[listener]], line 3; it belongs to a pool",
        ),
        (
            with_listener("tunnel_timeout = \"4s\""),
            "unknown key `tunnel_timeout` in [[listener]], line 3; it belongs to a pool",
        ),
        (
            format!("[defaults]\nmaxconn = 10\n{SMALL}"),
            "unknown key `maxconn` in [defaults], line 2; a listener's and a pool's differ: \
             say it there",
        ),
        (
            with_listener("route = { hosts = \"a\", pool = \"api\" }"),
            "unknown key `hosts` in [[listener.route]], line 3; did you mean `host`?",
        ),
    ]);
}

#[test]
fn several_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = with_pool("balance = \"roundrobin\"\nweight = 3\nqueue_timeout = 4");
    let text = text.replace("default_pool = \"api\"", "default_pool = \"aip\"");
    assert_eq!(
        wrong(&text),
        "`default_pool` in [[listener]], line 3: no pool is called \"aip\"; did you mean `api`?\n\
         `balance` in [pool.api], line 5: no algorithm is called \"roundrobin\"; did you mean \
         `round-robin`?\n\
         unknown key `weight` in [pool.api], line 6; the keys here are `mode`, `connect_timeout`, \
         `server_timeout`, `queue_timeout`, `tunnel_timeout`, `balance`, `hash_key`, `choices`, \
         `load_factor`, `check`, `ejection`, `panic_percent`, `queue_max`, `requests_max`, \
         `slow_start`, `sticky`, `retry`, `idle`, `send_proxy`, `maxconn`, `servers`\n\
         `queue_timeout` in [pool.api], line 7: the time \"4\" needs a unit, such as \"4s\""
    );
}

#[test]
fn what_must_be_there_is_missed() {
    get(&[
        (String::new(), "no `listener` at the top, line 1\nno `pool` at the top, line 1"),
        (
            SMALL.replace("bind = \"127.0.0.1:8080\"", "name = \"a\""),
            "no `bind` in [[listener]], line 1",
        ),
        (
            SMALL.replace("default_pool = \"api\"", ""),
            "neither `default_pool` nor `route` in [[listener]], line 1",
        ),
        (
            "listener = []\npool = {}\n".to_owned(),
            "`listener` at the top, line 1: is empty\n`pool` at the top, line 2: is empty",
        ),
        (SMALL.replace("\"127.0.0.1:8080\"", "[]"), "`bind` in [[listener]], line 2: is empty"),
        (with_listener("route = { path = \"/\" }"), "no `pool` in [[listener.route]], line 3"),
        (format!("{SMALL}[pool.b]\n"), "no `servers` in [pool.b], line 6"),
        (
            SMALL.replace("[\"10.0.0.1:9000\", \"10.0.0.2:9000\"]", "[]"),
            "`servers` in [pool.api], line 5: is empty",
        ),
        (with_server("{ weight = 2 }"), "no `address` in [pool.api.servers], line 5"),
        (
            with_pool("check = { interval = \"1s\" }"),
            "no `tcp`, `http` or `resp` in [pool.api.check], line 5",
        ),
        (with_pool("sticky = {}"), "no `cookie` in [pool.api.sticky], line 5"),
    ]);
}

#[test]
fn what_is_twice_is_told() {
    get(&[
        (
            with_server("\"10.0.0.1:9000 weight=2\""),
            "`servers` in [pool.api], line 5: 10.0.0.1:9000 is there twice",
        ),
        (
            with_server("\"10.0.0.2:9000 weight=2 weight=3\""),
            "`servers` in [pool.api], line 5: \"10.0.0.2:9000 weight=2 weight=3\" says something twice",
        ),
        (
            format!(
                "{SMALL}[[listener]]\nname = \"b\"\nbind = \"127.0.0.1:8080\"\ndefault_pool = \"api\"\n"
            ),
            "`bind` in [[listener]], line 8: 127.0.0.1:8080 is bound twice",
        ),
        (
            format!(
                "{SMALL}[[listener]]\nname = \"127.0.0.1:8080\"\nbind = \"[::1]:80\"\ndefault_pool = \"api\"\n"
            ),
            "`name` in [[listener]], line 7: another listener is called 127.0.0.1:8080 too",
        ),
        (
            with_pool("sticky = \"ID\"").replace("9000", "9000 cookie=a"),
            "`servers` in [pool.api], line 6: cookie a is there twice",
        ),
        (
            with_pool("check = { tcp = true, resp = true }"),
            "`resp` in [pool.api.check], line 5: the check is of kind `tcp` already",
        ),
        (
            with_listener("request_headers.set = { a = \"1\", A = \"2\" }"),
            "`A` in [listener.request_headers.set], line 3: is set twice",
        ),
    ]);
}

#[test]
fn addresses_are_complete() {
    get(&[
        (
            with_server("\"10.0.0.2\""),
            "`address` in [pool.api.servers], line 5: \"10.0.0.2\" has no port; an address is \
             written HOST:PORT",
        ),
        (
            SMALL.replace("127.0.0.1:8080", "unix:"),
            "`bind` in [[listener]], line 2: \"unix:\" is not the path of a unix socket",
        ),
        (
            format!("{SMALL}[global]\nadmin = \"unix:/a\"\n"),
            "`admin` in [global], line 7: the port of \"unix:/a\" is not a number from 1 to 65535",
        ),
        (
            with_listener("trusted = [\"10.0.0.0/8\",\n\"10.0.0.0/33\"]"),
            "`trusted` in [[listener]], line 4: \"10.0.0.0/33\" is neither an address nor a \
             network such as 10.0.0.0/8",
        ),
    ]);
}

#[test]
fn numbers_times_and_sizes_have_bounds() {
    get(&[
        (
            with_server("\"10.0.0.2:9000 weight=257\""),
            "`weight` in [pool.api.servers], line 5: 257 is not a number from 0 to 256",
        ),
        (
            with_server("\"10.0.0.2:9000 weight=two\""),
            "`weight` in [pool.api.servers], line 5: \"two\" is not a number from 0 to 256",
        ),
        (
            with_server("\"10.0.0.2:9000 weight 2\""),
            "`servers` in [pool.api], line 5: `weight` needs a value: `weight=...`",
        ),
        (
            with_pool("connect_timeout = \"0s\""),
            "`connect_timeout` in [pool.api], line 5: the time must be above 0",
        ),
        (
            with_pool("connect_timeout = \"4 s\""),
            "`connect_timeout` in [pool.api], line 5: \"4 s\" is not a time such as \"500ms\", \
             \"4s\" or \"1h\"",
        ),
        (
            with_listener("head_bytes_max = \"128k\""),
            "`head_bytes_max` in [[listener]], line 3: \"128k\" is not a size from 1k to 64k",
        ),
        (
            with_listener("fields_max = 1000"),
            "`fields_max` in [[listener]], line 3: 1000 is not a number from 1 to 256",
        ),
        (
            with_pool("load_factor = 50\nbalance = \"maglev\""),
            "`load_factor` in [pool.api], line 5: 50 is neither 0 nor a percentage from 100 to 1000",
        ),
        (
            with_pool("ejection = { base = \"10m\" }"),
            "`base` in [pool.api.ejection], line 5: `max` is shorter than `base`",
        ),
        (
            with_pool("sticky = { cookie = \"a\", max_age = \"1500ms\" }"),
            "`max_age` in [pool.api.sticky], line 5: the age of a cookie is in whole seconds",
        ),
        (
            with_pool("check = { http = \"/\", status = [\"200-99\"] }"),
            "`status` in [pool.api.check], line 5: \"200-99\" is not a status or a range such as \
             \"200-399\"",
        ),
    ]);
}

#[test]
fn modes_must_fit() {
    let tcp_pool = "[pool.t]\nmode = \"tcp\"\nservers = \"a:1\"\n";
    get(&[
        (
            format!("{SMALL}{tcp_pool}").replace("default_pool = \"api\"", "default_pool = \"t\""),
            "`default_pool` in [[listener]], line 3: pool t is in mode tcp, this listener in mode \
             http",
        ),
        (
            with_listener("route = { pool = \"t\" }") + tcp_pool,
            "`pool` in [[listener.route]], line 3: pool t is in mode tcp, this listener in mode \
             http",
        ),
        (
            with_listener("mode = \"tcp\"\nroute = { pool = \"t\" }")
                .replace("default_pool = \"api\"", "")
                + tcp_pool,
            "`route` in [[listener]], line 4: routes need mode http; name the `default_pool` instead",
        ),
        (
            with_listener("mode = \"tcp\"\nvia = true").replace("= \"api\"", "= \"t\"") + tcp_pool,
            "`via` in [[listener]], line 4: needs mode http",
        ),
        (
            with_listener("mode = \"tcp\"\nclient_timeout = \"5m\"")
                .replace("= \"api\"", "= \"t\"")
                + tcp_pool,
            "`client_timeout` in [[listener]], line 4: needs mode http",
        ),
        (
            format!("{SMALL}{tcp_pool}server_timeout = \"5m\"\n"),
            "`server_timeout` in [pool.t], line 9: needs mode http",
        ),
        (
            format!("{SMALL}{tcp_pool}sticky = \"ID\"\n"),
            "`sticky` in [pool.t], line 9: needs mode http",
        ),
        (
            format!("{SMALL}{tcp_pool}balance = \"uri\"\n"),
            "`balance` in [pool.t], line 9: `uri` needs mode http",
        ),
        (
            format!("{SMALL}{tcp_pool}balance = \"maglev\"\nhash_key = \"path\"\n"),
            "`hash_key` in [pool.t], line 10: in mode tcp only `source` can be hashed",
        ),
        (
            with_listener("mode = \"udp\""),
            "`mode` in [[listener]], line 3: \"udp\" is none of `http`, `tcp`",
        ),
    ]);
}

#[test]
fn what_an_algorithm_does_not_use_is_told() {
    get(&[
        (
            with_pool("hash_key = \"path\""),
            "`hash_key` in [pool.api], line 5: `p2c` does not hash; `maglev`, `ketama`, `source`, \
             `uri` do",
        ),
        (
            with_pool("balance = \"source\"\nhash_key = \"path\""),
            "`hash_key` in [pool.api], line 6: `source` always hashes `source`",
        ),
        (
            with_pool("balance = \"first\"\nchoices = 3"),
            "`choices` in [pool.api], line 6: `first` does not draw; `p2c`, `random`, `peak-ewma` do",
        ),
        (
            with_pool("balance = \"maglev\"\nhash_key = \"header\""),
            "`hash_key` in [pool.api], line 6: \"header\" is none of `source`, `path`, `uri`, \
             `header:NAME`, `cookie:NAME`",
        ),
        (
            with_pool("balance = \"magic\""),
            "`balance` in [pool.api], line 5: no algorithm is called \"magic\"; they are `p2c`, \
             `random`, `round-robin`, `least-conn`, `peak-ewma`, `first`, `maglev`, `ketama`, \
             `source`, `uri`",
        ),
    ]);
}

#[test]
fn servers_say_only_what_their_pool_uses() {
    get(&[
        (
            with_server("\"10.0.0.2:9000 check\""),
            "`check` in [pool.api.servers], line 5: the pool says no `check`, such as check = \
             \"tcp\"",
        ),
        (
            with_server("\"10.0.0.2:9000 cookie=a\""),
            "`cookie` in [pool.api.servers], line 5: the pool is not `sticky`",
        ),
        (
            with_server("\"10.0.0.2:9000 backup priority=3\""),
            "`backup` in [pool.api.servers], line 5: is `priority` 1: say one of the two",
        ),
        (
            with_server("\"10.0.0.2:9000 state=off\""),
            "`state` in [pool.api.servers], line 5: \"off\" is none of `ready`, `drain`, `maint`",
        ),
    ]);
}

#[test]
fn checks_have_what_their_kind_has() {
    get(&[
        (
            with_pool("check = { tcp = true, body = \"ok\" }"),
            "`body` in [pool.api.check], line 5: is for checks of kind `http`",
        ),
        (
            with_pool("check = { http = \"/\", method = \"HEAD\", body = \"ok\" }"),
            "`method` in [pool.api.check], line 5: the response to HEAD has no `body`",
        ),
        (
            with_pool("check = { http = \"health\" }"),
            "`http` in [pool.api.check], line 5: \"health\" is not a path to ask for",
        ),
        (
            with_pool("check = { http = \"/\", method = \"POST\" }"),
            "`method` in [pool.api.check], line 5: \"POST\" is none of `GET`, `HEAD`, `OPTIONS`",
        ),
        (
            with_pool("check = \"ping\""),
            "`check` in [pool.api], line 5: \"ping\" is neither `tcp`, `resp` nor a path",
        ),
    ]);
}

#[test]
fn header_fields_are_valid_and_their_own() {
    get(&[
        (
            with_listener("request_headers.set = { \"a b\" = \"1\" }"),
            "`a b` in [listener.request_headers.set], line 3: \"a b\" is not a token of letters, \
             digits and -_.",
        ),
        (
            with_listener("request_headers.set = { a = \"1\\r\\nb: 2\" }"),
            "`a` in [listener.request_headers.set], line 3: \"1\\r\\nb: 2\" is not the value of a \
             header field: visible ASCII",
        ),
        (
            with_listener("response_headers.remove = [\"Content-Length\"]"),
            "`remove` in [listener.response_headers], line 3: `Content-Length` belongs to the \
             connection and cannot be changed",
        ),
        (
            with_listener("request_headers.add = { Host = \"a\" }"),
            "`Host` in [listener.request_headers.add], line 3: a request has exactly one Host \
             field: it can only be set",
        ),
    ]);
}

#[test]
fn routes_can_match() {
    let route = |what: &str| with_listener(&format!("route = {{ {what}, pool = \"api\" }}"));
    get(&[
        (
            route("path = \"v1\""),
            "`path` in [[listener.route]], line 3: \"v1\" is not a path: it begins with neither / \
             nor =/",
        ),
        (
            route("path = \"/a?b\""),
            "`path` in [[listener.route]], line 3: \"/a?b\" can match no path: it has more than a \
             path in it",
        ),
        (
            route("path = \"/a/../b\""),
            "`path` in [[listener.route]], line 3: \"/a/../b\" can match no path: dot segments are \
             removed before",
        ),
        (
            route("path = \"/%41\""),
            "`path` in [[listener.route]], line 3: \"/%41\" can match no path: what need not be \
             encoded is decoded",
        ),
        (
            route("path = \"/{rest...}/a\""),
            "`path` in [[listener.route]], line 3: `{rest...}` must be the last segment",
        ),
        (
            route("path = \"/a{id}\""),
            "`path` in [[listener.route]], line 3: `a{id}`: braces must enclose a whole segment",
        ),
        (
            route("host = \"a.example.com:80\""),
            "`host` in [[listener.route]], line 3: \"a.example.com:80\" has a port; hosts are \
             matched without it",
        ),
        (
            route("host = \"*\""),
            "`host` in [[listener.route]], line 3: \"*\" is neither a host such as example.com nor \
             *.example.com",
        ),
        (
            route("headers = { a = false }"),
            "`a` in [listener.route.headers], line 3: a header is matched by a text, true, or \
             { prefix = \"...\" }",
        ),
    ]);
}

#[test]
fn error_pages_belong_to_errors() {
    get(&[
        (
            with_listener("errors = { 200 = \"ok.html\" }"),
            "`200` in [listener.errors], line 3: is not a status from 400 to 599",
        ),
        (
            with_listener("errors = { 503 = true }"),
            "`503` in [listener.errors], line 3: an error page is the path of a file or \
             { html = \"...\" }",
        ),
        (
            with_listener("errors = { 503 = \"no/such/page.html\" }"),
            "`503` in [listener.errors], line 3: cannot read no/such/page.html: No such file or \
             directory (os error 2)",
        ),
    ]);
}

#[test]
fn values_have_their_type() {
    get(&[
        (
            with_listener("via = \"yes\""),
            "`via` in [[listener]], line 3: \"yes\" is not true or false",
        ),
        (with_listener("name = 1"), "`name` in [[listener]], line 3: 1 is not a text in quotes"),
        (with_pool("retry = 3"), "`retry` in [pool.api], line 5: is not a table"),
        (with_server("1"), "`servers` in [pool.api], line 5: a server is a text or a table"),
        (
            with_listener("log = \"short\""),
            "`log` in [[listener]], line 3: \"short\" is none of `common`, `combined`, `json`, `off`",
        ),
        (
            format!("{SMALL}[global]\naccess_log = \"access.log\"\n"),
            "`access_log` in [global], line 7: \"access.log\" is neither `off`, `stdout` nor a path \
             with a slash in it",
        ),
        (
            format!("{SMALL}[pool.\"a b\"]\n"),
            "`a b` in [pool], line 6: \"a b\" is not a name: visible ASCII without quotes and blanks",
        ),
    ]);
}

/// [`SMALL`] with these lines in its listener, and a rule of this name with these lines.
fn with_rule(listener: &str, name: &str, rule: &str) -> String {
    let limit = "limit = 10\nwindow = \"1m\"\n";
    format!("{}[rate_limit.{name}]\n{limit}{rule}\n", with_listener(listener))
}

#[test]
fn rate_limits_that_cannot_be_are_told() {
    get(&[
        (
            with_rule("rate_limit = \"logn\"", "login", ""),
            "`rate_limit` in [[listener]], line 3: no [rate_limit.NAME] is called \"logn\"; did \
             you mean `login`?\n\
             `login` in [rate_limit], line 7: limits nothing: no listener and no route names it",
        ),
        (
            with_rule("rate_limit = [\"a\", \"a\"]", "a", ""),
            "`rate_limit` in [[listener]], line 3: `a` is there twice",
        ),
        (
            with_rule("rate_limit = \"a\"", "a", "domain = \"d\""),
            "`domain` in [rate_limit.a], line 10: has no meaning in a balancer: a rule applies \
             where `rate_limit` of a listener or route names it",
        ),
        (
            with_rule("rate_limit = \"a\"", "a", "descriptor = \"user\""),
            "`descriptor` in [rate_limit.a], line 10: has no meaning in a balancer: descriptors \
             come from Envoy, to ringlet-limiter",
        ),
        (
            with_rule("rate_limit = \"a\"", "a", "key = \"descriptor:user\""),
            "`key` in [rate_limit.a], line 10: a balancer's requests have no descriptors",
        ),
        (
            with_rule("rate_limit = \"a\"", "a", "key = \"ipp\""),
            "`key` in [rate_limit.a], line 10: \"ipp\" is none of `ip`, `method`, `path`, `host`, \
             `header:NAME`, `descriptor:KEY`; did you mean `ip`?",
        ),
        (
            with_rule("rate_limit = \"a\"\nrate_limit_headers = \"ietff\"", "a", ""),
            "`rate_limit_headers` in [[listener]], line 4: \"ietff\" is none of `ietf`, \
             `x-ratelimit`, `github`, `none`",
        ),
        (
            with_rule("rate_limit = \"a\"\nrate_limit_status = 200", "a", ""),
            "`rate_limit_status` in [[listener]], line 4: 200 is not a number from 400 to 599",
        ),
        (
            format!("{SMALL}[rate_limits]\naddress = \"a:1\"\nkey = 1\n"),
            "unknown key `address` in [rate_limits], line 7; it belongs to [rate_limits.store]\n\
             unknown key `key` in [rate_limits], line 8; a rule is a table of its own: \
             [rate_limit.NAME]",
        ),
        (
            format!("{SMALL}[rate_limit]\nlimit = 5\n"),
            "`limit` in [rate_limit], line 7: is not a table; rules have names: [rate_limit.NAME]",
        ),
        (
            with_rule("rate_limit = \"a\"", "a", "key = \"header:x\"")
                .replace("[pool.api]", "mode = \"tcp\"\n[pool.api]\nmode = \"tcp\""),
            "`rate_limit` in [[listener]], line 3: `a` looks at HTTP, and in mode tcp there is \
             only the client's address",
        ),
    ]);
}

#[test]
fn a_rule_of_many_places_and_one_of_tcp_are_right() {
    let text = with_rule(
        "rate_limit = \"a\"\nroute = { path = \"/x\", pool = \"api\", rate_limit = [\"a\"] }",
        "a",
        "key = [\"ip\", \"header:x\"]",
    );
    let configuration = right(&text);
    let listener = &configuration.listeners[0];
    assert_eq!(
        (&listener.rate_limits[..], &listener.routes[0].rate_limits[..]),
        (&[0][..], &[0][..])
    );
    let tcp = with_rule("mode = \"tcp\"\nrate_limit = \"a\"", "a", "key = \"ip\"");
    right(&tcp.replace("[pool.api]", "[pool.api]\nmode = \"tcp\""));
}
