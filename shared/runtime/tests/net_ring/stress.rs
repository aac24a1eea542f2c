//! Tiny queues and random lives: nothing is lost, doubled or misdirected.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use ringlet_runtime::ring::{Chunk, Event, RingSettings, SendData, SocketId};

use crate::bench::{Bench, small};
use crate::seeds::{Random, seed};

#[test]
fn queues_that_overflow_lose_nothing() {
    const SOCKETS: usize = 400;
    // 400 receives through 2 submission entries, their completions through 4.
    let mut bench = Bench::new(&RingSettings {
        submissions: 2,
        completions: 4,
        buffer_count: 512,
        buffer_bytes: 64,
        ..small()
    });
    let mut pairs = Vec::new();
    for _ in 0..SOCKETS {
        let (socket, far) = bench.pair();
        bench.ring.start_receive(socket);
        pairs.push((socket, far));
    }
    for round in 0..5u8 {
        for (index, (_, far)) in pairs.iter_mut().enumerate() {
            far.write_all(&[round, index as u8]).unwrap();
        }
        let mut got: HashMap<SocketId, Vec<u8>> = HashMap::new();
        let mut sent = 0;
        while sent < SOCKETS {
            match bench.next() {
                Event::Received { socket, buffer } => {
                    let bytes = bench.ring.bytes(&buffer).to_vec();
                    assert!(got.insert(socket, bytes.clone()).is_none(), "delivered twice");
                    bench.ring.release(buffer);
                    bench.ring.send(socket, SendData::Buffer(bytes));
                }
                Event::Sent { result: Ok(()), .. } => sent += 1,
                event => panic!("unexpected {event:?}"),
            }
        }
        for (index, (socket, far)) in pairs.iter_mut().enumerate() {
            assert_eq!(got[socket], [round, index as u8]);
            let mut back = [0; 2];
            far.read_exact(&mut back).unwrap();
            assert_eq!(back, [round, index as u8]);
        }
    }
}

struct Life {
    far: Option<UnixStream>,
    closing: bool,
    ended: bool,
}

#[test]
fn random_lives_get_their_own_events_only() {
    let mut random = Random(seed());
    let mut bench = Bench::new(&RingSettings {
        submissions: 8,
        completions: 32,
        buffer_count: 4,
        buffer_bytes: 128,
        tick_ms: 1,
        ..small()
    });
    let mut lives: HashMap<SocketId, Life> = HashMap::new();
    let mut closed = 0;
    for _ in 0..20_000 {
        act(&mut bench, &mut lives, &mut random);
        for event in bench.waiting() {
            closed += usize::from(matches!(event, Event::Closed { .. }));
            judge(&mut bench, &mut lives, event);
        }
    }
    for (socket, life) in &mut lives {
        if !life.closing {
            life.closing = true;
            bench.ring.close(*socket);
        }
    }
    while !lives.is_empty() {
        let event = bench.next();
        judge(&mut bench, &mut lives, event);
    }
    assert!(closed > 1000, "only {closed} lives have ended");
    assert_eq!(bench.ring.socket_count(), 0);
    assert_eq!(bench.ring.buffers_lent(), 0);
}

fn act(bench: &mut Bench, lives: &mut HashMap<SocketId, Life>, random: &mut Random) {
    let choice = random.below(8);
    if choice == 0 && lives.len() < 40 {
        let (socket, far) = bench.pair();
        far.set_nonblocking(true).unwrap();
        bench.ring.start_receive(socket);
        lives.insert(socket, Life { far: Some(far), closing: false, ended: false });
        return;
    }
    let open: Vec<_> = lives.iter().filter(|(_, life)| !life.closing).map(|(id, _)| *id).collect();
    if open.is_empty() {
        return;
    }
    let socket = open[random.below(open.len() as u64) as usize];
    let life = lives.get_mut(&socket).unwrap();
    let mut scratch = vec![1; random.below(2000) as usize + 1];
    match choice {
        1 => {
            life.closing = true;
            bench.ring.close(socket);
        }
        2 => life.far = None,
        3 => bench.ring.pause_receive(socket),
        4 => bench.ring.resume_receive(socket),
        5 if !bench.ring.is_sending(socket) => {
            bench.ring.send(socket, SendData::Buffer(scratch));
        }
        6 => {
            if let Some(far) = &mut life.far {
                let _ = far.read(&mut scratch);
            }
        }
        _ => {
            if let Some(far) = &mut life.far {
                let _ = far.write(&scratch);
            }
        }
    }
}

fn judge(bench: &mut Bench, lives: &mut HashMap<SocketId, Life>, event: Event) {
    match event {
        Event::Received { socket, buffer } => {
            let life = lives.get_mut(&socket).expect("bytes for the living");
            assert!(!life.ended, "bytes after the end");
            assert!(bench.ring.bytes(&buffer).iter().all(|&byte| byte == 1));
            bench.ring.release(buffer);
        }
        Event::ReceiveEnded { socket, .. } => {
            let life = lives.get_mut(&socket).expect("an end for the living");
            assert!(!life.ended, "only one end");
            life.ended = true;
        }
        Event::Sent { socket, .. } => assert!(lives.contains_key(&socket), "sent by the living"),
        Event::Closed { socket } => {
            let life = lives.remove(&socket).expect("one death per life");
            assert!(life.closing, "only who was closed is closed");
        }
        Event::Tick => {}
        event => panic!("unexpected {event:?}"),
    }
}

/// What the test knows of a socket that relays.
#[derive(Default)]
struct Relay {
    far: Option<UnixStream>,
    asked: bool,
    closing: bool,
    ended: bool,
}

#[test]
fn random_relays_lose_no_buffer_and_no_socket() {
    let mut random = Random(seed());
    let mut bench = Bench::new(&RingSettings {
        submissions: 8,
        completions: 32,
        buffer_count: 8,
        buffer_bytes: 128,
        tick_ms: 1,
        ..small()
    });
    let mut relays: HashMap<SocketId, Relay> = HashMap::new();
    let (mut travelled, mut moved) = (0, 0);
    for _ in 0..20_000 {
        drive(&mut bench, &mut relays, &mut random);
        for event in bench.waiting() {
            match event {
                Event::Received { socket, buffer } => {
                    let relay = relays.get_mut(&socket).expect("bytes for the living");
                    assert!(std::mem::take(&mut relay.asked), "one buffer for each time asked");
                    assert!(!relay.ended, "bytes after the end");
                    let to = pick(&relays, &mut random).filter(|to| !bench.ring.is_sending(*to));
                    if let Some(to) = to {
                        travelled += 1;
                        let range = 0..random.below(buffer.len() as u64 + 1) as usize;
                        let chunk = Chunk::Received { buffer, range };
                        bench.ring.send(to, SendData::Chunks(vec![chunk]));
                    } else {
                        bench.ring.release(buffer);
                    }
                }
                Event::ReceiveEnded { socket, .. } => {
                    let relay = relays.get_mut(&socket).expect("an end for the living");
                    assert!(!std::mem::replace(&mut relay.ended, true), "only one end");
                }
                Event::Sent { socket, .. } => assert!(relays.contains_key(&socket)),
                Event::Detached { socket, fd } => {
                    let relay = relays.remove(&socket).expect("a living socket");
                    assert!(!relay.closing, "a closed socket does not move");
                    let socket = bench.ring.adopt(fd).unwrap();
                    relays.insert(socket, Relay { far: relay.far, ..Relay::default() });
                    moved += 1;
                }
                Event::Closed { socket } => {
                    assert!(relays.remove(&socket).expect("one death per life").closing);
                }
                Event::Tick => {}
                event => panic!("unexpected {event:?}"),
            }
        }
    }
    assert!(travelled > 500 && moved > 200, "{travelled} buffers and {moved} sockets have moved");
    for (socket, relay) in &relays {
        if !relay.closing {
            bench.ring.close(*socket);
        }
    }
    while bench.ring.socket_count() > 0 {
        if let Event::Received { buffer, .. } = bench.any() {
            bench.ring.release(buffer);
        }
    }
    assert_eq!(bench.ring.buffers_lent(), 0);
}

fn pick(relays: &HashMap<SocketId, Relay>, random: &mut Random) -> Option<SocketId> {
    let mut open: Vec<_> =
        relays.iter().filter(|(_, relay)| !relay.closing).map(|(id, _)| *id).collect();
    open.sort_by_key(|id| id.to_bits());
    (!open.is_empty()).then(|| open[random.below(open.len() as u64) as usize])
}

fn drive(bench: &mut Bench, relays: &mut HashMap<SocketId, Relay>, random: &mut Random) {
    let choice = random.below(12);
    if choice == 0 && relays.len() < 40 {
        let (socket, far) = bench.pair();
        far.set_nonblocking(true).unwrap();
        relays.insert(socket, Relay { far: Some(far), ..Relay::default() });
        return;
    }
    let Some(socket) = pick(relays, random) else { return };
    let relay = relays.get_mut(&socket).unwrap();
    let mut scratch = vec![1; random.below(500) as usize + 1];
    match choice {
        1 => {
            relay.closing = true;
            match random.below(2) {
                0 => bench.ring.close(socket),
                _ => bench.ring.close_with_reset(socket),
            }
        }
        2 if random.below(4) == 0 => relay.far = None,
        3 | 4 if !bench.ring.is_sending(socket) => bench.ring.begin_detach(socket),
        5 | 6 => {
            if let Some(far) = &mut relay.far {
                let _ = far.read(&mut scratch);
            }
        }
        7 | 8 => {
            if let Some(far) = &mut relay.far {
                let _ = far.write(&scratch);
            }
        }
        _ => {
            relay.asked = true;
            bench.ring.receive_once(socket);
        }
    }
}
