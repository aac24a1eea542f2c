//! Waiting: ticks, wake-ups, bounds, and the cost of doing nothing.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use ringlet_runtime::ring::{Event, RingSettings, SendData, SetupMode, Wait};

use crate::bench::{Bench, small};

/// A ring that ticks so seldom that no test can mistake a tick for what it waits for.
fn sleepy() -> RingSettings {
    RingSettings { tick_ms: 50_000, ..small() }
}

#[test]
fn a_thread_wakes_a_sleeping_core() {
    let mut bench = Bench::new(&sleepy());
    for _ in 0..100 {
        let bell = bench.ring.wake_handle();
        let ringing = thread::spawn(move || bell.wake());
        assert!(matches!(bench.any(), Event::Woken));
        ringing.join().unwrap();
    }
}

#[test]
fn a_core_wakes_a_sleeping_core() {
    let mut bench = Bench::new(&sleepy());
    let bell = bench.ring.wake_handle();
    let (ready, go) = std::sync::mpsc::sync_channel::<()>(0);
    let ringing = thread::spawn(move || {
        let mut other = Bench::new(&sleepy());
        while go.recv().is_ok() {
            other.ring.wake(&bell);
            other.ring.submit().unwrap();
        }
    });
    for _ in 0..100 {
        ready.send(()).unwrap();
        assert!(matches!(bench.any(), Event::Woken));
    }
    drop(ready);
    ringing.join().unwrap();
}

#[test]
fn a_wake_up_that_fails_harms_nobody() {
    let mut bench = Bench::new(&small());
    let dead = Bench::new(&small()).ring.wake_handle();
    for _ in 0..10 {
        bench.ring.wake(&dead);
        dead.wake();
    }
    assert!(bench.during(3).is_empty());
}

#[test]
fn wake_ups_of_one_wait_come_as_one() {
    let mut bench = Bench::new(&sleepy());
    let bell = bench.ring.wake_handle();
    for _ in 0..50 {
        bell.wake();
    }
    let mut events = Vec::new();
    bench.ring.wait(&mut events, Wait::Block).unwrap();
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Woken)).count(), 1);
}

#[test]
fn ticks_keep_their_period_and_change_it() {
    let mut bench = Bench::new(&RingSettings { tick_ms: 5, ..small() });
    let start = Instant::now();
    bench.during(20);
    assert!(start.elapsed() >= Duration::from_millis(95), "too fast: {:?}", start.elapsed());
    bench.ring.set_tick_ms(40);
    assert_eq!(bench.ring.tick_ms(), 40);
    let start = Instant::now();
    bench.during(3);
    assert!(start.elapsed() >= Duration::from_millis(115), "too fast: {:?}", start.elapsed());
    bench.ring.set_tick_ms(1);
    bench.during(20);
}

#[test]
fn a_tick_that_was_due_when_its_period_changed_does_not_come_back() {
    let mut bench = Bench::new(&RingSettings { tick_ms: 5, ..small() });
    bench.during(3);
    let mut events = Vec::new();
    for _ in 0..4 {
        // The timer fires, and the ring has not heard of it.
        thread::sleep(Duration::from_millis(12));
        bench.ring.set_tick_ms(50_000);
        let bell = bench.ring.wake_handle();
        let ringing = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            bell.wake();
        });
        let mut returns = 0;
        while !events.iter().any(|event| matches!(event, Event::Woken)) {
            bench.ring.wait(&mut events, Wait::Block).unwrap();
            returns += 1;
        }
        ringing.join().unwrap();
        assert!(returns < 10, "it woke {returns} times");
        events.clear();
        bench.ring.set_tick_ms(5);
        bench.during(3);
    }
}

#[test]
fn polling_does_not_wait() {
    let mut bench = Bench::new(&sleepy());
    let mut events = Vec::new();
    for _ in 0..100 {
        bench.ring.wait(&mut events, Wait::Poll).unwrap();
    }
    assert!(events.is_empty());
    let (socket, mut far) = bench.pair();
    bench.ring.start_receive(socket);
    bench.ring.wait(&mut events, Wait::Poll).unwrap();
    far.write_all(b"x").unwrap();
    let start = Instant::now();
    while events.is_empty() && start.elapsed() < Duration::from_secs(10) {
        bench.ring.wait(&mut events, Wait::Poll).unwrap();
    }
    match events.pop() {
        Some(Event::Received { buffer, .. }) => bench.ring.release(buffer),
        event => panic!("unexpected {event:?}"),
    }
}

#[test]
fn one_wait_hands_out_no_more_than_its_bound() {
    let mut bench = Bench::new(&RingSettings { events_per_wait: 4, ..sleepy() });
    let mut far_ends = Vec::new();
    for _ in 0..15 {
        let (socket, mut far) = bench.pair();
        bench.ring.start_receive(socket);
        far.write_all(b"x").unwrap();
        far_ends.push(far);
    }
    let mut events = Vec::new();
    let mut seen = 0;
    while seen < 15 {
        bench.ring.wait(&mut events, Wait::Block).unwrap();
        assert!(events.len() <= 4, "{} events at once", events.len());
        for event in events.drain(..) {
            match event {
                Event::Received { buffer, .. } => bench.ring.release(buffer),
                event => panic!("unexpected {event:?}"),
            }
            seen += 1;
        }
    }
}

#[test]
fn a_reader_that_stops_does_not_hold_up_the_core() {
    // Sends that fit complete at once, and then one does not: whatever else comes must still end
    // the wait, and without the help of a tick.
    let mut bench = Bench::new(&sleepy());
    let (lazy, _unread) = bench.pair();
    let (busy, mut far) = bench.pair();
    bench.ring.start_receive(busy);
    let mut hanging = false;
    for _ in 0..500 {
        if !hanging {
            bench.ring.send(lazy, SendData::Buffer(vec![0; 8 << 10]));
        }
        far.write_all(b"x").unwrap();
        let mut received = false;
        hanging = true;
        while !received {
            match bench.any() {
                Event::Received { buffer, .. } => {
                    bench.ring.release(buffer);
                    received = true;
                }
                Event::Sent { .. } => {}
                event => panic!("unexpected {event:?}"),
            }
        }
        hanging &= bench.ring.is_sending(lazy);
    }
    assert!(hanging, "the reader has stopped, so its send must hang");
}

#[test]
fn every_setup_mode_works() {
    for mode in SetupMode::LADDER {
        let mut bench = Bench::new(&RingSettings { mode: Some(mode), ..small() });
        assert_eq!(bench.ring.mode(), mode);
        let (socket, mut far) = bench.pair();
        bench.ring.start_receive(socket);
        for _ in 0..100 {
            far.write_all(b"ping").unwrap();
            assert_eq!(bench.receive(socket, 4), b"ping");
        }
        bench.close(socket);
    }
}
