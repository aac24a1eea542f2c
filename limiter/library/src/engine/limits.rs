//! The limits that an engine knows, by the numbers that its table keeps.
//!
//! Job: find a limit and how it is enforced. In: references of requests. Out: [`Resolved`]. Invariant: a
//! number means one limit for as long as anything is remembered of a key under it.

use ahash::{AHashMap, AHashSet};

use crate::algorithm::Spread;
use crate::lease::can_be_leased;
use crate::model::{Limit, Mode, OnStoreFailure};
use crate::request::{GivenLimit, LimitRef};
use crate::rules::RuleSet;
use crate::table::Limits;

/// Different limits that requests may bring along. Who brings more is refused, until one is forgotten.
pub const GIVEN_LIMITS_MAX: usize = 4096;
/// Numbers of given limits.
const GIVEN_BIT: u32 = 1 << 30;

/// What makes two given limits the same.
type Numbers = (&'static str, u64, u64, u64);

/// Limits that came with requests.
#[derive(Debug, Default)]
pub struct GivenLimits {
    limits: Vec<Limit>,
    numbers: AHashMap<Numbers, u32>,
    /// Numbers of limits that have been forgotten.
    free: Vec<u32>,
}

impl GivenLimits {
    fn number(&mut self, given: &GivenLimit) -> Option<u32> {
        if let Some(number) = self.number_of(given) {
            return Some(number);
        }
        let &GivenLimit { algorithm, count, period_ns, burst } = given;
        let limit = Limit { algorithm, count, period_ns, burst, calendar: None };
        let number = match self.free.pop() {
            Some(number) => {
                self.limits[(number & !GIVEN_BIT) as usize] = limit;
                number
            }
            None if self.limits.len() >= GIVEN_LIMITS_MAX => return None,
            None => {
                self.limits.push(limit);
                GIVEN_BIT | u32::try_from(self.limits.len() - 1).ok()?
            }
        };
        self.numbers.insert(numbers(given), number);
        Some(number)
    }

    /// The number of a limit that is known.
    #[must_use]
    pub fn number_of(&self, given: &GivenLimit) -> Option<u32> {
        self.numbers.get(&numbers(given)).copied()
    }

    /// Forgets the limits whose numbers are not in use; how many.
    pub fn keep(&mut self, used: &AHashSet<u32>) -> usize {
        let before = self.free.len();
        let free = &mut self.free;
        self.numbers.retain(|_, number| {
            let is_used = used.contains(number);
            if !is_used {
                free.push(*number);
            }
            is_used
        });
        self.free.len() - before
    }
}

fn numbers(given: &GivenLimit) -> Numbers {
    (given.algorithm.name, given.count, given.period_ns, given.burst)
}

/// The limits of requests alone, by number.
impl Limits for GivenLimits {
    fn limit(&self, number: u32) -> Option<&Limit> {
        if number & GIVEN_BIT == 0 {
            return None;
        }
        self.limits.get((number & !GIVEN_BIT) as usize)
    }
}

/// A limit and how it is enforced.
#[derive(Copy, Clone)]
pub struct Resolved<'a> {
    /// For the table.
    pub number: u32,
    /// The limit.
    pub limit: &'a Limit,
    /// Whether the first request waits.
    pub mode: Mode,
    /// Without the store.
    pub on_failure: OnStoreFailure,
    /// Whether tokens come from the store.
    pub is_leased: bool,
    /// A shadow rule's.
    pub is_shadow: bool,
    /// A quota rule's.
    pub is_quota: bool,
}

/// What of a limit does not change while a question is worked on, without the limit itself.
#[derive(Copy, Clone, Debug)]
pub struct Found {
    /// For the table.
    pub number: u32,
    /// Whether tokens come from the store.
    pub is_leased: bool,
    /// A shadow rule's.
    pub is_shadow: bool,
    /// A quota rule's.
    pub is_quota: bool,
}

impl From<Resolved<'_>> for Found {
    fn from(resolved: Resolved<'_>) -> Self {
        let Resolved { number, is_leased, is_shadow, is_quota, .. } = resolved;
        Self { number, is_leased, is_shadow, is_quota }
    }
}

/// Why a limit is not enforced.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// The rule is gone or has no limit.
    NoLimit,
    /// Too many different limits have come with requests.
    TooMany,
}

/// Finds a limit.
pub fn resolve<'a>(
    rules: &'a RuleSet,
    given: &'a mut GivenLimits,
    limit: &LimitRef,
    has_store: bool,
) -> Result<Resolved<'a>, Unresolved> {
    match limit {
        LimitRef::Rule(slot) => {
            let rule = rules.rule(*slot).ok_or(Unresolved::NoLimit)?;
            let limit = rule.limit.as_ref().ok_or(Unresolved::NoLimit)?;
            let is_shared = limit.algorithm.spread != Spread::Node && !rule.is_local;
            Ok(Resolved {
                number: *slot,
                limit,
                mode: rule.mode,
                on_failure: rule.on_store_failure,
                is_leased: has_store && is_shared,
                is_shadow: rule.is_shadow,
                is_quota: rule.is_quota,
            })
        }
        LimitRef::Given(numbers) => {
            let number = given.number(numbers).ok_or(Unresolved::TooMany)?;
            let limit = &given.limits[(number & !GIVEN_BIT) as usize];
            Ok(Resolved {
                number,
                limit,
                mode: Mode::Hard,
                on_failure: OnStoreFailure::Share,
                // Numbers that are too large for the store are counted here alone.
                is_leased: has_store
                    && limit.algorithm.spread != Spread::Node
                    && can_be_leased(limit),
                is_shadow: false,
                is_quota: false,
            })
        }
    }
}

/// All limits, by number.
pub struct Known<'a> {
    /// Of the rules.
    pub rules: &'a RuleSet,
    /// Of requests.
    pub given: &'a GivenLimits,
}

impl<'a> Known<'a> {
    /// A limit, for as long as what knows it.
    #[must_use]
    pub fn find(&self, number: u32) -> Option<&'a Limit> {
        if number & GIVEN_BIT != 0 {
            return self.given.limit(number);
        }
        self.rules.rule(number)?.limit.as_ref()
    }
}

impl Limits for Known<'_> {
    fn limit(&self, number: u32) -> Option<&Limit> {
        self.find(number)
    }
}

/// Limits that a reload has retired.
pub struct Retired<'a> {
    /// The rules before.
    pub former: &'a RuleSet,
    /// The rules now.
    pub present: &'a RuleSet,
}

impl Limits for Retired<'_> {
    fn limit(&self, number: u32) -> Option<&Limit> {
        if number & GIVEN_BIT != 0 || self.present.rule(number).is_some() {
            return None;
        }
        self.former.rule(number)?.limit.as_ref()
    }
}
