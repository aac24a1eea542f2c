//! Matching: what applies to which request, and by which key.

mod bounds;
mod descriptor;
mod endpoint;
mod reload;

use std::net::IpAddr;
use std::sync::Arc;

use super::{BadRequest, RuleSet};
use crate::algorithm::{Algorithm, Outcome, Spread};
use crate::model::{
    AccessLists, Condition, DescriptorEntry, EntryValue, KeyPart, Limit, Mode, OnStoreFailure,
    Rule, Rules,
};
use crate::request::{Access, Descriptor, HttpView, Matched, Request};

/// An algorithm that allows everything: matching never asks one.
static ANY: Algorithm = Algorithm {
    name: "any",
    summary: "",
    spread: Spread::Bucket,
    take: |_, _| Outcome::default(),
    force: |_, _| {},
    give_back: |_, _| {},
    lend: |_, _| 0,
    settle: |_, _, _| {},
    forgettable_after_ns: |_| 0,
    forget: |_| {},
};

fn limit() -> Limit {
    Limit { algorithm: &ANY, count: 10, period_ns: 1_000_000_000, burst: 10, calendar: None }
}

fn rule(name: &str) -> Rule {
    Rule {
        name: name.to_owned(),
        domain: None,
        conditions: vec![],
        descriptor: None,
        key: vec![],
        limit: Some(limit()),
        cost: 1,
        is_shadow: false,
        is_quota: false,
        mode: Mode::Hard,
        on_store_failure: OnStoreFailure::Share,
        is_local: false,
    }
}

/// `user=alice`, `user=al*`, `user=*` or `user`: the value, a prefix, any.
fn descriptor(entries: &[&str]) -> Option<Vec<DescriptorEntry>> {
    let entry = |text: &&str| {
        let (key, value) = text.split_once('=').unwrap_or((text, "*"));
        let value = match value.strip_suffix('*') {
            None => EntryValue::Exact(value.to_owned()),
            Some("") => EntryValue::Any,
            Some(prefix) => EntryValue::Prefix(prefix.to_owned()),
        };
        DescriptorEntry { key: key.to_owned(), value }
    };
    Some(entries.iter().map(entry).collect())
}

fn compile(rules: Vec<Rule>) -> RuleSet {
    try_compile(rules).expect("rules")
}

fn try_compile(rules: Vec<Rule>) -> Result<RuleSet, String> {
    let rules = rules.into_iter().map(Arc::new).collect();
    RuleSet::compile(&Rules { rules, lists: AccessLists::default() }, None, 7)
}

/// A request as a front would see it.
struct Http {
    method: &'static str,
    path: Vec<u8>,
    host: &'static str,
    headers: Vec<(&'static str, Vec<u8>)>,
    client: Option<IpAddr>,
}

impl Default for Http {
    fn default() -> Self {
        let client = "192.0.2.1".parse().ok();
        Self { method: "GET", path: b"/".to_vec(), host: "example.com", headers: vec![], client }
    }
}

impl HttpView for Http {
    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }
    fn path(&self) -> &[u8] {
        &self.path
    }
    fn host(&self) -> &[u8] {
        self.host.as_bytes()
    }
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_slice())
    }
    fn client(&self) -> Option<IpAddr> {
        self.client
    }
}

/// A matched request's texts, in the order of its items.
fn texts(matched: &Matched) -> Vec<String> {
    let text = |item| String::from_utf8(matched.text_of(item).to_vec()).expect("ASCII");
    matched.items.iter().map(text).collect()
}

fn http_texts(rules: &RuleSet, http: &Http) -> Vec<String> {
    let mut matched = Matched::default();
    let request = Request { http: Some(http), ..Request::default() };
    rules.matches(&request, &mut matched).expect("matched");
    texts(&matched)
}

/// One descriptor from `key=value` entries.
fn asked<'a>(entries: &[&'a str]) -> Descriptor<'a> {
    let entries = entries.iter().map(|text| text.split_once('=').expect("key=value")).collect();
    Descriptor { entries, ..Descriptor::default() }
}

fn matched(
    rules: &RuleSet,
    domain: &str,
    descriptors: &[Descriptor<'_>],
) -> Result<Matched, BadRequest> {
    let mut matched = Matched::default();
    rules.matches(&Request { domain, descriptors, ..Request::default() }, &mut matched)?;
    Ok(matched)
}

fn descriptor_texts(rules: &RuleSet, domain: &str, entries: &[&str]) -> Vec<String> {
    texts(&matched(rules, domain, &[asked(entries)]).expect("matched"))
}
