//! Job: find out which server of a cluster has which slots.
//! In: the address of one of them. Out: a [`Topology`].
//! Invariant: every slot has a server, or there is an error that says which has none.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use ringlet_base::slot::SLOT_COUNT;
use ringlet_protocol::resp_value::Value;

use crate::generator::resp;

/// How long a server may take to tell.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// More than a cluster of a thousand servers tells.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// The servers of a cluster and their slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Those that have slots.
    pub nodes: Vec<SocketAddr>,
    /// For each slot the number of its server in `nodes`.
    pub owners: Arc<Vec<u16>>,
}

/// Asks the server at `seed` by `CLUSTER SLOTS`, after `login`, the words of an AUTH command if one is
/// needed.
///
/// # Errors
/// The server cannot be reached, is no cluster, refuses, or slots have no server.
pub fn discover(seed: SocketAddr, login: Option<&[&[u8]]>) -> Result<Topology, String> {
    let ask = || -> std::io::Result<Vec<Value>> {
        let mut stream = TcpStream::connect_timeout(&seed, ANSWER_TIMEOUT)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let mut request = Vec::new();
        if let Some(words) = login {
            resp::encode(words, &mut request);
        }
        resp::encode(&[b"CLUSTER", b"SLOTS"], &mut request);
        stream.write_all(&request)?;
        read_values(&mut stream, 1 + usize::from(login.is_some()))
    };
    let answers = ask().map_err(|error| format!("cannot ask {seed} for its cluster: {error}"))?;
    if let Some(Value::Error(text)) = answers.iter().find(|answer| answer.is_error()) {
        return Err(format!("{seed}: {}", String::from_utf8_lossy(text)));
    }
    let slots = answers.last().ok_or_else(|| format!("{seed} says nothing"))?;
    read_slots(slots, seed).map_err(|problem| format!("CLUSTER SLOTS of {seed}: {problem}"))
}

fn read_values(stream: &mut TcpStream, count: usize) -> std::io::Result<Vec<Value>> {
    use std::io::{Error, ErrorKind};
    let mut answer = Vec::new();
    let mut values = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    while values.len() < count {
        if let Some((value, length)) = Value::parse(&answer).map_err(Error::other)? {
            answer.drain(..length);
            values.push(value);
            continue;
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Err(Error::new(ErrorKind::UnexpectedEof, "the server closed")),
            Ok(_) if answer.len() > ANSWER_BYTES_MAX => {
                return Err(Error::other("too long an answer"));
            }
            Ok(count) => answer.extend_from_slice(&chunk[..count]),
            // A read with a timeout is not taken up again after a stop of the process (signal(7)).
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(values)
}

/// Reads `[[first, last, [host, port, ...], replica ...], ...]` (the Redis command page).
fn read_slots(value: &Value, seed: SocketAddr) -> Result<Topology, String> {
    let Value::Array(ranges) = value else { return Err("no list".to_owned()) };
    let mut owners = vec![u16::MAX; usize::from(SLOT_COUNT)];
    let mut nodes = Vec::new();
    let mut numbers: BTreeMap<SocketAddr, u16> = BTreeMap::new();
    for range in ranges {
        let (first, last, address) =
            read_range(range, seed).ok_or_else(|| format!("not understood: {range:?}"))?;
        let number = *numbers.entry(address).or_insert_with(|| {
            nodes.push(address);
            (nodes.len() - 1) as u16
        });
        owners[first..=last].fill(number);
    }
    match owners.iter().position(|&owner| owner == u16::MAX) {
        Some(slot) => Err(format!("slot {slot} is served by nobody: is the cluster complete?")),
        None => Ok(Topology { nodes, owners: Arc::new(owners) }),
    }
}

fn read_range(value: &Value, seed: SocketAddr) -> Option<(usize, usize, SocketAddr)> {
    let Value::Array(parts) = value else { return None };
    let [Value::Integer(first), Value::Integer(last), Value::Array(main), ..] = parts.as_slice()
    else {
        return None;
    };
    let [host, Value::Integer(port), ..] = main.as_slice() else { return None };
    let port = u16::try_from(*port).ok()?;
    let address = match host {
        // Unknown to the server itself: then it is where it was reached.
        Value::NullBulk | Value::Null => SocketAddr::new(seed.ip(), port),
        Value::Bulk(host) if host.is_empty() => SocketAddr::new(seed.ip(), port),
        Value::Bulk(host) => {
            (std::str::from_utf8(host).ok()?, port).to_socket_addrs().ok()?.next()?
        }
        _ => return None,
    };
    let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
    (first <= last && last < usize::from(SLOT_COUNT)).then_some((first, last, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Value {
        Value::parse(text.as_bytes()).expect("RESP").expect("whole").0
    }

    fn range(first: u16, last: u16, host: &str, port: u16) -> String {
        format!("*3\r\n:{first}\r\n:{last}\r\n*2\r\n${}\r\n{host}\r\n:{port}\r\n", host.len())
    }

    #[test]
    fn slots_get_their_servers() {
        let seed = "127.0.0.7:1".parse().expect("an address");
        let text = format!(
            "*3\r\n{}{}{}",
            range(0, 5000, "127.0.0.1", 7001),
            range(5001, 9000, "", 7002),
            range(9001, 16383, "127.0.0.1", 7001)
        );
        let topology = read_slots(&parsed(&text), seed).expect("a cluster");
        let nodes: Vec<String> = topology.nodes.iter().map(SocketAddr::to_string).collect();
        assert_eq!(nodes, ["127.0.0.1:7001", "127.0.0.7:7002"]);
        let owner = |slot: usize| topology.owners[slot];
        assert_eq!(
            [owner(0), owner(5000), owner(5001), owner(9001), owner(16383)],
            [0, 0, 1, 0, 0]
        );
    }

    #[test]
    fn gaps_and_nonsense_are_told() {
        let seed = "127.0.0.1:1".parse().expect("an address");
        let gap = format!("*1\r\n{}", range(0, 16000, "127.0.0.1", 7001));
        assert!(read_slots(&parsed(&gap), seed).expect_err("a gap").contains("16001"));
        for text in
            ["*1\r\n*1\r\n:1\r\n", ":3\r\n", "*1\r\n*3\r\n:9\r\n:2\r\n*2\r\n$0\r\n\r\n:7\r\n"]
        {
            assert!(read_slots(&parsed(text), seed).is_err(), "{text:?}");
        }
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = nobody.local_addr().expect("an address");
        drop(nobody);
        assert!(discover(address, None).expect_err("nobody").contains(&address.to_string()));
    }
}
