//! A real redis-server behind TCP mode, asked by redis-cli and redis-benchmark.

use std::process::Command;

use crate::harness::{Balancer, Folder, Process, content, free_port, run_with_input, text};

struct Redis {
    port: u16,
    _process: Process,
    _folder: Folder,
}

impl Redis {
    fn start() -> Self {
        let (port, folder) = (free_port(), Folder::new());
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--dir", &folder.file("")]);
        Self { port, _process: Process::listening(&mut command, port), _folder: folder }
    }

    fn balancer(&self, cores: usize) -> Balancer {
        Balancer::start(cores, "tcp", "", &[format!("127.0.0.1:{}", self.port)], "check = \"resp\"")
    }
}

fn redis_cli(port: u16, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let port = port.to_string();
    run_with_input("redis-cli", &[&["-p", &port], arguments].concat(), input).stdout
}

/// The reply without its line end.
fn ask(port: u16, arguments: &[&str]) -> String {
    let reply = redis_cli(port, arguments, b"");
    String::from_utf8_lossy(&reply).trim_end().to_owned()
}

#[test]
fn redis_cli_works_as_if_connected_to_the_server() {
    let redis = Redis::start();
    for cores in [1, 4] {
        let balancer = redis.balancer(cores);
        let port = balancer.port();
        assert_eq!(ask(port, &["PING"]), "PONG");
        assert_eq!(ask(port, &["SET", "key", "value"]), "OK");
        assert_eq!(ask(port, &["GET", "key"]), "value");
        assert_eq!(ask(port, &["EVAL", "return redis.call('GET', KEYS[1])", "1", "key"]), "value");

        let large = content(5_000_000);
        assert_eq!(redis_cli(port, &["-x", "SET", "large"], &large), b"OK\n");
        let reply = redis_cli(port, &["--raw", "GET", "large"], b"");
        assert!(reply.strip_suffix(b"\n") == Some(&large), "{} bytes", reply.len());

        let commands: String = (0..10_000).map(|key| format!("SET key:{key} {key}\r\n")).collect();
        let said = redis_cli(port, &["--pipe"], commands.as_bytes());
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("errors: 0, replies: 10000"), "{said}");
        assert_eq!(ask(redis.port, &["GET", "key:9999"]), "9999");
    }
}

#[test]
fn redis_benchmark_has_every_command_executed_once() {
    for (cores, pipelined) in [(1, "1"), (4, "16")] {
        let redis = Redis::start();
        let balancer = redis.balancer(cores);
        let port = balancer.port().to_string();
        let options =
            ["-n", "20000", "-c", "50", "-P", pipelined, "-t", "set,get,incr,lpush", "-q"];
        let output =
            run_with_input("redis-benchmark", &[&["-p", &port], &options[..]].concat(), b"");
        let said = text(&output);
        assert_eq!(said.matches("requests per second").count(), 4, "{said}");
        assert_eq!(ask(redis.port, &["GET", "counter:__rand_int__"]), "20000");
        assert_eq!(ask(redis.port, &["LLEN", "mylist"]), "20000");
        let connections = balancer.metric("haproxy_frontend_connections_total", "\"in\"");
        assert!(connections >= 4 * 50, "{connections}");
        assert_eq!(balancer.metric("haproxy_backend_connection_errors_total", ""), 0);
    }
}
