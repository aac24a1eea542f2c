//! Listeners: rest when there is no room, go on when there is, stop when told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use ringlet_runtime::listen::{ListenOptions, listen};
use ringlet_runtime::ring::{Event, ListenerId, RingSettings, SocketAddress};

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
    assert!(bench.during(3).is_empty());
    assert!(TcpStream::connect(address).is_err());
}
