//! Job: hold INFO, the slow log, the latency monitor and the admin pages to true figures.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`), with more shards than CPUs.
//! Out: test results.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ringlet_check::process::{Launch, RunningServer, ServerBinary, free_address};
use ringlet_check::value::Value;
use ringlet_check::wire::Wire;

const SHARDS: usize = 4;
const WAIT: Duration = Duration::from_secs(20);

fn launch(options: &[&str]) -> RunningServer {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    let launch = Launch { options: options.to_vec(), ..Launch::with_shards(SHARDS) };
    binary.launch(&launch).unwrap_or_else(|error| panic!("{error}"))
}

fn say(wire: &mut Wire, line: &str) -> String {
    wire.line(line).unwrap_or_else(|error| panic!("{line}: {error}")).to_string()
}

fn info(wire: &mut Wire, section: &str) -> String {
    wire.call(&["INFO", section]).expect("INFO").text()
}

/// The text behind `name:` in a section.
fn field(wire: &mut Wire, section: &str, name: &str) -> String {
    let text = info(wire, section);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).to_string()
}

fn number(wire: &mut Wire, section: &str, name: &str) -> i64 {
    let text = field(wire, section, name);
    text.parse().unwrap_or_else(|_| panic!("{name}:{text}"))
}

/// The number behind `figure=` in the statistics of a command.
fn of_command(wire: &mut Wire, command: &str, figure: &str) -> i64 {
    let text = field(wire, "commandstats", &format!("cmdstat_{command}"));
    let mut figures = text.split(',').filter_map(|pair| pair.split_once('='));
    let found = figures.find(|(name, _)| *name == figure);
    found.unwrap_or_else(|| panic!("no {figure} in {text}")).1.parse().expect("a number")
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("key:{number}")).collect()
}

/// The first tick comes later than the first command, and to an idle core much later.
#[test]
fn keys_are_not_idle_from_the_first_command_on() {
    let server = launch(&[]);
    let mut wire = server.connect();
    for key in keys(32) {
        assert_eq!(say(&mut wire, &format!("SET {key} value")), "+OK");
        let idle = wire.line(&format!("OBJECT IDLETIME {key}")).expect("a reply").integer();
        assert!(idle.is_some_and(|idle_s| (0..60).contains(&idle_s)), "{key}: {idle:?}");
    }
}

#[test]
fn each_call_counts_once_wherever_its_parts_run() {
    let server = launch(&[]);
    let mut wire = server.connect();
    let mut other = server.connect();
    assert_eq!(say(&mut wire, "CONFIG RESETSTAT"), "+OK");
    let mut set = vec!["MSET".to_string()];
    for key in keys(40) {
        set.extend([key, "value".to_string()]);
    }
    let mut delete = vec!["DEL".to_string()];
    delete.extend(keys(40));
    for _ in 0..5 {
        assert_eq!(wire.call(&set).expect("MSET"), Value::ok());
        assert_eq!(say(&mut wire, "DBSIZE"), ":40");
        assert_eq!(wire.call(&delete).expect("DEL"), Value::Integer(40));
        assert_eq!(say(&mut wire, "PING"), "+PONG");
        assert_eq!(say(&mut wire, "CONFIG SET timeout 0"), "+OK");
        for line in ["MULTI", "DBSIZE", "CONFIG SET timeout 0", "GET a", "RENAME a b", "EXEC"] {
            say(&mut wire, line);
        }
        // A command that waits is one call, and so is the one that serves it.
        wire.send(&["BLPOP", "list", "other", "0"]).expect("sent");
        let deadline = Instant::now() + WAIT;
        while number(&mut other, "clients", "blocked_clients") == 0 {
            assert!(Instant::now() < deadline, "the client never blocks");
        }
        assert_eq!(say(&mut other, "RPUSH other x"), ":1");
        assert_eq!(wire.read().expect("served").items().map(<[Value]>::len), Some(2));
        assert!(wire.line("GET").expect("an error").is_error());
        assert!(wire.line("LPUSH key:0").expect("an error").is_error());
    }
    let calls = [
        ("mset", 5),
        ("dbsize", 10),
        ("del", 5),
        ("ping", 5),
        ("config|set", 10),
        ("multi", 5),
        ("exec", 5),
        ("get", 5),
        ("rename", 5),
        ("blpop", 5),
        ("rpush", 5),
    ];
    for (command, expected) in calls {
        assert_eq!(of_command(&mut wire, command, "calls"), expected, "{command}");
    }
    assert_eq!(of_command(&mut wire, "get", "rejected_calls"), 5);
    assert_eq!(of_command(&mut wire, "lpush", "rejected_calls"), 5);
    assert_eq!(of_command(&mut wire, "rename", "failed_calls"), 5);
    assert_eq!(of_command(&mut wire, "get", "failed_calls"), 0);
    assert!(of_command(&mut wire, "mset", "usec") > 0);
    // 5 of each: GET without key, LPUSH without element, RENAME of a missing key.
    assert_eq!(number(&mut wire, "stats", "total_error_replies"), 15);
    assert_eq!(field(&mut wire, "errorstats", "errorstat_ERR"), "count=15");
    let latency = field(&mut wire, "latencystats", "latency_percentiles_usec_mset");
    assert!(latency.starts_with("p50=") && latency.contains(",p99.9="), "{latency}");
}

#[test]
fn an_error_that_is_made_of_the_parts_of_all_cores_counts() {
    let server = launch(&[]);
    let mut wire = server.connect();
    for line in ["CLIENT KILL 1.1.1.1:1", "LATENCY GRAPH x"] {
        assert!(wire.line(line).expect(line).is_error(), "{line}");
    }
    assert_eq!(of_command(&mut wire, "client|kill", "failed_calls"), 1);
    assert_eq!(of_command(&mut wire, "latency|graph", "failed_calls"), 1);
    assert_eq!(number(&mut wire, "stats", "total_error_replies"), 2);
}

#[test]
fn what_has_changed_since_the_last_save_is_no_statistic() {
    let server = launch(&[]);
    let mut wire = server.connect();
    for key in keys(10) {
        wire.call(&["SET", &key, "x"]).expect("SET");
    }
    assert_eq!(say(&mut wire, "CONFIG RESETSTAT"), "+OK");
    assert_eq!(number(&mut wire, "persistence", "rdb_changes_since_last_save"), 10);
    assert_eq!(number(&mut wire, "stats", "keyspace_hits"), 0);
}

#[test]
fn statistics_of_the_allocator_are_a_text_in_resp3() {
    let server = launch(&[]);
    let mut wire = server.connect();
    wire.line("HELLO 3").expect("HELLO");
    let reply = wire.line("MEMORY MALLOC-STATS").expect("a text");
    assert!(matches!(reply, Value::Verbatim(..)), "{reply}");
}

/// The fields of redis-server 7.0.15, but for those of commands, errors and databases.
const REDIS_FIELDS: &str = "
    redis_version redis_git_sha1 redis_git_dirty redis_build_id redis_mode os arch_bits
    monotonic_clock multiplexing_api atomicvar_api gcc_version process_id process_supervised
    run_id tcp_port server_time_usec uptime_in_seconds uptime_in_days hz configured_hz
    lru_clock executable config_file io_threads_active connected_clients cluster_connections
    maxclients client_recent_max_input_buffer client_recent_max_output_buffer
    blocked_clients tracking_clients clients_in_timeout_table used_memory used_memory_human
    used_memory_rss used_memory_rss_human used_memory_peak used_memory_peak_human
    used_memory_peak_perc used_memory_overhead used_memory_startup used_memory_dataset
    used_memory_dataset_perc allocator_allocated allocator_active allocator_resident
    total_system_memory total_system_memory_human used_memory_lua used_memory_vm_eval
    used_memory_lua_human used_memory_scripts_eval number_of_cached_scripts
    number_of_functions number_of_libraries used_memory_vm_functions used_memory_vm_total
    used_memory_vm_total_human used_memory_functions used_memory_scripts
    used_memory_scripts_human maxmemory maxmemory_human maxmemory_policy
    allocator_frag_ratio allocator_frag_bytes allocator_rss_ratio allocator_rss_bytes
    rss_overhead_ratio rss_overhead_bytes mem_fragmentation_ratio mem_fragmentation_bytes
    mem_not_counted_for_evict mem_replication_backlog mem_total_replication_buffers
    mem_clients_slaves mem_clients_normal mem_cluster_links mem_aof_buffer mem_allocator
    active_defrag_running lazyfree_pending_objects lazyfreed_objects loading async_loading
    current_cow_peak current_cow_size current_cow_size_age current_fork_perc
    current_save_keys_processed current_save_keys_total rdb_changes_since_last_save
    rdb_bgsave_in_progress rdb_last_save_time rdb_last_bgsave_status
    rdb_last_bgsave_time_sec rdb_current_bgsave_time_sec rdb_saves rdb_last_cow_size
    rdb_last_load_keys_expired rdb_last_load_keys_loaded aof_enabled aof_rewrite_in_progress
    aof_rewrite_scheduled aof_last_rewrite_time_sec aof_current_rewrite_time_sec
    aof_last_bgrewrite_status aof_rewrites aof_rewrites_consecutive_failures
    aof_last_write_status aof_last_cow_size module_fork_in_progress
    module_fork_last_cow_size total_connections_received total_commands_processed
    instantaneous_ops_per_sec total_net_input_bytes total_net_output_bytes
    total_net_repl_input_bytes total_net_repl_output_bytes instantaneous_input_kbps
    instantaneous_output_kbps instantaneous_input_repl_kbps instantaneous_output_repl_kbps
    rejected_connections sync_full sync_partial_ok sync_partial_err expired_keys
    expired_stale_perc expired_time_cap_reached_count expire_cycle_cpu_milliseconds
    evicted_keys evicted_clients total_eviction_exceeded_time current_eviction_exceeded_time
    keyspace_hits keyspace_misses pubsub_channels pubsub_patterns pubsubshard_channels
    latest_fork_usec total_forks migrate_cached_sockets slave_expires_tracked_keys
    active_defrag_hits active_defrag_misses active_defrag_key_hits active_defrag_key_misses
    total_active_defrag_time current_active_defrag_time tracking_total_keys
    tracking_total_items tracking_total_prefixes unexpected_error_replies
    total_error_replies dump_payload_sanitizations total_reads_processed
    total_writes_processed io_threaded_reads_processed io_threaded_writes_processed
    reply_buffer_shrinks reply_buffer_expands role connected_slaves master_failover_state
    master_replid master_replid2 master_repl_offset second_repl_offset repl_backlog_active
    repl_backlog_size repl_backlog_first_byte_offset repl_backlog_histlen used_cpu_sys
    used_cpu_user used_cpu_sys_children used_cpu_user_children used_cpu_sys_main_thread
    used_cpu_user_main_thread cluster_enabled
";

#[test]
fn every_field_of_redis_is_there() {
    let server = launch(&[]);
    let mut wire = server.connect();
    let text = info(&mut wire, "everything");
    let shown: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let missing: Vec<&str> =
        REDIS_FIELDS.split_whitespace().filter(|name| !shown.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let listener = field(&mut wire, "server", "listener0");
    assert!(listener.starts_with("name=tcp,bind=127.0.0.1"), "{listener}");
    assert!(number(&mut wire, "stats", "total_reads_processed") > 0);
    assert!(number(&mut wire, "stats", "total_writes_processed") > 0);
    wire.send(&["BLPOP", "a", "b", "0"]).expect("sent");
    let mut other = server.connect();
    while number(&mut other, "clients", "total_blocking_keys") != 2 {}
}

#[test]
fn memory_statistics_have_the_fields_of_redis() {
    let server = launch(&[]);
    let mut wire = server.connect();
    assert_eq!(say(&mut wire, "SET a b"), "+OK");
    let items = wire.line("MEMORY STATS").expect("figures").into_items();
    let of = |name: &str| {
        let place = items.iter().position(|item| *item == Value::bulk(name));
        items[place.unwrap_or_else(|| panic!("no {name}")) + 1].clone()
    };
    for name in ["allocator.active", "allocator-rss.bytes", "rss-overhead.bytes"] {
        assert!(of(name).integer().is_some(), "{name}");
    }
    let tables = of("db.0").into_items();
    assert_eq!(tables[0], Value::bulk("overhead.hashtable.main"));
    assert!(tables[1].integer() > Some(0), "{tables:?}");
}

#[test]
fn an_lfu_policy_counts_uses_on_every_shard() {
    let server = launch(&["--maxmemory-policy", "allkeys-lfu"]);
    let mut wire = server.connect();
    assert_eq!(field(&mut wire, "memory", "maxmemory_policy"), "allkeys-lfu");
    for key in keys(20) {
        wire.call(&["SET", &key, "x"]).expect("SET");
        assert_eq!(say(&mut wire, &format!("OBJECT FREQ {key}")), ":5");
        wire.call(&["SET", &key, "y"]).expect("SET");
        assert_eq!(say(&mut wire, &format!("OBJECT FREQ {key}")), ":6", "it keeps its count");
        say(&mut wire, &format!("RENAME {key} renamed:{key}"));
        let frequency = say(&mut wire, &format!("OBJECT FREQ renamed:{key}"));
        assert!([":6", ":7"].contains(&frequency.as_str()), "{frequency}");
    }
    assert_eq!(say(&mut wire, "CONFIG SET maxmemory-policy allkeys-lru"), "+OK");
    assert_eq!(field(&mut wire, "memory", "maxmemory_policy"), "allkeys-lru");
    assert!(wire.line("OBJECT FREQ renamed:key:1").expect("a reply").is_error());
}

#[test]
fn keys_and_reads_of_all_shards_are_summed() {
    let server = launch(&[]);
    let mut wire = server.connect();
    for key in keys(100) {
        wire.call(&["SET", &key, "x"]).expect("SET");
        wire.call(&["SETEX", &format!("{key}:expires"), "1000", "x"]).expect("SETEX");
    }
    assert_eq!(say(&mut wire, "SELECT 3"), "+OK");
    assert_eq!(say(&mut wire, "SET a b"), "+OK");
    let text = info(&mut wire, "keyspace");
    assert!(text.contains("db0:keys=200,expires=100,avg_ttl="), "{text}");
    assert!(text.contains("db3:keys=1,expires=0,avg_ttl=0"), "{text}");
    let average = text.split("avg_ttl=").nth(1).and_then(|rest| rest.lines().next());
    let average_ms: i64 = average.and_then(|text| text.parse().ok()).expect("a number");
    assert!((900_000..=1_000_000).contains(&average_ms), "{average_ms}");
    assert_eq!(number(&mut wire, "persistence", "rdb_changes_since_last_save"), 201);
    assert_eq!(say(&mut wire, "SELECT 0"), "+OK");
    assert_eq!(say(&mut wire, "CONFIG RESETSTAT"), "+OK");
    for key in keys(150) {
        wire.call(&["GET", &key]).expect("GET");
    }
    assert_eq!(number(&mut wire, "stats", "keyspace_hits"), 100);
    assert_eq!(number(&mut wire, "stats", "keyspace_misses"), 50);
    for key in keys(100) {
        wire.call(&["PEXPIRE", &format!("{key}:expires"), "1"]).expect("PEXPIRE");
    }
    let deadline = Instant::now() + WAIT;
    while number(&mut wire, "stats", "expired_keys") != 100 {
        assert!(Instant::now() < deadline, "keys do not expire");
    }
    let text = info(&mut wire, "ringlet");
    let each: Vec<i64> = (0..SHARDS)
        .map(|core| {
            let line = text.lines().find(|line| line.starts_with(&format!("core{core}:")));
            let line = line.unwrap_or_else(|| panic!("no core {core} in {text}"));
            let figure = line.split(',').find_map(|pair| pair.strip_prefix("keys="));
            figure.and_then(|keys| keys.parse().ok()).expect("a number")
        })
        .collect();
    assert_eq!(each.iter().sum::<i64>(), 101, "{each:?}");
    assert!(each.iter().all(|keys| *keys > 0), "every core has some: {each:?}");
}

#[test]
fn what_goes_from_core_to_core_is_counted() {
    const GETS: usize = 60;
    const NAMES: [&str; 4] =
        ["batches_sent", "batch_commands_sent", "reply_batches_sent", "sequencer_uses"];
    let server = launch(&[]);
    let mut wire = server.connect();
    let seen = |wire: &mut Wire| {
        let text = info(wire, "ringlet");
        NAMES.map(|name| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.parse::<i64>().ok()).expect(name)
        })
    };
    let mut grown = |ask: &mut dyn FnMut(&mut Wire)| {
        // INFO asks all cores itself: what one costs is known from two without anything between.
        let [first, second] = [seen(&mut wire), seen(&mut wire)];
        ask(&mut wire);
        let third = seen(&mut wire);
        std::array::from_fn(|at| third[at] - second[at] - (second[at] - first[at]))
    };
    let [batches, commands, replies, sequenced] = grown(&mut |wire| {
        for key in keys(GETS) {
            wire.call(&["GET", &key]).expect("GET");
        }
    });
    // Each of the cores has some of the keys, the connection's core too.
    assert!((1..GETS as i64).contains(&commands), "{commands}");
    assert_eq!((batches, sequenced), (commands, 0), "one after the other, to one core each");
    assert!(replies >= commands, "{replies} replies to {commands} commands");
    let [_, _, _, sequenced] = grown(&mut |wire| {
        for _ in 0..5 {
            let mut words = vec!["MGET".to_owned()];
            words.extend(keys(40));
            wire.call(&words).expect("MGET");
        }
    });
    assert_eq!(sequenced, 5, "a command that goes to several cores takes it once");
    assert_eq!(say(&mut wire, "CONFIG RESETSTAT"), "+OK");
    assert_eq!(number(&mut wire, "ringlet", "sequencer_wait_us"), 0);
}

#[test]
fn connections_and_channels_are_counted_over_all_cores() {
    let server = launch(&[]);
    let mut wire = server.connect();
    let mut listeners: Vec<Wire> = (0..3 * SHARDS).map(|_| server.connect()).collect();
    for listener in &mut listeners {
        // The same two channels and one pattern on every core.
        for words in [["SUBSCRIBE", "news"], ["SUBSCRIBE", "weather"], ["PSUBSCRIBE", "n*"]] {
            listener.call(&words).expect("subscribed");
        }
    }
    assert_eq!(number(&mut wire, "clients", "connected_clients"), 1 + 3 * SHARDS as i64);
    assert_eq!(number(&mut wire, "stats", "pubsub_channels"), 2);
    assert_eq!(number(&mut wire, "stats", "pubsub_patterns"), 1);
    drop(listeners);
    let deadline = Instant::now() + WAIT;
    while number(&mut wire, "clients", "connected_clients") != 1 {
        assert!(Instant::now() < deadline, "connections stay");
    }
    assert_eq!(number(&mut wire, "stats", "pubsub_channels"), 0);
}

#[test]
fn memory_follows_the_data() {
    const KEYS: i64 = 20_000;
    const VALUE: usize = 1000;
    let server = launch(&[]);
    let mut wire = server.connect();
    let before = number(&mut wire, "memory", "used_memory");
    let value = "x".repeat(VALUE);
    for batch in keys(KEYS as usize).chunks(1000) {
        let commands: Vec<Vec<&str>> =
            batch.iter().map(|key| vec!["SET", key.as_str(), value.as_str()]).collect();
        wire.pipeline(&commands).expect("SET");
    }
    let full = number(&mut wire, "memory", "used_memory");
    let each = (full - before) / KEYS;
    assert!((VALUE as i64..VALUE as i64 + 200).contains(&each), "{each} bytes per key");
    assert!(number(&mut wire, "memory", "used_memory_dataset") >= KEYS * VALUE as i64);
    assert!(number(&mut wire, "memory", "used_memory_peak") >= full);
    assert!(number(&mut wire, "memory", "used_memory_rss") >= KEYS * VALUE as i64);
    let usage = wire.line("MEMORY USAGE key:1").expect("bytes").integer().expect("a number");
    assert!((VALUE as i64..VALUE as i64 + 200).contains(&usage), "{usage}");
    let stats = wire.line("MEMORY STATS").expect("figures").into_items();
    let figure = |name: &str| {
        let at = stats.iter().position(|item| item.text() == name).expect(name);
        stats[at + 1].integer().expect("a number")
    };
    assert_eq!(figure("keys.count"), KEYS);
    assert!(figure("dataset.bytes") >= KEYS * VALUE as i64);
    assert_eq!(say(&mut wire, "FLUSHALL"), "+OK");
    let deadline = Instant::now() + WAIT;
    while number(&mut wire, "memory", "used_memory") > before + (full - before) / 10 {
        assert!(Instant::now() < deadline, "memory is not given back");
    }
    // It is noted on ticks, and whenever INFO is asked for.
    let peak = number(&mut wire, "memory", "used_memory_peak");
    assert!(peak >= full - full / 50, "the peak stays: {peak} of {full}");
    assert_eq!(say(&mut wire, "MEMORY PURGE"), "+OK");
}

#[test]
fn the_slow_log_has_the_commands_of_all_cores_with_their_clients() {
    let server = launch(&["--slowlog-log-slower-than", "-1"]);
    let mut admin = server.connect();
    let mut wire = server.connect();
    assert_eq!(say(&mut wire, "CLIENT SETNAME slow"), "+OK");
    let id = wire.line("CLIENT ID").expect("an id").integer().expect("a number");
    let list = admin.call(&["CLIENT", "LIST", "ID", &id.to_string()]).expect("a list").text();
    let address = list.split(' ').find_map(|pair| pair.strip_prefix("addr=")).expect("an address");
    assert_eq!(say(&mut admin, "CONFIG SET slowlog-log-slower-than 0"), "+OK");
    for key in keys(20) {
        wire.call(&["SET", &key, "x"]).expect("SET");
    }
    let long = "y".repeat(300);
    wire.call(&["SET", "long", &long]).expect("SET");
    assert_eq!(say(&mut admin, "CONFIG SET requirepass hidden"), "+OK");
    assert_eq!(say(&mut admin, "AUTH hidden"), "+OK");
    assert_eq!(say(&mut admin, "CONFIG SET slowlog-log-slower-than -1"), "+OK");
    let text = say(&mut admin, "SLOWLOG GET -1");
    assert!(text.contains("(redacted)") && !text.contains("hidden"), "{text}");
    let entries = admin.line("SLOWLOG GET -1").expect("entries").into_items();
    let ids: Vec<i64> =
        entries.iter().map(|it| it.items().expect("six")[0].integer().expect("an id")).collect();
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "newest first: {ids:?}");
    let sets: Vec<&[Value]> = entries
        .iter()
        .filter_map(Value::items)
        .filter(|entry| entry[3].items().expect("words")[0].text() == "SET")
        .collect();
    assert_eq!(sets.len(), 21);
    for entry in &sets {
        assert_eq!(entry[4].text(), address);
        assert_eq!(entry[5].text(), "slow");
    }
    let shown = sets[0][3].items().expect("words")[2].text();
    assert_eq!(shown, format!("{}... (172 more bytes)", "y".repeat(128)));
    assert_eq!(admin.line("SLOWLOG GET 3").expect("entries").into_items().len(), 3);
    assert_eq!(say(&mut admin, "CONFIG SET slowlog-max-len 5"), "+OK");
    assert_eq!(say(&mut admin, "SLOWLOG LEN"), ":5");
    assert_eq!(say(&mut admin, "SLOWLOG RESET"), "+OK");
    assert_eq!(say(&mut admin, "SLOWLOG LEN"), ":0");
}

#[test]
fn the_slow_log_has_a_command_once_however_many_cores_do_a_part_of_it() {
    let server = launch(&["--slowlog-log-slower-than", "0"]);
    let mut wire = server.connect();
    let mut lines =
        vec!["MGET".to_string() + " a b c d e f g h i j k l m n o p", "FLUSHALL".into()];
    lines.push("DBSIZE".into());
    lines.push(format!("DEL {}", keys(40).join(" ")));
    for line in &lines {
        assert_eq!(say(&mut wire, "SLOWLOG RESET"), "+OK");
        say(&mut wire, line);
        let entries = wire.line("SLOWLOG GET 9").expect("entries").into_items();
        let shown: Vec<String> = entries
            .iter()
            .map(|entry| entry.items().expect("six")[3].items().expect("words").to_vec())
            .map(|words| words.iter().map(Value::text).collect::<Vec<_>>().join(" "))
            .collect();
        let words: Vec<&str> = line.split(' ').collect();
        let expected = match words.len() {
            41 => format!("{} ... (10 more arguments)", words[..31].join(" ")),
            _ => line.clone(),
        };
        assert_eq!(shown, [expected, "SLOWLOG RESET".into()]);
        let client = entries[0].items().expect("six")[4].text();
        assert!(client.starts_with("127.0.0.1:"), "{client}");
    }
}

#[test]
fn the_latency_monitor_sees_slow_commands() {
    // Far above what a busy machine makes of a PING.
    let server = launch(&["--latency-monitor-threshold", "500", "--enable-debug-command", "yes"]);
    let mut wire = server.connect();
    assert_eq!(say(&mut wire, "PING"), "+PONG");
    assert_eq!(wire.line("LATENCY LATEST").expect("events").into_items().len(), 0);
    assert_eq!(say(&mut wire, "DEBUG SLEEP 0.6"), "+OK");
    let events = wire.line("LATENCY LATEST").expect("events").into_items();
    assert_eq!(events.len(), 1, "one event for all cores: {events:?}");
    let event = events[0].items().expect("four");
    assert_eq!(event[0].text(), "command");
    assert!(event[2].integer() >= Some(600) && event[3] == event[2], "{event:?}");
    let history = wire.line("LATENCY HISTORY command").expect("samples").into_items();
    assert!((1..=2).contains(&history.len()), "{history:?}");
    let graph = wire.line("LATENCY GRAPH command").expect("a drawing").text();
    assert!(graph.starts_with("command - high "), "{graph}");
    let doctor = wire.line("LATENCY DOCTOR").expect("advice").text();
    assert!(doctor.contains("command: slow in "), "{doctor}");
    let histogram = wire.line("LATENCY HISTOGRAM debug").expect("a histogram").into_items();
    assert_eq!(histogram[0].text(), "debug|sleep");
    let calls = histogram[1].items().expect("a map")[1].integer();
    assert_eq!(calls, Some(1));
    assert_eq!(say(&mut wire, "LATENCY RESET"), ":1");
    assert_eq!(wire.line("LATENCY LATEST").expect("events").into_items().len(), 0);
}

/// One GET of an admin page: status line and body.
fn page(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("the admin listener");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().expect("a status").to_string(), body.to_string())
}

#[test]
fn the_admin_pages_show_figures_and_notice_a_core_that_hangs() {
    let admin = free_address().expect("a port");
    let address = admin.to_string();
    let server = launch(&["--admin", &address, "--enable-debug-command", "yes"]);
    let mut wire = server.connect();
    let deadline = Instant::now() + WAIT;
    while page(admin, "/healthz").0 != "HTTP/1.1 200 OK" {
        assert!(Instant::now() < deadline, "never healthy");
    }
    for key in keys(50) {
        wire.call(&["SET", &key, "x"]).expect("SET");
    }
    let sample = |name: &str| -> Option<f64> {
        let (status, text) = page(admin, "/metrics");
        assert_eq!(status, "HTTP/1.1 200 OK");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok())
    };
    while sample("ringlet_keys") != Some(50.0) {
        assert!(Instant::now() < deadline, "the keys never show");
    }
    assert_eq!(sample("redis_up"), Some(1.0));
    assert_eq!(sample("redis_connected_clients"), Some(1.0));
    assert!(sample("redis_commands_processed_total") >= Some(50.0));
    assert!(sample("redis_memory_used_bytes") > Some(0.0));
    assert!(sample("redis_memory_used_rss_bytes") > Some(0.0));
    let by_core: f64 = (0..SHARDS)
        .map(|core| sample(&format!("ringlet_core_keys{{core=\"{core}\"}}")).expect("a core"))
        .sum();
    assert!((by_core - 50.0).abs() < 0.5, "{by_core}");
    assert_eq!(
        wire.call(&["MSET", "a", "1", "b", "2", "c", "3", "d", "4"]).expect("MSET"),
        Value::ok()
    );
    let sequenced = |core| format!("ringlet_core_sequencer_uses_total{{core=\"{core}\"}}");
    while (0..SHARDS).all(|core| sample(&sequenced(core)) == Some(0.0)) {
        assert!(Instant::now() < deadline, "the sequencer's uses never show");
    }
    // While all cores sleep the page still answers, and says so after five seconds.
    wire.send(&["DEBUG", "SLEEP", "7"]).expect("sent");
    while page(admin, "/healthz").0 != "HTTP/1.1 503 Service Unavailable" {
        assert!(Instant::now() < deadline, "nobody notices");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(page(admin, "/healthz").1.contains("has not run for"));
    assert_eq!(wire.read().expect("it wakes up"), Value::ok());
}
