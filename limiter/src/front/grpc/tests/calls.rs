//! gRPC on HTTP/2: what is a call, how its bytes may come, and how many there may be.

use bytes::Bytes;
use http::{Method, Request};

use super::harness::{SHOULD_RATE_LIMIT, World, framed, question, request};
use crate::front::grpc::Settings;
use crate::front::grpc::limits::{MESSAGE_BYTES_MAX, STREAMS_MAX};
use crate::front::{Flow, Front};

/// A call of this request with an empty body.
fn status_of(change: impl FnOnce(&mut Request<()>)) -> (Option<u16>, Option<u16>) {
    let mut world = World::new();
    let mut request = request(SHOULD_RATE_LIMIT);
    change(&mut request);
    let mut call = world.begin(request);
    call.body.send_data(Bytes::from(question()), true).expect("an open stream");
    world.settle();
    call.read();
    (call.http_status(), call.status())
}

#[test]
fn what_is_no_grpc_is_refused_by_http() {
    assert_eq!(status_of(|request| *request.method_mut() = Method::GET), (Some(405), None));
    let of_type = |value: &'static str| {
        status_of(|request| {
            request.headers_mut().insert("content-type", value.parse().expect("a value"));
        })
    };
    for good in ["application/grpc+proto", "application/grpc;x=y", "Application/gRPC"] {
        assert_eq!(of_type(good), (Some(200), Some(0)), "{good}");
    }
    for bad in ["", "text/html", "application/grpc-web", "application/grpc+json"] {
        assert_eq!(of_type(bad), (Some(415), None), "{bad}");
    }
    let without = status_of(|request| {
        request.headers_mut().remove("content-type");
    });
    assert_eq!(without, (Some(415), None));
}

#[test]
fn unknown_methods_and_services_are_unimplemented() {
    let mut world = World::new();
    for path in ["/", "/a", "/a/b", "/grpc.health.v1.Health/List", "/grpc.health.v1.Health/Check/"]
    {
        let call = world.call(path, question());
        assert_eq!(call.status(), Some(12), "{path}");
        assert!(call.error().1.contains("ShouldRateLimit"), "{path}: {:?}", call.error());
    }
}

#[test]
fn bodies_that_are_no_message_are_refused() {
    let long = (MESSAGE_BYTES_MAX as u32 + 1).to_be_bytes();
    let cases: [(Vec<u8>, u16, &str); 7] = [
        ([&[1], &question()[1..]].concat(), 12, "compress"),
        ([&[2], &question()[1..]].concat(), 13, "flags"),
        ([&[0][..], &long].concat(), 8, "65537 bytes"),
        (vec![], 13, "ends before"),
        (vec![0, 0, 0], 13, "ends before"),
        (question()[..20].to_vec(), 13, "ends before"),
        ([question(), question()].concat(), 13, "more than one"),
    ];
    let mut world = World::new();
    for (body, status, text) in cases {
        let call = world.call(SHOULD_RATE_LIMIT, body);
        let (code, said) = call.error();
        assert!(code == status && said.contains(text), "{text}: {code} {said}");
        assert_eq!(call.header("grpc-accept-encoding"), Some("identity"));
    }
    assert_eq!((world.front.held(), world.desk.asked.len()), ((0, 0), 0));
}

#[test]
fn the_longest_message_is_read_and_a_longer_one_is_refused_at_its_prefix() {
    let mut world = World::new();
    // An unknown field as filling: its tag and length take four bytes.
    let tail = &question()[5..];
    let filling = MESSAGE_BYTES_MAX - tail.len() - 4;
    let length = [filling as u8 | 0x80, (filling >> 7) as u8 | 0x80, (filling >> 14) as u8];
    let message = [&[0x7a][..], &length, &vec![0; filling], tail].concat();
    assert_eq!(message.len(), MESSAGE_BYTES_MAX);
    // Together they are more than the window of the connection.
    for _ in 0..40 {
        assert_eq!(world.call(SHOULD_RATE_LIMIT, framed(&message)).status(), Some(0));
    }
    let mut call = world.begin(request(SHOULD_RATE_LIMIT));
    call.body.send_data(Bytes::from_static(&[0, 0x7f, 0, 0, 0]), false).expect("an open stream");
    world.settle();
    call.read();
    assert_eq!(call.status(), Some(8));
    assert_eq!(world.front.held(), (0, 0));
}

#[test]
fn bytes_may_come_in_pieces_of_any_size() {
    for piece in (1..=70).chain([200]) {
        let mut world = World::with(Settings::default(), piece);
        let calls: Vec<_> = (0..3).map(|_| world.start(SHOULD_RATE_LIMIT, question())).collect();
        world.settle();
        for mut call in calls {
            call.read();
            assert_eq!(call.message(), [8, 1, 0x12, 2, 8, 1], "pieces of {piece}");
        }
    }
}

#[test]
fn a_message_may_come_in_many_frames() {
    let mut world = World::new();
    let mut call = world.begin(request(SHOULD_RATE_LIMIT));
    world.settle();
    for byte in question() {
        assert!(world.front.is_in_message());
        call.body.send_data(Bytes::from(vec![byte]), false).expect("an open stream");
        world.settle();
    }
    assert_eq!((world.front.held(), world.desk.asked.len()), ((1, 0), 0));
    call.body.send_data(Bytes::new(), true).expect("an open stream");
    world.settle();
    call.read();
    assert_eq!(call.status(), Some(0));
    assert_eq!((world.front.held(), world.desk.asked.len()), ((0, 0), 1));
    assert!(!world.front.is_in_message());
    // The deadline of a call starts anew where another has come whole with it.
    let _half = world.begin(request(SHOULD_RATE_LIMIT));
    world.call(SHOULD_RATE_LIMIT, question());
    assert!(world.front.is_in_message() && world.front.has_message_come());
    let _another = world.begin(request(SHOULD_RATE_LIMIT));
    world.settle();
    assert!(world.front.is_in_message() && !world.front.has_message_come());
}

#[test]
fn thousands_of_streams_on_one_connection_leave_nothing_behind() {
    let mut world = World::new();
    for _ in 0..5_000 {
        assert_eq!(world.call(SHOULD_RATE_LIMIT, question()).status(), Some(0));
    }
    // As many at once as the peer may, answered from the last to the first.
    world.desk.is_late = true;
    for _ in 0..10 {
        let mut calls: Vec<_> =
            (0..STREAMS_MAX).map(|_| world.start(SHOULD_RATE_LIMIT, question())).collect();
        world.settle();
        assert_eq!(world.flow, Flow::Full);
        let tickets = std::mem::take(&mut world.desk.tickets);
        assert_eq!(tickets.len(), calls.len());
        // Each is read when it comes: the client, too, bounds the frames that it keeps.
        for (ticket, call) in tickets.into_iter().zip(&mut calls).rev() {
            world.answer(ticket);
            call.read();
            assert_eq!((call.status(), world.flow), (Some(0), Flow::Open));
        }
    }
    assert_eq!(world.front.held(), (0, 0));
    assert!(world.client_end.is_none());
}

#[test]
fn answers_that_nobody_waits_for_are_dropped() {
    let mut world = World::new();
    world.desk.is_late = true;
    let mut gone = world.start(SHOULD_RATE_LIMIT, question());
    world.settle();
    let mut stays = world.start(SHOULD_RATE_LIMIT, question());
    gone.body.send_reset(h2::Reason::CANCEL);
    world.settle();
    let tickets = world.desk.tickets.clone();
    world.answer(tickets[0]);
    world.answer(tickets[0]);
    world.answer(tickets[1].wrapping_add(1));
    assert_eq!(world.front.held(), (0, 1));
    world.answer(tickets[1]);
    stays.read();
    assert_eq!(stays.status(), Some(0));
}

#[test]
fn a_peer_that_says_no_more_still_gets_its_answers() {
    let mut world = World::new();
    world.desk.is_late = true;
    let mut call = world.start(SHOULD_RATE_LIMIT, question());
    let _half = world.begin(request(SHOULD_RATE_LIMIT));
    world.settle();
    let flow = world.front.end_of_stream(&mut world.desk, &mut Vec::new());
    assert_eq!(flow, Flow::Open);
    world.answer(world.desk.tickets[0]);
    call.read();
    assert_eq!((call.status(), world.flow), (Some(0), Flow::Close));
    assert_eq!(world.front.held(), (0, 0));

    let mut idle = World::new();
    assert_eq!(idle.front.end_of_stream(&mut idle.desk, &mut Vec::new()), Flow::Close);
}
