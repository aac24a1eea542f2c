//! Job: unions, intersections and differences of sets.
//! In: the sets of some keys. Out: their members, visited one by one, or a set of them.
//! Invariant: no member is visited twice; a missing key is an empty set; inputs do not change.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::{Entry, Limits, Object, Set, SetMember};

use crate::command::spec::{CommandError, CommandResult};
use crate::shard::context::Context;
use crate::shard::kind::Kind;

/// What to make of several sets.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// What is in any of them.
    Union,
    /// What is in all of them.
    Intersection,
    /// What is in the first and in no other.
    Difference,
}

/// The sets of `keys`, `None` for a missing key; counts hits and misses. Errors: `WRONGTYPE`.
pub fn inputs<'c>(
    context: &'c mut Context<'_>,
    keys: Arguments<'_>,
) -> Result<Vec<Option<&'c Set>>, CommandError> {
    for key in keys.iter() {
        context.get::<Set>(key)?;
    }
    let context = &*context;
    Ok(keys.iter().map(|key| context.peek(key).and_then(Set::of)).collect())
}

/// SUNION, SINTER and SDIFF: replies what `operation` makes of the sets of `keys`.
pub fn reply_result(
    context: &mut Context<'_>,
    operation: Operation,
    keys: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let limits = context.limits();
    let sets = inputs(context, keys)?;
    let mut buffer = itoa::Buffer::new();
    let (mut count, opened) = (0, reply.set_deferred());
    visit(operation, &sets, &limits, |member| {
        reply.bulk(member.text(&mut buffer));
        count += 1;
    });
    reply.close(opened, count);
    Ok(())
}

/// SUNIONSTORE, SINTERSTORE and SDIFFSTORE: puts the result under the second word, whatever was
/// there, and replies how many members it has. An empty result deletes the key.
pub fn store_result(
    context: &mut Context<'_>,
    operation: Operation,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let limits = context.limits();
    let sets = inputs(context, words.from(2))?;
    let mut result = Set::new();
    let mut buffer = itoa::Buffer::new();
    visit(operation, &sets, &limits, |member| {
        result.insert(member.text(&mut buffer), &limits);
    });
    let count = result.len();
    if count == 0 {
        context.remove(&words[1]);
    } else {
        context.insert(Entry::object(&words[1], Object::Set(Box::new(result)), None));
    }
    reply.integer(count as i64);
    Ok(())
}

fn visit(
    operation: Operation,
    sets: &[Option<&Set>],
    limits: &Limits,
    mut visit: impl FnMut(SetMember<'_>),
) {
    match operation {
        Operation::Intersection => {
            visit_intersection(sets, |member| {
                visit(member);
                true
            });
        }
        Operation::Union => {
            let mut union = Set::new();
            insert_all(&mut union, sets.iter().copied().flatten(), limits);
            union.iter().for_each(visit);
        }
        Operation::Difference => {
            let Some((Some(first), others)) = sets.split_first() else { return };
            let others: Vec<&Set> = others.iter().copied().flatten().collect();
            let mut buffer = itoa::Buffer::new();
            if look_up_each(first.len(), others.iter().map(|other| other.len())) {
                first
                    .iter()
                    .filter(|member| {
                        let text = member.text(&mut buffer);
                        !others.iter().any(|other| other.contains(text))
                    })
                    .for_each(visit);
            } else {
                let mut excluded = Set::new();
                insert_all(&mut excluded, others.into_iter(), limits);
                first
                    .iter()
                    .filter(|member| !excluded.contains(member.text(&mut buffer)))
                    .for_each(visit);
            }
        }
    }
}

/// For a difference: whether to look up each member of the first set in every other one, or else to
/// gather the others' members first; whichever touches fewer members.
pub fn look_up_each(first: usize, others: impl ExactSizeIterator<Item = usize>) -> bool {
    let look_ups = first.saturating_mul(others.len());
    look_ups <= others.sum::<usize>().saturating_add(first)
}

/// Adds the members of all `sets`.
pub fn insert_all<'s>(target: &mut Set, sets: impl Iterator<Item = &'s Set>, limits: &Limits) {
    let mut buffer = itoa::Buffer::new();
    for set in sets {
        for member in set.iter() {
            target.insert(member.text(&mut buffer), limits);
        }
    }
}

/// Visits what is in all of `sets` until `visit` returns false. Looks up each member of the
/// smallest set in the others.
pub fn visit_intersection(sets: &[Option<&Set>], mut visit: impl FnMut(SetMember<'_>) -> bool) {
    let Some(mut sets) = sets.iter().copied().collect::<Option<Vec<&Set>>>() else { return };
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return };
    let mut buffer = itoa::Buffer::new();
    for member in smallest.iter() {
        let text = member.text(&mut buffer);
        if others.iter().all(|other| other.contains(text)) && !visit(member) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ringlet_store::{KeyHasher, Random};

    use super::*;

    fn set_of(members: &BTreeSet<Vec<u8>>, limits: &Limits) -> Set {
        let mut set = Set::new();
        members.iter().for_each(|member| assert!(set.insert(member, limits)));
        set
    }

    fn random_members(random: &mut Random) -> BTreeSet<Vec<u8>> {
        let (count, text) = (random.below(40), random.below(3) == 0);
        (0..count)
            .map(|_| {
                let number = random.below(50);
                if text { format!("m{number}") } else { number.to_string() }.into_bytes()
            })
            .collect()
    }

    #[test]
    fn results_agree_with_a_simple_model() {
        let seed = 11;
        let mut random = Random::new(seed);
        let limits = Limits {
            set_max_intset_entries: 10,
            set_max_listpack_entries: 20,
            ..Limits::new(KeyHasher::new([1, 2, 3, 4]))
        };
        for round in 0..2000 {
            let models: Vec<Option<BTreeSet<Vec<u8>>>> = (0..1 + random.below(4))
                .map(|_| (random.below(8) > 0).then(|| random_members(&mut random)))
                .collect();
            let stored: Vec<Option<Set>> =
                models.iter().map(|model| model.as_ref().map(|m| set_of(m, &limits))).collect();
            let sets: Vec<Option<&Set>> = stored.iter().map(Option::as_ref).collect();
            let models: Vec<_> = models.into_iter().map(Option::unwrap_or_default).collect();
            for operation in [Operation::Union, Operation::Intersection, Operation::Difference] {
                let (first, others) = models.split_first().unwrap();
                let expected = others.iter().fold(first.clone(), |left, right| match operation {
                    Operation::Union => &left | right,
                    Operation::Intersection => &left & right,
                    Operation::Difference => &left - right,
                });
                let mut visited = BTreeSet::new();
                visit(operation, &sets, &limits, |member| {
                    assert!(visited.insert(member.to_vec()), "{operation:?} visited twice");
                });
                assert_eq!(visited, expected, "seed {seed}, round {round}, {operation:?}");
            }
        }
    }

    #[test]
    fn a_visit_of_an_intersection_can_be_stopped() {
        let limits = Limits::new(KeyHasher::new([1, 2, 3, 4]));
        let members = (0..10_u8).map(|byte| vec![byte + b'a']).collect();
        let set = set_of(&members, &limits);
        let mut seen = 0;
        visit_intersection(&[Some(&set), Some(&set)], |_| {
            seen += 1;
            seen < 3
        });
        assert_eq!(seen, 3);
        visit_intersection(&[Some(&set), None], |_| unreachable!("one input is missing"));
        visit_intersection(&[], |_| unreachable!("there are no inputs"));
    }

    #[test]
    fn the_cheaper_way_to_a_difference_is_taken() {
        assert!(look_up_each(10, [1_000_000].into_iter()));
        assert!(look_up_each(0, [5, 5].into_iter()));
        assert!(!look_up_each(1_000_000, [1, 1, 1].into_iter()));
    }
}
