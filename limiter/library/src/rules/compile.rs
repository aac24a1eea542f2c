//! From the rules of a configuration to those that requests are matched by.
//!
//! Job: check what matching relies on and build the indexes. In: [`Rules`], the rules before them. Out: a
//! [`RuleSet`], or what is wrong with which rule. Invariant: rules that are wrong leave nothing behind.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;

use super::access::Networks;
use super::descriptors::{Descriptors, check_rule};
use super::endpoints::Endpoints;
use super::path::Template;
use super::{RuleSet, slots};
use crate::model::{AMOUNT_MAX, Condition, KeyPart, PERIOD_NS_MAX, RULES_MAX, Rule, Rules};

/// Bytes of the longest name.
const NAME_BYTES_MAX: usize = 64;

/// A rule with what matching needs of it.
#[derive(Debug)]
pub(super) struct Compiled {
    /// Its number.
    pub slot: u32,
    /// The rule.
    pub rule: Arc<Rule>,
    /// How the texts of its keys begin.
    pub head: Box<[u8]>,
    /// The templates of its path conditions, in their order.
    pub templates: Vec<Template>,
}

impl RuleSet {
    /// Rules whose counters mean the same as in `former` (name, numbers, algorithm, key, mode, and whether
    /// they are local) keep their slots. All cores of a process give the same `hash_seed`.
    ///
    /// # Errors
    /// What is wrong with which rule.
    pub fn compile(
        rules: &Rules,
        former: Option<&RuleSet>,
        hash_seed: u64,
    ) -> Result<Self, String> {
        if rules.rules.len() > RULES_MAX {
            return Err(format!("{} rules; the most are {RULES_MAX}", rules.rules.len()));
        }
        let hasher = hasher(hash_seed);
        let (slots, next_slot) = slots::assign(&rules.rules, former)?;
        let mut set = Self {
            generation: former.map_or(1, |former| former.generation + 1),
            rules: Vec::with_capacity(rules.rules.len()),
            by_slot: HashMap::with_hasher(hasher.clone()),
            by_name: HashMap::with_hasher(hasher.clone()),
            next_slot,
            endpoints: Endpoints::new(&hasher),
            descriptors: Descriptors::new(&hasher),
            networks: Networks::new(&rules.lists, &hasher),
            hasher,
        };
        for (rule, slot) in rules.rules.iter().zip(slots) {
            set.insert(rule, slot).map_err(|why| format!("rule `{}`: {why}", rule.name))?;
        }
        Ok(set)
    }

    fn insert(&mut self, rule: &Arc<Rule>, slot: u32) -> Result<(), String> {
        check(rule)?;
        let place = self.rules.len() as u32;
        if self.by_name.insert(rule.name.as_str().into(), place).is_some() {
            return Err("there are two of this name".to_owned());
        }
        self.by_slot.insert(slot, place);
        let mut templates = Vec::new();
        for condition in &rule.conditions {
            if let Condition::Path(path) = condition {
                let template = Template::new(path);
                templates.push(template.map_err(|why| format!("path \"{path}\": {why}"))?);
            }
        }
        let domain = rule.domain.as_deref();
        match &rule.descriptor {
            None => {
                let segment = templates.iter().find_map(Template::first_segment);
                self.endpoints.add(place, domain, segment);
            }
            Some(descriptor) => {
                self.descriptors.add(place, domain, descriptor).map_err(|other| {
                    let other = &self.rules[other as usize].rule.name;
                    format!("it has the domain and the descriptor of rule `{other}`")
                })?;
            }
        }
        let head = format!("{}:", rule.name).into_bytes().into();
        self.rules.push(Compiled { slot, rule: Arc::clone(rule), head, templates });
        Ok(())
    }
}

fn hasher(seed: u64) -> RandomState {
    // Other numbers for each of the four; which ones does not matter.
    RandomState::with_seeds(seed, seed.rotate_left(17), !seed, seed.rotate_left(41))
}

fn check(rule: &Rule) -> Result<(), String> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !(1..=NAME_BYTES_MAX).contains(&rule.name.len()) || !rule.name.bytes().all(is_of_name) {
        return Err(format!("a name is 1 to {NAME_BYTES_MAX} of a-z A-Z 0-9 . _ -"));
    }
    if let Some(limit) = &rule.limit {
        check_numbers(limit.count, limit.period_ns, limit.burst)?;
    }
    for part in &rule.key {
        if let KeyPart::ClientIp(ipv4_bits, ipv6_bits) = part
            && (*ipv4_bits > 32 || *ipv6_bits > 128)
        {
            return Err("a prefix has at most 32 bits of IPv4 and 128 of IPv6".to_owned());
        }
    }
    if let Some(descriptor) = &rule.descriptor {
        if !rule.conditions.is_empty() {
            return Err("a rule with a descriptor has no other conditions".to_owned());
        }
        check_rule(descriptor)?;
    }
    Ok(())
}

/// # Errors
/// Which number of a limit is out of bounds.
pub(super) fn check_numbers(count: u64, period_ns: u64, burst: u64) -> Result<(), String> {
    for (what, number, most) in [
        ("limit", count, AMOUNT_MAX),
        ("burst", burst, AMOUNT_MAX),
        ("period in nanoseconds", period_ns, PERIOD_NS_MAX),
    ] {
        if !(1..=most).contains(&number) {
            return Err(format!("the {what} is {number}; it must be from 1 to {most}"));
        }
    }
    Ok(())
}
