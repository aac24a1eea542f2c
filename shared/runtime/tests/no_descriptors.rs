//! Accepting without file descriptors left: the listener rests, and goes on when there are some.
//!
//! Alone in its process, for the limit of open files holds for all threads.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ringlet_runtime::listen::{ListenOptions, listen};
use ringlet_runtime::ring::{Event, NetRing, RingSettings, SocketAddress, Wait};

/// Sets the soft limit of open files, and gives the former one.
fn limit_files(soft: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes, then reads, one `rlimit` that outlives both calls.
    let outcome = unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        let changed = libc::rlimit { rlim_cur: soft, ..limit };
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const changed)
    };
    assert_eq!(outcome, 0);
    limit.rlim_cur
}

#[test]
fn a_process_without_descriptors_rests_and_recovers() {
    const CLIENTS: usize = 5;
    let mut ring = NetRing::new(&RingSettings { tick_ms: 2, ..RingSettings::default() }).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (mut listeners, address) = listen(&ListenOptions::new(any), 1).unwrap();
    let SocketAddress::Ip(address) = address else { panic!("{address} is no IP address") };
    let clients: Vec<_> = (0..CLIENTS).map(|_| TcpStream::connect(address).unwrap()).collect();
    let before = limit_files(0);
    ring.listen(listeners.remove(0)).unwrap();
    let mut events = Vec::new();
    let (mut ticks, mut failures) = (0, 0);
    while ticks < 200 {
        ring.wait(&mut events, Wait::Block).unwrap();
        for event in events.drain(..) {
            match event {
                Event::Tick => ticks += 1,
                Event::AcceptFailed { errno, .. } => {
                    assert_eq!(errno.0, libc::EMFILE);
                    failures += 1;
                }
                event => panic!("unexpected {event:?}"),
            }
        }
    }
    // 200 ticks are at least 400 ms, and each failure earns 50 ms of rest.
    assert!((2..=20).contains(&failures), "{failures} tries in {ticks} ticks");
    limit_files(before);
    let start = Instant::now();
    let mut accepted = 0;
    while accepted < clients.len() {
        assert!(start.elapsed() < Duration::from_secs(20), "it did not recover");
        ring.wait(&mut events, Wait::Block).unwrap();
        for event in events.drain(..) {
            accepted += usize::from(matches!(event, Event::Accepted { .. }));
        }
    }
}
