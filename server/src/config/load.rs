//! Load: from the sources of the configuration to a `Config`.
//! In: the file, standard input and the command line. Out: the configuration, or the first error.
//! Invariant: a line that this server cannot obey is an error, never ignored, unless a later line
//! about the same directive takes its place.

use super::Config;
use super::directives::{self, FORGOTTEN, REFUSED, Refusal};
use super::lines::{self, ConfigError, Line, Sources};

/// Reads all sources.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    let mut all = Vec::new();
    if let Some(file) = &sources.file {
        all.extend(lines::read_file(file)?);
        config.file = std::path::absolute(file).ok();
    }
    if sources.reads_input {
        all.extend(lines::read_input(std::io::stdin().lock())?);
    }
    all.extend(lines::with_includes(&sources.arguments)?);
    obey(config, &all)
}

/// Obeys all lines; the last one about a directive decides whether this server can do what it says.
fn obey(mut config: Config, lines: &[Line]) -> Result<Config, ConfigError> {
    let mut unsupported = Vec::new();
    for line in lines {
        apply(&mut config, line, &mut unsupported)?;
    }
    if let Some((_, error)) = unsupported.into_iter().next() {
        return Err(error);
    }
    finish(&mut config)?;
    Ok(config)
}

/// Obeys one line. `unsupported`: the directives whose last line asked for what is not there.
fn apply(
    config: &mut Config,
    line: &Line,
    unsupported: &mut Vec<(&'static str, ConfigError)>,
) -> Result<(), ConfigError> {
    let name = &line.words[0];
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| name.eq_ignore_ascii_case(refused)) {
        return Err(line.error(*why));
    }
    if FORGOTTEN.iter().any(|known| name.eq_ignore_ascii_case(known)) && line.words.len() == 2 {
        return Ok(());
    }
    let Some(directive) = directives::find(name) else {
        let mut reason = String::from("Bad directive or wrong number of arguments: ");
        match directives::nearest(name) {
            Some(nearest) => reason += &format!("'{name}' is not known, did you mean '{nearest}'?"),
            None => reason += &format!("'{name}' is not known"),
        }
        return Err(line.error(reason));
    };
    if line.words.len() < 2 {
        return Err(line.error("wrong number of arguments"));
    }
    let outcome = directive.set_words(config, &line.words[1..]);
    unsupported.retain(|(name, _)| *name != directive.name);
    match outcome {
        Ok(()) => Ok(()),
        Err(Refusal::Invalid(reason)) => Err(line.error(reason)),
        Err(Refusal::Unsupported(reason)) => {
            unsupported.push((directive.name, line.error(reason)));
            Ok(())
        }
    }
}

/// Makes paths absolute.
fn finish(config: &mut Config) -> Result<(), ConfigError> {
    let error = |reason: String| ConfigError { place: None, reason };
    config.directory = std::fs::canonicalize(&config.directory)
        .map_err(|failed| error(format!("dir '{}': {failed}", config.directory.display())))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> Result<Config, String> {
        lines::read_input(text.as_bytes())
            .and_then(|lines| obey(Config::default(), &lines))
            .map_err(|error| error.to_string())
    }

    fn text_of(config: &Config, name: &str) -> String {
        directives::find(name).expect("it is in the table").text(config)
    }

    #[test]
    fn later_lines_win_and_classes_add_up() {
        let config = load_text(
            "port 1\nPORT 2\nclient-output-buffer-limit normal 1kb 2kb 3\n\
             client-output-buffer-limit replica 0 0 0\nhash-max-ziplist-entries 9\n\
             maxmemory 0\nunixsocketperm 700\nrequirepass \"a b\"\nhz 9999\n",
        )
        .expect("all of it is known");
        assert_eq!(config.port, 2);
        assert_eq!(config.limits.hash_max_listpack_entries, 9);
        assert_eq!(config.unix_socket_mode, 0o700);
        assert_eq!(config.password, "a b");
        assert_eq!(config.hz, 500);
        assert_eq!(
            text_of(&config, "client-output-buffer-limit"),
            "normal 1024 2048 3 slave 0 0 0 pubsub 33554432 8388608 60"
        );
    }

    #[test]
    fn a_list_may_stand_in_one_quoted_word() {
        let config = load_text(
            "bind \"127.0.0.1 -::1\"\nclient-output-buffer-limit \"normal 1kb 2kb 3\"\n\
             latency-tracking-info-percentiles '50 99'\noom-score-adj-values \"1 2 3\"\n",
        )
        .expect("all of it is known");
        assert_eq!(config.bind, ["127.0.0.1", "-::1"]);
        assert_eq!(config.output_limits[0].soft_bytes, 2048);
        assert_eq!(text_of(&config, "latency-tracking-info-percentiles"), "50 99");
        assert_eq!(text_of(&config, "oom-score-adj-values"), "1 2 3");
        for none in ["bind \"\"", "bind \" \""] {
            assert_eq!(load_text(none).expect("no address").bind, [""; 0]);
        }
        for nobody in ["replicaof \"\"", "replicaof \" \"", "slaveof ''"] {
            let error = load_text(nobody).expect_err("a script's variable that is not set");
            assert!(error.contains("wrong number of arguments"), "{error}");
        }
        assert!(load_text("bind \"'a\"").expect_err("quotes").contains("unbalanced"));
    }

    #[test]
    fn inert_directives_are_kept() {
        let config =
            load_text("repl-timeout 61\nslave-priority 7\nappendfsync ALWAYS\n").expect("fine");
        assert_eq!(text_of(&config, "repl-timeout"), "61");
        assert_eq!(text_of(&config, "replica-priority"), "7");
        assert_eq!(text_of(&config, "appendfsync"), "always");
        assert_eq!(text_of(&config, "maxmemory-policy"), "noeviction");
    }

    #[test]
    fn what_would_be_a_false_promise_is_refused() {
        for line in [
            "appendonly yes",
            "save 900 1",
            "replicaof 127.0.0.1 6380",
            "slaveof 127.0.0.1 6380",
            "cluster-enabled yes",
            "tls-port 6380",
            "maxmemory 1gb",
            "maxmemory-clients 5%",
            "aclfile users.acl",
            "user default on nopass ~* +@all",
            "rename-command FLUSHALL \"\"",
            "loadmodule x.so",
            "daemonize yes",
            "supervised upstart",
            "notify-keyspace-events KEA",
            "min-replicas-to-write 1",
            "activedefrag yes",
            "server_cpulist 0-1",
            "syslog-enabled yes",
            "shutdown-on-sigterm save",
            "shutdown-on-sigint now SAVE force",
        ] {
            let error = load_text(line).expect_err(line);
            let reason = error.lines().last().expect("a reason");
            assert!(error.contains(&format!(">>> '{line}'")), "{error}");
            assert!(reason.len() > 40, "{line}: '{reason}' does not say what to do");
        }
        for line in [
            "save \"\"",
            "shutdown-on-sigint nosave now",
            "appendonly no",
            "maxmemory 0mb",
            "replicaof no one",
            "daemonize no",
        ] {
            load_text(line).expect(line);
        }
    }

    #[test]
    fn a_later_line_takes_a_refused_one_back() {
        for text in [
            "daemonize yes\nport 1\ndaemonize no",
            "maxmemory 1gb\nmaxmemory 0",
            "slaveof 127.0.0.1 6380\nreplicaof no one",
            "supervised upstart\nsupervised auto",
            "save 900 1\nsave 300 10\nsave \"\"",
        ] {
            load_text(text).expect(text);
        }
        let error = load_text("daemonize no\nmaxmemory 1gb\ndaemonize yes\nmaxmemory 2gb\nport 1");
        let error = error.expect_err("two directives are refused");
        assert!(error.contains("line 3\n>>> 'daemonize yes'"), "{error}");
        let error = load_text("port many\nport 1").expect_err("no value at all");
        assert!(error.contains(">>> 'port many'"), "{error}");
    }

    #[test]
    fn what_redis_has_forgotten_is_taken() {
        load_text("list-max-ziplist-entries 512\nLIST-max-ziplist-value 64\n").expect("old names");
        load_text("lua-replicate-commands yes").expect("an old name");
        assert!(load_text("lua-replicate-commands").is_err(), "it needs a value");
    }

    #[test]
    fn unknown_names_come_with_a_suggestion() {
        let error = load_text("maxclient 5").expect_err("unknown");
        assert!(error.ends_with("'maxclient' is not known, did you mean 'maxclients'?"), "{error}");
        assert!(load_text("port").expect_err("no value").ends_with("wrong number of arguments"));
        assert!(load_text("port 1 2").expect_err("two").ends_with("wrong number of arguments"));
    }

    #[test]
    fn a_stock_file_of_debian_is_accepted_but_for_daemonize() {
        // The lines that are not comments, of Debian 12's redis-server 7.0.15.
        let stock = include_str!("stock_redis.conf");
        let error = load_text(stock).expect_err("daemonize yes");
        assert!(error.contains(">>> 'daemonize yes'"), "{error}");
        let foreground = stock.replace("dir /var/lib/redis", "dir .") + "\ndaemonize no\n";
        let config = load_text(&foreground).expect("the rest is fine");
        assert_eq!(text_of(&config, "bind"), "127.0.0.1 -::1");
        assert_eq!(text_of(&config, "logfile"), "/var/log/redis/redis-server.log");
    }
}
