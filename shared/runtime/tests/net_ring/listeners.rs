//! Listeners: rest when there is no room, go on when there is, stop when told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use ringlet_runtime::listen::{ListenOptions, listen};
use ringlet_runtime::ring::{Event, ListenerId, RingSettings, SendData, SocketAddress};

use crate::bench::{Bench, small};

fn listening(bench: &mut Bench) -> (ListenerId, SocketAddr) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (mut listeners, _) = listen(&ListenOptions::new(any), 1).unwrap();
    let id = bench.ring.listen(listeners.remove(0)).unwrap();
    match bench.ring.listener_address(id).unwrap() {
        SocketAddress::Ip(address) => (id, address),
        other => panic!("{other} is no IP address"),
    }
}

fn expect_end(bench: &mut Bench, listener: ListenerId) {
    match bench.next() {
        Event::ListenerClosed { listener: closed } => assert_eq!(closed, listener),
        event => panic!("unexpected {event:?}"),
    }
}

#[test]
fn a_full_table_rests_the_listener_and_room_wakes_it() {
    let mut bench = Bench::new(&RingSettings { max_sockets: 3, ..small() });
    let (_, address) = listening(&mut bench);
    let mut sockets = Vec::new();
    let mut clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    while sockets.len() < 3 {
        match bench.next() {
            Event::Accepted { socket, .. } => sockets.push(socket),
            event => panic!("unexpected {event:?}"),
        }
    }
    let mut surplus = TcpStream::connect(address).unwrap();
    match bench.next() {
        Event::AcceptFailed { errno, .. } => assert_eq!(errno.0, libc::EMFILE),
        event => panic!("unexpected {event:?}"),
    }
    assert_eq!(surplus.read(&mut [0]).unwrap(), 0, "the surplus is turned away");
    clients.push(TcpStream::connect(address).unwrap());
    bench.close(sockets.remove(0));
    match bench.next() {
        Event::Accepted { .. } => {}
        event => panic!("unexpected {event:?}"),
    }
}

#[test]
fn accepted_sockets_have_addresses_and_options() {
    let mut bench = Bench::new(&small());
    let (listener, address) = listening(&mut bench);
    let client = TcpStream::connect(address).unwrap();
    match bench.next() {
        Event::Accepted { listener: whose, socket } => {
            assert_eq!(whose, listener);
            let peer = SocketAddress::Ip(client.local_addr().unwrap());
            assert_eq!(bench.ring.peer_address(socket).unwrap(), peer);
            assert_eq!(bench.ring.unread_bytes(socket).unwrap(), 0);
            (&client).write_all(b"abc").unwrap();
            while bench.ring.unread_bytes(socket).unwrap() < 3 {}
            assert_eq!(bench.ring.unsent_bytes(socket).unwrap(), 0);
        }
        event => panic!("unexpected {event:?}"),
    }
}

#[test]
fn a_stopped_listener_refuses_and_frees_its_port() {
    let mut bench = Bench::new(&small());
    let (listener, address) = listening(&mut bench);
    let _client = TcpStream::connect(address).unwrap();
    assert!(matches!(bench.next(), Event::Accepted { .. }));
    bench.ring.stop_listening(listener);
    bench.ring.stop_listening(listener);
    expect_end(&mut bench, listener);
    assert!(bench.during(3).is_empty());
    assert!(TcpStream::connect(address).is_err());
    assert!(bench.ring.listener_address(listener).is_err(), "its id is dead");
    bench.ring.resume_accept(listener);
    listen(&ListenOptions::new(address), 1).expect("the port is free");
}

#[test]
fn a_listener_stopped_before_it_started_ends_too() {
    let mut bench = Bench::new(&small());
    let (listener, address) = listening(&mut bench);
    bench.ring.stop_listening(listener);
    expect_end(&mut bench, listener);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_listener_that_stops_delivers_those_that_wait() {
    const CLIENTS: usize = 50;
    for (is_paused, completions) in [(false, 1024), (true, 1024), (false, 4), (true, 4)] {
        let mut bench = Bench::new(&RingSettings { submissions: 2, completions, ..small() });
        let (listener, address) = listening(&mut bench);
        if is_paused {
            bench.ring.pause_accept(listener);
        }
        assert!(bench.during(1).is_empty());
        // The ring accepts only while it waits, hence these stand in the kernel's queue.
        let mut clients: Vec<_> =
            (0..CLIENTS).map(|_| TcpStream::connect(address).unwrap()).collect();
        bench.ring.stop_listening(listener);
        let mut sockets = Vec::new();
        loop {
            match bench.next() {
                Event::Accepted { listener: whose, socket } => {
                    assert_eq!(whose, listener);
                    sockets.push(socket);
                }
                Event::ListenerClosed { listener: closed } => {
                    assert_eq!(closed, listener);
                    break;
                }
                event => panic!("unexpected {event:?}"),
            }
        }
        assert_eq!(sockets.len(), CLIENTS, "paused: {is_paused}, room: {completions}");
        for socket in sockets {
            bench.ring.send(socket, SendData::Buffer(b"x".to_vec()));
        }
        for client in &mut clients {
            while bench.waiting().iter().any(|event| matches!(event, Event::Sent { .. })) {}
            client.read_exact(&mut [0]).unwrap();
        }
    }
}

#[test]
fn a_paused_listener_leaves_connections_to_wait() {
    let mut bench = Bench::new(&small());
    let (listener, address) = listening(&mut bench);
    // Each order of pause and resume, with and without a wait between them.
    for round in 0..40 {
        bench.ring.pause_accept(listener);
        if round % 2 == 0 {
            bench.ring.resume_accept(listener);
            bench.ring.pause_accept(listener);
        }
        if round % 4 < 2 {
            assert!(bench.during(1).is_empty());
        }
        let _client = TcpStream::connect(address).unwrap();
        if round % 4 < 2 {
            assert!(bench.during(1).is_empty(), "it is paused");
        }
        bench.ring.resume_accept(listener);
        let Event::Accepted { socket, .. } = bench.next() else { panic!("no connection") };
        bench.close(socket);
    }
}

#[test]
fn pausing_all_the_time_is_bounded() {
    let mut bench = Bench::new(&small());
    let (listener, address) = listening(&mut bench);
    bench.during(1);
    for _ in 0..1000 {
        bench.ring.pause_accept(listener);
        bench.ring.resume_accept(listener);
    }
    let _client = TcpStream::connect(address).unwrap();
    assert!(matches!(bench.next(), Event::Accepted { .. }));
    bench.ring.pause_accept(listener);
    bench.ring.stop_listening(listener);
    expect_end(&mut bench, listener);
}
