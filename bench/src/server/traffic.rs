//! Job: the loads of the scenarios that are made by `ringlet-bench load`.
//! In: a server, numbers. Out: keys in the server, what was measured meanwhile.
//! Invariant: a filling that did not make its keys is an error, so that no figure rests on less
//! work than it says.

use std::io;
use std::time::Duration;

use crate::data_server::Server;
use crate::generator::outcome::Outcome;
use crate::loader::Loader;

/// Bytes of a value in the CPU and latency scenarios.
pub const VALUE_BYTES: usize = 64;
/// Keys in the CPU and latency scenarios.
pub const KEYS: u64 = 100_000;
/// Probes per second: one every 0.2 ms.
const PROBE_RATE: u32 = 5000;
/// How servers are filled. The probe's requests wait in the generator for what these send at once.
const FILLING: &str = "--distribution sequential --connections 4 --pipeline 64";

/// The keys that redis-benchmark will ask for, so that every GET finds one; the command line that made
/// them.
///
/// # Errors
/// A server that breaks off, or answers with errors.
pub fn fill_small(loader: &Loader, server: &Server) -> io::Result<String> {
    fill(loader, server, KEYS, VALUE_BYTES, "").map(|outcome| outcome.command)
}

/// Inserts `count` keys of 16 bytes with values of 16 bytes as fast as the server takes them, and probes
/// it meanwhile with GETs for keys that are there.
///
/// # Errors
/// As [`fill_small`].
pub fn fill_probed(loader: &Loader, server: &Server, count: u64) -> io::Result<Outcome> {
    fill(loader, server, count, 16, &format!("--probe {PROBE_RATE} --gaps equal"))
}

fn fill(
    loader: &Loader,
    server: &Server,
    count: u64,
    value_bytes: usize,
    beside: &str,
) -> io::Result<Outcome> {
    let outcome = loader.run_line(&format!(
        "redis://{} --ratio 1:0 {FILLING} --keys {count} --requests {count} --value-bytes \
         {value_bytes} {beside}",
        server.address
    ))?;
    let held = server.key_count()?;
    if held < count {
        return Err(io::Error::other(format!("{held} keys are there after {count} insertions")));
    }
    Ok(outcome)
}

/// Sets `count` keys, named as `group` wants it, that all expire at `at_ms` of the Unix time.
///
/// # Errors
/// As [`fill_small`].
pub fn fill_expiring(
    loader: &Loader,
    server: &Server,
    count: u64,
    group: u64,
    at_ms: u64,
) -> io::Result<Outcome> {
    let line = format!(
        "redis://{} --command 'SET __key__ __data__ PXAT {at_ms}' --key-prefix k{group:02}: {FILLING} \
         --keys {count} --requests {count} --value-bytes 16",
        server.address
    );
    loader.run_line(&line)
}

/// Probes a server for `time`.
///
/// # Errors
/// As [`fill_small`].
pub fn probe(loader: &Loader, server: &Server, time: Duration) -> io::Result<Outcome> {
    loader.run_line(&format!(
        "redis://{} --ratio 0:1 --rate {PROBE_RATE} --gaps equal --connections 1 --keys {KEYS} --time \
         {}ms --warm-up 0",
        server.address,
        time.as_millis()
    ))
}

/// Half GET, half SET over all keys, open loop at random gaps.
///
/// # Errors
/// As [`fill_small`].
pub fn offer(
    loader: &Loader,
    server: &Server,
    rate: f64,
    clients: usize,
    seconds: u64,
) -> io::Result<Outcome> {
    loader.run_line(&format!(
        "redis://{} --ratio 1:1 --rate {rate} --connections {clients} --keys {KEYS} --value-bytes \
         {VALUE_BYTES} --time {seconds}s --warm-up 500ms",
        server.address
    ))
}
