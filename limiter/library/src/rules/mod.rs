//! The rules in the form in which requests are matched.
//!
//! Job: find the limits of a request and the keys that they count by. In: [`Rules`], requests. Out:
//! [`Matched`]. Invariant: immutable; a rule that a reload leaves as it was keeps its slot.
//!
//! - A rule without a descriptor is held against the HTTP request and applies when all its conditions
//!   hold; all such rules apply together.
//! - Of rules with a descriptor, one applies to each descriptor of the request: see [`descriptors`].
//! - A rule applies only to what has all parts of its key: a header that is missing, or a client that is
//!   not known, is no key that others could share.
//! - Who is on the access lists is held against no rule at all.

mod access;
pub mod client;
mod compile;
mod descriptors;
mod endpoints;
mod key;
mod path;
mod slots;
#[cfg(test)]
mod tests;
mod view;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ahash::RandomState;
use ringlet_base::config::{shown, suggestion};

use self::access::Networks;
use self::compile::Compiled;
use self::descriptors::Descriptors;
use self::endpoints::Endpoints;
use self::key::KeyWriter;
use self::view::View;
use crate::algorithm::FIXED_WINDOW;
use crate::model::{AMOUNT_MAX, EntryValue, KeyPart, LIMITS_PER_CHECK_MAX, Rule, canonical};
use crate::request::{Access, GivenLimit, Item, LimitRef, Matched, Request};

pub use self::descriptors::{DESCRIPTORS_MAX, ENTRIES_MAX, TEXT_BYTES_MAX};
pub use self::key::KEY_BYTES_MAX;

/// The slot of limits that are no rule's.
const NO_SLOT: u32 = u32::MAX;
/// So many names are looked through for the one that was meant.
const NAMES_COMPARED_MAX: usize = 500;

/// Compiled rules.
#[derive(Debug)]
pub struct RuleSet {
    generation: u64,
    /// In the order of the file.
    rules: Vec<Compiled>,
    by_slot: HashMap<u32, u32, RandomState>,
    by_name: HashMap<Box<str>, u32, RandomState>,
    next_slot: u32,
    endpoints: Endpoints,
    descriptors: Descriptors,
    networks: Networks,
    hasher: RandomState,
}

/// Why a request cannot be matched, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRequest(pub String);

impl fmt::Display for BadRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BadRequest {}

impl RuleSet {
    /// How often rules have been compiled one after the other.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The rule of a slot; none if a reload has removed or changed it.
    #[must_use]
    pub fn rule(&self, slot: u32) -> Option<&Arc<Rule>> {
        self.by_slot.get(&slot).map(|&place| &self.rules[place as usize].rule)
    }

    /// All rules with their slots, in the order of the file.
    pub fn slots(&self) -> impl Iterator<Item = (u32, &Arc<Rule>)> {
        self.rules.iter().map(|compiled| (compiled.slot, &compiled.rule))
    }

    /// Finds the limits of a request.
    ///
    /// # Errors
    /// When the request is empty or over a bound. `out` then is empty.
    pub fn matches(&self, request: &Request<'_>, out: &mut Matched) -> Result<(), BadRequest> {
        self.match_with(request, out, |view, out| self.find(request, view, out))
    }

    /// Finds the limits of an HTTP request among these rules alone, whatever their domains. Rules that are
    /// gone limit nothing.
    ///
    /// # Errors
    /// When the request is over a bound. `out` then is empty.
    pub fn matches_among(
        &self,
        slots: &[u32],
        request: &Request<'_>,
        out: &mut Matched,
    ) -> Result<(), BadRequest> {
        self.match_with(request, out, |view, out| {
            let places = slots.iter().filter_map(|slot| self.by_slot.get(slot));
            places.into_iter().try_for_each(|&place| self.add_if_held(place, request, view, out))
        })
    }

    /// Looks at the access lists, and has `find` fill `out` if they say nothing.
    fn match_with(
        &self,
        request: &Request<'_>,
        out: &mut Matched,
        find: impl FnOnce(&View<'_>, &mut Matched) -> Result<(), BadRequest>,
    ) -> Result<(), BadRequest> {
        out.clear();
        descriptors::check_request(request)?;
        let client = request.http.and_then(|http| http.client()).map(canonical);
        out.access = client.map_or(Access::Limited, |client| self.networks.access(client));
        if out.access != Access::Limited {
            return Ok(());
        }
        let mut scratch = std::mem::take(&mut out.scratch);
        let found = find(&View::new(request, client, &mut scratch), out);
        out.scratch = scratch;
        if found.is_err() {
            out.clear();
        }
        found
    }

    /// Adds the limit of the rule at `place` if its conditions hold.
    fn add_if_held(
        &self,
        place: u32,
        request: &Request<'_>,
        view: &View<'_>,
        out: &mut Matched,
    ) -> Result<(), BadRequest> {
        let compiled = &self.rules[place as usize];
        if compiled.rule.limit.is_some()
            && view.holds(&compiled.rule.conditions, &compiled.templates)
        {
            self.add(compiled, request, view, None, out)?;
        }
        Ok(())
    }

    fn find(
        &self,
        request: &Request<'_>,
        view: &View<'_>,
        out: &mut Matched,
    ) -> Result<(), BadRequest> {
        if view.http.is_some() {
            for place in self.endpoints.candidates(request.domain, view.path) {
                self.add_if_held(place, request, view, out)?;
            }
        }
        for (place, descriptor) in request.descriptors.iter().enumerate() {
            let found = self.descriptors.find(request.domain, &descriptor.entries);
            let found = found.map(|place| &self.rules[place as usize]);
            match (descriptor.limit, found) {
                (Some(limit), _) => self.add_override(limit, found, request, view, place, out)?,
                (None, None) => {}
                (None, Some(compiled)) if compiled.rule.limit.is_none() => {
                    out.unlimited.push(place);
                }
                (None, Some(compiled)) => self.add(compiled, request, view, Some(place), out)?,
            }
        }
        Ok(())
    }

    /// Adds a rule's limit, if the request has all parts of its key.
    fn add(
        &self,
        compiled: &Compiled,
        request: &Request<'_>,
        view: &View<'_>,
        descriptor: Option<usize>,
        out: &mut Matched,
    ) -> Result<(), BadRequest> {
        let rule = &compiled.rule;
        let mut key = KeyWriter::new(&mut out.text, &compiled.head);
        if let Some(place) = descriptor {
            write_descriptor(&mut key, rule, request, place);
        }
        if !write_parts(&mut key, compiled, view, descriptor) {
            key.abandon();
            return Ok(());
        }
        let text = key.finish();
        let own_cost = descriptor.and_then(|place| request.descriptors[place].cost);
        let cost = own_cost.or(request.cost).unwrap_or(rule.cost);
        self.push(LimitRef::Rule(compiled.slot), text, cost, descriptor, out)
    }

    /// Adds the limit that a descriptor has brought along. It counts by the key of the rule in whose
    /// place it stands; if there is none, by the whole descriptor.
    fn add_override(
        &self,
        (count, period_ns): (u64, u64),
        replaced: Option<&Compiled>,
        request: &Request<'_>,
        view: &View<'_>,
        place: usize,
        out: &mut Matched,
    ) -> Result<(), BadRequest> {
        compile::check_numbers(count, period_ns, count)
            .map_err(|why| BadRequest(format!("descriptor {}: {why}", place + 1)))?;
        let descriptor = &request.descriptors[place];
        let limit = GivenLimit { algorithm: &FIXED_WINDOW, count, period_ns, burst: count };
        let mut key = KeyWriter::given(&mut out.text, &limit);
        let has_key = replaced.is_some_and(|compiled| {
            key.part(compiled.rule.name.as_bytes());
            write_descriptor(&mut key, &compiled.rule, request, place);
            write_parts(&mut key, compiled, view, Some(place))
        });
        if !has_key {
            key.restart();
            // No rule has an empty name.
            key.part(b"");
            key.part(request.domain.as_bytes());
            for (name, value) in &descriptor.entries {
                key.part(name.as_bytes());
                key.part(value.as_bytes());
            }
        }
        let text = key.finish();
        let usual = replaced.map_or(1, |compiled| compiled.rule.cost);
        let cost = descriptor.cost.or(request.cost).unwrap_or(usual);
        self.push(LimitRef::Given(limit), text, cost, Some(place), out)
    }

    fn push(
        &self,
        limit: LimitRef,
        text: std::ops::Range<usize>,
        cost: u64,
        descriptor: Option<usize>,
        out: &mut Matched,
    ) -> Result<(), BadRequest> {
        if out.items.len() == LIMITS_PER_CHECK_MAX {
            return Err(BadRequest(format!(
                "more than {LIMITS_PER_CHECK_MAX} limits apply to this request; send fewer \
                 descriptors, or let fewer rules apply to one request"
            )));
        }
        let slot = match limit {
            LimitRef::Rule(slot) => slot,
            LimitRef::Given(_) => NO_SLOT,
        };
        // More than can ever fit is as good as the least of that, and cannot overflow anything.
        let cost = cost.min(AMOUNT_MAX + 1);
        let hash = key::hash(&self.hasher, slot, &out.text[text.clone()]);
        out.items.push(Item { limit, hash, cost, text, descriptor });
        Ok(())
    }

    /// Finds one rule's limit, for a key that the caller knows: the counter is that of requests whose
    /// only part of the key has this value. An address is cut as the rule says.
    ///
    /// # Errors
    /// When there is no such rule, or the key is too long. `out` then is empty.
    pub fn by_name(
        &self,
        name: &str,
        key: &[u8],
        cost: Option<u64>,
        out: &mut Matched,
    ) -> Result<(), BadRequest> {
        out.clear();
        check_key(key)?;
        let Some(&place) = self.by_name.get(name) else {
            let names = self.rules.iter().map(|compiled| &*compiled.rule.name);
            let meant = suggestion(name, names.take(NAMES_COMPARED_MAX));
            return Err(BadRequest(format!("no rule is called \"{}\"{meant}", shown(name))));
        };
        let compiled = &self.rules[place as usize];
        let rule = &compiled.rule;
        if rule.limit.is_none() {
            return Ok(());
        }
        let mut writer = KeyWriter::new(&mut out.text, &compiled.head);
        match (rule.key.as_slice(), address(key)) {
            (&[KeyPart::ClientIp(ipv4_bits, ipv6_bits)], Some(address)) => {
                writer.network(address, ipv4_bits, ipv6_bits);
            }
            _ => writer.part(key),
        }
        let text = writer.finish();
        self.push(LimitRef::Rule(compiled.slot), text, cost.unwrap_or(rule.cost), None, out)
    }

    /// Takes a limit that the request has brought along.
    ///
    /// # Errors
    /// When its numbers or its key are out of bounds. `out` then is empty.
    pub fn given(
        &self,
        key: &[u8],
        limit: GivenLimit,
        cost: u64,
        out: &mut Matched,
    ) -> Result<(), BadRequest> {
        out.clear();
        check_key(key)?;
        compile::check_numbers(limit.count, limit.period_ns, limit.burst).map_err(BadRequest)?;
        let mut writer = KeyWriter::given(&mut out.text, &limit);
        writer.part(key);
        let text = writer.finish();
        self.push(LimitRef::Given(limit), text, cost, None, out)
    }
}

fn check_key(key: &[u8]) -> Result<(), BadRequest> {
    if key.len() > TEXT_BYTES_MAX {
        let length = key.len();
        return Err(BadRequest(format!(
            "a key of {length} bytes; the longest is {TEXT_BYTES_MAX}, send a hash of it"
        )));
    }
    Ok(())
}

fn address(key: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(key).ok()?.parse().ok().map(canonical)
}

/// Writes what distinguishes the descriptors of one rule: the domain, and the values that the rule does
/// not lump together.
fn write_descriptor(key: &mut KeyWriter<'_>, rule: &Rule, request: &Request<'_>, place: usize) {
    key.part(request.domain.as_bytes());
    let wanted = rule.descriptor.iter().flatten();
    for (wanted, (_, value)) in wanted.zip(&request.descriptors[place].entries) {
        match &wanted.value {
            EntryValue::Prefix(prefix) => key.prefix(prefix.as_bytes()),
            EntryValue::Exact(_) | EntryValue::Any => key.part(value.as_bytes()),
        }
    }
}

/// Writes the parts of a rule's key. False: the request does not have them all.
fn write_parts(
    key: &mut KeyWriter<'_>,
    compiled: &Compiled,
    view: &View<'_>,
    descriptor: Option<usize>,
) -> bool {
    compiled.rule.key.iter().all(|part| {
        let value = match part {
            KeyPart::ClientIp(ipv4_bits, ipv6_bits) => {
                let Some(client) = view.client else { return false };
                key.network(client, *ipv4_bits, *ipv6_bits);
                return true;
            }
            KeyPart::Method => view.http.map(|http| http.method()),
            KeyPart::Path => view.http.map(|_| match compiled.templates.first() {
                Some(template) => template.text().as_bytes(),
                // One counter for all paths that have two meanings; no path has a question mark.
                None => view.path.unwrap_or("?").as_bytes(),
            }),
            KeyPart::Host => view.http.map(|_| view.host),
            KeyPart::Header(name) => view.http.and_then(|http| http.header(name)),
            KeyPart::Descriptor(name) => view.entry(name, descriptor).map(str::as_bytes),
        };
        value.map(|value| key.part(value)).is_some()
    })
}
