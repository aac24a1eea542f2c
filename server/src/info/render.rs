//! Render: the sections of INFO as text.
//! In: what all cores contribute together. Out: sections with their headings.
//! Invariant: names and formats are those of redis-server where it has the figure.

use super::part::Whole;
use super::process::Lines;
use super::{SECTIONS, Section};

/// Memory of the whole process, for INFO and MEMORY.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct MemoryFigures {
    /// Heap bytes.
    pub used: i64,
    /// Most heap bytes at a time.
    pub peak: i64,
    /// Heap bytes after the start.
    pub startup: i64,
    /// Heap bytes that are not keys and values.
    pub overhead: i64,
    /// Bytes of physical memory.
    pub resident: i64,
    /// Bytes of physical memory of the machine.
    pub total: i64,
}

impl MemoryFigures {
    /// Bytes of keys and values.
    pub fn dataset(&self) -> i64 {
        (self.used - self.overhead).max(0)
    }

    /// The share of keys and values in what was allocated since the start, in percent.
    pub fn dataset_percentage(&self) -> f64 {
        percentage(self.dataset(), self.used - self.startup)
    }

    /// The share of the peak that is in use, in percent.
    pub fn peak_percentage(&self) -> f64 {
        percentage(self.used, self.peak)
    }

    /// Physical memory for each heap byte.
    pub fn fragmentation(&self) -> f64 {
        self.resident as f64 / self.used.max(1) as f64
    }
}

fn percentage(part: i64, whole: i64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

impl Whole {
    /// The whole text of INFO.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (section, ..) in SECTIONS.iter().filter(|(section, ..)| self.wanted.has(*section)) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            let (heading, lines) = self.section(*section);
            text.push_str(&format!("# {heading}\r\n{}", lines.0));
        }
        text
    }

    fn section(&self, section: Section) -> (&'static str, Lines) {
        match section {
            Section::Server => ("Server", self.known(section)),
            Section::Clients => ("Clients", self.clients()),
            Section::Memory => ("Memory", self.memory_lines()),
            Section::Persistence => ("Persistence", self.persistence()),
            Section::Stats => ("Stats", self.stats()),
            Section::Replication => ("Replication", self.known(section)),
            Section::Cpu => ("CPU", self.known(section)),
            Section::Modules => ("Modules", Lines::new()),
            Section::CommandStats => ("Commandstats", self.command_stats()),
            Section::ErrorStats => ("Errorstats", self.error_stats()),
            Section::LatencyStats => ("Latencystats", self.latency_stats()),
            Section::Cluster => ("Cluster", self.known(section)),
            Section::Keyspace => ("Keyspace", self.keyspace()),
            Section::Ringlet => ("Ringlet", self.ringlet()),
        }
    }

    fn known(&self, section: Section) -> Lines {
        Lines(self.texts.get(&(section as u32)).cloned().unwrap_or_default())
    }

    fn clients(&self) -> Lines {
        let figures = &self.figures;
        let mut lines = Lines::new();
        lines
            .add("connected_clients", figures.clients)
            .add("cluster_connections", 0)
            .add("maxclients", figures.clients_max)
            .add("client_recent_max_input_buffer", figures.input_max)
            .add("client_recent_max_output_buffer", figures.output_max)
            .add("blocked_clients", figures.blocked)
            .add("tracking_clients", 0)
            .add("clients_in_timeout_table", figures.timeouts)
            .add("total_blocking_keys", figures.blocking_keys)
            .add("total_blocking_keys_on_nokey", 0);
        lines
    }

    /// Memory of the process; the memory section must be wanted.
    pub fn memory(&self) -> MemoryFigures {
        let figures = &self.figures;
        let number = |name: &str| -> i64 { self.of_system(name).parse().unwrap_or_default() };
        let used = figures.allocated.max(0);
        let startup = figures.startup.clamp(0, used);
        MemoryFigures {
            used,
            peak: number("peak").max(used),
            startup,
            overhead: (startup + figures.table_bytes + figures.client_bytes).min(used),
            resident: number("rss"),
            total: number("total"),
        }
    }

    /// What the text of the memory section says behind a name.
    fn of_system(&self, name: &str) -> &str {
        let text = self.texts.get(&(Section::Memory as u32)).map_or("", String::as_str);
        let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// As Redis does with an allocator that tells no more: what is resident is the allocator's, and
    /// what is resident is active.
    fn memory_lines(&self) -> Lines {
        let memory = self.memory();
        let mut lines = Lines::new();
        let mut with_human = |name: &str, bytes: i64| {
            lines.add(name, bytes).add(&format!("{name}_human"), human(bytes));
        };
        with_human("used_memory", memory.used);
        with_human("used_memory_rss", memory.resident);
        with_human("used_memory_peak", memory.peak);
        lines
            .add("used_memory_peak_perc", format_args!("{:.2}%", memory.peak_percentage()))
            .add("used_memory_overhead", memory.overhead)
            .add("used_memory_startup", memory.startup)
            .add("used_memory_dataset", memory.dataset())
            .add("used_memory_dataset_perc", format_args!("{:.2}%", memory.dataset_percentage()))
            .add("allocator_allocated", memory.used)
            .add("allocator_active", memory.resident)
            .add("allocator_resident", memory.resident)
            .add("total_system_memory", memory.total)
            .add("total_system_memory_human", human(memory.total))
            .add("used_memory_lua", 0)
            .add("used_memory_vm_eval", 0)
            .add("used_memory_lua_human", "0B")
            .add("used_memory_scripts_eval", 0)
            .add("number_of_cached_scripts", 0)
            .add("number_of_functions", 0)
            .add("number_of_libraries", 0)
            .add("used_memory_vm_functions", 0)
            .add("used_memory_vm_total", 0)
            .add("used_memory_vm_total_human", "0B")
            .add("used_memory_functions", 0)
            .add("used_memory_scripts", 0)
            .add("used_memory_scripts_human", "0B")
            .add("maxmemory", 0)
            .add("maxmemory_human", "0B")
            .add("maxmemory_policy", self.of_system("policy"))
            .add("allocator_frag_ratio", format_args!("{:.2}", memory.fragmentation()))
            .add("allocator_frag_bytes", memory.resident - memory.used)
            .add("allocator_rss_ratio", "1.00")
            .add("allocator_rss_bytes", 0)
            .add("rss_overhead_ratio", "1.00")
            .add("rss_overhead_bytes", 0)
            .add("mem_fragmentation_ratio", format_args!("{:.2}", memory.fragmentation()))
            .add("mem_fragmentation_bytes", memory.resident - memory.used)
            .add("mem_not_counted_for_evict", 0)
            .add("mem_replication_backlog", 0)
            .add("mem_total_replication_buffers", 0)
            .add("mem_clients_slaves", 0)
            .add("mem_clients_normal", self.figures.client_bytes)
            .add("mem_cluster_links", 0)
            .add("mem_aof_buffer", 0)
            .add("mem_allocator", "mimalloc")
            .add("active_defrag_running", 0)
            .add("lazyfree_pending_objects", self.figures.graves)
            .add("lazyfreed_objects", self.figures.freed);
        lines
    }

    fn persistence(&self) -> Lines {
        let mut lines = self.known(Section::Persistence);
        lines.add("rdb_changes_since_last_save", self.figures.changes);
        lines
    }

    fn stats(&self) -> Lines {
        let figures = &self.figures;
        let kib = |bytes: i64| format!("{:.2}", bytes as f64 / 1024.0);
        let mut lines = Lines::new();
        lines
            .add("total_connections_received", figures.connections)
            .add("total_commands_processed", figures.commands)
            .add("instantaneous_ops_per_sec", figures.commands_rate)
            .add("total_net_input_bytes", figures.input_bytes)
            .add("total_net_output_bytes", figures.output_bytes)
            .add("total_net_repl_input_bytes", 0)
            .add("total_net_repl_output_bytes", 0)
            .add("instantaneous_input_kbps", kib(figures.input_rate))
            .add("instantaneous_output_kbps", kib(figures.output_rate))
            .add("instantaneous_input_repl_kbps", "0.00")
            .add("instantaneous_output_repl_kbps", "0.00")
            .add("rejected_connections", figures.rejected)
            .add("sync_full", 0)
            .add("sync_partial_ok", 0)
            .add("sync_partial_err", 0)
            .add("expired_keys", figures.expired)
            .add("expired_stale_perc", "0.00")
            .add("expired_time_cap_reached_count", figures.expiry_cut_short)
            .add("expire_cycle_cpu_milliseconds", figures.expiry_ms)
            .add("evicted_keys", 0)
            .add("evicted_clients", 0)
            .add("total_eviction_exceeded_time", 0)
            .add("current_eviction_exceeded_time", 0)
            .add("keyspace_hits", figures.hits)
            .add("keyspace_misses", figures.misses)
            .add("pubsub_channels", self.channels)
            .add("pubsub_patterns", self.patterns)
            .add("pubsubshard_channels", 0)
            .add("latest_fork_usec", 0)
            .add("total_forks", 0)
            .add("migrate_cached_sockets", 0)
            .add("slave_expires_tracked_keys", 0)
            .add("active_defrag_hits", 0)
            .add("active_defrag_misses", 0)
            .add("active_defrag_key_hits", 0)
            .add("active_defrag_key_misses", 0)
            .add("total_active_defrag_time", 0)
            .add("current_active_defrag_time", 0)
            .add("tracking_total_keys", 0)
            .add("tracking_total_items", 0)
            .add("tracking_total_prefixes", 0)
            .add("unexpected_error_replies", 0)
            .add("total_error_replies", figures.errors)
            .add("dump_payload_sanitizations", 0)
            .add("total_reads_processed", figures.reads)
            .add("total_writes_processed", figures.writes)
            .add("io_threaded_reads_processed", 0)
            .add("io_threaded_writes_processed", 0)
            .add("reply_buffer_shrinks", 0)
            .add("reply_buffer_expands", 0)
            .add("client_query_buffer_limit_disconnections", figures.query_limit_closed)
            .add("client_output_buffer_limit_disconnections", figures.output_limit_closed);
        lines
    }

    fn command_stats(&self) -> Lines {
        let mut lines = Lines::new();
        for (name, command) in &self.commands {
            let spent_us = command.spent_ns / 1000;
            let each_us = command.spent_ns as f64 / 1000.0 / command.calls.max(1) as f64;
            lines.add(
                &format!("cmdstat_{name}"),
                format_args!(
                    "calls={},usec={spent_us},usec_per_call={each_us:.2},rejected_calls={},\
                     failed_calls={}",
                    command.calls, command.rejected, command.failed
                ),
            );
        }
        lines
    }

    fn error_stats(&self) -> Lines {
        let mut lines = Lines::new();
        for (code, count) in &self.errors {
            lines.add(&format!("errorstat_{code}"), format_args!("count={count}"));
        }
        lines
    }

    fn latency_stats(&self) -> Lines {
        let mut lines = Lines::new();
        for (name, command) in self.commands.iter().filter(|(_, it)| it.latency.count() > 0) {
            let shown: Vec<String> = self
                .percentiles
                .iter()
                .map(|percentile| {
                    let end_ns = command.latency.percentile_ns(percentile.parse().unwrap_or(0.0));
                    format!("p{percentile}={:.3}", end_ns as f64 / 1000.0)
                })
                .collect();
            lines.add(&format!("latency_percentiles_usec_{name}"), shown.join(","));
        }
        lines
    }

    fn keyspace(&self) -> Lines {
        let mut lines = Lines::new();
        for (index, database) in &self.databases {
            let average_ms = database.ttl_sum_ms / i128::from(database.expires.max(1));
            lines.add(
                &format!("db{index}"),
                format_args!(
                    "keys={},expires={},avg_ttl={average_ms}",
                    database.keys, database.expires
                ),
            );
        }
        lines
    }

    fn ringlet(&self) -> Lines {
        let figures = &self.figures;
        let mut lines = self.known(Section::Ringlet);
        lines
            .add("monitors", figures.monitors)
            .add("loop_passes", figures.passes)
            .add("loop_pass_max_us", figures.pass_us_max)
            .add("expired_per_pass_max", figures.expired_per_pass_max)
            .add("batches_sent", figures.batches_sent)
            .add("batch_commands_sent", figures.commands_sent)
            .add("reply_batches_sent", figures.reply_batches_sent)
            .add("wakes_sent", figures.wakes_sent)
            .add("sequencer_uses", figures.sequenced)
            .add("sequencer_waits", figures.sequencer_waits)
            .add("sequencer_wait_us", figures.sequencer_wait_ns / 1000);
        for (index, line) in self.cores.iter().enumerate() {
            lines.add(&format!("core{index}"), line);
        }
        lines
    }
}

/// Bytes as people read them: `1.50M`.
pub fn human(bytes: i64) -> String {
    let units =
        [(1_i64 << 50, 'P'), (1 << 40, 'T'), (1 << 30, 'G'), (1 << 20, 'M'), (1 << 10, 'K')];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, letter)) => format!("{:.2}{letter}", bytes as f64 / *unit as f64),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info::Wanted;

    #[test]
    fn bytes_for_people() {
        let cases = [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1_572_864, "1.50M")];
        for (bytes, expected) in cases {
            assert_eq!(human(bytes), expected);
        }
    }

    #[test]
    fn sections_are_separated_by_an_empty_line() {
        let shown = [Section::Keyspace, Section::Modules, Section::ErrorStats];
        let wanted = Wanted(shown.iter().map(|section| 1 << *section as u32).sum());
        let mut whole = Whole { wanted, ..Whole::default() };
        whole.errors.insert("OOM".into(), 7);
        let database = whole.databases.entry(3).or_default();
        database.keys = 5;
        database.expires = 2;
        database.ttl_sum_ms = 200;
        assert_eq!(
            whole.text(),
            "# Modules\r\n\r\n# Errorstats\r\nerrorstat_OOM:count=7\r\n\r\n# Keyspace\r\n\
             db3:keys=5,expires=2,avg_ttl=100\r\n"
        );
        whole.wanted = Wanted(0);
        assert_eq!(whole.text(), "");
    }
}
