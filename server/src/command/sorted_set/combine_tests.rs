//! Job: test the combinations of sorted sets against their options and a simple model.
//! In: nothing, or a fixed seed.
//! Out: test results.
//! Invariant: a failure names the seed and the round.

use std::collections::BTreeMap;

use ringlet_store::{KeyHasher, Random};

use super::*;

fn options(line: &str, operation: Operation, purpose: Purpose) -> Result<String, CommandError> {
    let words: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
    let mut arena = ringlet_protocol::arguments::ArgumentArena::new();
    let range = arena.push_words(&words);
    let words = arena.get(range);
    let mut combination = Combination {
        operation,
        with_scores: false,
        keys: words.up_to(2),
        weights: Vec::new(),
        aggregate: Aggregate::Sum,
        limit: usize::MAX,
    };
    combination.parse_options(words.from(2), purpose)?;
    let Combination { with_scores, weights, aggregate, limit, .. } = combination;
    let limit = if limit == usize::MAX { 0 } else { limit };
    Ok(format!("{weights:?} {aggregate:?} {with_scores} {limit}"))
}

#[test]
fn options_follow_from_operation_and_purpose() {
    use Operation::{Difference, Intersection, Union};
    use Purpose::{Count, Reply, Store};
    for (line, operation, purpose, expected) in [
        ("a b", Union, Reply, "[] Sum false 0"),
        ("a b WITHSCORES aggregate MIN", Union, Reply, "[] Min false 0"),
        ("a b WEIGHTS 2 -inf AGGREGATE max", Union, Store, "[2.0, -inf] Max false 0"),
        ("a b weights 1 2 weights 3 4", Intersection, Store, "[3.0, 4.0] Sum false 0"),
        ("a b WITHSCORES", Difference, Reply, "[] Sum true 0"),
        ("a b LIMIT 3", Intersection, Count, "[] Sum false 3"),
        ("a b LIMIT 3 LIMIT 0", Intersection, Count, "[] Sum false 0"),
    ] {
        let expected = expected.replace("Min false", "Min true");
        assert_eq!(options(line, operation, purpose).as_deref(), Ok(&*expected), "{line}");
    }
    for (line, operation, purpose, error) in [
        ("a b WEIGHTS 1", Union, Reply, "ERR syntax error"),
        ("a b WEIGHTS 1 2 3", Union, Reply, "ERR syntax error"),
        ("a b WEIGHTS 1 nan", Union, Reply, "ERR weight value is not a float"),
        ("a b WEIGHTS 1 2", Difference, Reply, "ERR syntax error"),
        ("a b AGGREGATE", Union, Reply, "ERR syntax error"),
        ("a b AGGREGATE avg", Union, Reply, "ERR syntax error"),
        ("a b AGGREGATE SUM", Intersection, Count, "ERR syntax error"),
        ("a b WITHSCORES", Union, Store, "ERR syntax error"),
        ("a b WITHSCORES", Intersection, Count, "ERR syntax error"),
        ("a b LIMIT 1", Union, Reply, "ERR syntax error"),
        ("a b LIMIT", Intersection, Count, "ERR syntax error"),
        ("a b LIMIT -1", Intersection, Count, "ERR LIMIT can't be negative"),
    ] {
        let expected = Err(CommandError::new(error));
        assert_eq!(options(line, operation, purpose), expected, "{line}");
    }
}

#[test]
fn infinities_never_make_nan() {
    let infinite = f64::INFINITY;
    assert_eq!(Aggregate::Sum.apply(infinite, -infinite), 0.0);
    assert_eq!(Aggregate::Sum.apply(1.0, f64::NAN), 0.0);
    assert_eq!(Aggregate::Min.apply(1.0, f64::NAN), 1.0);
    assert_eq!(Aggregate::Max.apply(-infinite, infinite), infinite);
    let limits = Limits::new(KeyHasher::new([1, 2, 3, 4]));
    let mut set = SortedSet::new();
    set.insert(b"a", infinite, &limits);
    let input = Input { sorted: Some(&set), weight: 0.0, ..Input::default() };
    assert_eq!(input.pairs().map(|pair| pair.1).collect::<Vec<_>>(), [0.0]);
}

type Model = BTreeMap<Vec<u8>, f64>;

fn random_model(random: &mut Random) -> Model {
    let count = random.below(30);
    (0..count)
        .map(|_| (random.below(40).to_string().into_bytes(), random.below(9) as f64 - 4.0))
        .collect()
}

fn expected(models: &[(Model, f64)], operation: Operation, aggregate: Aggregate) -> Model {
    let mut result = Model::new();
    for (index, (model, weight)) in models.iter().enumerate() {
        for (member, score) in model {
            let holders = models.iter().filter(|(other, _)| other.contains_key(member)).count();
            let kept = match operation {
                Operation::Union => true,
                Operation::Intersection => holders == models.len(),
                Operation::Difference => index == 0 && holders == 1,
            };
            if kept {
                let score = score * weight;
                result
                    .entry(member.clone())
                    .and_modify(|sum| *sum = aggregate.apply(*sum, score))
                    .or_insert(score);
            }
        }
    }
    result
}

#[test]
fn results_agree_with_a_simple_model() {
    let seed = 5;
    let mut random = Random::new(seed);
    let limits =
        Limits { zset_max_listpack_entries: 16, ..Limits::new(KeyHasher::new([1, 2, 3, 4])) };
    for round in 0..3000 {
        let mut models = Vec::new();
        let mut stored = Vec::new();
        for _ in 0..1 + random.below(4) {
            let mut model = random_model(&mut random);
            let weight = random.below(4) as f64 - 1.0;
            let (mut sorted, mut plain) = (None, None);
            if random.below(3) == 0 {
                model.values_mut().for_each(|score| *score = 1.0);
                let set = plain.insert(Set::new());
                model.keys().for_each(|member| assert!(set.insert(member, &limits)));
            } else {
                let set = sorted.insert(SortedSet::new());
                for (member, score) in &model {
                    set.insert(member, *score, &limits);
                }
            }
            models.push((model, weight));
            stored.push((sorted, plain, weight));
        }
        let mut inputs: Vec<Input<'_>> = stored
            .iter()
            .map(|(sorted, plain, weight)| Input {
                sorted: sorted.as_ref(),
                plain: plain.as_ref(),
                weight: *weight,
            })
            .collect();
        let aggregate = [Aggregate::Sum, Aggregate::Min, Aggregate::Max][random.below(3) as usize];
        let from_difference = difference(&inputs, &limits);
        inputs.sort_by_key(Input::len);
        for (operation, pairs) in [
            (Operation::Difference, from_difference),
            (Operation::Union, union(&inputs, aggregate)),
            (Operation::Intersection, intersection(&inputs, aggregate).collect()),
        ] {
            let count = pairs.len();
            let found: Model =
                pairs.into_iter().map(|(member, score)| (member.into_owned(), score)).collect();
            assert_eq!(found.len(), count, "seed {seed}, round {round}: a member twice");
            let expected = expected(&models, operation, aggregate);
            assert_eq!(found, expected, "seed {seed}, round {round}, {operation:?}");
        }
    }
}
