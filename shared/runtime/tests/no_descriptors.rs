//! Accepting without file descriptors left: the listener rests, and goes on when there are some.
//!
//! Alone in its process, for the limit of open files holds for all threads.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ringlet_runtime::listen::{ListenOptions, listen};
use ringlet_runtime::ring::{Event, NetRing, RingSettings, SetupMode, SocketAddress, Wait};

/// Sets the soft limit of open files.
fn limit_files(soft: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes, then reads, one `rlimit` that outlives both calls.
    let outcome = unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        let changed = libc::rlimit { rlim_cur: soft, ..limit };
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const changed)
    };
    assert_eq!(outcome, 0);
}

/// Takes all descriptors that are left.
fn exhaust() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// What has happened until `is_over(ticks, accepted)`: failures to accept, and accepted
/// connections.
fn until(ring: &mut NetRing, is_over: impl Fn(usize, usize) -> bool) -> (usize, usize) {
    let start = Instant::now();
    let mut events = Vec::new();
    let (mut ticks, mut failures, mut accepted) = (0, 0, 0);
    while !is_over(ticks, accepted) {
        assert!(start.elapsed() < Duration::from_secs(20), "it takes too long");
        ring.wait(&mut events, Wait::Block).unwrap();
        for event in events.drain(..) {
            match event {
                Event::Tick => ticks += 1,
                Event::AcceptFailed { errno, .. } => {
                    assert_eq!(errno.0, libc::EMFILE);
                    failures += 1;
                }
                Event::Accepted { .. } => accepted += 1,
                event => panic!("unexpected {event:?}"),
            }
        }
    }
    (failures, accepted)
}

#[test]
fn a_process_without_descriptors_rests_and_recovers() {
    const CLIENTS: usize = 5;
    limit_files(100);
    // In this mode the ring accepts only while it waits, hence not before the descriptors are
    // taken.
    let mode = Some(SetupMode::Deferred);
    let settings = RingSettings { tick_ms: 2, mode, ..RingSettings::default() };
    let mut ring = NetRing::new(&settings).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (mut listeners, address) = listen(&ListenOptions::new(any), 1).unwrap();
    let SocketAddress::Ip(address) = address else { panic!("{address} is no IP address") };
    ring.listen(listeners.remove(0)).unwrap();
    for round in 0..2 {
        let _clients: Vec<_> = (0..CLIENTS).map(|_| TcpStream::connect(address).unwrap()).collect();
        let files = exhaust();
        // 200 ticks are at least 400 ms, enough for several tries.
        let (failures, accepted) = until(&mut ring, |ticks, _| ticks == 200);
        assert_eq!((failures, accepted), (1, 0), "round {round}: a series is told once");
        drop(files);
        let (failures, _) = until(&mut ring, |_, accepted| accepted == CLIENTS);
        assert_eq!(failures, 0);
    }
}
