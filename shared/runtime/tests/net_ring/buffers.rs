//! The receive buffers are shared fairly, and their end is no end.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ringlet_runtime::ring::{Event, ReceiveEnd, RingSettings, SocketId};

use crate::bench::{Bench, pattern, small};

const FEW: u16 = 4;

fn few_buffers() -> RingSettings {
    RingSettings { buffer_count: FEW, buffer_bytes: 256, ..small() }
}

#[test]
fn many_sockets_survive_few_buffers() {
    const SOCKETS: usize = 64;
    const LENGTH: usize = 8192;
    let mut bench = Bench::new(&few_buffers());
    let mut far_ends = Vec::new();
    let mut got: HashMap<SocketId, Vec<u8>> = HashMap::new();
    let mut seeds = HashMap::new();
    for seed in 0..SOCKETS as u64 {
        let (socket, mut far) = bench.pair();
        far.write_all(&pattern(seed, LENGTH)).unwrap();
        bench.ring.start_receive(socket);
        got.insert(socket, Vec::new());
        seeds.insert(socket, seed);
        far_ends.push(far);
    }
    // Hold every buffer that comes, until there is none left.
    let mut held = Vec::new();
    while held.len() < usize::from(FEW) {
        match bench.next() {
            Event::Received { socket, buffer } => held.push((socket, buffer)),
            event => panic!("unexpected {event:?}"),
        }
    }
    assert_eq!(bench.ring.buffers_lent(), usize::from(FEW));
    assert!(bench.during(5).is_empty(), "no buffer, no event, no error");
    let armed = bench.ring.receives_armed();
    assert!(bench.during(5).is_empty());
    assert_eq!(bench.ring.receives_armed(), armed, "it does not spin for want of buffers");
    let mut left = SOCKETS * LENGTH;
    loop {
        for (socket, buffer) in held.drain(..) {
            got.get_mut(&socket).unwrap().extend_from_slice(bench.ring.bytes(&buffer));
            left -= buffer.len();
            bench.ring.release(buffer);
        }
        if left == 0 {
            break;
        }
        match bench.next() {
            Event::Received { socket, buffer } => held.push((socket, buffer)),
            event => panic!("unexpected {event:?}"),
        }
    }
    for (socket, bytes) in got {
        assert!(bytes == pattern(seeds[&socket], LENGTH), "{socket:?} got other bytes");
    }
}

#[test]
fn a_starved_socket_that_closes_is_not_armed_again() {
    let mut bench = Bench::new(&few_buffers());
    let (hog, mut hog_far) = bench.pair();
    bench.ring.start_receive(hog);
    hog_far.write_all(&[1; FEW as usize * 256]).unwrap();
    let mut held = Vec::new();
    while held.len() < usize::from(FEW) {
        match bench.next() {
            Event::Received { buffer, .. } => held.push(buffer),
            event => panic!("unexpected {event:?}"),
        }
    }
    let (starved, mut far) = bench.pair();
    bench.ring.start_receive(starved);
    far.write_all(b"for nobody else").unwrap();
    assert!(bench.during(3).is_empty());
    let armed = bench.ring.receives_armed();
    bench.ring.close(starved);
    for buffer in held {
        bench.ring.release(buffer);
    }
    match bench.next() {
        Event::Closed { socket } => assert_eq!(socket, starved),
        event => panic!("unexpected {event:?}"),
    }
    assert!(bench.during(3).is_empty());
    assert_eq!(bench.ring.receives_armed(), armed, "a closed descriptor may be another's by now");
}

#[test]
fn a_flood_does_not_starve_the_others() {
    let mut bench = Bench::new(&few_buffers());
    let (flood, mut far) = bench.pair();
    bench.ring.start_receive(flood);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let flooding = thread::spawn(move || {
        let block = [b'x'; 4096];
        while !stopped.load(Ordering::SeqCst) && far.write_all(&block).is_ok() {}
    });
    let mut quiet: Vec<_> = (0..8).map(|_| bench.pair()).collect();
    for (socket, _) in &quiet {
        bench.ring.start_receive(*socket);
    }
    for round in 0..50 {
        for (_, far) in &mut quiet {
            far.write_all(b"hello").unwrap();
        }
        let mut waiting = quiet.len();
        let mut foreign = 0;
        while waiting > 0 {
            match bench.next() {
                Event::Received { socket, buffer } => {
                    if socket == flood {
                        foreign += 1;
                    } else {
                        assert_eq!(bench.ring.bytes(&buffer), b"hello");
                        waiting -= 1;
                    }
                    bench.ring.release(buffer);
                }
                event => panic!("unexpected {event:?}"),
            }
            assert!(foreign < 2000, "round {round}: {waiting} sockets starve");
        }
    }
    stop.store(true, Ordering::SeqCst);
    bench.ring.close(flood);
    while !matches!(bench.next(), Event::Closed { .. }) {}
    flooding.join().unwrap();
}

#[test]
fn a_paused_socket_delivers_nothing_until_it_is_resumed() {
    let mut bench = Bench::new(&small());
    let (socket, mut far) = bench.pair();
    bench.ring.start_receive(socket);
    far.write_all(b"one").unwrap();
    assert_eq!(bench.receive(socket, 3), b"one");
    bench.ring.pause_receive(socket);
    assert!(bench.during(3).is_empty());
    far.write_all(b"two").unwrap();
    drop(far);
    assert!(bench.during(10).is_empty(), "a paused socket stays silent");
    bench.ring.resume_receive(socket);
    assert_eq!(bench.receive(socket, 3), b"two");
    match bench.next() {
        Event::ReceiveEnded { end: ReceiveEnd::EndOfStream, .. } => {}
        event => panic!("unexpected {event:?}"),
    }
}

#[test]
fn pausing_all_the_time_loses_nothing() {
    const TOTAL: usize = 4 << 20;
    let mut bench = Bench::new(&few_buffers());
    let (socket, mut far) = bench.pair();
    bench.ring.start_receive(socket);
    let writing = thread::spawn(move || {
        far.write_all(&pattern(11, TOTAL)).unwrap();
        far
    });
    let mut got = Vec::with_capacity(TOTAL);
    let mut step = 0u32;
    while got.len() < TOTAL {
        match bench.any() {
            Event::Received { buffer, .. } => {
                got.extend_from_slice(bench.ring.bytes(&buffer));
                bench.ring.release(buffer);
            }
            Event::Tick => {}
            event => panic!("unexpected {event:?}"),
        }
        // Each order of pause and resume, with and without a wait between them.
        step += 1;
        match step % 7 {
            0 | 2 => bench.ring.pause_receive(socket),
            1 | 4 => bench.ring.resume_receive(socket),
            5 => {
                bench.ring.pause_receive(socket);
                bench.ring.resume_receive(socket);
                bench.ring.pause_receive(socket);
            }
            _ => bench.ring.resume_receive(socket),
        }
    }
    assert!(got == pattern(11, TOTAL), "bytes came altered");
    drop(writing.join().unwrap());
}
