//! Job: hold the fuzz targets' promises in every test run, without a fuzzer.
//! In: `fuzz/seeds`, and `RINGLET_SEED` for mutations of them and of commands that are almost
//! right.
//! Out: test results; a failure shows the seed and the input.
//! Invariant: bounded by a count, so that a seed gives the same inputs on every machine.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use ringlet_base::limits::LARGE_ARGUMENT_BYTES;
use ringlet_base::random::Random;
use ringlet_protocol::command::write_command;

#[path = "../fuzz/promises/http1_body.rs"]
mod http1_body;
#[path = "../fuzz/promises/http1_request.rs"]
mod http1_request;
#[path = "../fuzz/promises/http1_response.rs"]
mod http1_response;
#[path = "../fuzz/promises/reply.rs"]
mod reply;
#[path = "../fuzz/promises/request.rs"]
mod request;

/// About three seconds for each target.
const REQUESTS: usize = 400_000;
const REPLIES: usize = 5_000_000;
const HTTP1_REQUESTS: usize = 200_000;
const HTTP1_RESPONSES: usize = 200_000;
const INPUT_BYTES_MAX: usize = 40_000;

/// What inputs are made of; random bytes alone seldom get past the first check.
struct Grammar {
    marks: &'static [u8],
    words: &'static [&'static [u8]],
    /// An input that is almost right, if tokens alone do not make one.
    fresh: Option<fn(&mut Random) -> Vec<u8>>,
}

const RESP_MARKS: &[u8] = b"*$%~>|+-:_#,(!=\n\0\"'01";
const RESP_WORDS: &[&[u8]] = &[
    b"\r\n",
    b"$-1\r\n",
    b"*0\r\n",
    b"*2\r\n",
    b"$3\r\n",
    b"PING\r\n",
    b"\"a b\"",
    b"\\x0",
    b"txt:",
    b"1048576",
    b"536870912",
    b"4294967297",
    b"9223372036854775808",
];

const HTTP1_MARKS: &[u8] = b"\r\n\0 \t:;,./?*#_-05aA\x7f\x85\xff";
const HTTP1_WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"5\r\nabcde\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b" HTTP/1.0\r\n",
    b"Host: a\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close, upgrade, host\r\n",
    b"Upgrade: h2c\r\n",
    b"content_length: 5\r\n",
    b"http://a",
    b"chunked",
    b"ffffffffffffffff",
    b"101",
];

fn seed() -> u64 {
    let seed = match std::env::var("RINGLET_SEED") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("RINGLET_SEED={text} is no number")),
        Err(_) => RandomState::new().hash_one("seed"),
    };
    println!("RINGLET_SEED={seed}");
    seed
}

/// Shows the input when its check panics.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("input: {}", self.0.escape_ascii());
        }
    }
}

fn hold(check: fn(&[u8]), input: &[u8]) {
    let _shown = Shown(input);
    check(input);
}

/// The inputs in `fuzz/seeds`, by name, for the order of a folder is not the same everywhere.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let entries = fs::read_dir(folder).expect("the folder of seeds");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(paths.len() >= 5, "the seeds of {target} are gone");
    paths.iter().map(|path| fs::read(path).expect("a readable seed")).collect()
}

fn index(random: &mut Random, length: usize) -> usize {
    random.below(length as u64) as usize
}

impl Grammar {
    fn token(&self, random: &mut Random) -> &'static [u8] {
        match random.below(2) {
            0 => std::slice::from_ref(&self.marks[index(random, self.marks.len())]),
            _ => self.words[index(random, self.words.len())],
        }
    }

    /// A few tokens in any order.
    fn tokens(&self, random: &mut Random) -> Vec<u8> {
        (0..random.below(12)).flat_map(|_| self.token(random)).copied().collect()
    }
}

/// A place in `input` or at its end. Half of them near the start, where the grammar is: a long
/// input is one long argument.
fn place(random: &mut Random, input: &[u8]) -> usize {
    match random.below(2) {
        0 => index(random, input.len() + 1),
        _ => index(random, input.len().min(60) + 1),
    }
}

fn mutate(random: &mut Random, grammar: &Grammar, input: &mut Vec<u8>, others: &[Vec<u8>]) {
    let at = place(random, input);
    let end = (at + 1 + index(random, 12)).min(input.len());
    match random.below(6) {
        0 => drop(input.drain(at..end)),
        1 => {
            let copy = input[at..end].to_vec();
            input.splice(at..at, copy);
        }
        2 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = random.next_u64() as u8;
            }
        }
        3 => input.truncate(at.max(1)),
        4 => input.extend_from_slice(&others[index(random, others.len())]),
        _ => {
            let token = grammar.token(random);
            let over = end.min(at + index(random, token.len() + 1));
            input.splice(at..over, token.iter().copied());
        }
    }
    input.truncate(INPUT_BYTES_MAX);
}

/// The length of portions, then a few commands.
fn commands(random: &mut Random) -> Vec<u8> {
    let mut input = vec![random.next_u64() as u8];
    for _ in 0..random.below(6) {
        let words: Vec<Vec<u8>> = (0..random.below(5))
            .map(|_| {
                let length = match random.below(40) {
                    0 => LARGE_ARGUMENT_BYTES - 2 + index(random, 5),
                    _ => index(random, 12),
                };
                (0..length).map(|_| random.next_u64() as u8).collect()
            })
            .collect();
        match random.below(4) {
            0 => input.extend(b"set \"a b\" 'c'\r\n"),
            _ => write_command(&mut input, words.iter().map(|word| &word[..])),
        }
    }
    input
}

/// The length of portions, then a start line and a few tokens: heads that are nearly right.
fn http1_messages(random: &mut Random) -> Vec<u8> {
    let mut input = vec![random.next_u64() as u8];
    for _ in 0..random.below(4) {
        input.extend_from_slice(match random.below(3) {
            0 => b"GET / HTTP/1.1\r\nHost: a\r\n",
            1 => b"POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n",
            _ => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
        });
        for _ in 0..random.below(3) {
            input.extend_from_slice(HTTP1_WORDS[index(random, HTTP1_WORDS.len())]);
        }
        input.extend_from_slice(b"\r\n");
        if random.below(2) == 0 {
            input.extend_from_slice(b"5;a=b\r\nabcde\r\n0\r\nSum: 1\r\n\r\n");
        }
    }
    input
}

fn fuzz(target: &str, count: usize, check: fn(&[u8]), grammar: &Grammar) {
    let seeds = seeds(target);
    for input in &seeds {
        hold(check, input);
    }
    let mut random = Random::new(seed());
    for _ in 0..count {
        let mut input = match random.below(3) {
            0 | 1 => match grammar.fresh {
                Some(fresh) if random.below(2) == 0 => fresh(&mut random),
                _ => grammar.tokens(&mut random),
            },
            _ => seeds[index(&mut random, seeds.len())].clone(),
        };
        for _ in 0..random.below(5) {
            mutate(&mut random, grammar, &mut input, &seeds);
        }
        hold(check, &input);
    }
}

#[test]
fn requests_keep_the_promises_of_their_fuzz_target() {
    let grammar = Grammar { marks: RESP_MARKS, words: RESP_WORDS, fresh: Some(commands) };
    fuzz("request", REQUESTS, request::check, &grammar);
}

#[test]
fn replies_keep_the_promises_of_their_fuzz_target() {
    let grammar = Grammar { marks: RESP_MARKS, words: RESP_WORDS, fresh: None };
    fuzz("reply", REPLIES, reply::check, &grammar);
}

#[test]
fn http1_requests_keep_the_promises_of_their_fuzz_target() {
    let grammar = Grammar { marks: HTTP1_MARKS, words: HTTP1_WORDS, fresh: Some(http1_messages) };
    fuzz("http1_request", HTTP1_REQUESTS, http1_request::check, &grammar);
}

#[test]
fn http1_responses_keep_the_promises_of_their_fuzz_target() {
    let grammar = Grammar { marks: HTTP1_MARKS, words: HTTP1_WORDS, fresh: Some(http1_messages) };
    fuzz("http1_response", HTTP1_RESPONSES, http1_response::check, &grammar);
}
