//! Job: what options mean together.
//! In: [`Arguments`], each valid by itself. Out: what is wrong with them, or a [`Plan`].
//! Invariant: pure: nothing is looked up, no file is opened.

use std::net::SocketAddr;
use std::time::Duration;

use super::options::{Arguments, Http, Redis};
use super::search::Bound;
use super::target::Protocol;
use crate::generator::keys::Distribution;
use crate::generator::plan::{DRAIN_TIMEOUT, Limit, OUTSTANDING_MAX, Pace, Plan, StreamPlan};

/// Requests that a connection sends at once to fill keys.
const FILL_PIPELINE: usize = 64;
/// Connections of the filling, at most.
const FILL_CONNECTIONS: usize = 50;
/// The first rate of a search, per second.
const START_RATE: f64 = 1000.0;
const WARM_UP_DEFAULT: Duration = Duration::from_secs(1);

/// Whether the options go together.
///
/// # Errors
/// What does not go together, and what to do.
pub fn check(arguments: &Arguments) -> Result<(), String> {
    let foreign = match arguments.target.protocol {
        Protocol::Redis { .. } => only_http(&arguments.http).map(|option| (option, "an http://")),
        Protocol::Http { .. } => only_redis(&arguments.redis).map(|option| (option, "a redis://")),
    };
    if let Some((option, address)) = foreign {
        return Err(format!("--{option} is for {address} address only"));
    }
    if arguments.redis.one_node && arguments.keys.distribution == Distribution::Sequential {
        return Err(
            "--one-node skips other nodes' keys, so they cannot come one by one: take another \
                    --distribution"
                .to_owned(),
        );
    }
    let pace = &arguments.pace;
    if pace.threads > pace.connections {
        return Err(format!(
            "{} threads need a connection each, but there are {}: give more --connections",
            pace.threads, pace.connections,
        ));
    }
    let connections_of_core = u64::from(pace.connections).div_ceil(u64::from(pace.threads));
    if connections_of_core * u64::from(pace.pipeline) > OUTSTANDING_MAX as u64 {
        return Err(format!(
            "more than {OUTSTANDING_MAX} requests of a thread would wait for replies: give less \
             --pipeline or --connections",
        ));
    }
    Ok(())
}

/// The first option that only a Redis server takes.
fn only_redis(redis: &Redis) -> Option<&'static str> {
    let given = [
        ("ratio", redis.ratio.is_some()),
        ("command", !redis.command.is_empty()),
        ("key-prefix", redis.key_prefix.is_some()),
        ("value-bytes", redis.value_bytes.is_some()),
        ("ttl", redis.ttl.is_some()),
        ("fill", redis.fill),
        ("verify", redis.verify),
        ("cluster", redis.cluster),
        ("one-node", redis.one_node),
    ];
    first_given(&given)
}

/// The first option that only an HTTP server takes.
fn only_http(http: &Http) -> Option<&'static str> {
    let given = [
        ("method", http.method.is_some()),
        ("header", !http.header.is_empty()),
        ("body-bytes", http.body_bytes.is_some()),
        ("expect", http.expect.is_some()),
    ];
    first_given(&given)
}

fn first_given(options: &[(&'static str, bool)]) -> Option<&'static str> {
    options.iter().find(|(_, is_given)| *is_given).map(|(name, _)| *name)
}

/// The run that options mean, on servers at these addresses.
pub fn plan(arguments: &Arguments, nodes: Vec<SocketAddr>) -> Plan {
    let Arguments { pace, length, .. } = arguments;
    let warm_up_default = if length.requests.is_some() { Duration::ZERO } else { WARM_UP_DEFAULT };
    Plan {
        nodes,
        cores: pace.threads as usize,
        stream: StreamPlan {
            clients: pace.connections as usize,
            keeps_to_node: arguments.redis.one_node,
            pace: match pace.rate {
                Some(rate) => Pace::Open {
                    rate,
                    gaps: pace.gaps.into(),
                    burst: pace.burst.unwrap_or(1) as usize,
                },
                None => Pace::Closed { pipeline: pace.pipeline as usize },
            },
        },
        probe: pace.probe.map(|rate| StreamPlan {
            clients: 1,
            keeps_to_node: false,
            pace: Pace::Open { rate, gaps: pace.gaps.into(), burst: 1 },
        }),
        seed: arguments.keys.seed.unwrap_or_default(),
        warm_up: length.warm_up.unwrap_or(warm_up_default),
        limit: length.requests.map_or(Limit::Time(length.time), Limit::Requests),
        drain: DRAIN_TIMEOUT,
        reconnects: pace.new_connections,
        shares_cpu: pace.share_cpu,
    }
}

/// The run before it that sets every key once.
pub fn fill_plan(arguments: &Arguments, nodes: Vec<SocketAddr>) -> Plan {
    let cores = arguments.pace.threads as usize;
    let clients = (arguments.pace.connections as usize).min(FILL_CONNECTIONS).max(cores);
    Plan {
        stream: StreamPlan {
            clients,
            keeps_to_node: false,
            pace: Pace::Closed { pipeline: FILL_PIPELINE },
        },
        probe: None,
        warm_up: Duration::ZERO,
        limit: Limit::Requests(arguments.keys.keys),
        reconnects: false,
        ..plan(arguments, nodes)
    }
}

/// The search that options ask for.
pub fn bound(arguments: &Arguments) -> Option<Bound> {
    arguments.pace.max_p99.map(|p99| Bound {
        p99_us: p99.as_secs_f64() * 1e6,
        start_rate: START_RATE,
        rate_max: arguments.pace.max_rate,
    })
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
