//! Tests of `reply` and `reply_buffer`: the bytes of every kind of value in both versions, shared
//! values in their places, and buffers that are cut, joined and sent in parts.

use ringlet_base::random::Random;

use super::*;
use crate::resp_value::Value;

fn written(version: Version, write: impl Fn(&mut Reply<'_>)) -> String {
    let mut buffer = ReplyBuffer::new();
    write(&mut Reply::new(&mut buffer, version));
    assert_eq!(buffer.len(), buffer.to_vec().len());
    String::from_utf8(buffer.to_vec()).expect("tests write text")
}

type Writer = fn(&mut Reply<'_>);

#[test]
fn every_kind_in_both_versions() {
    let table: &[(Writer, &str, &str)] = &[
        (|reply| reply.ok(), "+OK\r\n", "+OK\r\n"),
        (|reply| reply.simple("a\r\nb"), "+a  b\r\n", "+a  b\r\n"),
        (|reply| reply.error("ERR a\nb"), "-ERR a b\r\n", "-ERR a b\r\n"),
        (|reply| reply.integer(7), ":7\r\n", ":7\r\n"),
        (|reply| reply.integer(10), ":10\r\n", ":10\r\n"),
        (|reply| reply.integer(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
        (|reply| reply.bulk(b""), "$0\r\n\r\n", "$0\r\n\r\n"),
        (|reply| reply.bulk(b"0123456789"), "$10\r\n0123456789\r\n", "$10\r\n0123456789\r\n"),
        (|reply| reply.bulk_shared(&Bytes::from_static(b"x")), "$1\r\nx\r\n", "$1\r\nx\r\n"),
        (|reply| reply.bulk_integer(-12), "$3\r\n-12\r\n", "$3\r\n-12\r\n"),
        (|reply| reply.null(), "$-1\r\n", "_\r\n"),
        (|reply| reply.null_array(), "*-1\r\n", "_\r\n"),
        (|reply| reply.array(3), "*3\r\n", "*3\r\n"),
        (|reply| reply.array(123), "*123\r\n", "*123\r\n"),
        (|reply| reply.map(6), "*12\r\n", "%6\r\n"),
        (|reply| reply.set(2), "*2\r\n", "~2\r\n"),
        (|reply| reply.push(3), "*3\r\n", ">3\r\n"),
        (|reply| reply.double(3.1), "$3\r\n3.1\r\n", ",3.1\r\n"),
        (|reply| reply.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n"),
        (|reply| reply.boolean(true), ":1\r\n", "#t\r\n"),
        (|reply| reply.boolean(false), ":0\r\n", "#f\r\n"),
        (|reply| reply.verbatim(b"txt", b"a\r\n"), "$3\r\na\r\n\r\n", "=7\r\ntxt:a\r\n\r\n"),
        (|reply| reply.big_number("-123"), "$4\r\n-123\r\n", "(-123\r\n"),
        (|reply| reply.raw(b":1\r\n"), ":1\r\n", ":1\r\n"),
    ];
    for (write, resp2, resp3) in table {
        assert_eq!(written(Version::Resp2, write), *resp2);
        assert_eq!(written(Version::Resp3, write), *resp3);
    }
    assert_eq!(written(Version::Resp3, |reply| reply.attribute(1)), "|1\r\n");
}

#[test]
fn deferred_headers_stand_before_their_elements() {
    let write = |reply: &mut Reply<'_>| {
        reply.integer(1);
        let outer = reply.map_deferred();
        for _ in 0..11 {
            reply.bulk(b"k");
            let inner = reply.set_deferred();
            reply.integer(2);
            reply.close(inner, 1);
        }
        reply.close(outer, 11);
        let empty = reply.array_deferred();
        reply.close(empty, 0);
    };
    let element = "$1\r\nk\r\n*1\r\n:2\r\n";
    let expected = format!(":1\r\n*22\r\n{}*0\r\n", element.repeat(11));
    assert_eq!(written(Version::Resp2, write), expected);
    let expected = format!(":1\r\n%11\r\n{}*0\r\n", element.replace("*1", "~1").repeat(11));
    assert_eq!(written(Version::Resp3, write), expected);
}

#[test]
fn an_abandoned_aggregate_leaves_nothing() {
    let large = Bytes::from(vec![b'v'; SHARED_REPLY_BYTES_MIN]);
    let mut buffer = ReplyBuffer::new();
    let mut reply = Reply::new(&mut buffer, Version::Resp2);
    reply.ok();
    let deferred = reply.array_deferred();
    reply.bulk_shared(&large);
    reply.error("ERR late");
    reply.abandon(deferred);
    assert_eq!((buffer.to_vec(), buffer.len()), (b"+OK\r\n".to_vec(), 5));
    assert_eq!(buffer.last_error_code(), None);
}

#[test]
fn errors_are_counted_and_named() {
    let mut buffer = ReplyBuffer::new();
    assert_eq!((buffer.error_count(), buffer.last_error_code()), (0, None));
    let mut reply = Reply::new(&mut buffer, Version::Resp2);
    let deferred = reply.array_deferred();
    reply.error("WRONGTYPE Operation");
    reply.ok();
    reply.close(deferred, 2);
    assert_eq!(reply.error_count(), 1);
    assert_eq!(reply.last_error_code(), Some(&b"WRONGTYPE"[..]));
    reply.error("NOAUTH");
    assert_eq!(reply.last_error_code(), Some(&b"NOAUTH"[..]));
    reply.error_bytes(b"ERR \xff\rx\r\n");
    assert_eq!(buffer.error_count(), 3);
    assert!(buffer.to_vec().ends_with(b"-ERR \xff x\r\n"), "line ends inside become spaces");
    buffer.clear();
    assert_eq!((buffer.error_count(), buffer.last_error_code()), (0, None));
}

#[test]
fn large_values_are_shared_and_keep_their_places() {
    let large = Bytes::from(vec![b'v'; SHARED_REPLY_BYTES_MIN]);
    let mut buffer = ReplyBuffer::new();
    let mut reply = Reply::new(&mut buffer, Version::Resp3);
    let outer = reply.array_deferred();
    reply.bulk_shared(&large);
    reply.bulk_shared(&large);
    reply.integer(5);
    reply.close(outer, 3);
    let segments: Vec<&[u8]> = buffer.segments(0).collect();
    assert_eq!(segments.len(), 5);
    assert_eq!(segments[0], b"*3\r\n$16384\r\n");
    assert_eq!((segments[1].as_ptr(), segments[3].as_ptr()), (large.as_ptr(), large.as_ptr()));
    assert_eq!(segments[4], b"\r\n:5\r\n");
    let whole = buffer.to_vec();
    assert_eq!(whole.len(), buffer.len());
    let (value, length) = Value::parse(&whole).expect("well formed").expect("whole");
    assert_eq!(length, whole.len());
    let bulk = Value::Bulk(large.to_vec());
    assert_eq!(value, Value::Array(vec![bulk.clone(), bulk, Value::Integer(5)]));
    buffer.clear();
    assert!(buffer.is_empty() && large.is_unique());
}

/// A buffer of random replies, and the part that each reply takes.
fn random_buffer(random: &mut Random) -> (ReplyBuffer, Vec<ReplyRange>) {
    let large = Bytes::from(vec![b'v'; SHARED_REPLY_BYTES_MIN + random.below(3) as usize]);
    let mut buffer = ReplyBuffer::new();
    let mut ranges = Vec::new();
    for _ in 0..random.below(8) {
        let start = buffer.end();
        let mut reply = Reply::new(&mut buffer, Version::Resp3);
        match random.below(4) {
            0 => reply.bulk_shared(&large),
            1 => reply.integer(random.next_u64() as i64),
            2 => {
                let map = reply.map_deferred();
                let count = random.below(12) as usize;
                for _ in 0..count {
                    reply.bulk(b"key");
                    reply.bulk_shared(&large);
                }
                reply.close(map, count);
            }
            _ => reply.null(),
        }
        ranges.push(buffer.since(start));
    }
    (buffer, ranges)
}

#[test]
fn parts_can_be_joined_in_any_order() {
    let seed = 17;
    let mut random = Random::new(seed);
    for _ in 0..200 {
        let (source, ranges) = random_buffer(&mut random);
        let mut joined = ReplyBuffer::new();
        let mut expected = Vec::new();
        for _ in 0..ranges.len() {
            let range = ranges[random.below(ranges.len() as u64) as usize];
            joined.append(&source, range);
            let mut alone = ReplyBuffer::new();
            alone.append(&source, range);
            expected.extend(alone.to_vec());
        }
        assert_eq!(joined.len(), expected.len(), "seed {seed}");
        assert!(joined.to_vec() == expected, "seed {seed}");
        let mut in_order = ReplyBuffer::new();
        ranges.iter().for_each(|&range| in_order.append(&source, range));
        assert!(in_order.to_vec() == source.to_vec(), "seed {seed}");
    }
}

#[test]
fn sending_can_go_on_at_any_byte() {
    let large = Bytes::from(vec![b'v'; SHARED_REPLY_BYTES_MIN]);
    let mut buffer = ReplyBuffer::new();
    let mut reply = Reply::new(&mut buffer, Version::Resp2);
    reply.bulk_shared(&large);
    reply.ok();
    let whole = buffer.to_vec();
    for skip in 0..=whole.len() {
        let segments: Vec<&[u8]> = buffer.segments(skip).collect();
        assert!(segments.iter().all(|segment| !segment.is_empty()));
        assert!(segments.concat() == whole[skip..], "{skip}");
    }
    assert_eq!(buffer.segments(whole.len() + 1).count(), 0);
}

#[test]
fn elements_of_partial_replies() {
    let large = Bytes::from(vec![b'v'; SHARED_REPLY_BYTES_MIN]);
    let mut buffer = ReplyBuffer::new();
    let mut reply = Reply::new(&mut buffer, Version::Resp2);
    reply.ok();
    let start = reply.buffer().end();
    reply.array(4);
    reply.bulk_shared(&large);
    reply.null();
    reply.array(1);
    reply.bulk_shared(&large);
    reply.integer(4);
    let range = buffer.since(start);
    let mut reply = Reply::new(&mut buffer, Version::Resp2);
    reply.ok();
    let elements: Vec<Vec<u8>> = buffer
        .elements(range)
        .expect("an array")
        .map(|element| {
            let mut one = ReplyBuffer::new();
            one.append(&buffer, element);
            one.to_vec()
        })
        .collect();
    assert_eq!(elements.len(), 4);
    assert!(elements[0].starts_with(b"$16384\r\nvvv") && elements[0].ends_with(b"v\r\n"));
    assert_eq!(elements[1], b"$-1\r\n");
    assert!(elements[2].starts_with(b"*1\r\n$16384\r\nvvv") && elements[2].ends_with(b"v\r\n"));
    assert_eq!(elements[3], b":4\r\n");
    assert!(buffer.elements(buffer.since(range.end)).is_none(), "a simple string has none");
    assert_eq!(buffer.copied_bytes(buffer.since(range.end)), b"+OK\r\n");
}

#[test]
fn memory_is_reused_and_given_back() {
    let mut buffer = ReplyBuffer::new();
    Reply::new(&mut buffer, Version::Resp2).bulk(&[b'x'; 1_000_000]);
    buffer.clear();
    let (bytes, shared) = buffer.into_parts();
    assert!((1..=64 * 1024).contains(&bytes.capacity()));
    let address = bytes.as_ptr();
    let mut buffer = ReplyBuffer::from_spare(bytes, shared);
    Reply::new(&mut buffer, Version::Resp2).ok();
    assert_eq!(buffer.into_parts().0.as_ptr(), address);
}
