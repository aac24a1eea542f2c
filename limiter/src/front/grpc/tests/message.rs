//! Our reading and writing of Protocol Buffers held against that of the `prost` library.

use proptest::prelude::*;
use prost::Message;
use ringlet_limit::request::Descriptor;
use ringlet_limit::time::NS_PER_S;

use crate::front::grpc::message::health;
use crate::front::grpc::message::rate_limit::{
    CurrentLimit, DescriptorStatus, RateLimitRequest, read_request, unit_of_s, write_response,
};

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(message, repeated, tag = "2")]
    descriptors: Vec<OneDescriptor>,
    #[prost(uint32, tag = "3")]
    hits_addend: u32,
}

#[derive(Clone, PartialEq, Message)]
struct OneDescriptor {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
    #[prost(message, optional, tag = "2")]
    limit: Option<Override>,
    #[prost(message, optional, tag = "3")]
    hits_addend: Option<Number>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Override {
    #[prost(uint32, tag = "1")]
    requests_per_unit: u32,
    #[prost(int32, tag = "2")]
    unit: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Number {
    #[prost(uint64, tag = "1")]
    value: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(int32, tag = "1")]
    overall_code: i32,
    #[prost(message, repeated, tag = "2")]
    statuses: Vec<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(message, optional, tag = "2")]
    current_limit: Option<RateLimit>,
    #[prost(uint32, tag = "3")]
    limit_remaining: u32,
    #[prost(message, optional, tag = "4")]
    duration_until_reset: Option<Duration>,
}

#[derive(Clone, PartialEq, Message)]
struct RateLimit {
    #[prost(uint32, tag = "1")]
    requests_per_unit: u32,
    #[prost(int32, tag = "2")]
    unit: i32,
    #[prost(string, tag = "3")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Duration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct HealthRequest {
    #[prost(string, tag = "1")]
    service: String,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,4}", ".{0,200}"]
}

fn descriptor() -> impl Strategy<Value = OneDescriptor> {
    let entry = (text(), text()).prop_map(|(key, value)| Entry { key, value });
    let limit = (any::<u32>(), 1..=6)
        .prop_map(|(requests_per_unit, unit)| Override { requests_per_unit, unit });
    let number = prop_oneof![Just(0), any::<u64>()].prop_map(|value| Number { value });
    (prop::collection::vec(entry, 0..5), prop::option::of(limit), prop::option::of(number))
        .prop_map(|(entries, limit, hits_addend)| OneDescriptor { entries, limit, hits_addend })
}

fn requests() -> impl Strategy<Value = Request> {
    (text(), prop::collection::vec(descriptor(), 0..5), prop_oneof![Just(0), any::<u32>()])
        .prop_map(|(domain, descriptors, hits_addend)| Request { domain, descriptors, hits_addend })
}

fn statuses() -> impl Strategy<Value = Vec<Status>> {
    let limit = (any::<u32>(), 0..8, text())
        .prop_map(|(requests_per_unit, unit, name)| RateLimit { requests_per_unit, unit, name });
    let duration = (0..i64::MAX).prop_map(|seconds| Duration { seconds, nanos: 0 });
    let status = (1..=2, prop::option::of(limit), any::<u32>(), prop::option::of(duration))
        .prop_map(|(code, current_limit, limit_remaining, duration_until_reset)| Status {
            code,
            current_limit,
            limit_remaining,
            duration_until_reset,
        });
    prop::collection::vec(status, 0..6)
}

/// Whether ours is what `prost` has read, or refuses it because of a unit that there is not.
fn is_same(ours: &Result<RateLimitRequest<'_>, &str>, theirs: &Request) -> bool {
    let units =
        |one: &OneDescriptor| one.limit.as_ref().is_none_or(|of| (1..=6).contains(&of.unit));
    if !theirs.descriptors.iter().all(units) {
        return ours.as_ref().is_err_and(|text| text.contains("unit"));
    }
    ours.as_ref().is_ok_and(|ours| {
        let cost = (theirs.hits_addend != 0).then_some(u64::from(theirs.hits_addend));
        (ours.domain, ours.cost, ours.descriptors.len())
            == (&theirs.domain, cost, theirs.descriptors.len())
            && ours.descriptors.iter().zip(&theirs.descriptors).all(|(o, t)| is_same_one(o, t))
    })
}

fn is_same_one(ours: &Descriptor<'_>, theirs: &OneDescriptor) -> bool {
    const LENGTHS_S: [u64; 7] = [0, 1, 60, 3_600, 86_400, 2_592_000, 31_536_000];
    let entries: Vec<(&str, &str)> =
        theirs.entries.iter().map(|entry| (&*entry.key, &*entry.value)).collect();
    let limit = theirs.limit.as_ref().map(|limit| {
        (u64::from(limit.requests_per_unit), LENGTHS_S[limit.unit as usize] * NS_PER_S)
    });
    ours.entries == entries
        && ours.limit == limit
        && ours.cost == theirs.hits_addend.as_ref().map(|number| number.value)
}

proptest! {
    #[test]
    fn what_prost_writes_is_read(request in requests()) {
        let bytes = request.encode_to_vec();
        prop_assert!(is_same(&read_request(&bytes), &request));
    }

    /// Damaged messages: ours refuses or reads as `prost` does. Ours alone refuses groups; `prost`
    /// alone refuses known fields of a wrong kind, which ours takes for unknown ones.
    #[test]
    fn damaged_messages_are_read_alike_or_refused(
        request in requests(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = request.encode_to_vec();
        if !bytes.is_empty() {
            for (place, value) in damage {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
        }
        let ours = read_request(&bytes);
        if let Ok(theirs) = Request::decode(&bytes[..]) {
            let is_group = ours.as_ref().is_err_and(|text| text.contains("groups"));
            prop_assert!(is_group || is_same(&ours, &theirs), "{ours:?} {theirs:?}");
        }
    }

    /// Two messages in a row are one, merged.
    #[test]
    fn fields_that_come_again_are_merged(one in requests(), other in requests()) {
        let bytes = [one.encode_to_vec(), other.encode_to_vec()].concat();
        let theirs = Request::decode(&bytes[..]).expect("a message");
        prop_assert!(is_same(&read_request(&bytes), &theirs));
    }

    /// The same within a descriptor.
    #[test]
    fn fields_of_a_descriptor_that_come_again_are_merged(
        one in descriptor(),
        other in descriptor(),
        parts in any::<(bool, bool)>(),
    ) {
        // A limit that has its count from one and its unit from the other.
        let (mut one, mut other) = (one, other);
        if let (Some(limit), true) = (&mut one.limit, parts.0) {
            limit.unit = 0;
        }
        if let (Some(limit), true) = (&mut other.limit, parts.1) {
            limit.requests_per_unit = 0;
        }
        let descriptor = [one.encode_to_vec(), other.encode_to_vec()].concat();
        let mut bytes = vec![0x12];
        prost::encoding::encode_varint(descriptor.len() as u64, &mut bytes);
        bytes.extend(descriptor);
        let theirs = Request::decode(&bytes[..]).expect("a message");
        prop_assert!(is_same(&read_request(&bytes), &theirs));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_request(&bytes);
        let _ = health::read_request(&bytes);
    }

    #[test]
    fn prost_reads_what_is_written(is_over in any::<bool>(), statuses in statuses()) {
        let ours: Vec<DescriptorStatus<'_>> = statuses.iter().map(|status| DescriptorStatus {
            is_over: status.code == 2,
            limit: status.current_limit.as_ref().map(|limit| CurrentLimit {
                count: limit.requests_per_unit,
                unit: limit.unit as u8,
                name: &limit.name,
            }),
            remaining: status.limit_remaining,
            reset_s: status.duration_until_reset.as_ref().map(|duration| duration.seconds as u64),
        }).collect();
        let mut bytes = Vec::new();
        write_response(&mut bytes, is_over, &ours);
        let theirs = Response { overall_code: if is_over { 2 } else { 1 }, statuses };
        prop_assert_eq!(&bytes, &theirs.encode_to_vec());
    }

    #[test]
    fn the_name_of_a_service_is_read(service in text()) {
        let bytes = HealthRequest { service: service.clone() }.encode_to_vec();
        prop_assert_eq!(health::read_request(&bytes), Ok(&*service));
    }
}

#[test]
fn units_have_the_numbers_of_answers() {
    let units = [1, 60, 3_600, 86_400, 2_592_000, 31_536_000, 604_800].map(unit_of_s);
    assert_eq!(units, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!([0, 2, 61].map(unit_of_s), [0, 0, 0]);
}
