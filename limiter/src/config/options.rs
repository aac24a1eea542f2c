//! A configuration without a file.
//!
//! Job: three listeners and at most one rule from the options of a command line. In: options whose
//! values were checked one by one. Out: a configuration. Invariant: what is not said is as in a file
//! that does not say it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ringlet_limit::config::{ALGORITHM_DEFAULT, StoreSettings, limit, plain_rule};
use ringlet_limit::model::{AccessLists, KeyPart, Rules};

use super::model::{Configuration, Listener, Protocol};
use super::{Problems, defaults};

/// What a command line says.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Where to speak HTTP.
    pub listen: Vec<String>,
    /// Where to speak gRPC, if anywhere.
    pub grpc: Option<String>,
    /// Where to speak RESP, if anywhere.
    pub resp: Option<String>,
    /// Where the admin page is.
    pub admin: Option<String>,
    /// The store.
    pub store: Option<String>,
    /// The only rule.
    pub rule: Option<OptionsRule>,
    /// Number of cores; 0 for all.
    pub cores: usize,
}

/// The rule of a command line.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionsRule {
    /// Tokens and nanoseconds.
    pub rate: (u64, u64),
    /// What counters are kept by.
    pub key: Vec<KeyPart>,
}

/// The name of the only rule.
const RULE_NAME: &str = "default";

/// The configuration that options mean.
///
/// # Errors
/// When two of them cannot both hold.
pub fn from_options(options: &Options) -> Result<Configuration, Problems> {
    let mut global = defaults::global();
    global.admin.clone_from(&options.admin);
    global.cores = options.cores;
    let mut listeners = Vec::new();
    if !options.listen.is_empty() {
        listeners.push(listener(Protocol::Http, options.listen.clone()));
    }
    listeners.extend(options.grpc.clone().map(|bind| listener(Protocol::Grpc, vec![bind])));
    listeners.extend(options.resp.clone().map(|bind| listener(Protocol::Resp, vec![bind])));
    let mut seen = BTreeSet::new();
    let mut binds = listeners.iter().flat_map(|listener| &listener.binds).chain(&options.admin);
    if let Some(again) = binds.find(|bind| !seen.insert(*bind)) {
        return Err(Problems::one(format!("{again} is bound twice")));
    }
    let mut rules = Rules { rules: Vec::new(), lists: AccessLists::default() };
    if let Some(OptionsRule { rate: (count, period_ns), key }) = &options.rule {
        let limit = limit(ALGORITHM_DEFAULT, *count, *period_ns).map_err(Problems::one)?;
        let mut rule = plain_rule(RULE_NAME.to_owned(), Some(limit));
        rule.key.clone_from(key);
        rules.rules.push(Arc::new(rule));
    }
    let store = options.store.clone().map(StoreSettings::new);
    Ok(Configuration { global, store, rules, listeners })
}

fn listener(protocol: Protocol, binds: Vec<String>) -> Listener {
    let name = binds.first().cloned().unwrap_or_default();
    Listener { name, binds, ..defaults::listener(protocol) }
}
