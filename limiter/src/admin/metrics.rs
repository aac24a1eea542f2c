//! `/metrics`: the limiter for Prometheus.
//!
//! Job: write counters as Prometheus text. In: totals. Out: the text. Invariant: reading costs the cores
//! nothing; a counter falls only when a rule is removed and comes back.

use ringlet_base::config::values::name_of;
use ringlet_base::prometheus::Exposition;

use super::document::ProcessFacts;
use super::totals::Totals;
use crate::config::listener::PROTOCOLS;
use crate::report::RuleCounts;
use crate::shared::ListenerShared;

type OfRule = fn(&RuleCounts) -> u64;

const RULE_COUNTERS: [(&str, &str, OfRule); 5] = [
    ("ringlet_limiter_rule_allowed_total", "Questions that a rule allowed.", |one| one.allowed),
    ("ringlet_limiter_rule_denied_total", "Questions that a rule denied.", |one| one.denied),
    (
        "ringlet_limiter_rule_shadow_denied_total",
        "Questions that a shadow rule would have denied.",
        |one| one.shadow_denied,
    ),
    ("ringlet_limiter_rule_tokens_total", "Tokens that a rule allowed.", |one| one.tokens),
    (
        "ringlet_limiter_rule_without_store_total",
        "Questions that were answered without the store although it should have been asked.",
        |one| one.without_store,
    ),
];

type OfAll = fn(&Totals) -> u64;

const COUNTERS: [(&str, &str, OfAll); 11] = [
    ("ringlet_limiter_allowed_total", "Questions allowed.", |all| all.allowed),
    ("ringlet_limiter_denied_total", "Questions denied.", |all| all.denied),
    ("ringlet_limiter_denied_by_lists_total", "Of the denied: by the lists.", |all| {
        all.denied_by_lists
    }),
    ("ringlet_limiter_overloaded_total", "Of the denied: too many waited.", |all| all.overloaded),
    ("ringlet_limiter_bad_questions_total", "Questions that could not be answered.", |all| {
        all.refused
    }),
    ("ringlet_limiter_keys_evicted_total", "Keys forgotten while they were in use.", |all| {
        all.engines.evicted
    }),
    ("ringlet_limiter_keys_unplaced_total", "Questions answered from a shared state.", |all| {
        all.engines.unplaced
    }),
    ("ringlet_limiter_messages_total", "Messages between cores.", |all| all.engines.messages),
    ("ringlet_limiter_store_calls_total", "Calls to the store.", |all| all.engines.store_calls),
    ("ringlet_limiter_audit_lines_lost_total", "Audit lines that nobody wrote.", |all| all.audit.0),
    (
        "ringlet_limiter_audit_lines_left_out_total",
        "Audit lines beyond the bound of their second.",
        |all| all.audit.1,
    ),
];

const GAUGES: [(&str, &str, OfAll); 5] = [
    ("ringlet_limiter_keys", "Keys that are remembered.", |all| all.engines.keys),
    ("ringlet_limiter_leases", "Leases of the store.", |all| all.engines.leases),
    ("ringlet_limiter_lease_tokens", "Tokens that are leased and not spent.", |all| {
        all.engines.held
    }),
    ("ringlet_limiter_pending_questions", "Questions that wait.", |all| all.engines.pending),
    ("ringlet_limiter_rules_generation", "Rules taken up since the start.", |all| all.generation),
];

/// The page.
#[must_use]
pub fn page(totals: &Totals, listeners: &[ListenerShared], process: &ProcessFacts) -> String {
    let mut page = Exposition::new();
    for (name, help, of) in RULE_COUNTERS {
        let mut family = page.counter(name, help);
        for (_, rule, counts) in &totals.rules {
            family.sample(&[("rule", &rule.name)], of(counts));
        }
        // No rule has a name with brackets.
        if totals.given != RuleCounts::default() {
            family.sample(&[("rule", "(of clients)")], of(&totals.given));
        }
    }
    for (name, help, of) in COUNTERS {
        page.counter(name, help).sample(&[], of(totals));
    }
    for (name, help, of) in GAUGES {
        page.gauge(name, help).sample(&[], of(totals));
    }
    write_store(&mut page, totals);
    write_listeners(&mut page, totals, listeners);
    write_process(&mut page, process);
    page.finish()
}

fn write_store(page: &mut Exposition, totals: &Totals) {
    let Some(view) = totals.store else { return };
    page.gauge("ringlet_limiter_store_up", "Whether all cores reach the store.")
        .sample(&[], u64::from(view.is_up));
    page.gauge("ringlet_limiter_store_nodes", "Limiters that share the store; 0: not reached yet.")
        .sample(&[], view.nodes);
    page.gauge("ringlet_limiter_store_clock_error_seconds", "How well its clock is known.")
        .sample(&[], view.clock_error_ms as f64 / 1000.0);
}

fn write_listeners(page: &mut Exposition, totals: &Totals, listeners: &[ListenerShared]) {
    let all = || listeners.iter().zip(&totals.connections);
    let labels = |one: &ListenerShared| (one.name.clone(), name_of(&PROTOCOLS, &one.protocol));
    let mut family = page.gauge("ringlet_limiter_connections", "Client connections.");
    for (listener, (open, _)) in all() {
        let (name, protocol) = labels(listener);
        family.sample(&[("listener", &name), ("protocol", protocol)], *open);
    }
    let mut family =
        page.counter("ringlet_limiter_connections_total", "Client connections accepted.");
    for (listener, (_, accepted)) in all() {
        let (name, protocol) = labels(listener);
        family.sample(&[("listener", &name), ("protocol", protocol)], *accepted);
    }
}

fn write_process(page: &mut Exposition, process: &ProcessFacts) {
    let reloads = &process.reloads;
    page.counter("ringlet_limiter_reloads_total", "Reloads by what came of them.")
        .sample(&[("result", "taken_up")], reloads.successes)
        .sample(&[("result", "refused")], reloads.failures);
    if let Some((unix_s, said)) = &reloads.last {
        page.gauge("ringlet_limiter_last_reload_ok", "Whether the last reload was taken up.")
            .sample(&[], u64::from(said.is_ok()));
        page.gauge("ringlet_limiter_last_reload_timestamp_seconds", "When it was, since 1970.")
            .sample(&[], *unix_s);
    }
    page.gauge("ringlet_limiter_cores", "Cores.").sample(&[], process.cores as u64);
    page.gauge("ringlet_limiter_uptime_seconds", "Time since the start.")
        .sample(&[], process.uptime_s);
    if let Some(bytes) = process.resident_bytes {
        page.gauge("ringlet_limiter_resident_bytes", "Physical memory.").sample(&[], bytes);
    }
}
