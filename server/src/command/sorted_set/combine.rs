//! Job: unions, intersections and differences of sorted sets; in plain sets all scores are 1.
//! In: the words from the number of keys on, and the values of those keys.
//! Out: members with scores, in the order of sorted sets.
//! Invariant: no member stands twice in a result, no score is NaN; inputs do not change.

use std::borrow::Cow;

use ahash::AHashMap;
use ringlet_protocol::arguments::Arguments;
use ringlet_store::{Entry, Limits, Set, SetMember, SortedSet, ValueRef};

use crate::command::list::words::at_least;
use crate::command::set::algebra::look_up_each;
use crate::command::spec::{CommandError, float, integer, is_word};
use crate::shard::context::Context;
use crate::shard::kind::ValueType;

/// What to make of several sorted sets.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// What is in any of them.
    Union,
    /// What is in all of them.
    Intersection,
    /// What is in the first and in no other, with its score there.
    Difference,
}

/// What a command does with the result, which decides its options.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Reply the members: WITHSCORES.
    Reply,
    /// Store them under a key.
    Store,
    /// Count them: LIMIT, and neither WEIGHTS nor AGGREGATE.
    Count,
}

/// How the scores of one member in several inputs become one.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn parse(word: &[u8]) -> Result<Aggregate, CommandError> {
        if is_word(word, "SUM") {
            Ok(Aggregate::Sum)
        } else if is_word(word, "MIN") {
            Ok(Aggregate::Min)
        } else if is_word(word, "MAX") {
            Ok(Aggregate::Max)
        } else {
            Err(CommandError::SYNTAX)
        }
    }

    /// Infinities of both signs add up to 0, as in Redis.
    fn apply(self, left: f64, right: f64) -> f64 {
        match self {
            Aggregate::Sum => or_zero(left + right),
            Aggregate::Min => left.min(right),
            Aggregate::Max => left.max(right),
        }
    }
}

/// 0 in place of what is not a number: an infinite score times a weight of 0.
fn or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A member with its score.
pub type Pair<'c> = (Cow<'c, [u8]>, f64);

/// What is asked for.
#[derive(Debug)]
pub struct Combination<'a> {
    /// What to make of the inputs.
    pub operation: Operation,
    /// WITHSCORES.
    pub with_scores: bool,
    keys: Arguments<'a>,
    /// One for each key, or none at all when all are 1.
    weights: Vec<f64>,
    aggregate: Aggregate,
    limit: usize,
}

impl<'a> Combination<'a> {
    /// Reads `numkeys key [key ...]` and the options behind them. As in Redis, the types of the
    /// keys are judged before the options are. `name`: the command's, for an error.
    pub fn parse(
        context: &mut Context<'_>,
        words: Arguments<'a>,
        operation: Operation,
        purpose: Purpose,
        name: &str,
    ) -> Result<Combination<'a>, CommandError> {
        let key_count = integer(&words[0])?;
        if key_count < 1 {
            let text = format!("ERR at least 1 input key is needed for '{name}' command");
            return Err(CommandError::with(text));
        }
        if key_count as usize > words.len() - 1 {
            return Err(CommandError::SYNTAX);
        }
        let keys = words.from(1).up_to(key_count as usize);
        for key in keys.iter() {
            match context.read(key).map(ValueType::of) {
                None | Some(ValueType::Set | ValueType::SortedSet) => {}
                Some(_) => return Err(CommandError::WRONG_TYPE),
            }
        }
        let mut combination = Combination {
            operation,
            with_scores: false,
            keys,
            weights: Vec::new(),
            aggregate: Aggregate::Sum,
            limit: usize::MAX,
        };
        combination.parse_options(words.from(1 + keys.len()), purpose)?;
        Ok(combination)
    }

    fn parse_options(
        &mut self,
        mut options: Arguments<'a>,
        purpose: Purpose,
    ) -> Result<(), CommandError> {
        let weighted = self.operation != Operation::Difference && purpose != Purpose::Count;
        while let Some(option) = options.get(0) {
            options = options.from(1);
            let mut value = || {
                let word = options.get(0).ok_or(CommandError::SYNTAX);
                options = options.from(1);
                word
            };
            if weighted && is_word(option, "WEIGHTS") {
                let weights = options.up_to(self.keys.len());
                if weights.len() < self.keys.len() {
                    return Err(CommandError::SYNTAX);
                }
                self.weights = weights.iter().map(weight).collect::<Result<_, _>>()?;
                options = options.from(weights.len());
            } else if weighted && is_word(option, "AGGREGATE") {
                self.aggregate = Aggregate::parse(value()?)?;
            } else if purpose == Purpose::Reply && is_word(option, "WITHSCORES") {
                self.with_scores = true;
            } else if purpose == Purpose::Count && is_word(option, "LIMIT") {
                let limit = at_least(0, value()?, "ERR LIMIT can't be negative")?;
                self.limit = if limit == 0 { usize::MAX } else { limit };
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(())
    }

    /// The members of the result with their scores, in order.
    pub fn compute<'c>(&self, context: &'c Context<'_>, limits: &Limits) -> Vec<Pair<'c>> {
        let mut inputs = self.inputs(context);
        match self.operation {
            Operation::Difference => return difference(&inputs, limits),
            // Smaller ones first, so that scores are added in the order in which Redis does.
            Operation::Union | Operation::Intersection => inputs.sort_by_key(Input::len),
        }
        let mut pairs = if self.operation == Operation::Union {
            union(&inputs, self.aggregate)
        } else {
            intersection(&inputs, self.aggregate).collect()
        };
        pairs.sort_unstable_by(|left, right| {
            let scores = left.1.partial_cmp(&right.1);
            scores.unwrap_or(std::cmp::Ordering::Equal).then_with(|| left.0.cmp(&right.0))
        });
        pairs
    }

    /// How many members an intersection has, not above the limit.
    pub fn count(&self, context: &Context<'_>) -> usize {
        let mut inputs = self.inputs(context);
        inputs.sort_by_key(Input::len);
        intersection(&inputs, self.aggregate).take(self.limit).count()
    }

    fn inputs<'c>(&self, context: &'c Context<'_>) -> Vec<Input<'c>> {
        let weight = |index| self.weights.get(index).copied().unwrap_or(1.0);
        let keys = self.keys.iter().enumerate();
        keys.map(|(index, key)| Input::new(context.peek(key), weight(index))).collect()
    }
}

fn weight(word: &[u8]) -> Result<f64, CommandError> {
    float(word).map_err(|_| CommandError::new("ERR weight value is not a float"))
}

/// One input: a sorted set, a set, or neither when the key is missing.
#[derive(Copy, Clone, Default)]
struct Input<'c> {
    sorted: Option<&'c SortedSet>,
    plain: Option<&'c Set>,
    weight: f64,
}

impl<'c> Input<'c> {
    fn new(entry: Option<&'c Entry>, weight: f64) -> Input<'c> {
        let (sorted, plain) = match entry.map(Entry::value) {
            Some(ValueRef::SortedSet(set)) => (Some(set), None),
            Some(ValueRef::Set(set)) => (None, Some(set)),
            _ => (None, None),
        };
        Input { sorted, plain, weight }
    }

    fn len(&self) -> usize {
        self.sorted.map_or(0, SortedSet::len) + self.plain.map_or(0, Set::len)
    }

    /// The weighted score of a member; the product may be NaN.
    fn score(&self, member: &[u8]) -> Option<f64> {
        let score = match (self.sorted, self.plain) {
            (Some(set), _) => set.score(member),
            (None, Some(set)) => set.contains(member).then_some(1.0),
            (None, None) => None,
        };
        score.map(|score| score * self.weight)
    }

    /// The members with their weighted scores, in order for a sorted set.
    fn pairs(self) -> impl Iterator<Item = Pair<'c>> {
        let sorted = self.sorted.into_iter().flat_map(SortedSet::iter);
        let plain = self.plain.into_iter().flat_map(Set::iter);
        let sorted = sorted.map(|(member, score)| (Cow::Borrowed(member), score));
        let plain = plain.map(|member| match member {
            SetMember::Text(text) => (Cow::Borrowed(text), 1.0),
            SetMember::Integer(_) => (Cow::Owned(member.to_vec()), 1.0),
        });
        sorted.chain(plain).map(move |(member, score)| (member, or_zero(score * self.weight)))
    }
}

fn union<'c>(inputs: &[Input<'c>], aggregate: Aggregate) -> Vec<Pair<'c>> {
    if let [only] = inputs {
        return only.pairs().collect();
    }
    let most = inputs.last().map_or(0, Input::len);
    let mut scores: AHashMap<Cow<'c, [u8]>, f64> = AHashMap::with_capacity(most);
    for (member, score) in inputs.iter().flat_map(|input| input.pairs()) {
        scores.entry(member).and_modify(|sum| *sum = aggregate.apply(*sum, score)).or_insert(score);
    }
    scores.into_iter().collect()
}

/// `inputs`: the smallest first, whose members are looked up in the others.
fn intersection<'c>(inputs: &[Input<'c>], aggregate: Aggregate) -> impl Iterator<Item = Pair<'c>> {
    let (smallest, others) = match inputs.split_first() {
        Some((smallest, others)) => (*smallest, others),
        None => (Input::default(), inputs),
    };
    smallest.pairs().filter_map(move |(member, score)| {
        let combined = others.iter().try_fold(score, |combined, other| {
            Some(aggregate.apply(combined, other.score(&member)?))
        });
        combined.map(|score| (member, score))
    })
}

fn difference<'c>(inputs: &[Input<'c>], limits: &Limits) -> Vec<Pair<'c>> {
    let Some((first, others)) = inputs.split_first() else { return Vec::new() };
    let mut pairs: Vec<Pair<'c>> = if look_up_each(first.len(), others.iter().map(Input::len)) {
        first
            .pairs()
            .filter(|(member, _)| !others.iter().any(|other| other.score(member).is_some()))
            .collect()
    } else {
        let mut excluded = Set::new();
        for (member, _) in others.iter().flat_map(|other| other.pairs()) {
            excluded.insert(&member, limits);
        }
        first.pairs().filter(|(member, _)| !excluded.contains(member)).collect()
    };
    if first.plain.is_some() {
        // All scores are equal; a set has no order of its own.
        pairs.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    }
    pairs
}

#[cfg(test)]
#[path = "combine_tests.rs"]
mod tests;
