//! The rules of a listener, for all cores.
//!
//! Job: say which rules a request is held against, and count what they say. In: a listener's
//! configuration, compiled rules. Out: slots, counters. Invariant: counters of a listener's rule of the
//! same name go on over reloads.

use std::sync::Arc;

use ringlet_limit::model::ClientAddress;
use ringlet_limit::rules::RuleSet;

use crate::counters::{Counter, Rows};
use crate::model::Listener;

/// What one core counts of one rule at one listener.
#[derive(Debug, Default)]
pub struct LimitRow {
    /// Requests that it allowed.
    pub allowed: Counter,
    /// Requests that it refused.
    pub denied: Counter,
    /// Requests that it would have refused, were it no shadow.
    pub would_deny: Counter,
}

/// A rule at a listener.
#[derive(Debug)]
pub struct LimitState {
    /// The rule's name.
    pub name: String,
    /// What each core counts.
    pub rows: Rows<LimitRow>,
}

/// A rule at a listener, between two reloads.
#[derive(Debug)]
struct Named {
    slot: u32,
    /// What was taken comes back when the request ends.
    is_permit: bool,
    state: Arc<LimitState>,
}

/// What a listener's requests are held against.
#[derive(Debug, Default)]
pub struct ListenerLimits {
    /// Slots for requests that no route has chosen.
    own: Box<[u32]>,
    /// Slots for those of each route, the listener's included.
    of_routes: Vec<Box<[u32]>>,
    rules: Vec<Named>,
    /// Whom to believe about a client's address.
    pub client: ClientAddress,
}

impl ListenerLimits {
    /// The rules that a listener and its routes name.
    #[must_use]
    pub fn new(config: &Listener, rules: &RuleSet, before: Option<&Self>, cores: usize) -> Self {
        let all: Vec<_> = rules.slots().collect();
        let slots = |indexes: &[usize]| -> Vec<u32> {
            indexes.iter().filter_map(|&index| all.get(index)).map(|(slot, _)| *slot).collect()
        };
        let own = slots(&config.rate_limits);
        let of_routes = config.routes.iter().map(|route| {
            let mut both = own.clone();
            both.extend(slots(&route.rate_limits).iter().filter(|slot| !own.contains(slot)));
            both.into_boxed_slice()
        });
        let of_routes: Vec<Box<[u32]>> = of_routes.collect();
        let is_named = |slot: &u32| {
            own.contains(slot) || of_routes.iter().any(|of_route| of_route.contains(slot))
        };
        let named = all.iter().filter(|(slot, _)| is_named(slot)).map(|(slot, rule)| {
            let known = before
                .and_then(|before| before.rules.iter().find(|known| known.state.name == rule.name));
            let fresh = || LimitState { name: rule.name.clone(), rows: Rows::new(cores) };
            Named {
                slot: *slot,
                is_permit: rule
                    .limit
                    .as_ref()
                    .is_some_and(|one| one.algorithm.name == "concurrency"),
                state: known.map_or_else(|| Arc::new(fresh()), |known| known.state.clone()),
            }
        });
        let client = match config.trusted.is_empty() {
            true => ClientAddress::Peer,
            false => ClientAddress::TrustedProxies(config.trusted.clone()),
        };
        Self { rules: named.collect(), own: own.into(), of_routes, client }
    }

    /// Slots of the rules for requests of a route, or of none.
    #[inline]
    #[must_use]
    pub fn of(&self, route: Option<usize>) -> &[u32] {
        route.and_then(|route| self.of_routes.get(route)).unwrap_or(&self.own)
    }

    /// All rules that the listener or one of its routes names.
    pub fn states(&self) -> impl Iterator<Item = &LimitState> {
        self.rules.iter().map(|named| &*named.state)
    }

    /// The rule of a slot.
    #[must_use]
    pub fn state(&self, slot: u32) -> Option<&LimitState> {
        self.rules.iter().find(|named| named.slot == slot).map(|named| &*named.state)
    }

    /// Whether what a rule has given is to be given back when the request ends.
    #[must_use]
    pub fn is_permit(&self, slot: u32) -> bool {
        self.rules.iter().any(|named| named.slot == slot && named.is_permit)
    }
}
