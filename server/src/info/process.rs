//! Process: the sections of INFO that do not depend on the cores.
//! In: a core, for the configuration and what all cores share. Out: text.
//! Invariant: only what is wanted is read from the system.

use std::fmt::Write;

use ringlet_runtime::{clock, memory};

use super::{Section, Wanted};
use crate::config::Config;
use crate::core::Core;

/// Makes the text of a section; the flag: to whoever asks the server is a cluster.
type Maker = fn(&Core, bool) -> String;

/// The texts of the wanted sections. `is_cluster`: to whoever asks the server is a cluster of its
/// cores.
pub fn texts(core: &Core, wanted: Wanted, is_cluster: bool) -> Vec<(Section, String)> {
    let makers: [(Section, Maker); 7] = [
        (Section::Server, server),
        (Section::Memory, |core, _| system_memory(core)),
        (Section::Persistence, |core, _| persistence(core)),
        (Section::Replication, |core, _| replication(core)),
        (Section::Cpu, |_, _| cpu()),
        (Section::Cluster, |_, is_cluster| cluster(is_cluster)),
        (Section::Ringlet, |core, _| ringlet(core)),
    ];
    let wanted = makers.into_iter().filter(|(section, _)| wanted.has(*section));
    wanted.map(|(section, make)| (section, make(core, is_cluster))).collect()
}

/// Lines of `name:value`.
pub struct Lines(pub String);

impl Lines {
    /// No lines yet.
    pub fn new() -> Lines {
        Lines(String::new())
    }

    /// Adds a line.
    pub fn add(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Lines {
        write!(self.0, "{name}:{value}\r\n").expect("a string takes all that is written");
        self
    }
}

impl Default for Lines {
    fn default() -> Self {
        Lines::new()
    }
}

fn server(core: &Core, is_cluster: bool) -> String {
    let shared = &core.shared;
    let now_us = clock::wall_clock_us();
    let uptime_s = (now_us / 1000 - shared.started_ms) / 1000;
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let path = |path: Option<std::path::PathBuf>| {
        path.map_or(String::new(), |path| path.display().to_string())
    };
    let clock = if core.ticks.uses_counter() { "time stamp counter" } else { "CLOCK_MONOTONIC" };
    let mut lines = Lines::new();
    lines
        .add("redis_version", crate::REDIS_VERSION)
        .add("redis_git_sha1", "00000000")
        .add("redis_git_dirty", 0)
        .add("redis_build_id", 0)
        .add("redis_mode", if is_cluster { "cluster" } else { "standalone" })
        .add("ringlet_version", env!("CARGO_PKG_VERSION"))
        .add("os", format_args!("Linux {} {}", release.trim(), std::env::consts::ARCH))
        .add("arch_bits", usize::BITS)
        .add("monotonic_clock", clock)
        .add("multiplexing_api", "io_uring")
        .add("atomicvar_api", "c11-builtin")
        .add("gcc_version", "0.0.0")
        .add("process_id", std::process::id())
        .add("process_supervised", &core.config.supervised)
        .add("run_id", &shared.run_id)
        .add("tcp_port", core.config.port)
        .add("server_time_usec", now_us)
        .add("uptime_in_seconds", uptime_s)
        .add("uptime_in_days", uptime_s / 86_400)
        .add("hz", core.config.hz)
        .add("configured_hz", core.config.hz)
        .add("lru_clock", ringlet_store::access::lru_clock(core.now_ms))
        .add("executable", path(std::env::current_exe().ok()))
        .add("config_file", path(core.config.file.clone()))
        .add("io_threads_active", 0);
    for (index, listener) in listeners(&core.config).iter().enumerate() {
        lines.add(&format!("listener{index}"), listener);
    }
    lines.0
}

/// What clients connect to, in the words of Redis 7.2.
fn listeners(config: &Config) -> Vec<String> {
    let mut listeners = Vec::new();
    if config.port != 0 {
        let bind: String = config.bind.iter().map(|address| format!(",bind={address}")).collect();
        listeners.push(format!("name=tcp{bind},port={}", config.port));
    }
    if let Some(path) = &config.unix_socket {
        listeners.push(format!("name=unix,bind={}", path.display()));
    }
    listeners
}

/// What only the system knows of memory: resident bytes, their peak, and all there is.
fn system_memory(core: &Core) -> String {
    let total_bytes = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    });
    let mut lines = Lines::new();
    lines
        .add("rss", memory::resident_bytes().unwrap_or_default())
        .add("peak", core.shared.peak_bytes.load(std::sync::atomic::Ordering::Relaxed))
        .add("total", total_bytes.unwrap_or_default())
        .add("policy", &core.config.eviction_policy);
    lines.0
}

fn persistence(core: &Core) -> String {
    let mut lines = Lines::new();
    lines
        .add("loading", 0)
        .add("async_loading", 0)
        .add("current_cow_peak", 0)
        .add("current_cow_size", 0)
        .add("current_cow_size_age", 0)
        .add("current_fork_perc", "0.00")
        .add("current_save_keys_processed", 0)
        .add("current_save_keys_total", 0)
        .add("rdb_bgsave_in_progress", 0)
        .add("rdb_last_save_time", core.shared.started_ms / 1000)
        .add("rdb_last_bgsave_status", "ok")
        .add("rdb_last_bgsave_time_sec", -1)
        .add("rdb_current_bgsave_time_sec", -1)
        .add("rdb_saves", 0)
        .add("rdb_last_cow_size", 0)
        .add("rdb_last_load_keys_expired", 0)
        .add("rdb_last_load_keys_loaded", 0)
        .add("aof_enabled", 0)
        .add("aof_rewrite_in_progress", 0)
        .add("aof_rewrite_scheduled", 0)
        .add("aof_last_rewrite_time_sec", -1)
        .add("aof_current_rewrite_time_sec", -1)
        .add("aof_last_bgrewrite_status", "ok")
        .add("aof_rewrites", 0)
        .add("aof_rewrites_consecutive_failures", 0)
        .add("aof_last_write_status", "ok")
        .add("aof_last_cow_size", 0)
        .add("module_fork_in_progress", 0)
        .add("module_fork_last_cow_size", 0);
    lines.0
}

fn replication(core: &Core) -> String {
    let mut lines = Lines::new();
    lines
        .add("role", "master")
        .add("connected_slaves", 0)
        .add("master_failover_state", "no-failover")
        .add("master_replid", &core.shared.run_id)
        .add("master_replid2", "0".repeat(40))
        .add("master_repl_offset", 0)
        .add("second_repl_offset", -1)
        .add("repl_backlog_active", 0)
        .add("repl_backlog_size", 0)
        .add("repl_backlog_first_byte_offset", 0)
        .add("repl_backlog_histlen", 0);
    lines.0
}

fn cluster(is_cluster: bool) -> String {
    let mut lines = Lines::new();
    lines.add("cluster_enabled", u8::from(is_cluster));
    lines.0
}

fn cpu() -> String {
    let mut lines = Lines::new();
    let mut add = |end: &str, time: memory::CpuTime| {
        for (name, time) in [("sys", time.system), ("user", time.user)] {
            let name = format!("used_cpu_{name}{end}");
            lines.add(&name, format_args!("{:.6}", time.as_secs_f64()));
        }
    };
    add("", memory::process_cpu_time());
    add("_children", memory::children_cpu_time());
    add("_main_thread", memory::main_thread_cpu_time().unwrap_or_default());
    lines.0
}

fn ringlet(core: &Core) -> String {
    use crate::limits;
    let mut lines = Lines::new();
    lines
        .add("shards", core.cores)
        .add("shard_ports", core.config.shard_ports)
        .add("admin", core.config.admin.as_deref().unwrap_or_default())
        .add("limit_mesh_batches", limits::MESH_BATCHES_MAX)
        .add("limit_batch_commands", limits::BATCH_COMMANDS_MAX)
        .add("limit_pipeline_unanswered", limits::PIPELINE_UNANSWERED_MAX)
        .add("limit_input_bytes_pause", limits::INPUT_BYTES_PAUSE)
        .add("limit_batches_per_pass", limits::BATCHES_PER_PASS_MAX)
        .add("limit_expire_work_per_pass", limits::EXPIRE_WORK_PER_PASS)
        .add("limit_free_work_per_pass", limits::FREE_WORK_PER_PASS);
    lines.0
}
