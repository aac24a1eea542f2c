//! Directives of the process: cores, files, logs, start and stop.

use super::Change::{Anytime, AtStart, Protected};
use super::{Directive, Keep, number, text};
use crate::config::DebugAccess;
use crate::config::value::{Kind, Value};
use crate::limits::SHARDS_MAX;

const INT: Kind = Kind::Number(0, i32::MAX as i64);
const AFFINITY: &str = "Ringlet pins its cores within the CPUs that the process may use: remove the \
    line, and choose CPUs with taskset, CPUAffinity= of systemd or a cpuset";
const ACCESS: Kind = Kind::Choice(&["no", "yes", "local"]);
const NO_SNAPSHOT: &str = "snapshots are not supported yet, all data ends with the server: leave \
    'save' out";
const EXITS: Kind = Kind::Choices(&["default", "save", "nosave", "now", "force"]);

pub const DIRECTIVES: &[Directive] = &[
    Directive::field("shards", Kind::Number(0, SHARDS_MAX as i64), AtStart, number!(shards)),
    Directive::field("shard-ports", Kind::Number(0, 65535), AtStart, number!(shard_ports)),
    Directive::field(
        "admin",
        Kind::Text,
        AtStart,
        Keep::Field {
            get: |config| Value::Text(config.admin.clone().unwrap_or_default()),
            set: |config, value| {
                let address = value.text();
                config.admin = (!address.is_empty()).then(|| address.into());
                Ok(())
            },
        },
    ),
    Directive::field("databases", Kind::Number(1, 65_536), AtStart, number!(databases)),
    Directive::field(
        "hz",
        INT,
        Anytime,
        Keep::Field {
            get: |config| Value::Number(i64::from(config.hz)),
            set: |config, value| {
                config.hz = value.number().clamp(1, 500) as u32;
                Ok(())
            },
        },
    ),
    Directive::field(
        "loglevel",
        Kind::Choice(&["debug", "verbose", "notice", "warning", "nothing"]),
        Anytime,
        text!(log_level),
    ),
    Directive::field("logfile", Kind::Text, AtStart, text!(log_file)),
    Directive::field(
        "dir",
        Kind::Text,
        Protected,
        Keep::Field {
            get: |config| Value::Text(config.directory.display().to_string()),
            set: |config, value| {
                let path =
                    std::fs::canonicalize(value.text()).map_err(|error| error.to_string())?;
                if !path.is_dir() {
                    return Err("Not a directory".into());
                }
                config.directory = path;
                Ok(())
            },
        },
    ),
    Directive::field("pidfile", Kind::Text, AtStart, text!(pid_file)),
    Directive::field(
        "supervised",
        Kind::Choice(&["upstart", "systemd", "auto", "no"]),
        AtStart,
        text!(supervised),
    )
    .without("upstart", "upstart is not supported: set it to 'systemd', 'auto' or 'no'"),
    Directive::field(
        "enable-debug-command",
        ACCESS,
        AtStart,
        Keep::Field {
            get: |config| Value::Text(config.debug_access.name().into()),
            set: |config, value| {
                config.debug_access = DebugAccess::of_name(value.text());
                Ok(())
            },
        },
    ),
    Directive::only(
        "daemonize",
        Kind::Flag,
        "no",
        "Ringlet stays in the foreground: remove the line or set it to 'no', and start it from \
         systemd, or with '&' from a shell",
    )
    .set(AtStart),
    Directive::only(
        "syslog-enabled",
        Kind::Flag,
        "no",
        "Ringlet logs to standard output or to logfile: set it to 'no'; systemd's journal collects \
         standard output",
    )
    .set(AtStart),
    Directive::inert("syslog-ident", Kind::Text, "redis").set(AtStart),
    Directive::inert(
        "syslog-facility",
        Kind::Choice(&[
            "user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
        ]),
        "local0",
    )
    .set(AtStart),
    Directive::only("server_cpulist", Kind::Text, "", AFFINITY).set(AtStart),
    Directive::inert("bio_cpulist", Kind::Text, "").set(AtStart),
    Directive::inert("aof_rewrite_cpulist", Kind::Text, "").set(AtStart),
    Directive::inert("bgsave_cpulist", Kind::Text, "").set(AtStart),
    Directive::only(
        "oom-score-adj",
        Kind::Choice(&["no", "yes", "relative", "absolute"]),
        "no",
        "Ringlet leaves the kernel's out-of-memory score alone: set it to 'no', and use \
         OOMScoreAdjust= of systemd",
    ),
    Directive::inert("oom-score-adj-values", Kind::Numbers(3, -2000, 2000), "0 200 800"),
    Directive::inert("disable-thp", Kind::Flag, "yes").set(AtStart),
    Directive::inert("always-show-logo", Kind::Flag, "no").set(AtStart),
    Directive::inert("set-proc-title", Kind::Flag, "yes").set(AtStart),
    Directive::inert("proc-title-template", Kind::Text, "{title} {listen-addr} {server-mode}"),
    Directive::inert("locale-collate", Kind::Text, ""),
    Directive::inert("ignore-warnings", Kind::Text, "").set(AtStart),
    Directive::inert("crash-log-enabled", Kind::Flag, "yes"),
    Directive::inert("crash-memcheck-enabled", Kind::Flag, "yes"),
    Directive::only(
        "enable-protected-configs",
        ACCESS,
        "no",
        "dir and dbfilename can be set at the start only: set it to 'no'",
    )
    .set(AtStart),
    Directive::inert("enable-module-command", ACCESS, "no").set(AtStart),
    Directive::inert("shutdown-timeout", INT, "10"),
    Directive::inert("shutdown-on-sigint", EXITS, "default").without("save", NO_SNAPSHOT),
    Directive::inert("shutdown-on-sigterm", EXITS, "default").without("save", NO_SNAPSHOT),
    Directive::inert("busy-reply-threshold", Kind::Number(0, i64::MAX), "5000")
        .or("lua-time-limit"),
    Directive::only(
        "aclfile",
        Kind::Text,
        "",
        "ACL users are not supported yet: remove the line, and set requirepass for a password",
    )
    .set(AtStart),
    Directive::inert("acllog-max-len", Kind::Number(0, i64::MAX), "128"),
    Directive::inert(
        "acl-pubsub-default",
        Kind::Choice(&["allchannels", "resetchannels"]),
        "resetchannels",
    ),
];
