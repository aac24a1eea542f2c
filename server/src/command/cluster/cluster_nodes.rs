//! CLUSTER NODES: the same as SLOTS, as lines of text.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::topology::{self, Node};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLUSTER NODES
pub const SPEC: Spec = Spec {
    name: "nodes",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::STALE,
    categories: 0,
    group: Group::Cluster,
    since: "3.0.0",
    complexity: "O(N) where N is the total number of Cluster nodes",
    summary: "Returns the cluster configuration for a node.",
    syntax: "",
    examples: &[
        ("CLUSTER NODES", "(error) ERR This instance has cluster support disabled"),
        (
            "CLUSTER NODES 1 2 3",
            "(error) ERR wrong number of arguments for 'cluster|nodes' command",
        ),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let nodes = topology::nodes(session.core, session.connection)?;
    let now_ms = session.core.now_ms;
    let lines: String = nodes.iter().map(|node| line(node, now_ms)).collect();
    reply.verbatim(b"txt", lines.as_bytes());
    Ok(())
}

/// `id ip:port@cport[,hostname] flags master ping-sent pong-recv config-epoch link-state slots`.
/// There is no cluster bus, hence its port is 0; cores of one process see each other all the time.
fn line(node: &Node, now_ms: i64) -> String {
    let Node { id, address, hostname, port, slots: (first, last), is_myself, .. } = node;
    let comma = if hostname.is_empty() { "" } else { "," };
    let (flags, seen_ms) = if *is_myself { ("myself,master", 0) } else { ("master", now_ms) };
    let slots = if first == last { first.to_string() } else { format!("{first}-{last}") };
    format!("{id} {address}:{port}@0{comma}{hostname} {flags} - 0 {seen_ms} 0 connected {slots}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_fields_that_clients_read() {
        let mut node = Node {
            id: "a".repeat(40),
            address: "10.0.0.1".into(),
            hostname: String::new(),
            endpoint: None,
            port: 7001,
            slots: (8192, 16383),
            is_myself: true,
        };
        let id = &node.id.clone();
        assert_eq!(
            line(&node, 5),
            format!("{id} 10.0.0.1:7001@0 myself,master - 0 0 0 connected 8192-16383\n")
        );
        node.hostname = "a.example".into();
        assert!(line(&node, 5).contains(" 10.0.0.1:7001@0,a.example myself"));
        node.hostname.clear();
        node.is_myself = false;
        node.slots = (7, 7);
        assert_eq!(line(&node, 5), format!("{id} 10.0.0.1:7001@0 master - 0 5 0 connected 7\n"));
    }
}
