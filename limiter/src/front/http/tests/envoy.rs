//! `/json`: Envoy's messages as JSON.

use ringlet_limit::request::Reason;

use super::*;

#[test]
fn both_spellings_of_a_request_are_read() {
    let asked =
        "Take request [d] Some(3) [(\"a\", \"b\")] Some(0) Some((7, 60000000000)) [] None None";
    for text in [
        "{\"domain\":\"d\",\"descriptors\":[{\"entries\":[{\"key\":\"a\",\"value\":\"b\"}],\
          \"limit\":{\"requestsPerUnit\":7,\"unit\":\"MINUTE\"},\"hitsAddend\":\"0\"},{}],\"hitsAddend\":3}",
        "{\"domain\":\"d\",\"descriptors\":[{\"entries\":[{\"key\":\"a\",\"value\":\"b\"}],\
          \"limit\":{\"requests_per_unit\":\"7\",\"unit\":2},\"hits_addend\":0},\
          {\"entries\":null}],\"hits_addend\":\"3\"}",
    ] {
        let mut desk = FakeDesk::default();
        let got = reply(&mut desk, &post("/json", text));
        assert_eq!(
            body(&got),
            "{\"overallCode\":\"OK\",\"statuses\":[{\"code\":\"OK\"},{\"code\":\"OK\"}]}\n"
        );
        assert_eq!((status(&got), &desk.asked[..]), ("200", &[asked.to_owned()][..]));
    }
}

#[test]
fn each_descriptor_has_its_status() {
    let mut desk = FakeDesk::default();
    let mut verdict = denied();
    let mut shadow = verdict.parts[0].clone();
    verdict.parts[0].descriptor = Some(1);
    (shadow.descriptor, shadow.is_shadow) = (Some(0), true);
    verdict.parts.push(shadow);
    verdict.unlimited.push(2);
    desk.answers.push_back(Ok(verdict));
    let got = reply(&mut desk, &post("/json", "{\"domain\":\"d\",\"descriptors\":[{},{},{},{}]}"));
    let limit = "\"currentLimit\":{\"requestsPerUnit\":10,\"unit\":\"MINUTE\"},\
                 \"limitRemaining\":0,\"durationUntilReset\":\"30s\"";
    assert_eq!(status(&got), "429");
    assert_eq!(
        body(&got),
        format!(
            "{{\"overallCode\":\"OVER_LIMIT\",\"statuses\":[{{\"code\":\"OK\",{limit}}},\
             {{\"code\":\"OVER_LIMIT\",{limit}}},{{\"code\":\"OK\",\"limitRemaining\":4294967295}},\
             {{\"code\":\"OK\"}}]}}\n"
        )
    );
}

#[test]
fn trouble_is_no_verdict_of_envoys() {
    for reason in [Reason::Store, Reason::Overload] {
        for (is_allowed, expected) in [(false, "500"), (true, "200")] {
            let mut desk = FakeDesk::default();
            desk.answers.push_back(Ok(Verdict { is_allowed, reason, ..Verdict::default() }));
            let got = reply(&mut desk, &post("/json", "{\"domain\":\"d\",\"descriptors\":[{}]}"));
            assert_eq!(status(&got), expected, "{reason:?} {is_allowed}");
        }
    }
}

#[test]
fn what_envoy_would_refuse_is_refused() {
    let rows = [
        ("{\"descriptors\":[{}]}", "`domain` must not be empty"),
        ("{\"domain\":\"d\"}", "`descriptors` must not be empty"),
        ("{\"domain\":\"d\",\"descriptors\":[{\"x\":1}]}", "unknown field `x`, expected one of"),
        ("{\"domain\":\"d\",\"hits\":1}", "unknown field `hits`"),
        ("{\"domain\":\"d\",\"hitsAddend\":-1}", "a number from 0 on, or one in quotes"),
        ("{\"domain\":\"d\",\"hitsAddend\":\"x\"}", "a number from 0 on, or one in quotes"),
        (
            "{\"domain\":\"d\",\"descriptors\":[{\"limit\":{\"requestsPerUnit\":1,\"unit\":\"AGE\"}}]}",
            "`unit` is none of: SECOND, MINUTE",
        ),
    ];
    for (text, expected) in rows {
        let mut desk = FakeDesk::default();
        let got = reply(&mut desk, &post("/json", text));
        assert_eq!(status(&got), "400", "{text}");
        assert!(body(&got).contains(expected), "{got}");
        assert!(desk.asked.is_empty());
    }
}

#[test]
fn of_several_limits_of_a_descriptor_the_one_that_refuses_is_told() {
    let mut desk = FakeDesk::default();
    let mut verdict = given(Outcome { remaining: 2, retry_after_ns: NS_PER_S, ..NONE });
    verdict.parts[0].descriptor = Some(0);
    let mut shadow = verdict.parts[0].clone();
    (shadow.is_shadow, shadow.outcome.remaining) = (true, 0);
    verdict.parts.insert(0, shadow);
    desk.answers.push_back(Ok(verdict));
    let got = reply(&mut desk, &post("/json", "{\"domain\":\"d\",\"descriptors\":[{}]}"));
    assert!(body(&got).contains("{\"code\":\"OVER_LIMIT\","), "{got}");
    assert!(body(&got).contains("\"limitRemaining\":2,"), "{got}");
}
