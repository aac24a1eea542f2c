//! Tests of `request`: the same commands however the bytes are cut, the error texts of redis-server
//! 7.0.15, and bounds on what is kept.

use super::*;
use crate::command::write_command;

type Words = Vec<Vec<u8>>;

/// What a connection saw: its commands, then perhaps an error.
#[derive(Debug, PartialEq, Eq, Default)]
struct Seen {
    commands: Vec<Words>,
    error: Option<ProtocolError>,
}

/// A connection that keeps what the parser did not consume, as a server does.
struct Connection {
    parser: RequestParser,
    kept: Vec<u8>,
    seen: Seen,
    kept_max: usize,
}

impl Connection {
    fn new(limits: RequestLimits) -> Self {
        let parser = RequestParser::new(limits);
        Self { parser, kept: Vec::new(), seen: Seen::default(), kept_max: 0 }
    }

    fn receive(&mut self, portion: &[u8]) {
        self.kept.extend_from_slice(portion);
        let mut at = 0;
        loop {
            let input = &self.kept[at..];
            let parsed = self.parser.parse(input);
            assert!(parsed.consumed <= input.len());
            match parsed.step {
                Step::Command => {
                    let words = self.parser.arguments(input);
                    assert!(!words.is_empty());
                    self.seen.commands.push(words.iter().map(<[u8]>::to_vec).collect());
                }
                Step::Incomplete => {
                    at += parsed.consumed;
                    break;
                }
                Step::Failed(error) => {
                    self.seen.error = Some(error);
                    assert_eq!(self.parser.parse(input).step, parsed.step, "errors are final");
                    return;
                }
            }
            at += parsed.consumed;
        }
        self.kept.drain(..at);
        self.kept_max = self.kept_max.max(self.kept.len());
    }
}

fn see(input: &[u8]) -> Seen {
    let mut connection = Connection::new(RequestLimits::default());
    connection.receive(input);
    connection.seen
}

fn words(words: &[&[u8]]) -> Words {
    words.iter().map(|word| word.to_vec()).collect()
}

fn encoded(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    write_command(&mut out, words.iter().copied());
    out
}

/// Every kind of input, with what it amounts to.
fn table() -> Vec<(Vec<u8>, Seen)> {
    use ProtocolError::*;
    let commands = |commands: &[&[&[u8]]]| Seen {
        commands: commands.iter().map(|command| words(command)).collect(),
        error: None,
    };
    let fails = |error| Seen { commands: vec![], error: Some(error) };
    let large = vec![b'v'; LARGE_ARGUMENT_BYTES + 3];
    let mut pipeline = encoded(&[b"GET", b"k"]);
    pipeline.extend(b"PING\r\n");
    pipeline.extend(encoded(&[b"SET", b"k", &large, b"NX"]));
    pipeline.extend(b"*0\r\n\r\n");
    pipeline.extend(encoded(&[b"MGET", b"", b"\r\n", b"$3"]));
    let mut rows: Vec<(&[u8], Seen)> = vec![
        (b"", commands(&[])),
        (b"*1\r\n$4\r\nPING\r\n", commands(&[&[b"PING"]])),
        (b"*1\r\n$0\r\n\r\n", commands(&[&[b""]])),
        (b"*0\r\nPING\r\n", commands(&[&[b"PING"]])),
        (b"*-1\r\nPING\r\n", commands(&[&[b"PING"]])),
        (b"*-10\r\nPING\r\n", commands(&[&[b"PING"]])),
        (b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n", commands(&[&[b"PING"], &[b"PING"]])),
        (b"*1\rx$4\rxPING\r\n", commands(&[&[b"PING"]])),
        (b"PING\n", commands(&[&[b"PING"]])),
        (b"PING\r\r\n", commands(&[&[b"PING"]])),
        (b"\r\n\n  \r\nPING\r\n", commands(&[&[b"PING"]])),
        (b"$4\r\nPING\r\n", commands(&[&[b"$4"], &[b"PING"]])),
        (b"\"PI\\x4eG\" ''\r\n", commands(&[&[b"PING", b""]])),
        (b"*1\n$4\nPING\n", commands(&[])),
        (b"*1\r\nX", commands(&[])),
        (b"*abc\r\n", fails(InvalidMultibulkLength)),
        (b"*\r\n", fails(InvalidMultibulkLength)),
        (b"*01\r\n", fails(InvalidMultibulkLength)),
        (b"*+1\r\n", fails(InvalidMultibulkLength)),
        (b"* 1\r\n", fails(InvalidMultibulkLength)),
        (b"*-0\r\n", fails(InvalidMultibulkLength)),
        (b"*1048577\r\n", commands(&[])),
        (b"*2147483647\r\n", commands(&[])),
        (b"*2147483648\r\n", fails(InvalidMultibulkLength)),
        (b"*99999999999999999999\r\n", fails(InvalidMultibulkLength)),
        (b"*1\r\nPING\r\n", fails(ExpectedDollar(b'P'))),
        (b"*1\r\n\xff\r\n", fails(ExpectedDollar(0xff))),
        (b"*1\r\n\r\n", fails(ExpectedDollar(b'\r'))),
        (b"*1\r\n\n\r\n", fails(ExpectedDollar(b'\n'))),
        (b"*3\r\n$3\r\nSET\r\n*1\r\n", fails(ExpectedDollar(b'*'))),
        (b"*1\r\n$abc\r\n", fails(InvalidBulkLength)),
        (b"*1\r\n$-1\r\n", fails(InvalidBulkLength)),
        (b"*1\r\n$04\r\nPING\r\n", fails(InvalidBulkLength)),
        (b"*1\r\n$536870912\r\n", commands(&[])),
        (b"*1\r\n$536870913\r\n", fails(InvalidBulkLength)),
        (b"ECHO \"a\n", fails(UnbalancedQuotes)),
        (b"ECHO 'a'b\r\n", fails(UnbalancedQuotes)),
        (
            b"*1\r\n$4\r\nPING\r\n*x\r\n*1\r\n$4\r\nPING\r\n",
            Seen { error: Some(InvalidMultibulkLength), ..commands(&[&[b"PING"]]) },
        ),
    ];
    rows.push((
        &pipeline,
        commands(&[
            &[b"GET", b"k"],
            &[b"PING"],
            &[b"SET", b"k", &large, b"NX"],
            &[b"MGET", b"", b"\r\n", b"$3"],
        ]),
    ));
    rows.into_iter().map(|(input, seen)| (input.to_vec(), seen)).collect()
}

#[test]
fn table_in_one_piece() {
    for (input, expected) in table() {
        assert_eq!(see(&input), expected, "{}", input.escape_ascii());
    }
}

#[test]
fn table_split_at_every_byte() {
    for (input, expected) in table() {
        for split in 0..=input.len() {
            let mut connection = Connection::new(RequestLimits::default());
            connection.receive(&input[..split]);
            if connection.seen.error.is_none() {
                connection.receive(&input[split..]);
            }
            assert!(connection.seen == expected, "{split}: {}", input.escape_ascii());
        }
    }
}

#[test]
fn table_byte_by_byte() {
    for (input, expected) in table() {
        let mut connection = Connection::new(RequestLimits::default());
        for byte in input.chunks(1) {
            if connection.seen.error.is_none() {
                connection.receive(byte);
            }
        }
        assert!(connection.seen == expected, "{}", input.escape_ascii());
        assert!(connection.kept_max < 100, "large words are consumed as they come");
    }
}

#[test]
fn error_texts() {
    // Each as redis-server 7.0.15 answers it, after the line end has become spaces.
    for (input, text) in [
        (&b"*a\r\n"[..], &b"ERR Protocol error: invalid multibulk length"[..]),
        (b"*1\r\n$a\r\n", b"ERR Protocol error: invalid bulk length"),
        (b"*1\r\n\xff\r\n", b"ERR Protocol error: expected '$', got '\xff'"),
        (b"\"\n", b"ERR Protocol error: unbalanced quotes in request"),
    ] {
        assert_eq!(see(input).error.expect("fails").reply_text(), text);
    }
    let endless = vec![b'1'; INLINE_BYTES_MAX];
    for (start, text) in [
        (&b"*"[..], "ERR Protocol error: too big mbulk count string"),
        (b"*1\r\n$", "ERR Protocol error: too big bulk count string"),
        (b"x", "ERR Protocol error: too big inline request"),
    ] {
        let marker = if start.len() > 1 { start.len() - 1 } else { 0 };
        let mut input = start.to_vec();
        input.extend(&endless);
        let mut connection = Connection::new(RequestLimits::default());
        connection.receive(&input[..marker + INLINE_BYTES_MAX]);
        assert_eq!(connection.seen.error, None, "{text}: one byte less is still awaited");
        connection.receive(&input[marker + INLINE_BYTES_MAX..]);
        let error = connection.seen.error.expect("fails");
        assert_eq!(String::from_utf8_lossy(&error.reply_text()), text);
    }
}

#[test]
fn unauthenticated_clients_have_tighter_bounds() {
    let limits = RequestLimits { authenticated: false, ..RequestLimits::default() };
    for (input, expected) in [
        (&b"*11\r\n"[..], Some(ProtocolError::UnauthenticatedMultibulkLength)),
        (b"*10\r\n", None),
        (b"*1\r\n$16385\r\n", Some(ProtocolError::UnauthenticatedBulkLength)),
        (b"*1\r\n$16384\r\n", None),
    ] {
        let mut connection = Connection::new(limits);
        connection.receive(input);
        assert_eq!(connection.seen.error, expected, "{}", input.escape_ascii());
    }
    let mut connection = Connection::new(limits);
    connection.receive(&encoded(&[b"AUTH", b"secret"]));
    connection.parser.set_limits(RequestLimits::default());
    connection.receive(b"*11\r\n");
    assert_eq!(connection.seen.error, None);
}

#[test]
fn long_pipelines() {
    let mut input = Vec::new();
    for number in 0..10_000 {
        write_command(&mut input, [&b"SET"[..], number.to_string().as_bytes(), b"value"]);
    }
    let seen = see(&input);
    assert_eq!(seen.error, None);
    assert_eq!(seen.commands.len(), 10_000);
    assert_eq!(seen.commands[9_999], words(&[b"SET", b"9999", b"value"]));
    for portion in [1, 7, 1000, 16 * 1024] {
        let mut connection = Connection::new(RequestLimits::default());
        input.chunks(portion).for_each(|chunk| connection.receive(chunk));
        assert!(connection.seen == seen, "portions of {portion}");
    }
}

#[test]
fn small_words_are_borrowed() {
    let input = encoded(&[b"SET", b"key", b"value"]);
    let mut parser = RequestParser::new(RequestLimits::default());
    assert_eq!(parser.parse(&input), Parsed { consumed: input.len(), step: Step::Command });
    let word = parser.arguments(&input).get(2).expect("three words").as_ptr();
    assert!(input.as_ptr_range().contains(&word));
}

#[test]
fn large_words_are_shared_and_their_memory_follows_their_bytes() {
    let length = 3 * LARGE_ARGUMENT_FIRST_RESERVATION_BYTES + 5;
    let value = vec![b'v'; length];
    let input = encoded(&[b"SET", b"key", &value]);
    let mut parser = RequestParser::new(RequestLimits::default());
    let header = input.len() - length - 2;
    let parsed = parser.parse(&input[..header + 10]);
    assert_eq!(parsed, Parsed { consumed: header + 10, step: Step::Incomplete });
    assert_eq!(parser.growing.capacity(), LARGE_ARGUMENT_FIRST_RESERVATION_BYTES);
    assert!(parser.buffered_bytes() >= 16 && parser.buffered_bytes() < 200);
    let middle = header + 10 + LARGE_ARGUMENT_FIRST_RESERVATION_BYTES;
    assert_eq!(parser.parse(&input[header + 10..middle]).step, Step::Incomplete);
    assert_eq!(parser.growing.capacity(), length);
    let address = parser.growing.as_ptr();
    assert_eq!(parser.parse(&input[middle..]).step, Step::Command);
    let shared = parser.arguments(&[]).shared(2).cloned().expect("a large word is shared");
    assert_eq!(shared.as_ptr(), address, "the buffer it arrived in is the value");
    assert!(shared == value);
    assert!(parser.buffered_bytes() > length);
    parser.finish();
    assert_eq!(parser.buffered_bytes(), 0);
    assert!(shared.is_unique());
}

#[test]
fn callers_keep_little_of_an_incomplete_command() {
    let word = [b'w'; 1000];
    let command: Vec<&[u8]> = (0..5000).map(|_| &word[..]).collect();
    let input = encoded(&command);
    let mut connection = Connection::new(RequestLimits::default());
    input.chunks(4096).for_each(|chunk| connection.receive(chunk));
    assert_eq!(connection.seen.commands.len(), 1);
    assert!(connection.seen.commands[0].iter().all(|seen| seen == &word));
    assert!(connection.kept_max <= PENDING_BYTES_MAX + 4096, "{}", connection.kept_max);
}

#[test]
fn endless_lines_are_not_scanned_again_and_again() {
    let mut connection =
        Connection::new(RequestLimits { inline_bytes_max: usize::MAX, ..RequestLimits::default() });
    connection.receive(&[b'x'; 1000]);
    assert_eq!(connection.parser.scanned, 1000);
    connection.receive(&[b'x'; 1000]);
    assert_eq!(connection.parser.scanned, 2000);
    connection.receive(b" y\n");
    assert_eq!(connection.parser.scanned, 0);
    assert_eq!(connection.seen.commands.len(), 1);
}

proptest::proptest! {
    #[test]
    fn arguments_survive_the_wire(
        command in proptest::collection::vec(
            proptest::collection::vec(proptest::num::u8::ANY, 0..200), 1..20),
        portion in 1usize..400,
    ) {
        let mut input = Vec::new();
        write_command(&mut input, command.iter().map(|word| &word[..]));
        let mut connection = Connection::new(RequestLimits::default());
        input.chunks(portion).for_each(|chunk| connection.receive(chunk));
        proptest::prop_assert_eq!(connection.seen.commands, vec![command]);
    }
}
