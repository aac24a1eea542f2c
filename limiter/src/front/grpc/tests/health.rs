//! The health service, and the end of connections.

use super::harness::{SHOULD_RATE_LIMIT, World, framed, question};
use crate::front::grpc::Settings;
use crate::front::{Flow, Front};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const SERVING: [u8; 7] = [0, 0, 0, 0, 2, 8, 1];
const NOT_SERVING: [u8; 7] = [0, 0, 0, 0, 2, 8, 2];
const SERVICE_UNKNOWN: [u8; 7] = [0, 0, 0, 0, 2, 8, 3];

/// A question for the health of a service.
fn of(service: &str) -> Vec<u8> {
    framed(&[&[0x0a, service.len() as u8], service.as_bytes()].concat())
}

#[test]
fn check_says_how_each_service_is() {
    let mut world = World::new();
    let rate_limit = "envoy.service.ratelimit.v3.RateLimitService";
    for body in [framed(b""), of(""), of(rate_limit), of("grpc.health.v1.Health")] {
        assert_eq!(world.call(CHECK, body).data, SERVING);
    }
    assert_eq!(world.call(CHECK, of("other")).status(), Some(5));
    assert_eq!(world.call(CHECK, framed(&[0x0a, 1, 0xff])).status(), Some(3));
    world.desk.is_draining = true;
    assert_eq!(world.call(CHECK, framed(b"")).data, NOT_SERVING);
}

#[test]
fn watch_stays_open_and_hears_of_the_end() {
    let mut world = World::new();
    let mut watches = [world.call(WATCH, of("")), world.call(WATCH, of("other"))];
    assert!(watches.iter().all(|watch| !watch.is_over()));
    assert_eq!((&watches[0].data[..], &watches[1].data[..]), (&SERVING[..], &SERVICE_UNKNOWN[..]));
    assert!(!world.front.is_in_message(), "a watch owes nothing");
    assert_eq!(world.flow, Flow::Open);
    world.drain();
    for watch in &mut watches {
        watch.read();
        assert!(watch.is_over() && watch.data.ends_with(&NOT_SERVING));
        assert_eq!(watch.status(), Some(14));
    }
    world.settle();
    assert_eq!(world.flow, Flow::Close);
}

#[test]
fn a_watch_that_the_peer_resets_is_forgotten() {
    let mut world = World::new();
    for _ in 0..1_000 {
        let mut watch = world.call(WATCH, of(""));
        watch.body.send_reset(h2::Reason::CANCEL);
        world.settle();
    }
    assert_eq!((world.flow, world.front.held()), (Flow::Open, (0, 0)));
}

#[test]
fn draining_answers_what_is_under_way_and_then_closes() {
    let mut world = World::new();
    world.desk.is_late = true;
    let mut call = world.start(SHOULD_RATE_LIMIT, question());
    world.settle();
    world.drain();
    assert_eq!(world.flow, Flow::Open, "an answer is on its way");
    world.answer(world.desk.tickets[0]);
    call.read();
    assert_eq!(call.status(), Some(0));
    assert!(matches!(world.client_end, Some(Ok(()))), "{:?}", world.client_end);
    assert_eq!(world.flow, Flow::Close);
}

#[test]
fn a_connection_on_which_nothing_was_said_closes_at_once() {
    let mut world = World::new();
    world.drain();
    assert_eq!(world.flow, Flow::Close);
}

#[test]
fn an_old_connection_is_asked_to_go_and_then_ended() {
    let settings = Settings { age_ns_max: 1_000, grace_ns: 500 };
    for random in [0, 100, 200] {
        let mut world = World::seeded(settings, usize::MAX, random);
        world.desk.is_late = true;
        let start = world.desk.now;
        world.desk.now = start.after_ns(899 + random);
        let mut call = world.start(SHOULD_RATE_LIMIT, question());
        world.settle();
        assert!(world.client_end.is_none());
        world.desk.now = start.after_ns(900 + random);
        let mut late = world.start(SHOULD_RATE_LIMIT, question());
        let mut watch = world.start(WATCH, of(""));
        world.settle();
        assert_eq!(world.desk.tickets.len(), 2, "what came in time for GOAWAY is answered");
        assert_eq!(world.flow, Flow::Open);
        for ticket in world.desk.tickets.clone() {
            world.answer(ticket);
        }
        for (call, status) in [(&mut call, 0), (&mut late, 0), (&mut watch, 14)] {
            call.read();
            assert_eq!(call.status(), Some(status));
        }
        assert_eq!(watch.data, SERVING);
        assert_eq!(world.flow, Flow::Close);
        assert!(matches!(world.client_end, Some(Ok(()))), "{:?}", world.client_end);
    }
}

#[test]
fn a_peer_that_does_not_go_is_cut_off() {
    let settings = Settings { age_ns_max: 1_000, grace_ns: 500 };
    let mut world = World::with(settings, usize::MAX);
    let watch = world.start(WATCH, of(""));
    world.settle();
    let start = world.desk.now;
    // The front says GOAWAY, and its PING is never answered.
    for (after_ns, flow) in [(2_000, Flow::Open), (2_499, Flow::Open), (2_500, Flow::Close)] {
        world.desk.now = start.after_ns(after_ns);
        let flow_now = world.front.receive(&[], &mut world.desk, &mut Vec::new());
        assert_eq!(flow_now, flow, "{after_ns}");
    }
    drop(watch);
}
