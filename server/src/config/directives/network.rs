//! Directives of sockets, connections and their limits.

use super::Change::{Anytime, AtStart};
use super::{Directive, Keep, Refusal, flag, number, text};
use crate::config::value::{Kind, Value, parse_memory};
use crate::config::{Config, OutputLimit};

/// The one directive with a line for each class of clients.
pub const OUTPUT_LIMITS: &str = "client-output-buffer-limit";

const PORT: Kind = Kind::Number(0, 65535);
const INT: Kind = Kind::Number(0, i32::MAX as i64);

pub const DIRECTIVES: &[Directive] = &[
    Directive::field(
        "bind",
        Kind::Words,
        AtStart,
        Keep::Field {
            get: |config| Value::Words(config.bind.clone()),
            set: |config, value| {
                config.bind = value.words().to_vec();
                Ok(())
            },
        },
    ),
    Directive::field("port", PORT, AtStart, number!(port)),
    Directive::field("tcp-backlog", INT, AtStart, number!(tcp_backlog)),
    Directive::field(
        "unixsocket",
        Kind::Text,
        AtStart,
        Keep::Field {
            get: |config| {
                let path = config.unix_socket.as_ref();
                Value::Text(path.map_or(String::new(), |path| path.display().to_string()))
            },
            set: |config, value| {
                let path = value.text();
                config.unix_socket = (!path.is_empty()).then(|| path.into());
                Ok(())
            },
        },
    ),
    Directive::field("unixsocketperm", Kind::Permissions, AtStart, number!(unix_socket_mode)),
    Directive::field("protected-mode", Kind::Flag, Anytime, flag!(protected_mode)),
    Directive::field("requirepass", Kind::Text, Anytime, text!(password)).secret(),
    Directive::field("timeout", INT, Anytime, number!(timeout_s)),
    Directive::field("tcp-keepalive", INT, Anytime, number!(keepalive_s)),
    Directive::field(
        "maxclients",
        Kind::Number(1, u32::MAX as i64),
        Anytime,
        Keep::Field {
            get: |config| Value::Number(config.clients_max as i64),
            set: |config, value| {
                let wanted = value.number() as usize;
                // Each core's table of sockets was made for the number at the start.
                if let Some(ceiling) = config.clients_ceiling.filter(|ceiling| wanted > *ceiling) {
                    return Err(format!(
                        "it cannot grow above {ceiling} while the server runs; set it in the \
                         configuration file and restart"
                    )
                    .into());
                }
                config.clients_max = wanted;
                Ok(())
            },
        },
    ),
    Directive::field(
        "client-query-buffer-limit",
        Kind::Memory(1 << 20, i64::MAX),
        Anytime,
        number!(query_buffer_bytes_max),
    ),
    Directive::field(
        "proto-max-bulk-len",
        Kind::Memory(1 << 20, i64::MAX),
        Anytime,
        number!(bulk_bytes_max),
    ),
    Directive::field(
        OUTPUT_LIMITS,
        Kind::Words,
        Anytime,
        Keep::Field { get: output_limits, set: set_output_limits },
    ),
    Directive::only(
        "maxmemory-clients",
        Kind::Text,
        "0",
        "clients are not evicted by memory yet: set it to 0, and bound each client with \
         client-output-buffer-limit and client-query-buffer-limit",
    ),
    Directive::inert("bind-source-addr", Kind::Text, ""),
    Directive::inert("socket-mark-id", Kind::Number(0, u32::MAX as i64), "0").set(AtStart),
    Directive::inert("io-threads", Kind::Number(1, 128), "1").set(AtStart),
    Directive::inert("io-threads-do-reads", Kind::Flag, "no").set(AtStart),
    Directive::only(
        "tls-port",
        PORT,
        "0",
        "TLS is not supported yet: remove the line, or put a TLS proxy in front",
    ),
    Directive::inert("tls-session-cache-size", INT, "20480"),
    Directive::inert("tls-session-cache-timeout", INT, "300"),
    Directive::inert("tls-session-caching", Kind::Flag, "yes"),
    Directive::inert("tls-prefer-server-ciphers", Kind::Flag, "no"),
    Directive::inert("tls-auth-clients", Kind::Choice(&["no", "yes", "optional"]), "yes"),
    Directive::inert("tls-cluster", Kind::Flag, "no"),
    Directive::inert("tls-replication", Kind::Flag, "no"),
    Directive::inert("tls-cert-file", Kind::Text, ""),
    Directive::inert("tls-key-file", Kind::Text, ""),
    Directive::inert("tls-key-file-pass", Kind::Text, "").secret(),
    Directive::inert("tls-client-cert-file", Kind::Text, ""),
    Directive::inert("tls-client-key-file", Kind::Text, ""),
    Directive::inert("tls-client-key-file-pass", Kind::Text, "").secret(),
    Directive::inert("tls-dh-params-file", Kind::Text, ""),
    Directive::inert("tls-ca-cert-file", Kind::Text, ""),
    Directive::inert("tls-ca-cert-dir", Kind::Text, ""),
    Directive::inert("tls-protocols", Kind::Text, ""),
    Directive::inert("tls-ciphers", Kind::Text, ""),
    Directive::inert("tls-ciphersuites", Kind::Text, ""),
];

/// The classes in the order of the field; the second name is the older one, which CONFIG GET shows.
const CLASSES: [(&str, &str); 3] =
    [("normal", "normal"), ("replica", "slave"), ("pubsub", "pubsub")];

fn output_limits(config: &Config) -> Value {
    let limits = CLASSES.iter().zip(&config.output_limits);
    Value::Words(
        limits
            .flat_map(|((_, class), limit)| {
                let numbers = [limit.hard_bytes, limit.soft_bytes, limit.soft_s];
                std::iter::once((*class).to_string()).chain(numbers.map(|it| it.to_string()))
            })
            .collect(),
    )
}

/// Sets the classes that are named; the others stay as they are.
fn set_output_limits(config: &mut Config, value: &Value) -> Result<(), Refusal> {
    let words = value.words();
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    for limit in words.chunks(4) {
        let is_named = |(new, old): &(&str, &str)| {
            new.eq_ignore_ascii_case(&limit[0]) || old.eq_ignore_ascii_case(&limit[0])
        };
        let class = CLASSES
            .iter()
            .position(is_named)
            .ok_or("Invalid client class specified in buffer limit configuration.")?;
        let number = |word: &String| parse_memory(word).map(|number| number as u64);
        let (hard, soft, seconds) =
            (number(&limit[1]), number(&limit[2]), limit[3].parse::<u32>().ok());
        let (Some(hard_bytes), Some(soft_bytes), Some(soft_s)) = (hard, soft, seconds) else {
            return Err(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.".into(),
            );
        };
        config.output_limits[class] =
            OutputLimit { hard_bytes, soft_bytes, soft_s: u64::from(soft_s) };
    }
    Ok(())
}
