//! What a relay needs: receives that are asked for one by one, received buffers that travel on,
//! resets.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use ringlet_runtime::ring::{Chunk, Event, ReceiveEnd, RingSettings, SendData, SocketId};

use crate::bench::{Bench, small};

#[test]
fn a_single_receive_brings_one_buffer_and_then_rests() {
    let mut bench = Bench::new(&RingSettings { buffer_bytes: 8, ..small() });
    let (socket, mut far) = bench.pair();
    far.write_all(b"0123456789").unwrap();
    for expected in [&b"01234567"[..], b"89"] {
        bench.ring.receive_once(socket);
        bench.ring.receive_once(socket);
        assert_eq!(bench.receive(socket, expected.len()), expected);
        assert!(bench.during(2).is_empty());
    }
    far.write_all(b"more").unwrap();
    assert!(bench.during(2).is_empty());
    far.shutdown(Shutdown::Write).unwrap();
    bench.ring.receive_once(socket);
    assert_eq!(bench.receive(socket, 4), b"more");
    bench.ring.receive_once(socket);
    match bench.next() {
        Event::ReceiveEnded { end: ReceiveEnd::EndOfStream, .. } => {}
        event => panic!("unexpected {event:?}"),
    }
    bench.close(socket);
}

#[test]
fn a_single_receive_waits_for_a_silent_socket_and_finds_what_is_there() {
    let mut bench = Bench::new(&small());
    let (socket, mut far) = bench.pair();
    for round in 0..20u8 {
        let is_late = round % 2 == 0;
        if !is_late {
            far.write_all(&[round]).unwrap();
        }
        bench.ring.receive_once(socket);
        if is_late {
            assert!(bench.during(1).is_empty());
            far.write_all(&[round]).unwrap();
        }
        assert_eq!(bench.receive(socket, 1), [round]);
    }
    bench.close(socket);
}

#[test]
fn a_single_receive_can_be_withdrawn_and_asked_for_again() {
    let mut bench = Bench::new(&RingSettings { buffer_bytes: 4, ..small() });
    let (socket, mut far) = bench.pair();
    for round in 0..4 {
        bench.ring.receive_once(socket);
        if round % 2 == 0 {
            assert!(bench.during(1).is_empty(), "it is in the kernel");
        }
        bench.ring.pause_receive(socket);
        if round >= 2 {
            assert!(bench.during(1).is_empty(), "its cancel is over");
        }
        bench.ring.receive_once(socket);
        far.write_all(b"onetwo").unwrap();
        assert_eq!(bench.receive(socket, 4), b"onet");
        assert!(bench.during(1).is_empty());
        bench.ring.receive_once(socket);
        assert_eq!(bench.receive(socket, 2), b"wo");
    }
}

#[test]
#[should_panic(expected = "does not receive Once")]
fn a_socket_does_not_change_its_way_to_receive() {
    let mut bench = Bench::new(&small());
    let (socket, _far) = bench.pair();
    bench.ring.start_receive(socket);
    bench.ring.pause_receive(socket);
    bench.ring.receive_once(socket);
}

#[test]
fn a_received_buffer_travels_on_and_is_free_again() {
    let mut bench = Bench::new(&RingSettings { buffer_count: 2, ..small() });
    let (one, mut from) = bench.pair();
    let (other, mut to) = bench.pair();
    for round in 0..20u8 {
        from.write_all(&[b'a' + round; 10]).unwrap();
        bench.ring.receive_once(one);
        let Event::Received { buffer, .. } = bench.next() else { panic!("nothing received") };
        assert_eq!(bench.ring.buffers_lent(), 1);
        let middle = Chunk::Received { buffer, range: 2..5 };
        let chunks = vec![Chunk::Owned(b"<".to_vec()), middle, Chunk::Owned(b">".to_vec())];
        bench.ring.send(other, SendData::Chunks(chunks));
        match bench.next() {
            Event::Sent { data: SendData::Chunks(chunks), result: Ok(()), .. } => {
                assert_eq!(chunks.len(), 2, "the received buffer stays with the ring");
            }
            event => panic!("unexpected {event:?}"),
        }
        assert_eq!(bench.ring.buffers_lent(), 0);
        let mut got = [0; 5];
        to.read_exact(&mut got).unwrap();
        assert_eq!(got, [b'<', b'a' + round, b'a' + round, b'a' + round, b'>']);
    }
}

#[test]
fn a_received_buffer_is_free_again_when_its_send_fails() {
    let mut bench = Bench::new(&RingSettings { buffer_count: 2, ..small() });
    let (one, mut from) = bench.pair();
    let (other, to) = bench.pair();
    // More than the socket takes, so that the send is still in flight when it is closed.
    bench.ring.send(other, SendData::Buffer(vec![0; 64 << 20]));
    from.write_all(b"bytes").unwrap();
    bench.ring.receive_once(one);
    let Event::Received { buffer, .. } = bench.next() else { panic!("nothing received") };
    drop(to);
    assert!(matches!(bench.next(), Event::Sent { result: Err(_), .. }));
    let chunk = Chunk::Received { buffer, range: 0..5 };
    bench.ring.send(other, SendData::Chunks(vec![chunk]));
    assert!(matches!(bench.next(), Event::Sent { result: Err(_), .. }));
    assert_eq!(bench.ring.buffers_lent(), 0);
    bench.close(other);
}

/// A socket with a send in flight that begins with more than the peer takes and ends with a
/// received buffer; and the far ends.
fn hanging(bench: &mut Bench) -> (SocketId, [UnixStream; 2]) {
    let (one, mut from) = bench.pair();
    let (other, to) = bench.pair();
    from.write_all(b"bytes").unwrap();
    bench.ring.receive_once(one);
    let Event::Received { buffer, .. } = bench.next() else { panic!("nothing received") };
    let chunks = vec![Chunk::Owned(vec![0; 8 << 20]), Chunk::Received { buffer, range: 0..5 }];
    bench.ring.send(other, SendData::Chunks(chunks));
    assert!(bench.during(2).is_empty(), "the send hangs");
    (other, [from, to])
}

#[test]
fn a_received_buffer_is_free_again_only_when_its_send_has_ended() {
    let mut bench = Bench::new(&small());
    let (socket, _far) = hanging(&mut bench);
    assert_eq!(bench.ring.buffers_lent(), 1);
    bench.ring.close(socket);
    assert_eq!(bench.ring.buffers_lent(), 1, "the kernel may still read it");
    match bench.next() {
        Event::Sent { data: SendData::Chunks(chunks), result: Err(_), .. } => {
            assert_eq!(chunks.len(), 1);
        }
        event => panic!("unexpected {event:?}"),
    }
    assert_eq!(bench.ring.buffers_lent(), 0);
    assert!(matches!(bench.next(), Event::Closed { .. }));
}

#[test]
fn a_ring_may_end_while_received_buffers_travel_on() {
    let mut bench = Bench::new(&small());
    let (_, [_from, mut to]) = hanging(&mut bench);
    drop(bench);
    let mut rest = Vec::new();
    to.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < 8 << 20 && rest.iter().all(|&byte| byte == 0));
}

#[test]
fn a_send_that_failed_tells_how_much_has_not_gone() {
    let mut bench = Bench::new(&small());
    let (socket, mut far) = bench.pair();
    bench.ring.send(socket, SendData::Buffer(vec![0; 4 << 20]));
    let mut taken = vec![0; 3 << 20];
    far.set_nonblocking(true).unwrap();
    let mut got = 0;
    while got < taken.len() {
        got += far.read(&mut taken[got..]).unwrap_or(0);
        assert!(bench.waiting().iter().all(|event| matches!(event, Event::Tick)));
    }
    drop(far);
    assert!(matches!(bench.next(), Event::Sent { result: Err(_), .. }));
    let left = bench.ring.left_to_send(socket);
    assert!(left > 0 && left <= 1 << 20, "{left}");
    bench.ring.send(socket, SendData::Buffer(vec![0; 5]));
    assert!(matches!(bench.next(), Event::Sent { result: Err(_), .. }));
    assert_eq!(bench.ring.left_to_send(socket), 5, "the peer has nothing of this one");
    bench.close(socket);
}

#[test]
fn single_receives_that_found_no_buffer_are_served_when_there_is_one() {
    let mut bench = Bench::new(&RingSettings { buffer_count: 1, ..small() });
    let (one, mut first) = bench.pair();
    let (other, mut second) = bench.pair();
    first.write_all(b"one").unwrap();
    bench.ring.receive_once(one);
    let Event::Received { buffer, .. } = bench.next() else { panic!("nothing received") };
    second.write_all(b"other").unwrap();
    bench.ring.receive_once(other);
    assert!(bench.during(2).is_empty());
    bench.ring.release(buffer);
    assert_eq!(bench.receive(other, 5), b"other");
}

#[test]
fn a_reset_is_no_orderly_end() {
    let mut bench = Bench::new(&small());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for round in 0..40 {
        let mut far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = bench.ring.adopt(OwnedFd::from(listener.accept().unwrap().0)).unwrap();
        // With every kind of operation in flight, in the kernel or on the way there, or just over.
        if round & 1 != 0 {
            bench.ring.receive_once(socket);
        }
        match round % 5 {
            0 => {}
            1 | 2 => bench.ring.send(socket, SendData::Buffer(vec![0; 16 << 20])),
            _ => bench.ring.send(socket, SendData::Buffer(b"few".to_vec())),
        }
        if round & 2 != 0 {
            bench.ring.submit().unwrap();
        }
        if round & 4 != 0 {
            far.write_all(b"unread").unwrap();
        }
        bench.ring.close_with_reset(socket);
        let mut events = Vec::new();
        while !matches!(events.last(), Some(Event::Closed { .. })) {
            events.push(bench.next());
        }
        for event in events {
            match event {
                Event::Sent { .. } | Event::Closed { .. } => {}
                event => panic!("unexpected {event:?}"),
            }
        }
        let error = far.read_to_end(&mut Vec::new()).expect_err("no orderly end");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "round {round}");
    }
}
