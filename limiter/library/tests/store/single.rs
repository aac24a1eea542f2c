//! One server: what is counted, what is lent, and what happens when the server goes.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use ringlet_check::process::{BINARY_VARIABLE, Launch, RunningServer, ServerBinary};
use ringlet_check::value::Value;
use ringlet_limit::store::link::LinkSettings;
use ringlet_limit::store::{StoreCommand, StoreReply};

use crate::driver::{Driver, count, lease, settings};

/// redis-server, and ringlet-server if it is there.
fn binaries() -> Vec<ServerBinary> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.parent()?.parent()?.join("ringlet-server")));
    let named = std::env::var_os(BINARY_VARIABLE).map(PathBuf::from);
    let ringlet = named.or(beside).filter(|path| path.exists());
    println!("ringlet-server: {ringlet:?}");
    let paths = [Some(PathBuf::from("redis-server")), ringlet].into_iter().flatten();
    paths.map(ServerBinary::at).collect()
}

fn start(binary: &ServerBinary, launch: &Launch<'_>) -> RunningServer {
    binary.launch(launch).unwrap_or_else(|error| panic!("{error}"))
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

fn counted(total: i64, previous: i64) -> StoreReply {
    StoreReply::Counted { total, previous }
}

#[test]
fn windows_are_counted_with_an_end() {
    for binary in binaries() {
        let server = start(&binary, &Launch::with_shards(2));
        let mut driver = Driver::up(settings(&[server.address()]), 1);
        let end_ms = unix_ms() + 100_000;
        let replies =
            driver.ask_all(vec![count("rl:{a}:1", 3, end_ms), count("rl:{a}:1", 4, end_ms)]);
        assert_eq!(replies, [counted(3, 0), counted(7, 0)]);
        let next = StoreCommand::Count {
            key: b"rl:{a}:2".to_vec(),
            previous: Some(b"rl:{a}:1".to_vec()),
            amount: 1,
            expire_at_ms: end_ms,
        };
        assert_eq!(driver.ask(next), counted(1, 7));
        let uncount = |before_ms| StoreCommand::Uncount {
            key: b"rl:{a}:1".to_vec(),
            amount: 2,
            before_ms,
            expire_at_ms: end_ms,
        };
        assert_eq!(driver.ask(uncount(unix_ms() + 60_000)), StoreReply::Uncounted);
        // Its window is over: not sent.
        assert_eq!(driver.ask(uncount(unix_ms())), StoreReply::Uncounted);
        let mut wire = server.connect();
        assert_eq!(wire.line("GET rl:{a}:1").expect("a reply").text(), "5");
        assert_eq!(
            wire.line("PEXPIRETIME rl:{a}:1").expect("a reply"),
            Value::Integer(end_ms as i64)
        );
        assert_eq!(driver.notices, [""; 0], "{binary:?}");
        let view = driver.link.view();
        let shown_ms = (driver.now_ns() / 1_000_000).saturating_add_signed(view.clock_offset_ms);
        let apart_ms = shown_ms.abs_diff(unix_ms());
        assert!(apart_ms <= view.clock_error_ms + 50, "{apart_ms} ms apart, {view:?}");
    }
}

#[test]
fn buckets_are_lent_natively_or_by_the_script() {
    for binary in binaries() {
        let server = start(&binary, &Launch::with_shards(2));
        let mut driver = Driver::up(settings(&[server.address()]), 1);
        let StoreReply::Leased { granted: 4, remaining: 6, holders: 1, epoch_ms, .. } =
            driver.ask(lease("rl:{b}", 1, 4))
        else {
            panic!("four of ten");
        };
        assert!(epoch_ms.abs_diff(unix_ms()) < 60_000);
        // A script that is lost is loaded again; a command of the server's own cannot be lost.
        let mut wire = server.connect();
        wire.line("SCRIPT FLUSH").expect("a reply");
        let mut other = Driver::up(settings(&[server.address()]), 2);
        wire.line("SCRIPT FLUSH").expect("a reply");
        for driver in [&mut other, &mut driver] {
            let reply = driver.ask(lease("rl:{b}", 2, 100));
            assert!(matches!(reply, StoreReply::Leased { holders: 2, .. }), "{reply:?}");
        }
        // The same sequence again is applied no more.
        let late = driver.ask(lease("rl:{b}", 2, 100));
        assert!(matches!(late, StoreReply::Leased { granted: 0, .. }), "{late:?}");
    }
}

#[test]
fn nodes_count_each_other() {
    for binary in binaries() {
        let server = start(&binary, &Launch::with_shards(2));
        let heartbeat = || LinkSettings { is_heartbeat: true, ..settings(&[server.address()]) };
        let mut one = Driver::up(heartbeat(), 1);
        one.until("the first has told of itself", |_| {
            server.connect().line("ZCARD rl:nodes").expect("a reply") == Value::Integer(1)
        });
        let mut two = Driver::up(heartbeat(), 2);
        two.until("the second sees both", |driver| driver.link.view().nodes == 2);
        one.until("so does the first", |driver| driver.link.view().nodes == 2);
        let mut wire = server.connect();
        let left = wire.line("PTTL rl:nodes").expect("a reply");
        assert!(matches!(left, Value::Integer(1..=20_000)), "{left:?}");
    }
}

#[test]
fn a_password_is_given_and_a_wrong_one_is_told_of() {
    for binary in binaries() {
        let options = vec!["--requirepass", "secret"];
        let server = start(&binary, &Launch { options, ..Launch::with_shards(1) });
        let with = |password: &str| LinkSettings {
            password: Some(password.to_owned()),
            ..settings(&[server.address()])
        };
        let mut driver = Driver::up(with("secret"), 1);
        assert_eq!(driver.ask(count("a", 1, unix_ms() + 60_000)), counted(1, 0));
        let mut wrong = Driver::new(with("wrong"), 2);
        wrong.until("it is told of", |driver| !driver.notices.is_empty());
        assert!(wrong.notices[0].contains("WRONGPASS"), "{:?}", wrong.notices);
        assert!(!wrong.link.view().is_up);
        let mut none = Driver::new(settings(&[server.address()]), 3);
        none.until("it is told of", |driver| !driver.notices.is_empty());
        assert!(none.notices[0].contains("NOAUTH"), "{:?}", none.notices);
    }
}

#[test]
fn a_killed_server_is_noticed_and_another_process_is_another_incarnation() {
    for binary in binaries() {
        let server = start(&binary, &Launch::with_shards(1));
        let port = Some(server.address().port());
        let mut driver = Driver::up(settings(&[server.address()]), 1);
        let first = driver.link.view().incarnation;
        assert_eq!(driver.ask(count("a", 1, unix_ms() + 60_000)), counted(1, 0));
        drop(server);
        driver.until("it is gone", |driver| !driver.link.view().is_up);
        assert_eq!(driver.ask(count("a", 1, unix_ms() + 60_000)), StoreReply::Failed);
        let _server = start(&binary, &Launch { port, ..Launch::with_shards(1) });
        driver.until("it is back", |driver| driver.link.view().is_up);
        assert_ne!(driver.link.view().incarnation, first);
        assert_eq!(driver.ask(count("a", 1, unix_ms() + 60_000)), counted(1, 0));
    }
}

#[test]
fn a_server_that_stands_still_costs_a_deadline_and_nothing_is_counted_twice() {
    for binary in binaries() {
        let server = start(&binary, &Launch::with_shards(1));
        let patient = LinkSettings { timeout_ms: 200, ..settings(&[server.address()]) };
        let mut driver = Driver::up(patient, 1);
        let end_ms = unix_ms() + 600_000;
        let mut asked = 0;
        let mut ask = |driver: &mut Driver, calls: usize| -> usize {
            asked += calls;
            let replies = driver.ask_all(vec![count("a", 1, end_ms); calls]);
            replies.iter().filter(|&&reply| reply != StoreReply::Failed).count()
        };
        let mut counts = ask(&mut driver, 10);
        server.signal("STOP").expect("it runs");
        counts += ask(&mut driver, 10);
        assert!(!driver.link.view().is_up);
        counts += ask(&mut driver, 10);
        server.signal("CONT").expect("it runs");
        driver.until("it is well again", |driver| driver.link.view().is_up);
        counts += ask(&mut driver, 10);
        let total = server.connect().line("GET a").expect("a reply").text();
        let total: usize = total.parse().expect("a number");
        assert!(counts <= total && total <= asked, "{counts} <= {total} <= {asked}");
        assert!(counts >= 10, "{counts}");
    }
}
