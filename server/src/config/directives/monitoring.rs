//! Directives of what the server tells about itself.

use super::Change::Anytime;
use super::{Directive, Keep, flag, number};
use crate::config::value::{Kind, Value};

const LONG: Kind = Kind::Number(0, i64::MAX);

pub const DIRECTIVES: &[Directive] = &[
    Directive::field(
        "slowlog-log-slower-than",
        Kind::Number(-1, i64::MAX),
        Anytime,
        number!(slowlog_slower_than_us),
    ),
    Directive::field("slowlog-max-len", LONG, Anytime, number!(slowlog_entries_max)),
    Directive::field("latency-monitor-threshold", LONG, Anytime, number!(latency_threshold_ms)),
    Directive::field("latency-tracking", Kind::Flag, Anytime, flag!(latency_tracking)),
    Directive::field(
        "latency-tracking-info-percentiles",
        Kind::Percentages,
        Anytime,
        Keep::Field {
            get: |config| Value::Words(config.latency_percentiles.clone()),
            set: |config, value| {
                config.latency_percentiles = value.words().to_vec();
                Ok(())
            },
        },
    ),
    Directive::only(
        "notify-keyspace-events",
        Kind::Text,
        "",
        "keyspace events are not supported yet: remove the line or set it to \"\"",
    ),
];
