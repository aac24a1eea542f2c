//! Configuration: the directives of redis.conf that this server knows, as typed values.
//! In: the configuration file, the command line, CONFIG SET. Out: one `Config`, a copy on each
//! core.
//! Invariant: every directive is one row of the table in `directives`.

pub mod directives;
pub mod lines;
pub mod load;
pub mod rewrite;
pub mod set;
pub mod value;

use std::collections::BTreeMap;
use std::path::PathBuf;

use ringlet_store::{KeyHasher, Limits};

use crate::shard::access::Counting;

/// Bounds on a client's output buffer: hard bytes, soft bytes, soft seconds; 0 means none.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct OutputLimit {
    /// Above this the client is closed at once.
    pub hard_bytes: u64,
    /// Above this for `soft_s` seconds the client is closed.
    pub soft_bytes: u64,
    /// Seconds.
    pub soft_s: u64,
}

/// Which clients an output limit is for.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ClientClass {
    /// Ordinary clients, MONITOR too.
    Normal,
    /// Replicas; there are none, but the directive names them.
    Replica,
    /// Clients with subscriptions.
    PubSub,
}

/// `enable-debug-command`: who may use DEBUG.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum DebugAccess {
    /// Nobody.
    No,
    /// Everybody.
    Yes,
    /// Clients on this machine.
    Local,
}

impl DebugAccess {
    /// The word of the directive.
    pub fn name(self) -> &'static str {
        match self {
            DebugAccess::No => "no",
            DebugAccess::Yes => "yes",
            DebugAccess::Local => "local",
        }
    }

    /// The value of a word; what is neither `yes` nor `local` means nobody.
    pub fn of_name(name: &str) -> DebugAccess {
        match name {
            "yes" => DebugAccess::Yes,
            "local" => DebugAccess::Local,
            _ => DebugAccess::No,
        }
    }
}

/// The configuration in force on a core.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file the configuration came from, absolute.
    pub file: Option<PathBuf>,
    /// `bind`: addresses to listen on; a leading `-` allows one to be missing.
    pub bind: Vec<String>,
    /// `port`; 0 listens on no TCP port.
    pub port: u16,
    /// `tcp-backlog`
    pub tcp_backlog: u32,
    /// `unixsocket`
    pub unix_socket: Option<PathBuf>,
    /// `unixsocketperm`, octal; 0 leaves the umask's choice.
    pub unix_socket_mode: u32,
    /// `shards`: number of cores to run; 0 takes one for each CPU this process may use.
    pub shards: usize,
    /// `shard-ports`: first port of the cores' own ports; 0 opens none.
    pub shard_ports: u16,
    /// `cluster-announce-ip`; empty: the address that the client has reached.
    pub announce_ip: String,
    /// `cluster-announce-port`: the first core's; 0: that of `shard-ports`.
    pub announce_port: u16,
    /// `cluster-announce-hostname`
    pub announce_hostname: String,
    /// `cluster-preferred-endpoint-type`
    pub endpoint_type: String,
    /// `admin`: address of the admin HTTP listener.
    pub admin: Option<String>,
    /// `databases`
    pub databases: usize,
    /// `protected-mode`
    pub protected_mode: bool,
    /// `requirepass`; empty asks for none.
    pub password: String,
    /// `maxclients`
    pub clients_max: usize,
    /// `timeout`: seconds after which an idle client is closed; 0 never.
    pub timeout_s: u64,
    /// `tcp-keepalive`: seconds; 0 sends none.
    pub keepalive_s: u32,
    /// `client-query-buffer-limit`
    pub query_buffer_bytes_max: usize,
    /// `proto-max-bulk-len`
    pub bulk_bytes_max: usize,
    /// `client-output-buffer-limit`: normal, replica, pubsub.
    pub output_limits: [OutputLimit; 3],
    /// `slowlog-log-slower-than`: microseconds; negative logs nothing.
    pub slowlog_slower_than_us: i64,
    /// `slowlog-max-len`
    pub slowlog_entries_max: usize,
    /// `latency-monitor-threshold`: milliseconds; 0 watches nothing.
    pub latency_threshold_ms: u64,
    /// `hz`
    pub hz: u32,
    /// `maxmemory-policy`: nothing is evicted, but those with `lfu` count how often keys are used.
    pub eviction_policy: String,
    /// `lfu-log-factor`
    pub lfu_log_factor: u32,
    /// `lfu-decay-time`
    pub lfu_decay_minutes: u32,
    /// The thresholds of the compact encodings.
    pub limits: Limits,
    /// `loglevel`
    pub log_level: String,
    /// `logfile`; empty logs to standard output.
    pub log_file: String,
    /// `dir`
    pub directory: PathBuf,
    /// `pidfile`; empty writes none.
    pub pid_file: String,
    /// `supervised`
    pub supervised: String,
    /// `enable-debug-command`
    pub debug_access: DebugAccess,
    /// `latency-tracking`
    pub latency_tracking: bool,
    /// `latency-tracking-info-percentiles`
    pub latency_percentiles: Vec<String>,
    /// The largest `maxclients` that the cores were made for; `None` before the start.
    pub clients_ceiling: Option<usize>,
    /// Directives that are accepted and change nothing here, as far as they were set.
    pub inert: BTreeMap<&'static str, value::Value>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            file: None,
            bind: vec!["127.0.0.1".into(), "-::1".into()],
            port: 6379,
            tcp_backlog: 511,
            unix_socket: None,
            unix_socket_mode: 0,
            shards: 0,
            shard_ports: 0,
            announce_ip: String::new(),
            announce_port: 0,
            announce_hostname: String::new(),
            endpoint_type: "ip".into(),
            admin: None,
            databases: 16,
            protected_mode: true,
            password: String::new(),
            clients_max: 10_000,
            timeout_s: 0,
            keepalive_s: 300,
            query_buffer_bytes_max: 1 << 30,
            bulk_bytes_max: 512 << 20,
            output_limits: [
                OutputLimit::default(),
                OutputLimit { hard_bytes: 256 << 20, soft_bytes: 64 << 20, soft_s: 60 },
                OutputLimit { hard_bytes: 32 << 20, soft_bytes: 8 << 20, soft_s: 60 },
            ],
            slowlog_slower_than_us: 10_000,
            slowlog_entries_max: 128,
            latency_threshold_ms: 0,
            hz: 10,
            eviction_policy: "noeviction".into(),
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
            limits: Limits::new(KeyHasher::new([0; 4])),
            log_level: "notice".into(),
            log_file: String::new(),
            directory: PathBuf::from("."),
            pid_file: String::new(),
            supervised: "no".into(),
            debug_access: DebugAccess::No,
            latency_tracking: true,
            latency_percentiles: ["50", "99", "99.9"].map(Into::into).to_vec(),
            clients_ceiling: None,
            inert: BTreeMap::new(),
        }
    }
}

impl Config {
    /// How accesses are counted; `None` under a policy that asks when a key was used, not how
    /// often.
    pub fn counting(&self) -> Option<Counting> {
        self.eviction_policy.ends_with("lfu").then_some(Counting {
            log_factor: self.lfu_log_factor,
            decay_minutes: self.lfu_decay_minutes,
        })
    }
}

impl crate::core::Core {
    /// Puts a configuration into force on this core.
    pub fn apply_config(&mut self, config: std::sync::Arc<Config>) {
        self.statistics.slow_log_ticks = match u64::try_from(config.slowlog_slower_than_us) {
            Ok(microseconds) => self.ticks_in(microseconds),
            Err(_) => u64::MAX,
        };
        self.statistics.event_ticks = match config.latency_threshold_ms {
            0 => u64::MAX,
            milliseconds => self.ticks_in(milliseconds.saturating_mul(1000)),
        };
        self.statistics.slow_log.truncate(config.slowlog_entries_max);
        if self.config.log_level != config.log_level {
            crate::logging::set_level(&config.log_level);
        }
        // `proto-max-bulk-len`, and `requirepass` for those who have not authenticated.
        self.clients.iter_mut().for_each(|connection| connection.has_new_limits = true);
        self.config = config;
        self.configure_keyspace();
    }

    /// Tells the keyspace what it must know of the configuration and of CLIENT PAUSE.
    pub fn configure_keyspace(&mut self) {
        let keyspace = &mut self.shard.keyspace;
        keyspace.limits = std::sync::Arc::new(self.config.limits);
        keyspace.accesses.choose(self.config.counting(), self.now_ms);
        keyspace.is_frozen = self.pause.is_some();
    }

    /// Clock ticks in so many microseconds.
    pub fn ticks_in(&self, microseconds: u64) -> u64 {
        const SAMPLE_TICKS: u64 = 1 << 30;
        let sample_ns = self.ticks.to_nanoseconds(SAMPLE_TICKS).max(1);
        let ticks = u128::from(microseconds) * 1000 * u128::from(SAMPLE_TICKS);
        u64::try_from(ticks / u128::from(sample_ns)).unwrap_or(u64::MAX)
    }
}
