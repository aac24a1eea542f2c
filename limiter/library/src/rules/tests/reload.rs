//! Slots over reloads.

use super::*;

fn after(rules: Vec<Rule>, former: Option<&RuleSet>) -> RuleSet {
    let rules = rules.into_iter().map(Arc::new).collect();
    RuleSet::compile(&Rules { rules, lists: AccessLists::default() }, former, 7).expect("rules")
}

fn slots(rules: &RuleSet) -> Vec<(u32, &str)> {
    rules.slots().map(|(slot, rule)| (slot, rule.name.as_str())).collect()
}

#[test]
fn unchanged_rules_keep_their_slots_and_others_get_new_ones() {
    let first = after(vec![rule("a"), rule("b"), rule("c")], None);
    assert_eq!((first.generation(), slots(&first)), (1, vec![(0, "a"), (1, "b"), (2, "c")]));
    let changed = Rule { limit: Some(Limit { count: 11, ..limit() }), ..rule("b") };
    let second = after(vec![rule("c"), changed, rule("d")], Some(&first));
    assert_eq!((second.generation(), slots(&second)), (2, vec![(2, "c"), (3, "b"), (4, "d")]));
    assert!(second.rule(0).is_none() && second.rule(1).is_none());
    // What was there before comes back with another number.
    let third = after(vec![rule("a"), rule("b"), rule("c")], Some(&second));
    assert_eq!(slots(&third), [(5, "a"), (6, "b"), (2, "c")]);
    assert_eq!(third.rule(5).map(|rule| rule.name.as_str()), Some("a"));
}

#[test]
fn what_counters_mean_decides() {
    let former = after(vec![rule("r")], None);
    let numbers = |limit| Rule { limit: Some(limit), ..rule("r") };
    for (changed, is_kept) in [
        (rule("r"), true),
        (Rule { cost: 2, is_shadow: true, ..rule("r") }, true),
        (Rule { on_store_failure: OnStoreFailure::Open, ..rule("r") }, true),
        (Rule { conditions: vec![Condition::Path("/".into())], ..rule("r") }, true),
        (numbers(Limit { period_ns: 1, ..limit() }), false),
        (numbers(Limit { burst: 1, ..limit() }), false),
        (numbers(Limit { algorithm: Box::leak(Box::new(Algorithm { ..ANY })), ..limit() }), false),
        (Rule { limit: None, ..rule("r") }, false),
        (Rule { key: vec![KeyPart::Method], ..rule("r") }, false),
        (Rule { mode: Mode::Soft { credit: 1 }, ..rule("r") }, false),
        (Rule { is_local: true, ..rule("r") }, false),
    ] {
        let now = after(vec![changed.clone()], Some(&former));
        assert_eq!(now.rule(0).is_some(), is_kept, "{changed:?}");
    }
}

#[test]
fn counters_of_a_changed_rule_have_other_hashes() {
    let hash = |rules: &RuleSet| {
        let mut out = Matched::default();
        rules.by_name("r", b"key", None, &mut out).expect("matched");
        out.items[0].hash
    };
    let first = after(vec![rule("r")], None);
    let kept = after(vec![rule("r"), rule("s")], Some(&first));
    let changed = after(vec![Rule { is_local: true, ..rule("r") }], Some(&first));
    assert_eq!(hash(&first), hash(&kept));
    assert_ne!(hash(&first), hash(&changed));
}
