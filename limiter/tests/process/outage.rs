//! The store is killed, and another process with nothing in it takes its place.
//!
//! The bounds are those of docs/limiter.md: `closed` lets nothing through that the store has not granted;
//! `share` in the window of the outage what was left at the last word of the store, divided by the nodes,
//! and one token each at least; `open` all. A store that has forgotten everything is told by each node what
//! it was granted; until all have done so, it may grant once more what those who have not were granted.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::accuracy::{CORES, TURN, pair};
use crate::endings::long_window;
use crate::limiter::wait_until;
use crate::load::{admitted, ask_for, ask_while, by_window, unix_ms};
use crate::stores::{Kind, Store};

const LIMIT: u64 = 10_000;
/// Tokens that a node may have been granted without the other knowing, and one for each as the floor.
const SLACK: u64 = 8;

/// Two limiters know exactly what is left when the store goes, and are back before there is load again.
fn policies_hold(kind: Kind) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (period_s, _) = long_window();
    let names = ["share", "closed", "open"];
    let rules = names.map(|name| {
        format!(
            "[rule.{name}]\nalgorithm = \"fixed-window\"\nlimit = {LIMIT}\n\
             window = \"{period_s}s\"\non_store_failure = \"{name}\"\n"
        )
    });
    let mut store = Store::start(kind);
    let [mut first, mut second] = pair(&store, &rules.concat());
    let addresses = [first.resp, second.resp];
    let flood = |rule| {
        let batches = ask_for(&addresses, rule, "key", Duration::from_secs(1));
        (admitted(&batches), batches.iter().map(|batch| batch.asked).sum::<u64>())
    };
    let mut before = 0;
    for name in names {
        for limiter in [&first, &second, &first] {
            before += u64::from(limiter.lets_through(name, "key"));
        }
    }
    assert_eq!(before, 9, "nothing is used up yet");
    store.kill();
    let mut closed = 3;
    for limiter in [&first, &second] {
        wait_until("the store is missed", || {
            let is_let_through = limiter.lets_through("closed", "key");
            closed += u64::from(is_let_through);
            !is_let_through
        });
    }
    let (share, _) = flood("share");
    let (open, open_asked) = flood("open");
    closed += flood("closed").0;
    println!("{kind:?} without the store: share {share}, closed {closed}, open {open}");
    assert!(3 + share <= LIMIT + SLACK, "share: {share}");
    assert!(share >= LIMIT * 9 / 10, "share: {share}");
    assert!(closed <= 3 + SLACK, "closed: {closed}");
    assert_eq!(open, open_asked);

    store.start_again();
    wait_until("all cores are connected", || store.clients() >= 2 * CORES);
    for limiter in [&first, &second] {
        wait_until("the store is back", || {
            let is_let_through = limiter.lets_through("closed", "key");
            closed += u64::from(is_let_through);
            is_let_through
        });
    }
    let mut share = 3 + share;
    for limiter in [&first, &second] {
        share += u64::from(limiter.lets_through("share", "key"));
    }
    share += flood("share").0;
    closed += flood("closed").0;
    let open_again = 3 + flood("open").0;
    println!("{kind:?} in all: share {share}, closed {closed}, open {open_again} besides");
    assert!(share <= LIMIT + SLACK, "share: {share}");
    for (name, total) in [("closed", closed), ("open", open_again)] {
        assert!(total <= LIMIT + SLACK, "{name}: {total}");
        assert!(total >= LIMIT * 9 / 10, "{name}: {total}");
    }
    first.assert_well();
    second.assert_well();
}

#[test]
fn policies_hold_without_redis() {
    policies_hold(Kind::Redis);
}

#[test]
fn policies_hold_without_ringlet_server() {
    policies_hold(Kind::Ringlet);
}

/// What an operator reads when the store comes, goes and comes back.
#[test]
fn the_log_names_the_store_and_what_has_become_of_it() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut store = Store::start(Kind::Redis);
    let rule = "[rule.a]\nlimit = 1\nwindow = \"1h\"\n";
    let [first, second] = pair(&store, rule);
    let name = store.name();
    let (reached, again) =
        (format!(" store {name} is reached"), format!(" store {name} is reached again"));
    for limiter in [&first, &second] {
        wait_until("the store is reached", || !limiter.logged(&reached).is_empty());
    }
    store.kill();
    for limiter in [&first, &second] {
        let gone = format!(" store {name}: the store has closed the connection");
        wait_until("all cores have lost it", || limiter.logged(&gone).len() == CORES);
        // For the process, not for each core.
        assert_eq!(limiter.logged(&reached).len(), 1);
    }
    store.start_again();
    for limiter in [&first, &second] {
        wait_until("the store is reached again", || !limiter.logged(&again).is_empty());
    }
    wait_until("all cores are connected", || store.clients() >= 2 * CORES);
    for limiter in [&first, &second] {
        assert_eq!(limiter.logged(&again).len(), 1);
    }
}

/// Whatever one node was granted while the other did not look, the store hears of it again from both.
fn what_is_forgotten_is_counted_again(kind: Kind) {
    const KEYS: usize = 24;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (period_s, start_ms) = long_window();
    let rule = format!(
        "[rule.hot]\nalgorithm = \"fixed-window\"\nlimit = {LIMIT}\nwindow = \"{period_s}s\"\n\
         on_store_failure = \"closed\"\n"
    );
    let mut store = Store::start(kind);
    let limiters = pair(&store, &rule);
    let mut links = [limiters[0].connect(), limiters[1].connect()];
    let mut take = |node: usize, key: usize, cost: u64| {
        let (key, cost) = (key.to_string(), cost.to_string());
        let reply = links[node].command(&["THROTTLE", "hot", &key, &cost]).expect("it answers");
        reply.items().unwrap_or_else(|| panic!("{reply:?}"))[0].integer() == Some(0)
    };
    for key in 0..KEYS {
        // The first has the last word at one half of the keys.
        assert!(take(key % 2, key, 3000) && take(1 - key % 2, key, 5000));
    }
    let counted = |store: &Store, key: usize| {
        store.number(&format!("rl:{{hot:{key}}}:{start_ms}/{}", period_s * 1000))
    };
    let is_all_counted = |store: &Store| (0..KEYS).all(|key| counted(store, key) == 8000);
    wait_until("what was asked ahead is given back", || is_all_counted(&store));
    store.kill();
    store.start_again();
    wait_until("all cores are connected", || store.clients() >= 2 * CORES);
    wait_until("all is counted again", || is_all_counted(&store));
    for key in 0..KEYS {
        // Nothing is leased before all have had the time to tell the store what they spent.
        wait_until("the rest is granted", || take(key % 2, key, 2000));
        assert!(!take(1, key, 1), "key {key}");
    }
}

#[test]
fn what_redis_forgets_is_counted_again() {
    what_is_forgotten_is_counted_again(Kind::Redis);
}

#[test]
fn what_ringlet_server_forgets_is_counted_again() {
    what_is_forgotten_is_counted_again(Kind::Ringlet);
}

const PERIOD_MS: u64 = 1000;
/// The pauses before another attempt grow to two seconds; so long a core may come back later than others.
const BACK_WINDOWS: u64 = 6;

/// Waits for an instant of the calendar in the middle of a window; which window that is.
fn middle_of_window() -> u64 {
    let now_ms = unix_ms();
    let middle_ms = (now_ms / PERIOD_MS + 1) * PERIOD_MS + PERIOD_MS / 2;
    thread::sleep(Duration::from_millis(middle_ms - now_ms));
    middle_ms / PERIOD_MS
}

/// The load never ends while the store goes and comes.
fn windows_hold_under_load(kind: Kind, policy: &str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut store = Store::start(kind);
    let rule = format!(
        "[rule.hot]\nalgorithm = \"fixed-window\"\nlimit = {LIMIT}\nwindow = \"1s\"\n\
         on_store_failure = \"{policy}\"\n"
    );
    let [mut first, mut second] = pair(&store, &rule);
    let addresses = [first.resp, second.resp];
    let is_over = AtomicBool::new(false);
    let (batches, gone, back) = thread::scope(|scope| {
        let load = scope
            .spawn(|| ask_while(&addresses, "hot", "key", || !is_over.load(Ordering::Relaxed)));
        // The second, as the first may be one that the load has begun in.
        middle_of_window();
        let gone = middle_of_window();
        store.kill();
        middle_of_window();
        let back = middle_of_window();
        store.start_again();
        for _ in 0..9 {
            middle_of_window();
        }
        is_over.store(true, Ordering::Relaxed);
        (load.join().expect("a load"), gone, back)
    });
    let windows = by_window(&batches, PERIOD_MS);
    let first_window =
        batches.iter().map(|batch| batch.sent_ms).min().expect("batches") / PERIOD_MS;
    println!("{kind:?} {policy}: by window {windows:?}, gone in {}", gone - first_window);
    for (window, (certain, _)) in (first_window..).zip(&windows) {
        let most = match (window, policy) {
            (_, "share") if (gone..back).contains(&window) => LIMIT + SLACK,
            // A node that notices so late that the store is back still has what is left of its half.
            (_, "share") if (back..=back + BACK_WINDOWS).contains(&window) => LIMIT * 3 / 2 + SLACK,
            _ => LIMIT,
        };
        assert!(*certain <= most, "window {window}, {gone} to {back}: {certain} > {most}");
        let besides = windows[(window - first_window) as usize].1;
        if policy == "closed" && (gone + 1..back).contains(&window) {
            assert_eq!(*certain, 0, "window {window}, {gone} to {back}");
        }
        let is_whole = window > first_window && window < first_window + windows.len() as u64 - 1;
        let is_well =
            window <= gone || window > back + BACK_WINDOWS || (policy == "share" && window < back);
        if is_whole && is_well {
            let used = certain + besides;
            assert!(used >= LIMIT * 8 / 10, "window {window}, {gone} to {back}: {used}");
        }
    }
    first.assert_well();
    second.assert_well();
}

#[test]
fn windows_hold_while_redis_goes_and_comes_and_is_shared() {
    windows_hold_under_load(Kind::Redis, "share");
}

#[test]
fn windows_hold_while_redis_goes_and_comes_and_is_waited_for() {
    windows_hold_under_load(Kind::Redis, "closed");
}

#[test]
fn windows_hold_while_ringlet_server_goes_and_comes() {
    windows_hold_under_load(Kind::Ringlet, "share");
}
