//! Bytes arrive, all of them, in order, over every kind of socket and against a slow reader.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::thread;

use bytes::Bytes;
use ringlet_runtime::ring::{Chunk, Event, ReceiveEnd, RingSettings, SendData, SocketAddress};

use crate::bench::{Bench, HIGH_WATER, pattern, small, with_echo_server};

fn local_v4() -> SocketAddress {
    SocketAddress::Ip(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

fn tcp(address: &SocketAddress) -> TcpStream {
    let SocketAddress::Ip(address) = address else { panic!("{address} is no IP address") };
    TcpStream::connect(address).unwrap()
}

fn round_trip(mut stream: impl Read + Write, seed: u64) {
    for length in [1, 1000, 4096, 100_000] {
        let sent = pattern(seed, length);
        stream.write_all(&sent).unwrap();
        let mut got = vec![0; length];
        stream.read_exact(&mut got).unwrap();
        assert!(got == sent, "{length} bytes came back altered");
    }
}

#[test]
fn echo_over_every_kind_of_socket() {
    let path = std::env::temp_dir().join(format!("ringlet-echo-{}", std::process::id()));
    let v6 = SocketAddress::Ip(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)));
    let addresses = vec![local_v4(), v6, SocketAddress::Unix(path.clone())];
    with_echo_server(small(), addresses, |addresses, _| {
        round_trip(tcp(&addresses[0]), 1);
        round_trip(tcp(&addresses[1]), 2);
        round_trip(UnixStream::connect(&path).unwrap(), 3);
    });
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_thousand_connections() {
    with_echo_server(small(), vec![local_v4()], |addresses, gauges| {
        let mut streams: Vec<_> = (0..1000).map(|_| tcp(&addresses[0])).collect();
        for round in 0..3u32 {
            for (index, stream) in streams.iter_mut().enumerate() {
                stream.write_all(&(index as u32 ^ round).to_le_bytes()).unwrap();
            }
            for (index, stream) in streams.iter_mut().enumerate() {
                let mut got = [0; 4];
                stream.read_exact(&mut got).unwrap();
                assert_eq!(u32::from_le_bytes(got), index as u32 ^ round);
            }
        }
        assert_eq!(gauges.sockets.load(Ordering::SeqCst), 1000);
        for stream in &streams {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        for stream in &mut streams {
            assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the server closes too");
        }
    });
}

#[test]
fn a_slow_reader_holds_back_the_writer_and_loses_nothing() {
    const TOTAL: usize = 64 << 20;
    let settings = RingSettings { buffer_count: 64, buffer_bytes: 16 << 10, ..small() };
    with_echo_server(settings, vec![local_v4()], |addresses, gauges| {
        let mut stream = tcp(&addresses[0]);
        let mut writer = stream.try_clone().unwrap();
        let block = pattern(7, 1 << 20);
        let writing = thread::spawn(move || {
            let block = pattern(7, 1 << 20);
            for _ in 0..TOTAL / block.len() {
                writer.write_all(&block).unwrap();
            }
            writer.shutdown(Shutdown::Write).unwrap();
        });
        // Nobody reads until the server has had to stop reading.
        while gauges.pauses.load(Ordering::SeqCst) == 0 {
            assert!(!writing.is_finished(), "the writer was never held back");
            thread::yield_now();
        }
        let mut got = vec![0; block.len()];
        for _ in 0..TOTAL / block.len() {
            stream.read_exact(&mut got).unwrap();
            assert!(got == block, "bytes came back altered");
        }
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        writing.join().unwrap();
        // What was in the ring's buffers when the pause began may come on top.
        let held = gauges.held.load(Ordering::SeqCst);
        assert!(held <= HIGH_WATER + (64 << 14) + (16 << 10), "{held} bytes held");
    });
}

#[test]
fn a_long_gathered_send_arrives_in_order_and_comes_back() {
    let mut bench = Bench::new(&small());
    let (socket, mut far) = bench.pair();
    let mut expected = Vec::new();
    let mut chunks = Vec::new();
    for index in 0..1000usize {
        let bytes = pattern(index as u64, index * 7919 % 12_000);
        expected.extend_from_slice(&bytes);
        chunks.push(match index % 3 {
            0 => Chunk::Owned(bytes),
            1 => Chunk::Shared(Bytes::from(bytes)),
            _ => Chunk::Shared(Bytes::copy_from_slice(&bytes)),
        });
    }
    let length = expected.len();
    bench.ring.send(socket, SendData::Chunks(chunks));
    assert!(bench.ring.is_sending(socket));
    let reading = thread::spawn(move || {
        let mut got = vec![0; length];
        far.read_exact(&mut got).unwrap();
        got
    });
    match bench.next() {
        Event::Sent { socket: sent, data: SendData::Chunks(chunks), result: Ok(()) } => {
            assert_eq!((sent, chunks.len()), (socket, 1000));
        }
        event => panic!("unexpected {event:?}"),
    }
    assert!(!bench.ring.is_sending(socket));
    assert!(reading.join().unwrap() == expected, "the pieces came out of order");
}

#[test]
fn nothing_is_sent_at_once_and_still_completes() {
    let mut bench = Bench::new(&small());
    let (socket, _far) = bench.pair();
    for data in [SendData::Buffer(Vec::new()), SendData::Chunks(vec![Chunk::Owned(Vec::new())])] {
        bench.ring.send(socket, data);
        assert!(matches!(bench.next(), Event::Sent { result: Ok(()), .. }));
    }
}

#[test]
fn a_half_closed_connection_still_carries_the_other_half() {
    let mut bench = Bench::new(&small());
    let (socket, mut far) = bench.pair();
    bench.ring.start_receive(socket);
    far.write_all(b"last words").unwrap();
    far.shutdown(Shutdown::Write).unwrap();
    assert_eq!(bench.receive(socket, 10), b"last words");
    match bench.next() {
        Event::ReceiveEnded { end: ReceiveEnd::EndOfStream, .. } => {}
        event => panic!("unexpected {event:?}"),
    }
    // More than the socket takes at once: the end must follow the send, not cut it.
    let answer = pattern(5, 4 << 20);
    bench.ring.send(socket, SendData::Buffer(answer.clone()));
    bench.ring.shutdown_write(socket);
    let reading = thread::spawn(move || {
        let mut got = Vec::new();
        far.read_to_end(&mut got).unwrap();
        got
    });
    assert!(matches!(bench.next(), Event::Sent { result: Ok(()), .. }));
    assert!(reading.join().unwrap() == answer, "the answer was cut");
    bench.close(socket);
}

#[test]
fn receiving_goes_on_after_our_half_is_closed() {
    let mut bench = Bench::new(&small());
    let (socket, mut far) = bench.pair();
    bench.ring.start_receive(socket);
    bench.ring.shutdown_write(socket);
    assert_eq!(far.read(&mut [0]).unwrap(), 0);
    far.write_all(b"still here").unwrap();
    assert_eq!(bench.receive(socket, 10), b"still here");
}
