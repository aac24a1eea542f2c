//! Job: bytes that are no proper commands; both servers must answer with the same bytes.
//! In: both servers. Out: nothing, or the first difference.
//! Invariant: each case has its own connection, which is half-closed after the last byte; the whole
//! answer up to the close is compared.

use std::io;

use crate::wire::{Address, Wire};

use super::player::{Mismatch, Pair};
use crate::value::quoted;

/// What is sent. Each case once whole and once split behind every byte.
const CASES: &[&[u8]] = &[
    b"PING\r\n",
    b"PING\n",
    b"ping hello\r\nECHO there\r\n",
    b"\r\n\r\nPING\r\n",
    b"   \r\nPING\r\n",
    b"SET raw:key \"quoted value\\r\\n\\x41\"\r\nGET raw:key\r\n",
    b"ECHO 'single \\' quote'\r\n",
    b"ECHO \"open\r\nPING\r\n",
    b"ECHO \"closed\"tail\r\nPING\r\n",
    b"ECHO 'closed'tail\r\n",
    b"*0\r\nPING\r\n",
    b"*-1\r\nPING\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
    b"*2\r\n$4\r\nECHO\r\n$5\r\na\r\nbc\r\n",
    b"*abc\r\n",
    b"*\r\n",
    b"*1 \r\n$4\r\nPING\r\n",
    b"*1048577\r\n",
    b"*2147483648\r\n",
    b"*9223372036854775808\r\n",
    b"*1\r\n:4\r\nPING\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$-5\r\n",
    b"*1\r\n$abc\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$9223372036854775807\r\n",
    b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n",
    b"*1\r\n$4\r\nPI",
    b"*1\r\n$7\r\nNOTHING\r\n*1\r\n$4\r\nPING\r\n",
    b"*2\r\n$7\r\nNOTHING\r\n$3\r\na\r\nb\r\n",
    b"*2\r\n$3\r\nGET\r\n$4\r\n\x00\xff\r\n\r\n",
    b"GET\r\nGET a b\r\nget\r\n",
    b"MULTI\r\nNOTHING\r\nEXEC\r\nPING\r\n",
    b"POST / HTTP/1.1\r\nHost: here\r\n\r\n",
    b"QUIT\r\nPING\r\n",
    b"HELLO 3 AUTH nobody wrong\r\nHELLO 9\r\nHELLO abc\r\n",
    b"$4\r\nPING\r\n",
    b"+OK\r\n",
    b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\n",
    b"CLIENT REPLY SKIP\r\nPING\r\nPING\r\n",
    b"RESET\r\nPING\r\n",
    b"OBJECT\r\nCONFIG\r\nCLIENT\r\nCOMMAND nothing\r\n",
    b"an-unknown-command-with-a-name-that-is-longer-than-one-hundred-and-twenty-eight-bytes-\
so-that-the-error-has-to-cut-it-off-somewhere-in-the-middle-of-this-text a b c\r\n",
    b"unknown aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa \
bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccc d e\r\n",
];

/// An inline command longer than the limit of 64 KiB, without an end.
const LONG_INLINE_BYTES: usize = 70_000;

/// Plays all cases.
///
/// # Errors
/// All differences.
pub fn play(pair: &Pair) -> Result<usize, Vec<Mismatch>> {
    let long = vec![b'x'; LONG_INLINE_BYTES];
    let mut long_count = b"*".to_vec();
    long_count.resize(LONG_INLINE_BYTES, b'1');
    let cases = CASES.iter().copied().chain([long.as_slice(), long_count.as_slice()]);
    let mut played = 0;
    let mut mismatches = Vec::new();
    for case in cases {
        let expected = answer(&pair.reference, &[case]);
        let split: Vec<&[u8]> = case.chunks(1).collect();
        // Thousands of one-byte writes say nothing more than dozens do.
        let ways = [vec![case], split];
        for way in ways.iter().filter(|way| way.len() < 1000) {
            played += 1;
            let got = answer(&pair.tested, way);
            mismatches.extend(difference(case, way.len(), &expected, &got));
        }
    }
    if mismatches.is_empty() { Ok(played) } else { Err(mismatches) }
}

fn difference(
    case: &[u8],
    writes: usize,
    expected: &io::Result<Vec<u8>>,
    got: &io::Result<Vec<u8>>,
) -> Option<Mismatch> {
    let show = |answer: &io::Result<Vec<u8>>| match answer {
        Ok(bytes) => quoted(bytes),
        Err(error) => format!("failure: {error}"),
    };
    let (expected, got) = (show(expected), show(got));
    let what = format!("{} in {writes} writes", quoted(case));
    (expected != got).then_some(Mismatch { step: None, what, expected, got })
}

fn answer(address: &Address, writes: &[&[u8]]) -> io::Result<Vec<u8>> {
    let mut wire = Wire::open(address)?;
    for bytes in writes {
        if wire.send_raw(bytes).is_err() {
            // The server has closed already; what it said before is the answer.
            break;
        }
    }
    // For the same reason a failure to half-close is no failure of the case.
    let _ = wire.finish_sending();
    wire.read_to_end()
}
