//! Job: hold one core's view of the pools to its counts over reloads. In: configurations, requests that
//! begin and end. Out: failures. Invariant: no socket is opened.

use std::path::Path;

use ringlet_lb::config;
use ringlet_lb::pool::Pools;
use ringlet_lb::registry::Registry;

/// A pool of one server with this limit, without a listener that would open a socket.
fn take_up(registry: &mut Registry, pools: &mut Pools, limit: u32) {
    let text = format!(
        "[[listener]]\nbind = [\"127.0.0.1:1\"]\ndefault_pool = \"p\"\n\
         [pool.p]\nservers = [{{ address = \"127.0.0.1:1\", maxconn = {limit} }}]\n"
    );
    let mut configuration = config::parse(&text, Path::new(".")).expect("it is right");
    configuration.listeners.clear();
    let snapshot = registry.take_up(&configuration).expect("nothing is opened");
    pools.apply(&snapshot, 0);
}

#[test]
fn a_limit_that_a_reload_sets_changes_or_drops_counts_no_place_twice() {
    for (before, after) in [(0, 2), (2, 0), (3, 1)] {
        let (mut registry, mut pools) = (Registry::new(1), Pools::new(0, 1));
        take_up(&mut registry, &mut pools, before);
        assert!(pools.begin(0) && pools.begin(0), "from {before} to {after}");
        take_up(&mut registry, &mut pools, after);
        pools.end(0);
        pools.end(0);
        take_up(&mut registry, &mut pools, 2);
        assert!(pools.begin(0) && pools.begin(0), "from {before} to {after}: places are lost");
        assert!(!pools.begin(0), "from {before} to {after}: places are given twice");
    }
}
