//! Tests of changes at run time and of what outlives a reload.
//!
//! Job: show which states are kept and which changes are refused. In: configurations. Out: failed
//! assertions. Invariant: opens no socket.

use std::path::Path;

use super::*;

fn file(pools: &str) -> Configuration {
    let text = format!("[[listener]]\nbind = \"127.0.0.1:1\"\n{pools}");
    let mut configuration = config::parse(&text, Path::new("")).expect("a configuration");
    configuration.listeners[0].binds.clear();
    configuration
}

fn api(servers: &str) -> Configuration {
    file(&format!("default_pool = \"api\"\n[pool.api]\nservers = [{servers}]\n"))
}

fn add(server: &str) -> Change {
    Change::Add { pool: "api".into(), server: server.into() }
}

fn remove(server: &str) -> Change {
    Change::Remove { pool: "api".into(), server: server.into() }
}

fn set(server: &str, state: Option<AdminState>, weight: Option<u16>) -> Change {
    Change::Set { pool: "api".into(), server: server.into(), state, weight }
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.pools[0].servers.iter().map(|server| server.name.as_str()).collect()
}

#[test]
fn servers_come_and_go_and_the_others_keep_their_state() {
    let mut registry = Registry::new(1);
    let first = registry.take_up(&api("\"127.0.0.1:1\", \"127.0.0.1:2\"")).expect("taken up");
    let changed = registry.change(&add("127.0.0.1:3 weight=4 name=c")).expect("it fits");
    assert_eq!(changed.said, "server c of pool api is added");
    let second = changed.snapshot.expect("a new one");
    assert_eq!(names(&second), ["127.0.0.1:1", "127.0.0.1:2", "c"]);
    assert_eq!((second.generation, second.pools[0].servers[2].weight()), (2, 4));
    assert!(Arc::ptr_eq(&first.pools[0].servers[1], &second.pools[0].servers[1]));
    let third = registry.change(&remove("127.0.0.1:1")).expect("it is there").snapshot;
    assert_eq!(names(&third.expect("a new one")), ["127.0.0.1:2", "c"]);
    // The same file again changes nothing of it.
    let fourth = registry.take_up(&api("\"127.0.0.1:1\", \"127.0.0.1:2\"")).expect("taken up");
    assert_eq!(names(&fourth), ["127.0.0.1:2", "c"]);
    assert!(Arc::ptr_eq(&second.pools[0].servers[2], &fourth.pools[0].servers[1]));
    // One that says something else of them does.
    let fifth = registry.take_up(&api("\"127.0.0.1:1 weight=2\", \"127.0.0.1:9 name=c\""));
    assert_eq!(names(&fifth.expect("taken up")), ["127.0.0.1:1", "c"]);
}

#[test]
fn states_and_weights_last_until_the_file_says_otherwise() {
    let mut registry = Registry::new(1);
    let first = registry.take_up(&api("\"127.0.0.1:1\", \"127.0.0.1:2\"")).expect("taken up");
    let change = set("127.0.0.1:1", Some(AdminState::Drain), Some(7));
    let changed = registry.change(&change).expect("it is there");
    assert_eq!(changed.said, "server 127.0.0.1:1 of pool api is drain, weight 7");
    assert!(changed.snapshot.is_none());
    let server = first.pools[0].servers[0].clone();
    registry.take_up(&api("\"127.0.0.1:1\", \"127.0.0.1:2 weight=3\"")).expect("taken up");
    assert_eq!((server.admin(), server.weight()), (AdminState::Drain, 7));
    registry.take_up(&api("\"127.0.0.1:1 weight=5\"")).expect("taken up");
    assert_eq!((server.admin(), server.weight()), (AdminState::Drain, 5));
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut registry = Registry::new(1);
    let before = registry.take_up(&api("\"127.0.0.1:1\"")).expect("taken up");
    let absent = |text: &str| Some(Misfit::Absent(text.into()));
    assert_eq!(
        registry.change(&remove("127.0.0.1:2")).err(),
        absent("pool api has no server \"127.0.0.1:2\", but 127.0.0.1:1")
    );
    let elsewhere = Change::Add { pool: "apy".into(), server: "127.0.0.1:2".into() };
    assert_eq!(registry.change(&elsewhere).err(), absent("there is no pool \"apy\", but api"));
    let taken = registry.change(&add("127.0.0.1:1")).err();
    assert!(
        matches!(&taken, Some(Misfit::Taken(text)) if text.contains("127.0.0.1:1")),
        "{taken:?}"
    );
    for wrong in
        ["", "nowhere", "127.0.0.1:2 wieght=2", "127.0.0.1:2 weight=300", "127.0.0.1:2 cookie=a"]
    {
        let refused = registry.change(&add(wrong)).err();
        assert!(matches!(refused, Some(Misfit::Malformed(_))), "{wrong}: {refused:?}");
    }
    assert!(Arc::ptr_eq(registry.present().expect("one"), &before));
}

#[test]
fn a_pool_that_was_emptied_can_be_dropped_and_come_again() {
    let mut registry = Registry::new(1);
    let first = registry.take_up(&api("\"127.0.0.1:1\"")).expect("taken up");
    let emptied = registry.change(&remove("127.0.0.1:1")).expect("it is there").snapshot;
    assert!(!emptied.expect("a new one").pools[0].is_retired);
    let other = file("default_pool = \"b\"\n[pool.b]\nservers = [\"127.0.0.1:5\"]\n");
    let dropped = registry.take_up(&other).expect("taken up");
    assert!(dropped.pools[0].is_retired && !dropped.pools[1].is_retired);
    assert!(matches!(registry.change(&remove("127.0.0.1:1")), Err(Misfit::Absent(_))));
    let again = registry.take_up(&api("\"127.0.0.1:1\"")).expect("taken up");
    assert_eq!(names(&again), ["127.0.0.1:1"]);
    assert!(!again.pools[0].is_retired && again.pools[1].is_retired);
    assert!(Arc::ptr_eq(&first.pools[0].state, &again.pools[0].state));
}
