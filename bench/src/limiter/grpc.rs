//! Job: CPU time per call of Envoy's ShouldRateLimit, closed loop.
//! In: a [`Plan`]. Out: a row and a note.
//! Invariant: every call was answered by a message that shows a limit.

use std::io;

use super::h2load::H2load;
use super::launch::Launcher;
use super::{Plan, cpu_us};
use crate::compare::{Spread, Target};
use crate::report::Findings;

const PATH: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
/// Domain `basic`, one descriptor `key1=foo`, one hit; in front the frame: not compressed, 24 bytes.
const MESSAGE: &[u8] = b"\0\0\0\0\x18\x0a\x05basic\x12\x0d\x0a\x0b\x0a\x04key1\x12\x03foo\x18\x01";
/// The frame's head, the overall code and a status without a limit; a limit makes an answer longer.
const UNLIMITED_BYTES: u64 = 5 + 2 + 4;
const CONNECTIONS: usize = 8;
const STREAMS: usize = 16;

/// Measures calls.
///
/// # Errors
/// A process that cannot be started or breaks off, answers without a limit.
pub fn run(plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    let limiter = launcher.limiter(1, None)?;
    let message = launcher.write("call", MESSAGE)?;
    let h2load = |calls| H2load {
        path: PATH,
        message: &message,
        connections: CONNECTIONS,
        streams: STREAMS,
        calls,
    };
    let load = |calls| {
        let answered = h2load(calls).run(limiter.fronts.grpc)?;
        if answered.bytes <= answered.calls * UNLIMITED_BYTES {
            return Err(io::Error::other("calls were answered without a limit"));
        }
        Ok(answered)
    };
    load(plan.calls / 10)?;
    let (mut figures, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        figures.push(cpu_us(limiter.pid(), || {
            let answered = load(plan.calls)?;
            rates.push(answered.rate / 1000.0);
            Ok(answered.calls as f64)
        })?);
    }
    let mut findings = Findings::default();
    let command = h2load(plan.calls).line(limiter.fronts.grpc);
    findings.commands.extend([limiter.command(), command]);
    let name = format!("CPU per gRPC call, {CONNECTIONS} connections, {STREAMS} streams on each");
    findings.row(&name, "us", &[], &figures, Target::Figure(25.0));
    let rate = Spread::of(&rates).map_or(0.0, |spread| spread.median);
    findings.notes.push(format!("gRPC: {rate:.1} thousand calls per second as h2load saw them."));
    Ok(findings)
}
