//! Help: what `--help` and `--version` print.
//! In: nothing. Out: text.
//! Invariant: every way to call the program stands here.

/// How the program is called.
pub const USAGE: &str = "\
Usage: ringlet-server [FILE] [--name value ...] [-]
       ringlet-server -                 read the configuration from standard input
       ringlet-server --check           say whether this machine can run it, and what to do if not
       ringlet-server --generate-docs   print docs/commands.md
       ringlet-server -v | --version
       ringlet-server -h | --help

A Redis-compatible data server on all cores. FILE has the syntax of redis.conf, and the names
are those of Redis; every directive can also be an option:

       ringlet-server                              port 6379 of this machine, all cores
       ringlet-server /etc/ringlet/ringlet.conf --loglevel verbose
       ringlet-server --port 7777 --requirepass secret --maxclients 1000
       echo 'port 7777' | ringlet-server -

Directives beside those of Redis:
       shards N             cores to run; 0 (the default) takes all that the process may use
       shard-ports BASE     core i also listens on BASE + i; cluster clients find the owner of a key
       admin ADDRESS:PORT   HTTP page with /healthz and /metrics (Prometheus)

CONFIG GET '*' shows all directives of a running server.
";

/// One line, in the form of redis-server's.
pub fn version() -> String {
    format!(
        "Ringlet server v={} bits={} redis_version={}\n",
        env!("CARGO_PKG_VERSION"),
        usize::BITS,
        crate::REDIS_VERSION,
    )
}
