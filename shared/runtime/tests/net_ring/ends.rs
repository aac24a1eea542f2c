//! How sockets begin and end: connect, refuse, close, hand over.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use ringlet_runtime::listen::{ListenOptions, listen};
use ringlet_runtime::ring::{Event, RingSettings, SendData, SocketAddress};

use crate::bench::{Bench, pattern, small};

fn connected(bench: &mut Bench) -> Result<(), i32> {
    match bench.next() {
        Event::Connected { result, .. } => result.map_err(|errno| errno.0),
        event => panic!("unexpected {event:?}"),
    }
}

#[test]
fn an_outgoing_connection_carries_bytes() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = SocketAddress::Ip(listener.local_addr().unwrap());
    let mut bench = Bench::new(&small());
    let socket = bench.ring.connect(&address).unwrap();
    assert_eq!(connected(&mut bench), Ok(()));
    let (mut far, _) = listener.accept().unwrap();
    bench.ring.set_no_delay(socket, true).unwrap();
    bench.ring.set_keepalive(socket, 300).unwrap();
    assert_eq!(bench.ring.peer_address(socket).unwrap(), address);
    let here = SocketAddress::Ip(far.peer_addr().unwrap());
    assert_eq!(bench.ring.local_address(socket).unwrap(), here);
    far.write_all(b"welcome").unwrap();
    bench.ring.start_receive(socket);
    assert_eq!(bench.receive(socket, 7), b"welcome");
    bench.close(socket);
    assert_eq!(far.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_connection_has_the_source_that_was_asked_for() {
    let mut bench = Bench::new(&small());
    for (at, source) in [("127.0.0.1:0", "127.0.0.2"), ("[::1]:0", "::1")] {
        let listener = TcpListener::bind(at).unwrap();
        let address = SocketAddress::Ip(listener.local_addr().unwrap());
        let source: IpAddr = source.parse().unwrap();
        let socket = bench.ring.connect_from(&address, Some(source)).unwrap();
        let here = bench.ring.local_address(socket).unwrap();
        assert_eq!(here, SocketAddress::Ip(SocketAddr::new(source, 0)), "the port comes later");
        assert_eq!(connected(&mut bench), Ok(()));
        let (_far, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip(), source);
        let near = TcpStream::from(bench.ring.detach(socket).unwrap());
        assert!(near.nodelay().unwrap());
        let other: IpAddr = if source.is_ipv4() { "::1" } else { "127.0.0.1" }.parse().unwrap();
        assert!(bench.ring.connect_from(&address, Some(other)).is_err());
        let foreign = "192.0.2.1".parse().unwrap();
        assert!(bench.ring.connect_from(&address, Some(foreign)).is_err());
    }
    let path = Path::new("/nowhere/at/all").into();
    assert!(bench.ring.connect_from(&path, Some(Ipv4Addr::LOCALHOST.into())).is_err());
    assert_eq!(bench.ring.socket_count(), 0);
}

#[test]
fn a_refused_connection_says_so() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = SocketAddress::Ip(listener.local_addr().unwrap());
    drop(listener);
    let mut bench = Bench::new(&small());
    let socket = bench.ring.connect(&address).unwrap();
    assert_eq!(connected(&mut bench), Err(libc::ECONNREFUSED));
    bench.close(socket);
    let socket = bench.ring.connect(&Path::new("/nowhere/at/all").into()).unwrap();
    assert_eq!(connected(&mut bench), Err(libc::ENOENT));
    bench.close(socket);
    assert!(bench.ring.connect(&Path::new("").into()).is_err());
}

#[test]
fn a_unix_connection_carries_bytes() {
    let path = std::env::temp_dir().join(format!("ringlet-connect-{}", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let mut bench = Bench::new(&small());
    let socket = bench.ring.connect(&path.as_path().into()).unwrap();
    assert_eq!(connected(&mut bench), Ok(()));
    let (mut far, _) = listener.accept().unwrap();
    far.write_all(b"x").unwrap();
    bench.ring.start_receive(socket);
    assert_eq!(bench.receive(socket, 1), b"x");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_connect_that_hangs_can_be_given_up() {
    // A listener with a full backlog answers no further SYN.
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = ListenOptions { backlog: 0, ..ListenOptions::new(any) };
    let (_listeners, address) = listen(&options, 1).unwrap();
    let mut bench = Bench::new(&small());
    let sockets: Vec<_> = (0..8).map(|_| bench.ring.connect(&address).unwrap()).collect();
    let before = bench.during(5).len();
    assert!(before < sockets.len(), "some must hang for this test to mean anything");
    for socket in &sockets {
        bench.ring.close(*socket);
    }
    for _ in &sockets {
        match bench.next() {
            Event::Closed { .. } => {}
            event => panic!("unexpected {event:?}"),
        }
    }
    assert_eq!(bench.ring.socket_count(), 0);
}

#[test]
fn closing_while_sending_gives_the_buffer_back_and_then_ends() {
    let mut bench = Bench::new(&small());
    let (socket, mut far) = bench.pair();
    bench.ring.start_receive(socket);
    bench.ring.send(socket, SendData::Buffer(pattern(1, 16 << 20)));
    assert!(bench.during(3).is_empty(), "the peer does not read, so the send hangs");
    bench.ring.close(socket);
    assert!(!bench.ring.is_open(socket));
    match bench.next() {
        Event::Sent { data: SendData::Buffer(bytes), result: Err(_), .. } => {
            assert_eq!(bytes.len(), 16 << 20);
        }
        event => panic!("unexpected {event:?}"),
    }
    assert!(matches!(bench.next(), Event::Closed { .. }));
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).unwrap();
    assert!(pattern(1, 16 << 20).starts_with(&rest), "what was sent was sent right");
}

#[test]
fn the_successor_of_a_closed_socket_hears_nothing_of_it() {
    let mut bench = Bench::new(&small());
    for round in 0..200 {
        let (old, mut far) = bench.pair();
        bench.ring.start_receive(old);
        if round % 2 == 0 {
            assert!(bench.during(0).is_empty());
            bench.ring.submit().unwrap();
        }
        far.write_all(b"too late").unwrap();
        bench.ring.close(old);
        match bench.next() {
            Event::Closed { socket } => assert_eq!(socket, old),
            event => panic!("unexpected {event:?}"),
        }
        let (other, _far) = bench.pair();
        assert_ne!(other.index(), old.index(), "the owner may not have seen the end yet");
        bench.close(other);
        let (new, mut far) = bench.pair();
        assert_eq!(new.index(), old.index(), "places are used again");
        assert_ne!(new, old, "ids are not");
        bench.ring.start_receive(new);
        far.write_all(b"fresh").unwrap();
        assert_eq!(bench.receive(new, 5), b"fresh");
        bench.close(new);
    }
    assert_eq!(bench.ring.buffers_lent(), 0);
    assert_eq!(bench.ring.socket_count(), 0);
}

#[test]
#[should_panic(expected = "is closed")]
fn using_a_closed_socket_is_a_bug() {
    let mut bench = Bench::new(&small());
    let (socket, _far) = bench.pair();
    bench.ring.close(socket);
    bench.ring.start_receive(socket);
}

#[test]
#[should_panic(expected = "has a send in flight")]
fn a_second_send_is_a_bug() {
    let mut bench = Bench::new(&small());
    let (socket, _far) = bench.pair();
    bench.ring.send(socket, SendData::Buffer(b"one".to_vec()));
    bench.ring.send(socket, SendData::Buffer(b"two".to_vec()));
}

#[test]
fn a_send_to_a_dead_peer_fails_and_raises_no_signal() {
    let mut bench = Bench::new(&small());
    let (socket, far) = bench.pair();
    drop(far);
    bench.ring.send(socket, SendData::Buffer(b"anybody?".to_vec()));
    match bench.next() {
        Event::Sent { result: Err(errno), .. } => assert!(errno.is_disconnect(), "{errno:?}"),
        event => panic!("unexpected {event:?}"),
    }
}

#[test]
fn a_socket_moves_from_core_to_core() {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (mut listeners, address) = listen(&ListenOptions::new(any), 1).unwrap();
    let mut bench = Bench::new(&small());
    bench.ring.listen(listeners.remove(0)).unwrap();
    let SocketAddress::Ip(address) = address else { panic!("no IP address") };
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"follow me").unwrap();
    let Event::Accepted { socket, .. } = bench.next() else { panic!("no connection") };
    let fd = bench.ring.detach(socket).expect("nothing is in flight yet");
    assert!(!bench.ring.is_open(socket));
    let (hand_over, handed_over) = mpsc::channel::<OwnedFd>();
    let other = thread::spawn(move || {
        let mut bench = Bench::new(&small());
        let socket = bench.ring.adopt(handed_over.recv().unwrap()).unwrap();
        bench.ring.start_receive(socket);
        assert!(bench.ring.detach(socket).is_none(), "a receive is in flight");
        assert_eq!(bench.receive(socket, 9), b"follow me");
        bench.close(socket);
    });
    hand_over.send(fd).unwrap();
    other.join().unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn an_idle_socket_moves_from_core_to_core_and_loses_nothing() {
    let mut bench = Bench::new(&small());
    let mut other = Bench::new(&small());
    for round in 0..200u8 {
        let (socket, mut far) = bench.pair();
        if round % 4 != 0 {
            bench.ring.receive_once(socket);
        }
        if round % 4 >= 2 {
            assert!(bench.waiting().iter().all(|event| matches!(event, Event::Tick)));
        }
        if round % 8 < 4 {
            far.write_all(&[round]).unwrap();
        }
        bench.ring.begin_detach(socket);
        bench.ring.begin_detach(socket);
        assert!(bench.ring.is_open(socket), "it may still turn out otherwise");
        match bench.next() {
            Event::Detached { socket: from, fd } => {
                assert_eq!(from, socket);
                assert!(!bench.ring.is_open(socket));
                let new = other.ring.adopt(fd).unwrap();
                far.write_all(b"!").unwrap();
                other.ring.receive_once(new);
                let expected = if round % 8 < 4 { vec![round, b'!'] } else { vec![b'!'] };
                assert_eq!(other.receive(new, expected.len()), expected);
                other.close(new);
            }
            Event::Received { socket: from, buffer } => {
                assert_eq!((from, bench.ring.bytes(&buffer)), (socket, &[round][..]));
                bench.ring.release(buffer);
                assert!(bench.during(0).is_empty());
                bench.close(socket);
            }
            event => panic!("unexpected {event:?}"),
        }
    }
    assert_eq!((bench.ring.socket_count(), bench.ring.buffers_lent()), (0, 0));
}

#[test]
fn an_idle_socket_that_ends_does_not_move() {
    let mut bench = Bench::new(&small());
    let (socket, far) = bench.pair();
    bench.ring.receive_once(socket);
    bench.ring.submit().unwrap();
    drop(far);
    bench.ring.begin_detach(socket);
    match bench.next() {
        Event::ReceiveEnded { socket: ended, .. } => {
            assert_eq!(ended, socket);
            assert!(bench.during(2).is_empty(), "the move is void");
            bench.close(socket);
        }
        // The cancel was first: then the next ring hears of the end.
        Event::Detached { fd, .. } => {
            let socket = bench.ring.adopt(fd).unwrap();
            bench.ring.receive_once(socket);
            assert!(matches!(bench.next(), Event::ReceiveEnded { .. }));
        }
        event => panic!("unexpected {event:?}"),
    }
}

#[test]
fn a_socket_that_was_to_move_can_be_taken_back() {
    let mut bench = Bench::new(&small());
    let (socket, mut far) = bench.pair();
    for is_in_kernel in [false, true] {
        bench.ring.receive_once(socket);
        if is_in_kernel {
            assert!(bench.during(1).is_empty());
        }
        bench.ring.begin_detach(socket);
        bench.ring.send(socket, SendData::Buffer(b"stay".to_vec()));
        assert!(matches!(bench.next(), Event::Sent { result: Ok(()), .. }));
        assert!(bench.during(2).is_empty());
        bench.ring.begin_detach(socket);
        bench.ring.receive_once(socket);
        far.write_all(b"I do").unwrap();
        assert_eq!(bench.receive(socket, 4), b"I do");
    }
    bench.ring.receive_once(socket);
    bench.ring.begin_detach(socket);
    bench.close(socket);
    assert!(bench.during(2).is_empty());
}

#[test]
#[should_panic(expected = "has a send in flight")]
fn moving_a_socket_that_sends_is_a_bug() {
    let mut bench = Bench::new(&small());
    let (socket, _far) = bench.pair();
    bench.ring.send(socket, SendData::Buffer(b"one".to_vec()));
    bench.ring.begin_detach(socket);
}

#[test]
fn dropping_a_ring_with_everything_in_flight_lets_go_of_it() {
    let mut far_ends = Vec::new();
    {
        let mut bench = Bench::new(&RingSettings { tick_ms: 1000, ..small() });
        for index in 0..20 {
            let (socket, mut far) = bench.pair();
            bench.ring.start_receive(socket);
            if index % 2 == 0 {
                bench.ring.send(socket, SendData::Buffer(pattern(index, 8 << 20)));
            }
            if index % 3 == 0 {
                bench.ring.submit().unwrap();
            }
            far.write_all(b"unread").unwrap();
            far_ends.push(far);
        }
    }
    for far in &mut far_ends {
        let mut rest = Vec::new();
        let ended = far.read_to_end(&mut rest);
        assert!(ended.is_ok() || ended.unwrap_err().raw_os_error() == Some(libc::ECONNRESET));
    }
}
