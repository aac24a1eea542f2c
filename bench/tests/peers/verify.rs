//! Job: `--verify` notices a server that returns what was not written. In: redis-server, and a server that
//! lies now and then. Out: failed assertions. Invariant: the lies are planted one kind at a time.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::program::load;
use crate::servers::{redis, url};

/// A way to return something wrong, once in fifty reads.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// The value of another key.
    OtherKey,
    /// What the key had before.
    OldValue,
    /// One bit is wrong.
    FlippedBit,
    /// The last byte lacks.
    Cut,
    /// Nothing.
    Missing,
}

#[derive(Default)]
struct Store {
    values: HashMap<Vec<u8>, Vec<u8>>,
    older: HashMap<Vec<u8>, Vec<u8>>,
    reads: u64,
}

fn read_command(reader: &mut BufReader<TcpStream>) -> Option<Vec<Vec<u8>>> {
    let mut line = String::new();
    let mut number = |reader: &mut BufReader<TcpStream>| {
        line.clear();
        reader.read_line(&mut line).ok().filter(|&length| length > 0)?;
        line.trim()[1..].parse::<usize>().ok()
    };
    let count = number(reader)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = number(reader)?;
        let mut word = vec![0; length + 2];
        reader.read_exact(&mut word).ok()?;
        word.truncate(length);
        words.push(word);
    }
    Some(words)
}

impl Store {
    fn answer(&mut self, words: &[Vec<u8>], lie: Lie) -> Option<Vec<u8>> {
        let key = &words[1];
        if words[0] == b"SET" {
            if let Some(old) = self.values.insert(key.clone(), words[2].clone()) {
                self.older.insert(key.clone(), old);
            }
            return None;
        }
        self.reads += 1;
        let mut value = self.values.get(key)?.clone();
        if self.reads.is_multiple_of(50) {
            match lie {
                Lie::OtherKey => {
                    value = self.values.iter().find(|(other, _)| *other != key)?.1.clone();
                }
                Lie::OldValue => value = self.older.get(key).cloned().unwrap_or(value),
                Lie::FlippedBit => *value.last_mut()? ^= 1,
                Lie::Cut => drop(value.pop()),
                Lie::Missing => return None,
            }
        }
        Some(value)
    }
}

fn lying_server(lie: Lie) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let store = Arc::new(Mutex::new(Store::default()));
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let store = store.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
                while let Some(words) = read_command(&mut reader) {
                    let answer = store.lock().expect("a store").answer(&words, lie);
                    let reply = match answer {
                        Some(value) => {
                            let mut reply = format!("${}\r\n", value.len()).into_bytes();
                            reply.extend(value);
                            reply.extend(b"\r\n");
                            reply
                        }
                        None if words[0] == b"SET" => b"+OK\r\n".to_vec(),
                        None => b"$-1\r\n".to_vec(),
                    };
                    if stream.write_all(&reply).is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("redis://{address}")
}

const WORDS: [&str; 11] = [
    "--verify",
    "--ratio",
    "1:1",
    "--keys",
    "20",
    "--requests",
    "5000",
    "--value-bytes",
    "40-200",
    "--connections",
    "5",
];

#[test]
fn every_kind_of_wrong_value_is_noticed() {
    for lie in [Lie::OtherKey, Lie::OldValue, Lie::FlippedBit, Lie::Cut, Lie::Missing] {
        let url = lying_server(lie);
        let said = load(&[&[url.as_str()], &WORDS[..]].concat());
        assert_eq!(said.code, 1, "{lie:?}: {said:?}");
        let wrong = said.number("/total/wrong");
        assert!(wrong > 0.0 && wrong < 200.0, "{lie:?}: {said:?}");
        assert_eq!(said.number("/total/requests"), 5000.0, "{lie:?}");
    }
}

#[test]
fn a_server_that_keeps_what_it_is_given_passes() {
    let server = redis(&[]);
    for more in [&["--pipeline", "8"][..], &["--threads", "2"], &["--rate", "20000", "--share-cpu"]]
    {
        let said = load(&[&[url(&server).as_str()], &WORDS[..], more].concat()).must_be_complete();
        assert_eq!((said.number("/total/wrong"), said.number("/total/refused")), (0.0, 0.0));
        assert!(said.number("/kinds/GET/requests") > 2000.0);
    }
}
