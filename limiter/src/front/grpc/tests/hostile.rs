//! Peers that mean no good, by bytes of our own making.

use proptest::prelude::*;

use super::harness::{FakeDesk, SHOULD_RATE_LIMIT, question};
use crate::front::grpc::limits::{OUT_BYTES_MAX, WAITING_MAX};
use crate::front::grpc::{Connection, Settings};
use crate::front::{Flow, Front};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = &(payload.len() as u32).to_be_bytes()[1..];
    [length, &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Headers of a good call, without Huffman codes and without the table.
fn headers() -> Vec<u8> {
    headers_of(SHOULD_RATE_LIMIT)
}

fn headers_of(path: &str) -> Vec<u8> {
    let text = |name: &[u8], value: &str| [name, &[value.len() as u8], value.as_bytes()].concat();
    let path = text(&[0x04], path);
    let content_type = text(&[0x0f, 0x10], "application/grpc");
    [&[0x83, 0x86][..], &path, &text(&[0x01], "limiter"), &content_type].concat()
}

fn hello() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// A whole good call.
fn call(stream: u32) -> Vec<u8> {
    let headers = frame(HEADERS, END_HEADERS, stream, &headers());
    [headers, frame(DATA, END_STREAM, stream, &question())].concat()
}

struct Victim {
    desk: FakeDesk,
    front: Connection,
    out: Vec<u8>,
}

impl Victim {
    fn new() -> Self {
        let desk = FakeDesk::new();
        let front = Connection::new(Settings::default(), desk.now, 0);
        Self { desk, front, out: Vec::new() }
    }

    fn give(&mut self, bytes: &[u8]) -> Flow {
        self.front.receive(bytes, &mut self.desk, &mut self.out)
    }

    /// The code of the last GOAWAY.
    fn goaway(&self) -> Option<u8> {
        let mut rest = &self.out[..];
        let mut code = None;
        while let [high, middle, low, kind, ..] = *rest {
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            if kind == GOAWAY {
                code = rest.get(16).copied();
            }
            rest = &rest[9 + length..];
        }
        code
    }
}

#[test]
fn our_bytes_are_good_ones() {
    let mut victim = Victim::new();
    assert!(victim.front.is_in_message(), "a peer owes its greeting");
    assert_eq!(victim.give(&[hello(), call(1), call(3)].concat()), Flow::Open);
    assert_eq!(victim.desk.asked.len(), 2);
}

#[test]
fn what_is_no_http2_closes() {
    for bytes in [&b"GET / HTTP/1.1\r\nhost: limiter\r\n\r\n"[..], &[0; 64], &[0x16, 3, 1, 2, 0]] {
        let mut victim = Victim::new();
        let more = [bytes, &[b' '; 64]].concat();
        assert_eq!(victim.give(&more), Flow::Close);
        assert_eq!(victim.give(&more), Flow::Close, "and stays closed");
        assert!(!victim.front.is_in_message());
    }
}

#[test]
fn frames_that_must_not_be_close() {
    let cases = [
        frame(DATA, 0, 0, b"x"),
        frame(DATA, 0, 1, b"x"),
        frame(HEADERS, END_HEADERS, 2, &headers()),
        frame(HEADERS, END_HEADERS, 1, &[0x80]),
        frame(SETTINGS, 0, 0, &[0; 5]),
        frame(PING, 0, 0, &[0; 7]),
        frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
        frame(CONTINUATION, 0, 1, b""),
        frame(RST_STREAM, 0, 1, &[0; 4]),
        vec![0xff; 9],
    ];
    for case in cases {
        let mut victim = Victim::new();
        assert_eq!(victim.give(&hello()), Flow::Open);
        assert_eq!(victim.give(&case), Flow::Close, "{case:?}");
    }
}

#[test]
fn rapid_resets_leave_no_more_than_the_bound() {
    let mut victim = Victim::new();
    victim.desk.is_late = true;
    let reset = |stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    let mut flow = victim.give(&hello());
    for turn in 0..10_000 {
        let stream = 2 * turn + 1;
        // First the call, so that its question is asked, then its end.
        for bytes in [call(stream), reset(stream)] {
            flow = victim.give(&bytes);
            assert!(victim.front.held().1 <= WAITING_MAX);
        }
        if flow == Flow::Close {
            break;
        }
    }
    assert_eq!((flow, victim.desk.asked.len()), (Flow::Close, WAITING_MAX));
    assert_eq!(victim.goaway(), Some(11), "ENHANCE_YOUR_CALM");
}

#[test]
fn a_peer_that_gives_up_all_its_calls_at_once_keeps_its_connection() {
    let mut victim = Victim::new();
    victim.give(&hello());
    let abandoned = |turn| {
        let stream = 2 * turn + 1;
        [call(stream), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    let bytes: Vec<u8> = (0..WAITING_MAX as u32).flat_map(abandoned).collect();
    assert_eq!(victim.give(&bytes), Flow::Open);
    victim.give(&call(2 * WAITING_MAX as u32 + 1));
    assert_eq!(victim.desk.asked.last(), victim.desk.asked.first());
    assert_eq!((victim.desk.asked.is_empty(), victim.front.held()), (false, (0, 0)));
}

#[test]
fn a_full_connection_goes_on_where_it_stopped() {
    let mut victim = Victim::new();
    victim.desk.is_late = true;
    let mut bytes = hello();
    let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    // One more than may wait: the first is reset, so that the last may be opened.
    bytes.extend(call(1));
    assert_eq!(victim.give(&bytes), Flow::Open);
    bytes = reset;
    (1..=WAITING_MAX as u32).for_each(|turn| bytes.extend(call(2 * turn + 1)));
    assert_eq!(victim.give(&bytes), Flow::Full);
    assert_eq!(victim.front.held().1, WAITING_MAX);
    let verdict = victim.desk.verdict.clone().expect("a verdict");
    let first = victim.desk.tickets[0];
    let flow = victim.front.answer(first, &verdict, &mut victim.desk, &mut victim.out);
    assert_eq!((flow, victim.desk.asked.len()), (Flow::Full, WAITING_MAX + 1));
    for ticket in victim.desk.tickets.clone() {
        victim.front.answer(ticket, &verdict, &mut victim.desk, &mut victim.out);
    }
    assert_eq!(victim.front.held(), (0, 0));
}

#[test]
fn a_watch_that_comes_with_the_last_goodbye_does_not_hold_the_connection() {
    let mut victim = Victim::new();
    victim.give(&[hello(), call(1)].concat());
    victim.out.clear();
    victim.desk.is_draining = true;
    assert_eq!(victim.front.drain(&mut victim.desk, &mut victim.out), Flow::Open);
    let ping = victim.out.windows(17).find(|bytes| bytes[..5] == [0, 0, 8, PING, 0]);
    let pong = frame(PING, 1, 0, &ping.expect("a PING that asks for the goodbye")[9..]);
    let head = frame(HEADERS, END_HEADERS, 3, &headers_of("/grpc.health.v1.Health/Watch"));
    let watch = [head, frame(DATA, END_STREAM, 3, &[0; 5])].concat();
    assert_eq!(victim.give(&[watch, pong].concat()), Flow::Close);
    assert_eq!(victim.goaway(), Some(0));
}

#[test]
fn streams_beyond_the_bound_are_refused_one_by_one() {
    let mut victim = Victim::new();
    victim.give(&hello());
    let begin = |turn: u32| frame(HEADERS, END_HEADERS, 2 * turn + 1, &headers());
    let bytes: Vec<u8> = (0..300).flat_map(begin).collect();
    assert_eq!(victim.give(&bytes), Flow::Open);
    assert_eq!(victim.front.held(), (256, 0));
    assert!(victim.front.is_in_message(), "calls that never get their messages");
    let refused = frame(RST_STREAM, 0, 2 * 299 + 1, &[0, 0, 0, 7]);
    assert!(victim.out.windows(refused.len()).any(|bytes| bytes == refused));
}

#[test]
fn floods_make_no_more_than_they_bring() {
    for flood in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &[])] {
        let mut victim = Victim::new();
        victim.give(&hello());
        victim.out.clear();
        let bytes = flood.repeat(10_000);
        victim.give(&bytes);
        assert!(victim.out.len() <= bytes.len() + 100);
        // A peer that never reads.
        let mut flow = Flow::Open;
        for _ in 0..100 {
            flow = victim.give(&bytes);
        }
        assert_eq!(flow, Flow::Close);
        assert!(victim.out.len() <= OUT_BYTES_MAX);
    }
}

#[test]
fn headers_without_end_and_too_many_headers_are_stopped() {
    let mut victim = Victim::new();
    victim.give(&hello());
    victim.give(&frame(HEADERS, 0, 1, &headers()));
    let more = frame(CONTINUATION, 0, 1, &[0x00, 1, b'a', 1, b'b'].repeat(1_000));
    let ends = (0..1_000).any(|_| victim.give(&more) == Flow::Close);
    assert!(ends, "CONTINUATION for ever");

    let mut victim = Victim::new();
    victim.give(&hello());
    let many = [headers(), [0x00, 1, b'a', 1, b'b'].repeat(600)].concat();
    victim.give(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &many));
    assert_eq!((victim.desk.asked.len(), victim.front.held()), (0, (0, 0)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A good conversation with damaged bytes, cut anywhere: no panic, and nothing beyond the bounds.
    #[test]
    fn damaged_conversations_are_survived(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_late in any::<bool>(),
    ) {
        let mut victim = Victim::new();
        victim.desk.is_late = is_late;
        let mut bytes = hello();
        (0..8).for_each(|turn| bytes.extend(call(2 * turn + 1)));
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let (head, tail) = bytes.split_at(cut.index(bytes.len()));
        victim.give(head);
        victim.give(tail);
        let verdict = victim.desk.verdict.clone().expect("a verdict");
        for ticket in victim.desk.tickets.clone() {
            victim.front.answer(ticket, &verdict, &mut victim.desk, &mut victim.out);
        }
        victim.front.end_of_stream(&mut victim.desk, &mut victim.out);
        prop_assert_eq!(victim.front.held(), (0, 0));
    }

    #[test]
    fn any_frames_are_survived(
        frames in prop::collection::vec(
            (0_u8..11, any::<u8>(), 0_u32..6, prop::collection::vec(any::<u8>(), 0..40)), 0..20),
    ) {
        let mut victim = Victim::new();
        victim.give(&hello());
        for (kind, flags, stream, payload) in frames {
            victim.give(&frame(kind, flags, stream, &payload));
        }
        prop_assert!(victim.out.len() < 10_000);
    }
}
