//! Numbers of rules that outlive a reload.
//!
//! Job: give each rule its slot. In: the rules, those before them. Out: slots. Invariant: a rule whose
//! counters mean the same as before keeps its slot; every other gets one that was never used.

use std::collections::HashMap;
use std::sync::Arc;

use super::RuleSet;
use crate::model::Rule;

/// Slots of `rules`, in their order, and the first that is still free.
///
/// # Errors
/// When there are none left.
pub(super) fn assign(
    rules: &[Arc<Rule>],
    former: Option<&RuleSet>,
) -> Result<(Vec<u32>, u32), String> {
    let known: HashMap<&str, (u32, &Rule)> = former
        .into_iter()
        .flat_map(RuleSet::slots)
        .map(|(slot, rule)| (&*rule.name, (slot, &**rule)))
        .collect();
    let mut free = former.map_or(0, |former| former.next_slot);
    let mut slots = Vec::with_capacity(rules.len());
    for rule in rules {
        match known.get(&*rule.name) {
            Some((slot, old)) if counts_alike(rule, old) => slots.push(*slot),
            _ => {
                // The last number stands for limits that are no rule's.
                let next = free.checked_add(1).ok_or("too many reloads; restart the process")?;
                slots.push(std::mem::replace(&mut free, next));
            }
        }
    }
    Ok((slots, free))
}

/// Whether the counters of one rule mean the same under the other.
fn counts_alike(one: &Rule, other: &Rule) -> bool {
    one.limit == other.limit
        && one.key == other.key
        && one.mode == other.mode
        && one.is_local == other.is_local
}
