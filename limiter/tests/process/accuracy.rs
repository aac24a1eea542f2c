//! Two limiters of four cores each, one store, one hot key: never more than the limit, and not much less.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::limiter::{Limiter, wait_until};
use crate::load::{Batch, admitted, ask_for, by_window};
use crate::stores::{Kind, Store};

/// Of each limiter.
pub const CORES: usize = 4;
const LIMIT: u64 = 1000;
const PERIOD_MS: u64 = 1000;
const SECONDS: u64 = 6;
const CREDIT: u64 = 20;
/// Least part of what could be let through, in percent: the machine may be busy.
const UTILISATION: u64 = 80;

/// One at a time: each has more threads than most machines have cores.
pub static TURN: Mutex<()> = Mutex::new(());

/// A limiter that shares the store.
pub fn one(store: &Store, rules: &str) -> Limiter {
    Limiter::start(CORES, "", "", &format!("{}{rules}", store.section()))
}

/// Two limiters that know of each other.
pub fn pair(store: &Store, rules: &str) -> [Limiter; 2] {
    let limiters = [(); 2].map(|()| one(store, rules));
    wait_until("both have told of themselves", || store.nodes() == 2);
    wait_until("all cores are connected", || store.clients() >= 2 * CORES);
    limiters
}

/// Without the store nothing may be let through: what else would be let through is no part of the bound.
fn load(kind: Kind, rule: &str) -> Vec<Batch> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let store = Store::start(kind);
    let limiters = pair(&store, &format!("[rule.hot]\non_store_failure = \"closed\"\n{rule}"));
    let addresses = [limiters[0].resp, limiters[1].resp];
    let batches = ask_for(&addresses, "hot", "key", Duration::from_secs(SECONDS));
    for mut limiter in limiters {
        limiter.assert_well();
    }
    batches
}

/// No window has more than `most`; all whole ones together have nearly all of the limit.
fn windows_hold(kind: Kind, mode: &str, most: u64) {
    let rule = format!("algorithm = \"fixed-window\"\nlimit = {LIMIT}\nwindow = \"1s\"\n{mode}");
    let batches = load(kind, &rule);
    let windows = by_window(&batches, PERIOD_MS);
    let asked: u64 = batches.iter().map(|batch| batch.asked).sum();
    let total = admitted(&batches);
    println!(
        "{kind:?} {mode}: {total} of {asked} let through; by window {windows:?}, at most {most}"
    );
    for (place, (certain, _)) in windows.iter().enumerate() {
        assert!(*certain <= most, "window {place}: {certain}");
    }
    assert!(total <= most * windows.len() as u64, "{total} in {} windows", windows.len());
    let whole = &windows[1..windows.len() - 1];
    let used: u64 = whole.iter().map(|(certain, besides)| (certain + besides).min(LIMIT)).sum();
    let could = LIMIT * whole.len() as u64;
    println!("utilisation {:.1} %", 100.0 * used as f64 / could as f64);
    assert!(used * 100 >= could * UTILISATION, "{used} of {could}");
}

fn bucket_holds(kind: Kind) {
    let rule =
        format!("algorithm = \"token-bucket\"\nlimit = {LIMIT}\nwindow = \"1s\"\nburst = {LIMIT}");
    let batches = load(kind, &rule);
    let first_ms = batches.iter().map(|batch| batch.sent_ms).min().expect("batches");
    // One millisecond more: both times are cut to whole ones.
    let last_ms = batches.iter().map(|batch| batch.ended_ms).max().expect("batches") + 1;
    let most = LIMIT + LIMIT * (last_ms - first_ms) / PERIOD_MS;
    let total = admitted(&batches);
    println!("{kind:?} bucket: {total} let through of {most} in {} ms", last_ms - first_ms);
    assert!(total <= most, "{total} > {most}");
    assert!(total * 100 >= most * UTILISATION, "{total} of {most}");
}

#[test]
fn windows_hold_with_redis() {
    windows_hold(Kind::Redis, "", LIMIT);
}

#[test]
fn windows_hold_with_ringlet_server() {
    windows_hold(Kind::Ringlet, "", LIMIT);
}

#[test]
fn soft_windows_exceed_by_the_credit_of_each_node_at_most() {
    let mode = format!("mode = \"soft\"\ncredit = {CREDIT}");
    windows_hold(Kind::Redis, &mode, LIMIT + 2 * CREDIT);
}

#[test]
fn a_bucket_holds_with_redis() {
    bucket_holds(Kind::Redis);
}

#[test]
fn a_bucket_holds_with_ringlet_server() {
    bucket_holds(Kind::Ringlet);
}
