//! Job: decide whether two replies to the same command say the same.
//! In: the rule of the command, the reply of the reference and of the tested server.
//! Out: equal or not.
//! Invariant: only what Redis leaves open (order of unordered collections, random picks, passing
//! time) or what `exceptions` lists is forgiven.

use crate::value::{Value, pairs};

use super::exceptions;

/// What may differ between two good replies.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing.
    Exact,
    /// The order of the elements.
    Set,
    /// The order of the pairs of a flat array or map.
    Pairs,
    /// The spelling of a floating point number.
    Scores,
    /// Some seconds, in a number of seconds or milliseconds.
    Time,
    /// The name of an encoding, where the versions differ.
    Encoding,
    /// Everything but the type of the reply.
    Kind,
    /// Everything but the type and the number of elements.
    Shape,
    /// Id and version in the reply of HELLO.
    Hello,
    /// A key of the keyspace, each server its own.
    SomeKey,
    /// Random elements of a collection, each server its own.
    Sample,
    /// Random elements that are removed.
    Pop,
    /// Nothing; but what the command let expire in a millisecond is gone before the next one.
    Lapse,
    /// A cursor is followed to its end, and what was found is compared without order.
    Walk,
}

impl Rule {
    /// True when something comes after the reply (more questions, a pause) that must come before
    /// the next command.
    pub fn asks_again(self) -> bool {
        matches!(self, Self::Pop | Self::Sample | Self::Walk | Self::SomeKey | Self::Lapse)
    }
}

/// Seconds or milliseconds that two clocks may differ by.
const TIME_TOLERANCE: i64 = 20_000;

/// True when `tested` is as good a reply as `reference` under `rule`.
pub fn agree(rule: Rule, reference: &Value, tested: &Value) -> bool {
    if reference == tested {
        return true;
    }
    if reference.is_error() || tested.is_error() {
        return false;
    }
    match rule {
        Rule::Exact | Rule::Lapse => false,
        Rule::Set => sorted(reference.clone()) == sorted(tested.clone()),
        Rule::Pairs => sorted_pairs(reference.clone()) == sorted_pairs(tested.clone()),
        Rule::Scores => same_scores(reference, tested),
        Rule::Time => same_time(reference, tested),
        Rule::Encoding => exceptions::same_encoding(reference, tested),
        Rule::Kind => same_kind(reference, tested),
        Rule::Shape | Rule::Sample | Rule::Pop | Rule::Walk => same_shape(reference, tested),
        Rule::SomeKey => same_kind(reference, tested),
        Rule::Hello => hello(reference.clone()) == hello(tested.clone()),
    }
}

/// True when both replies of EXEC agree, element by element.
pub fn agree_transaction(rules: &[Rule], reference: &Value, tested: &Value) -> bool {
    match (reference, tested) {
        (Value::Array(expected), Value::Array(got)) if expected.len() == rules.len() => {
            expected.len() == got.len()
                && rules
                    .iter()
                    .zip(expected.iter().zip(got))
                    .all(|(&rule, (a, b))| agree(rule, a, b))
        }
        _ => agree(Rule::Exact, reference, tested),
    }
}

/// The elements in sorted order.
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Array(mut items) => {
            items.sort();
            Value::Array(items)
        }
        Value::Set(mut items) => {
            items.sort();
            Value::Set(items)
        }
        other => other,
    }
}

fn sorted_pairs(value: Value) -> Value {
    let sort = |mut pairs: Vec<(Value, Value)>| {
        pairs.sort();
        pairs
    };
    match value {
        Value::Map(pairs) => Value::Map(sort(pairs)),
        Value::Array(items) if items.len() % 2 == 0 => {
            Value::Array(sort(pairs(items)).into_iter().flat_map(|(a, b)| [a, b]).collect())
        }
        other => other,
    }
}

/// The spelling may differ, the number may not, nor the kind of the reply.
fn same_scores(reference: &Value, tested: &Value) -> bool {
    match (reference, tested) {
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(a, b)| same_scores(a, b))
        }
        (Value::Bulk(expected), Value::Bulk(got))
        | (Value::Double(expected), Value::Double(got)) => {
            expected == got || exceptions::same_number(expected, got)
        }
        _ => reference == tested,
    }
}

fn same_time(reference: &Value, tested: &Value) -> bool {
    match (reference, tested) {
        (Value::Integer(expected), Value::Integer(got)) => {
            *expected >= 0 && *got >= 0 && (expected - got).abs() <= TIME_TOLERANCE
        }
        _ => false,
    }
}

fn same_kind(reference: &Value, tested: &Value) -> bool {
    std::mem::discriminant(reference) == std::mem::discriminant(tested)
}

fn same_shape(reference: &Value, tested: &Value) -> bool {
    same_kind(reference, tested)
        && reference.clone().into_items().len() == tested.clone().into_items().len()
}

/// Fields whose values are each server's own.
fn hello(value: Value) -> Value {
    let own = [Value::bulk("version"), Value::bulk("id")];
    match value {
        Value::Map(pairs) => {
            Value::Map(pairs.into_iter().filter(|(name, _)| !own.contains(name)).collect())
        }
        Value::Array(items) => {
            Value::Map(pairs(items).into_iter().filter(|(name, _)| !own.contains(name)).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Value {
        Value::Array(words.iter().map(Value::bulk).collect())
    }

    #[test]
    fn order_is_forgiven_only_where_redis_leaves_it_open() {
        let (one, two) = (list(&["a", "b"]), list(&["b", "a"]));
        assert!(agree(Rule::Set, &one, &two));
        assert!(!agree(Rule::Exact, &one, &two));
        assert!(!agree(Rule::Set, &one, &list(&["a", "c"])));
        let (one, two) = (list(&["f", "1", "g", "2"]), list(&["g", "2", "f", "1"]));
        assert!(agree(Rule::Pairs, &one, &two));
        assert!(!agree(Rule::Pairs, &one, &list(&["g", "1", "f", "2"])));
    }

    #[test]
    fn a_score_may_be_spelled_shorter_and_nothing_else() {
        let long = Value::bulk("3.1000000000000001");
        assert!(agree(Rule::Scores, &long, &Value::bulk("3.1")));
        assert!(!agree(Rule::Scores, &long, &Value::bulk("3.2")));
        assert!(!agree(Rule::Scores, &Value::bulk("3"), &Value::bulk("3.0")));
        assert!(!agree(Rule::Scores, &long, &Value::Double(b"3.1".to_vec())));
    }

    #[test]
    fn time_may_pass_but_not_start_or_stop() {
        assert!(agree(Rule::Time, &Value::Integer(5000), &Value::Integer(4999)));
        assert!(!agree(Rule::Time, &Value::Integer(5000), &Value::Integer(-1)));
        assert!(!agree(Rule::Time, &Value::Integer(-2), &Value::Integer(-1)));
        assert!(!agree(Rule::Time, &Value::Integer(5_000_000), &Value::Integer(5_000)));
    }

    #[test]
    fn nulls_of_different_kinds_differ() {
        assert!(!agree(Rule::Exact, &Value::NullBulk, &Value::NullArray));
    }

    #[test]
    fn a_transaction_is_compared_element_by_element() {
        let expected = Value::Array(vec![Value::ok(), list(&["a", "b"])]);
        let got = Value::Array(vec![Value::ok(), list(&["b", "a"])]);
        assert!(agree_transaction(&[Rule::Exact, Rule::Set], &expected, &got));
        assert!(!agree_transaction(&[Rule::Exact, Rule::Exact], &expected, &got));
    }
}
