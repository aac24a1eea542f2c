//! Admin pages of the data server: `/healthz` and `/metrics`.
//! In: the gauges of all cores. Out: a word, or Prometheus text.
//! Invariant: reading them costs the cores nothing; they answer even when a core hangs, and say so.
//!
//! Names that begin with `redis_` are those of redis_exporter, so that its dashboards work.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use ringlet_base::prometheus::Exposition;
use ringlet_runtime::admin::{AdminAnswer, AdminRoute, AdminStatus};
use ringlet_runtime::{clock, memory};

use crate::core::Shared;
use crate::gauges::Gauges;
use crate::limits;

/// A core that has not ticked for this long is reported as hanging, in milliseconds.
const HANGING_MS: i64 = 5_000;

/// The pages.
pub fn routes(shared: &Arc<Shared>) -> Vec<AdminRoute> {
    let (health, metrics) = (shared.clone(), shared.clone());
    vec![
        AdminRoute::new("/healthz", "text/plain; charset=utf-8", move || {
            let is_stopping = health.is_stopping.load(Ordering::Acquire);
            match trouble(&health.gauges, is_stopping, clock::monotonic_ms()) {
                None => AdminAnswer { status: AdminStatus::Ok, body: b"ok\n".to_vec() },
                Some(trouble) => AdminAnswer {
                    status: AdminStatus::ServiceUnavailable,
                    body: format!("{trouble}\n").into_bytes(),
                },
            }
        }),
        AdminRoute::new("/metrics", "text/plain; version=0.0.4; charset=utf-8", move || {
            AdminAnswer { status: AdminStatus::Ok, body: page(&metrics).into_bytes() }
        }),
    ]
}

/// Why the server is not healthy, if it is not.
fn trouble(gauges: &[Gauges], is_stopping: bool, monotonic_ms: i64) -> Option<String> {
    if is_stopping {
        return Some("stopping".into());
    }
    gauges.iter().enumerate().find_map(|(core, gauges)| {
        match gauges.written_ms.load(Ordering::Relaxed) {
            0 => Some(format!("core {core} is starting")),
            written_ms if monotonic_ms - written_ms > HANGING_MS => {
                Some(format!("core {core} has not run for {} ms", monotonic_ms - written_ms))
            }
            _ => None,
        }
    })
}

/// How a gauge of a core is found.
type Field = fn(&Gauges) -> &AtomicU64;

/// Sums over all cores that only grow.
const TOTALS: [(&str, &str, Field); 9] = [
    ("redis_connections_received_total", "Connections accepted.", |core| &core.connections),
    ("redis_rejected_connections_total", "Connections refused: maxclients.", |core| &core.rejected),
    ("redis_commands_processed_total", "Commands run.", |core| &core.commands),
    ("redis_net_input_bytes_total", "Bytes received from clients.", |core| &core.input_bytes),
    ("redis_net_output_bytes_total", "Bytes sent to clients.", |core| &core.output_bytes),
    ("redis_keyspace_hits_total", "Reads that found their key.", |core| &core.hits),
    ("redis_keyspace_misses_total", "Reads that did not find their key.", |core| &core.misses),
    ("redis_expired_keys_total", "Keys dropped because their time was over.", |core| &core.expired),
    ("ringlet_error_replies_total", "Error replies.", |core| &core.errors),
];

/// Sums over all cores that go up and down.
const LEVELS: [(&str, &str, Field); 4] = [
    ("redis_connected_clients", "Connections.", |core| &core.clients),
    ("redis_blocked_clients", "Connections that wait in a blocking command.", |core| &core.blocked),
    ("ringlet_keys", "Keys in all databases.", |core| &core.keys),
    ("ringlet_expiring_keys", "Keys with a time to live.", |core| &core.expires),
];

/// Counters of each core.
const CORE_TOTALS: [(&str, &str, Field); 8] = [
    ("ringlet_core_commands_total", "Commands run by a core.", |core| &core.commands),
    ("ringlet_core_loop_passes_total", "Passes of a core's loop.", |core| &core.passes),
    ("ringlet_core_batches_sent_total", "Batches to other cores.", |core| &core.batches_sent),
    ("ringlet_core_batch_commands_sent_total", "Commands in batches to other cores.", |core| {
        &core.commands_sent
    }),
    ("ringlet_core_reply_batches_sent_total", "Batches of replies to other cores.", |core| {
        &core.reply_batches_sent
    }),
    ("ringlet_core_wakes_sent_total", "Sleeping cores that a core rang.", |core| &core.wakes_sent),
    ("ringlet_core_sequencer_uses_total", "Times a core took the sequencer.", |core| {
        &core.sequenced
    }),
    ("ringlet_core_sequencer_waits_total", "Times it was taken already.", |core| {
        &core.sequencer_waits
    }),
];

/// Levels of each core.
const CORE_LEVELS: [(&str, &str, Field); 2] = [
    ("ringlet_core_clients", "Connections of a core.", |core| &core.clients),
    ("ringlet_core_keys", "Keys of a core.", |core| &core.keys),
];

/// Bounds of queues and buffers.
const LIMITS: [(&str, u64); 5] = [
    ("batch_commands", limits::BATCH_COMMANDS_MAX as u64),
    ("pipeline_unanswered", limits::PIPELINE_UNANSWERED_MAX as u64),
    ("input_bytes_pause", limits::INPUT_BYTES_PAUSE as u64),
    ("batches_per_pass", limits::BATCHES_PER_PASS_MAX as u64),
    ("shards", limits::SHARDS_MAX as u64),
];

fn page(shared: &Shared) -> String {
    let mut page = Exposition::new();
    let cores = &shared.gauges;
    let sum = |field: Field| cores.iter().map(|core| read(field(core))).sum::<u64>();
    page.gauge("redis_up", "The server answers.").sample(&[], 1_u64);
    let version = [
        ("role", "master"),
        ("redis_mode", "standalone"),
        ("redis_version", crate::REDIS_VERSION),
        ("ringlet_version", env!("CARGO_PKG_VERSION")),
        ("run_id", &shared.run_id),
    ];
    page.gauge("redis_instance_info", "What is running.").sample(&version, 1_u64);
    let started_s = shared.started_ms as f64 / 1000.0;
    page.gauge("redis_start_time_seconds", "Start of the process.").sample(&[], started_s);
    let uptime_s = (clock::wall_clock_ms() - shared.started_ms) / 1000;
    page.gauge("redis_uptime_in_seconds", "Time since the start.").sample(&[], uptime_s);
    for (name, help, field) in TOTALS {
        page.counter(name, help).sample(&[], sum(field));
    }
    for (name, help, field) in LEVELS {
        page.gauge(name, help).sample(&[], sum(field));
    }
    add_process(&mut page, shared);
    for (name, help, field) in CORE_TOTALS {
        let mut family = page.counter(name, help);
        for (index, core) in cores.iter().enumerate() {
            family.sample(&[("core", &index.to_string())], read(field(core)));
        }
    }
    for (name, help, field) in CORE_LEVELS {
        let mut family = page.gauge(name, help);
        for (index, core) in cores.iter().enumerate() {
            family.sample(&[("core", &index.to_string())], read(field(core)));
        }
    }
    let mut family = page.gauge("ringlet_core_allocated_bytes", "Heap bytes of a core.");
    for (index, core) in cores.iter().enumerate() {
        family.sample(&[("core", &index.to_string())], read_signed(&core.allocated_bytes));
    }
    let mut family = page.gauge(
        "ringlet_core_loop_pass_max_seconds",
        "Longest pass of a core's loop since CONFIG RESETSTAT.",
    );
    for (index, core) in cores.iter().enumerate() {
        let seconds = read(&core.pass_us_max) as f64 / 1e6;
        family.sample(&[("core", &index.to_string())], seconds);
    }
    let mut family = page.gauge("ringlet_limit", "Bounds of queues and buffers.");
    family.sample(&[("limit", "mesh_batches")], limits::mesh_batches_max(cores.len()) as u64);
    for (name, limit) in LIMITS {
        family.sample(&[("limit", name)], limit);
    }
    page.finish()
}

/// What the kernel knows of the process, and what its start settled.
fn add_process(page: &mut Exposition, shared: &Shared) {
    let max_clients = shared.config.clients_max as u64;
    page.gauge("redis_config_maxclients", "maxclients at the start.").sample(&[], max_clients);
    page.gauge("ringlet_shards", "Cores.").sample(&[], shared.gauges.len() as u64);
    let used = shared.allocated_bytes();
    page.gauge("redis_memory_used_bytes", "Heap bytes.").sample(&[], used);
    let peak = read(&shared.peak_bytes).max(used);
    page.gauge("redis_memory_used_peak_bytes", "Most heap bytes at a time.").sample(&[], peak);
    if let Ok(resident) = memory::resident_bytes() {
        page.gauge("redis_memory_used_rss_bytes", "Physical memory.").sample(&[], resident);
    }
    page.gauge("redis_memory_max_bytes", "maxmemory: no limit.").sample(&[], 0_u64);
    let time = memory::process_cpu_time();
    page.counter("redis_cpu_sys_seconds_total", "CPU time in the kernel.")
        .sample(&[], time.system.as_secs_f64());
    page.counter("redis_cpu_user_seconds_total", "CPU time in the program.")
        .sample(&[], time.user.as_secs_f64());
}

fn read(gauge: &AtomicU64) -> u64 {
    gauge.load(Ordering::Relaxed)
}

fn read_signed(gauge: &AtomicI64) -> i64 {
    gauge.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_hangs_is_noticed() {
        let gauges: Vec<Gauges> = (0..2).map(|_| Gauges::default()).collect();
        assert_eq!(trouble(&gauges, false, 1000).as_deref(), Some("core 0 is starting"));
        for core in &gauges {
            core.written_ms.store(1000, Ordering::Relaxed);
        }
        assert_eq!(trouble(&gauges, false, 1000 + HANGING_MS), None);
        gauges[0].written_ms.store(9000, Ordering::Relaxed);
        assert_eq!(
            trouble(&gauges, false, 9000).as_deref(),
            Some("core 1 has not run for 8000 ms")
        );
        assert_eq!(trouble(&gauges, true, 9000).as_deref(), Some("stopping"));
    }
}
