//! Which rules without a descriptor may apply to a request.
//!
//! Job: leave out most rules without looking at them. In: rules, by domain and by the first segment of
//! their paths. Out: candidates, whose conditions are still to be looked at. Invariant: no rule whose
//! conditions hold is left out.

use std::collections::HashMap;

use ahash::RandomState;

use super::path::first_segment;

/// Rules, by their place.
#[derive(Debug)]
pub(super) struct Endpoints {
    domains: HashMap<Box<str>, Group, RandomState>,
    every_domain: Group,
    hasher: RandomState,
}

/// Rules of a domain.
#[derive(Debug)]
struct Group {
    segments: HashMap<Box<str>, Vec<u32>, RandomState>,
    others: Vec<u32>,
}

impl Group {
    fn new(hasher: &RandomState) -> Self {
        Self { segments: HashMap::with_hasher(hasher.clone()), others: Vec::new() }
    }

    fn candidates(&self, path: Option<&str>) -> impl Iterator<Item = u32> {
        let named = path.and_then(|path| self.segments.get(first_segment(path)));
        // A path with two meanings may be any.
        let all = path.is_none().then(|| self.segments.values().flatten());
        let named = named.into_iter().flatten().chain(all.into_iter().flatten());
        named.chain(&self.others).copied()
    }
}

impl Endpoints {
    pub(super) fn new(hasher: &RandomState) -> Self {
        Self {
            domains: HashMap::with_hasher(hasher.clone()),
            every_domain: Group::new(hasher),
            hasher: hasher.clone(),
        }
    }

    /// Adds a rule. `segment` is the first segment of each path that it applies to.
    pub(super) fn add(&mut self, rule: u32, domain: Option<&str>, segment: Option<&str>) {
        let group = match domain {
            None => &mut self.every_domain,
            Some(domain) => {
                let new = || Group::new(&self.hasher);
                self.domains.entry(domain.into()).or_insert_with(new)
            }
        };
        match segment {
            None => group.others.push(rule),
            Some(segment) => group.segments.entry(segment.into()).or_default().push(rule),
        }
    }

    /// Rules that may apply to a path: first those of the domain, then those of every domain.
    pub(super) fn candidates(&self, domain: &str, path: Option<&str>) -> impl Iterator<Item = u32> {
        let own =
            self.domains.get(domain).into_iter().flat_map(move |group| group.candidates(path));
        own.chain(self.every_domain.candidates(path))
    }
}
