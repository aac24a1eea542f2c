//! `/check` and `/settle`: what is asked, and what comes back.

use ringlet_limit::time::NEVER;

use super::*;
use crate::front::BadQuestion;

#[test]
fn a_single_check_has_a_status_headers_and_a_body() {
    let mut desk = FakeDesk::default();
    desk.answers.push_back(Ok(allowed()));
    let text = "{\"allowed\":true,\"reason\":\"limits\",\"limits\":[{\"rule\":null,\"allowed\":true,\
                \"limit\":5,\"remaining\":3,\"retry_after_ms\":0,\"reset_after_ms\":12000,\
                \"delay_ms\":0,\"shadow\":false}]}\n";
    assert_eq!(
        reply(&mut desk, &post("/check", "{\"rule\":\"burst\",\"key\":\"u1\",\"cost\":4}")),
        format!(
            "HTTP/1.1 200 OK\r\nRateLimit-Policy: \"given\";q=10;w=60\r\n\
             RateLimit: \"given\";r=3;t=12\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{text}",
            text.len()
        )
    );
    assert_eq!(desk.asked, ["Take rule burst u1 Some(4)"]);

    desk.answers.push_back(Ok(denied()));
    let refused = reply(&mut desk, &post("/check", "{\"rule\":\"burst\"}"));
    assert_eq!(status(&refused), "429");
    assert!(refused.contains("\r\nRetry-After: 2\r\n"), "{refused}");
    let start =
        "{\"allowed\":false,\"reason\":\"limits\",\"limits\":[{\"rule\":null,\"allowed\":false,";
    assert!(body(&refused).starts_with(start), "{refused}");
    assert!(body(&refused).contains("\"retry_after_ms\":1500,"), "{refused}");
}

#[test]
fn what_can_never_be_has_no_time() {
    let mut desk = FakeDesk::default();
    desk.answers.push_back(Ok(given(Outcome { retry_after_ns: NEVER, ..NONE })));
    let refused = reply(&mut desk, &post("/check", "{\"rule\":\"burst\"}"));
    assert!(body(&refused).contains("\"retry_after_ms\":null,"), "{refused}");
    assert!(!refused.contains("Retry-After"), "{refused}");
}

#[test]
fn every_field_of_a_check_is_asked() {
    let rows = [
        (
            "{\"domain\":\"d\",\"descriptors\":[[{\"key\":\"a\",\"value\":\"b\"},{\"key\":\"c\"}],[]],\
              \"cost\":0,\"action\":\"peek\"}",
            "Peek request [d] Some(0) [(\"a\", \"b\"), (\"c\", \"\")] None None [] None None",
        ),
        (
            "{\"request\":{\"method\":\"GET\",\"path\":\"/a?b\",\"host\":\"H:1\",\"client\":\"::1\",\
              \"headers\":{\"X-User\":\"u\"}},\"action\":\"force\"}",
            "Force request [] None GET /a h Some(\"u\") Some(::1)",
        ),
        ("{\"request\":{},\"action\":\"give_back\"}", "GiveBack request [] None    None None"),
        ("{\"rule\":\"r\",\"action\":\"take\"}", "Take rule r  None"),
    ];
    for (text, asked) in rows {
        let mut desk = FakeDesk::default();
        assert_eq!(status(&reply(&mut desk, &post("/check", text))), "200", "{text}");
        assert_eq!(desk.asked, [asked]);
    }
}

#[test]
fn settling_gives_back_or_takes_the_difference() {
    let rows = [
        (10, 4, "GiveBack rule r k Some(6)"),
        (4, 10, "Force rule r k Some(6)"),
        (5, 5, "Peek rule r k Some(0)"),
    ];
    for (reserved, actual, asked) in rows {
        let mut desk = FakeDesk::default();
        let text =
            format!("{{\"rule\":\"r\",\"key\":\"k\",\"reserved\":{reserved},\"actual\":{actual}}}");
        assert_eq!(status(&reply(&mut desk, &post("/settle", &text))), "200");
        assert_eq!(desk.asked, [asked]);
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let rows = [
        ("/check", "{\"rule\":\"a\",\n \"ky\":1}", "unknown field `ky`, expected one of"),
        ("/check", "{\"rule\":\"a\",\n \"ky\":1}", "at line 2 column 5"),
        (
            "/check",
            "{\"rule\":1}",
            "invalid type: integer `1`, expected a string at line 1 column 9",
        ),
        ("/check", "{\"rule\":\"a\"} x", "trailing characters at line 1 column 14"),
        ("/check", "", "EOF while parsing"),
        ("/check", "[", "EOF while parsing"),
        ("/check", "{}", "a check has a `request`"),
        ("/check", "{\"rule\":\"a\",\"rule\":\"a\"}", "duplicate field `rule`"),
        ("/check", "{\"rule\":\"a\",\"request\":{}}", "stand in the place of"),
        ("/check", "{\"request\":{},\"key\":\"a\"}", "`key` is for a check with a `rule`"),
        ("/check", "{\"request\":{\"path\":\"x\"}}", "neither a path nor a URL"),
        ("/check", "{\"request\":{\"client\":\"x\"}}", "invalid IP address syntax"),
        ("/check", "{\"rule\":\"a\",\"cost\":-1}", "expected u64"),
        (
            "/check",
            "{\"rule\":\"a\",\"action\":\"no\"}",
            "expected one of `take`, `peek`, `give_back`, `force`",
        ),
        ("/check", "{\"rule\":\"a\",\"actual\":1}", "are for /settle"),
        ("/check", "{\"checks\":[],\"rule\":\"a\"}", "beside `checks` stands nothing else"),
        ("/check", "{\"checks\":[]}", "1 to 100 checks"),
        ("/settle", "{\"rule\":\"a\",\"reserved\":1}", "what was taken and what was used"),
        ("/settle", "{\"rule\":\"a\",\"cost\":1}", "are for /check"),
    ];
    for (path, text, expected) in rows {
        let mut desk = FakeDesk::default();
        let got = reply(&mut desk, &post(path, text));
        assert_eq!(status(&got), "400", "{text}");
        let problem: serde_json::Value = serde_json::from_str(body(&got)).expect("JSON");
        let detail = problem["detail"].as_str().expect("a text");
        assert!(detail.contains(expected), "{text}: {detail}");
        assert!(desk.asked.is_empty());
    }
    let deep = "{\"checks\":[".repeat(5000);
    assert_eq!(status(&reply(&mut FakeDesk::default(), &post("/check", &deep))), "400");
}

#[test]
fn what_the_desk_refuses_is_a_bad_request() {
    for (path, text) in [
        ("/check", "{\"rule\":\"nme\"}"),
        ("/json", "{\"domain\":\"d\",\"descriptors\":[{}]}"),
        ("/auth", ""),
    ] {
        let mut desk = FakeDesk::default();
        desk.answers.push_back(Err(BadQuestion("no rule \"nme\"".into())));
        let got = reply(&mut desk, &post(path, text));
        assert_eq!(status(&got), "400");
        assert!(body(&got).contains("\"detail\":\"no rule \\\"nme\\\"\""), "{got}");
    }
}

const BATCH: &str =
    "{\"checks\":[{\"rule\":\"a\"},{\"rule\":\"b\"},{},{\"rule\":\"c\",\"checks\":[]}]}";

#[test]
fn a_batch_is_answered_in_order_whatever_the_order_of_verdicts() {
    let answers = "{\"answers\":[{\"allowed\":false,\"reason\":\"limits\",\"limits\":[]},\
                   {\"allowed\":true,\"reason\":\"limits\",\"limits\":[]},\
                   {\"error\":\"a check has a `request`, `descriptors`, or a `rule` with its `key`\"},\
                   {\"error\":\"`checks` within a check\"}]}\n";
    let refused = || Ok(Verdict::default());
    let mut desk = FakeDesk::default();
    desk.answers.push_back(refused());
    let got = reply(&mut desk, &post("/check", BATCH));
    assert_eq!((status(&got), body(&got)), ("200", answers));
    assert!(!got.contains("Retry-After"), "{got}");
    assert_eq!(desk.asked, ["Take rule a  None", "Take rule b  None"]);

    for is_newest in [false, true] {
        let (mut front, mut desk) = (front(), FakeDesk::slow());
        desk.answers.push_back(refused());
        let (mut out, request) = (Vec::new(), post("/check", BATCH));
        assert_eq!(talk(&mut front, &mut desk, &request).0, "");
        let ticket = desk.waiting[usize::from(is_newest)].0;
        desk.deliver(&mut front, is_newest, &mut out);
        front.answer(ticket, &allowed(), &mut desk, &mut out);
        assert!(out.is_empty(), "one is still to come");
        desk.deliver(&mut front, is_newest, &mut out);
        assert_eq!(body(std::str::from_utf8(&out).expect("text")), answers);
    }
}

#[test]
fn a_batch_has_a_bound() {
    for (count, expected) in [(100, "200"), (101, "400")] {
        let checks = vec!["{\"rule\":\"a\"}"; count].join(",");
        let mut desk = FakeDesk::default();
        let got = reply(&mut desk, &post("/check", &format!("{{\"checks\":[{checks}]}}")));
        assert_eq!(status(&got), expected, "{count}");
        assert_eq!(desk.asked.len(), if expected == "200" { count } else { 0 });
    }
}
