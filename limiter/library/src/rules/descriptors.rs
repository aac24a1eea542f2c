//! Which rule a descriptor of Envoy's kind belongs to.
//!
//! Job: find the one rule of a descriptor. In: rules by domain and entries, descriptors. Out: the place
//! of a rule. Invariant: entry by entry the most special branch is taken (the value itself, then the
//! longest prefix, then any value) and never left again, as Envoy does; a look-up costs a few probes for
//! each entry, however many rules there are.

use std::collections::HashMap;

use ahash::RandomState;

use crate::model::{DescriptorEntry, EntryValue};
use crate::request::Request;

use super::BadRequest;

/// Descriptors of one request.
pub const DESCRIPTORS_MAX: usize = 64;
/// Entries of one descriptor.
pub const ENTRIES_MAX: usize = 32;
/// Bytes of a domain, and of a key and a value of an entry.
pub const TEXT_BYTES_MAX: usize = 1024;

type Map<T> = HashMap<Box<[u8]>, T, RandomState>;

/// Rules, by their place.
#[derive(Debug)]
pub(super) struct Descriptors {
    domains: Map<Node>,
    every_domain: Node,
    hasher: RandomState,
}

/// What has been reached after some entries.
#[derive(Debug)]
struct Node {
    rule: Option<u32>,
    keys: Map<Values>,
}

/// What an entry with some key leads to.
#[derive(Debug)]
struct Values {
    exact: Map<Node>,
    prefixes: Map<Node>,
    /// Lengths of the prefixes, the longest first.
    lengths: Vec<usize>,
    any: Option<Box<Node>>,
}

impl Node {
    fn new(hasher: &RandomState) -> Self {
        Self { rule: None, keys: HashMap::with_hasher(hasher.clone()) }
    }

    fn find(&self, entries: &[(&str, &str)]) -> Option<u32> {
        let mut node = self;
        for (key, value) in entries {
            node = node.keys.get(key.as_bytes())?.find(value.as_bytes())?;
        }
        node.rule
    }
}

impl Values {
    fn new(hasher: &RandomState) -> Self {
        Self {
            exact: HashMap::with_hasher(hasher.clone()),
            prefixes: HashMap::with_hasher(hasher.clone()),
            lengths: Vec::new(),
            any: None,
        }
    }

    fn find(&self, value: &[u8]) -> Option<&Node> {
        let by_prefix = || {
            let beginnings = self.lengths.iter().filter_map(|&length| value.get(..length));
            beginnings.filter_map(|beginning| self.prefixes.get(beginning)).next()
        };
        self.exact.get(value).or_else(by_prefix).or(self.any.as_deref())
    }

    fn branch(&mut self, value: &EntryValue, hasher: &RandomState) -> &mut Node {
        let new = || Node::new(hasher);
        match value {
            EntryValue::Exact(value) => {
                self.exact.entry(value.as_bytes().into()).or_insert_with(new)
            }
            EntryValue::Prefix(prefix) => {
                let length = prefix.len();
                if let Err(at) = self.lengths.binary_search_by(|other| length.cmp(other)) {
                    self.lengths.insert(at, length);
                }
                self.prefixes.entry(prefix.as_bytes().into()).or_insert_with(new)
            }
            EntryValue::Any => self.any.get_or_insert_with(|| Box::new(new())),
        }
    }
}

impl Descriptors {
    pub(super) fn new(hasher: &RandomState) -> Self {
        Self {
            domains: HashMap::with_hasher(hasher.clone()),
            every_domain: Node::new(hasher),
            hasher: hasher.clone(),
        }
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// The rule that has this descriptor already.
    pub(super) fn add(
        &mut self,
        rule: u32,
        domain: Option<&str>,
        descriptor: &[DescriptorEntry],
    ) -> Result<(), u32> {
        let hasher = &self.hasher;
        let mut node = match domain {
            None => &mut self.every_domain,
            Some(domain) => {
                let new = || Node::new(hasher);
                self.domains.entry(domain.as_bytes().into()).or_insert_with(new)
            }
        };
        for entry in descriptor {
            let new = || Values::new(hasher);
            let values = node.keys.entry(entry.key.as_bytes().into()).or_insert_with(new);
            node = values.branch(&entry.value, hasher);
        }
        match node.rule {
            Some(other) => Err(other),
            None => {
                node.rule = Some(rule);
                Ok(())
            }
        }
    }

    /// The rule of a descriptor: of the domain, else of every domain.
    pub(super) fn find(&self, domain: &str, entries: &[(&str, &str)]) -> Option<u32> {
        let own = self.domains.get(domain.as_bytes()).and_then(|node| node.find(entries));
        own.or_else(|| self.every_domain.find(entries))
    }
}

/// # Errors
/// What a rule's descriptor must not be.
pub(super) fn check_rule(descriptor: &[DescriptorEntry]) -> Result<(), String> {
    if !(1..=ENTRIES_MAX).contains(&descriptor.len()) {
        return Err(format!(
            "a descriptor has 1 to {ENTRIES_MAX} entries, not {}",
            descriptor.len()
        ));
    }
    for entry in descriptor {
        let value = match &entry.value {
            EntryValue::Exact(value) | EntryValue::Prefix(value) => value,
            EntryValue::Any => "",
        };
        if entry.key.is_empty() {
            return Err("an entry of its descriptor has no key".to_owned());
        }
        if entry.key.len().max(value.len()) > TEXT_BYTES_MAX {
            return Err(format!("an entry of its descriptor is over {TEXT_BYTES_MAX} bytes long"));
        }
    }
    Ok(())
}

/// # Errors
/// What a request must not be.
pub(super) fn check_request(request: &Request<'_>) -> Result<(), BadRequest> {
    let descriptors = request.descriptors;
    let bad = |text: String| Err(BadRequest(text));
    if descriptors.is_empty() && request.http.is_none() {
        return bad("descriptors must not be empty".to_owned());
    }
    if request.domain.is_empty() && !descriptors.is_empty() {
        return bad("domain must not be empty".to_owned());
    }
    if request.domain.len() > TEXT_BYTES_MAX {
        return bad(format!("domain is over {TEXT_BYTES_MAX} bytes long"));
    }
    if descriptors.len() > DESCRIPTORS_MAX {
        let count = descriptors.len();
        return bad(format!("{count} descriptors; send at most {DESCRIPTORS_MAX} in one request"));
    }
    for (place, descriptor) in (1..).zip(descriptors) {
        let entries = &descriptor.entries;
        if !(1..=ENTRIES_MAX).contains(&entries.len()) {
            let count = entries.len();
            return bad(format!(
                "descriptor {place} has {count} entries; it must have 1 to {ENTRIES_MAX}"
            ));
        }
        for (at, (key, value)) in (1..).zip(entries) {
            if key.is_empty() {
                return bad(format!("entry {at} of descriptor {place} has no key"));
            }
            for (what, text) in [("key", key), ("value", value)] {
                if text.len() > TEXT_BYTES_MAX {
                    return bad(format!(
                        "the {what} of entry {at} of descriptor {place} is over {TEXT_BYTES_MAX} bytes \
                         long; send a hash of it"
                    ));
                }
            }
        }
    }
    Ok(())
}
