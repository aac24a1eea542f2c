//! Job: the requests that the scenarios send, and the filling of servers with them.
//! In: a server, numbers. Out: keys in the server, what a probe saw meanwhile.
//! Invariant: a filling that did not make its keys is an error, so that no figure rests on less
//! work than it says.

use std::io;
use std::time::Duration;

use crate::data_server::Server;
use crate::generator::resp;
use crate::load::{self, Fill, Offer, Outcome};
use crate::redis_benchmark::key_name;

/// Bytes of a value in the CPU and latency scenarios.
pub const VALUE_BYTES: usize = 64;
/// Keys in the CPU and latency scenarios.
pub const KEYS: u64 = 100_000;
/// Connections that fill a server.
pub const FILL_CONNECTIONS: usize = 4;
/// Probes per second: one every 0.2 ms.
const PROBE_RATE: f64 = 5000.0;

/// The keys that redis-benchmark will ask for, so that every GET finds one.
///
/// # Errors
/// A server that breaks off, or answers with errors.
pub fn fill_small(server: &Server) -> io::Result<()> {
    let mut encode = |number, output: &mut Vec<u8>| {
        resp::encode(&[b"SET", key_name(number).as_bytes(), &[b'v'; VALUE_BYTES]], output);
    };
    fill_many(server, KEYS, &mut encode, None).map(drop)
}

/// Sends `count` requests as fast as the server takes them, with a probe beside it if `watch` says
/// for how long at least; all of them must have made a key.
///
/// # Errors
/// A server that breaks off, answers with errors, or lacks keys afterwards.
pub fn fill_many<'a>(
    server: &Server,
    count: u64,
    encode: &'a mut load::Encode<'a>,
    watch: Option<Duration>,
) -> io::Result<Outcome> {
    let fill = Fill { connections: FILL_CONNECTIONS, count, encode };
    let mut get = get_small;
    let offer = watch.map(|_| probe_offer(&mut get));
    let outcome = load::run(server.destination(), watch.unwrap_or_default(), offer, Some(fill))?;
    outcome.refuse_errors()?;
    let held = server.key_count()?;
    if held < count {
        return Err(io::Error::other(format!("{held} keys are there after {count} insertions")));
    }
    Ok(outcome)
}

/// Probes a server for `duration`.
///
/// # Errors
/// A server that breaks off, or answers with errors.
pub fn probe(server: &Server, duration: Duration) -> io::Result<Outcome> {
    let mut get = get_small;
    let outcome = load::run(server.destination(), duration, Some(probe_offer(&mut get)), None)?;
    outcome.refuse_errors()?;
    Ok(outcome)
}

fn probe_offer<'a>(encode: &'a mut load::Encode<'a>) -> Offer<'a> {
    Offer { rate: PROBE_RATE, connections: 1, random_gaps: false, encode }
}

/// One of the keys that a filling makes first; it may be missing, the table is searched all the
/// same.
fn get_small(number: u64, output: &mut Vec<u8>) {
    resp::encode(&[b"GET", key_name(mixed(number) % KEYS).as_bytes()], output);
}

/// A number whose bits all depend on all bits of `number` (the finalizer of splitmix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Half GET, half SET, over all keys, which of both whatever the key.
pub fn get_or_set(number: u64, output: &mut Vec<u8>) {
    let drawn = mixed(number);
    let key = key_name((drawn >> 1) % KEYS);
    if drawn.is_multiple_of(2) {
        resp::encode(&[b"GET", key.as_bytes()], output);
    } else {
        resp::encode(&[b"SET", key.as_bytes(), &[b'v'; VALUE_BYTES]], output);
    }
}

/// A key of 16 bytes with a value of 16 bytes that is no number.
pub fn set_sixteen(number: u64, output: &mut Vec<u8>) {
    let value = format!("v{number:015x}");
    resp::encode(&[b"SET", key_name(number).as_bytes(), value.as_bytes()], output);
}
