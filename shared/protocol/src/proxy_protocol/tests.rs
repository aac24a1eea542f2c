//! Tests of `proxy_protocol`: the examples of the specification, every way to be wrong, bounds, and the
//! same result however the bytes are cut.

use proptest::prelude::*;

use super::*;

fn tcp(source: &str, destination: &str) -> Endpoints<'static> {
    Endpoints::Tcp {
        source: source.parse().expect("an address"),
        destination: destination.parse().expect("an address"),
    }
}

/// A header of version 2 with this command, family and content.
fn v2(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([command, family]);
    header.extend((content.len() as u16).to_be_bytes());
    header.extend(content);
    header
}

const IPV4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];

/// A header over IPv4 with these attributes.
fn with_tlvs(tlvs: &[(u8, &[u8])]) -> Vec<u8> {
    let mut content = IPV4.to_vec();
    for (kind, value) in tlvs {
        content.push(*kind);
        content.extend((value.len() as u16).to_be_bytes());
        content.extend(*value);
    }
    v2(0x21, 0x11, &content)
}

/// The checksum as RFC 4960 appendix B defines it, bit by bit.
fn slow_crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 }
        })
    })
}

/// All that is valid, with what it says.
fn valid() -> Vec<(Vec<u8>, Version, Endpoints<'static>)> {
    let mut ipv6 = [0; 36];
    ipv6[..2].copy_from_slice(&[0x20, 0x01]);
    ipv6[15] = 1;
    ipv6[31] = 1;
    ipv6[32..].copy_from_slice(&[0, 80, 0x1f, 0x90]);
    let mut mapped = [0; 36];
    mapped[10..16].copy_from_slice(&[0xff, 0xff, 10, 0, 0, 1]);
    mapped[26..32].copy_from_slice(&[0xff, 0xff, 10, 0, 0, 2]);
    let mut unix = [0; 216];
    unix[..4].copy_from_slice(b"/a\0b");
    unix[108..].fill(b'x');
    let text = |line: &str, endpoints| (line.as_bytes().to_vec(), Version::V1, endpoints);
    let binary = |header: Vec<u8>, endpoints| (header, Version::V2, endpoints);
    vec![
        text(
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
            tcp("192.168.0.1:56324", "192.168.0.11:443"),
        ),
        text(
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            tcp("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        text("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", tcp("0.0.0.0:0", "0.0.0.0:0")),
        text("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", tcp("[2001:db8::1]:1", "[::1]:2")),
        text("PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n", tcp("10.0.0.1:1", "[::1]:2")),
        text(
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
             ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            tcp(
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            ),
        ),
        text("PROXY UNKNOWN\r\n", Endpoints::Own),
        text(
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
             ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Endpoints::Own,
        ),
        text("PROXY UNKNOWN what ever\r\n", Endpoints::Own),
        binary(v2(0x21, 0x11, &IPV4), tcp("192.0.2.1:56324", "198.51.100.7:443")),
        binary(v2(0x21, 0x21, &ipv6), tcp("[2001::1]:80", "[::1]:8080")),
        binary(v2(0x21, 0x21, &mapped), tcp("10.0.0.1:0", "10.0.0.2:0")),
        binary(
            v2(0x21, 0x31, &unix),
            Endpoints::Unix { source: b"/a\0b", destination: &[b'x'; 108] },
        ),
        // Its own connection, whatever else is said; datagrams, and what has no family.
        binary(v2(0x20, 0x00, b""), Endpoints::Own),
        binary(v2(0x20, 0x11, &IPV4), Endpoints::Own),
        binary(v2(0x20, 0xff, b"anything"), Endpoints::Own),
        binary(v2(0x21, 0x00, b"anything"), Endpoints::Own),
        binary(v2(0x21, 0x12, &IPV4), Endpoints::Own),
        binary(v2(0x21, 0x10, &IPV4), Endpoints::Own),
        binary(v2(0x21, 0x01, &IPV4), Endpoints::Own),
    ]
}

fn invalid() -> Vec<(Vec<u8>, ProxyError)> {
    use ProxyError::*;
    let mut rows: Vec<(Vec<u8>, ProxyError)> = [
        ("GET / HTTP/1.1\r\n", NotProxy),
        ("PRI * HTTP/2.0\r\n", NotProxy),
        ("POST / HTTP/1.1\r\n", NotProxy),
        ("proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n", NotProxy),
        (" PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", NotProxy),
        ("PROXY\tTCP4 1.1.1.1 2.2.2.2 1 2\r\n", NotProxy),
        ("PROXY\r\n", NotProxy),
        ("PROXY \r\n", BadProtocol),
        ("PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", BadProtocol),
        ("PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", BadProtocol),
        ("PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n", BadProtocol),
        ("PROXY UNKNOWNX\r\n", BadProtocol),
        ("PROXY TCP4\r\n", BadAddress),
        ("PROXY TCP4 1.1.1.1\r\n", BadAddress),
        ("PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n", BadAddress),
        ("PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n", BadAddress),
        ("PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n", BadAddress),
        ("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", BadAddress),
        ("PROXY TCP4 ::1 ::1 1 2\r\n", BadAddress),
        ("PROXY TCP6 1.1.1.1 ::1 1 2\r\n", BadAddress),
        ("PROXY TCP6 ::1%lo ::1 1 2\r\n", BadAddress),
        ("PROXY TCP6 1::2::3 ::1 1 2\r\n", BadAddress),
        ("PROXY TCP6 [::1] ::1 1 2\r\n", BadAddress),
        ("PROXY TCP4 1.1.1.1 2.2.2.2\r\n", BadPort),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", BadPort),
        ("PROXY TCP4 1.1.1.1 2.2.2.2  1 2\r\n", BadPort),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", BadPort),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", BadPort),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", BadPort),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", BadPort),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n", BadPort),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n", BadPort),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", BadLineEnd),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rX", BadLineEnd),
        ("PROXY UNKNOWN \n\r\n", BadLineEnd),
        ("PROXY UNKNOWN \r\r\n", BadLineEnd),
    ]
    .into_iter()
    .map(|(line, error)| (line.as_bytes().to_vec(), error))
    .collect();
    rows.push((format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)).into_bytes(), BadLineEnd));
    rows.push((format!("PROXY UNKNOWN {}", "x".repeat(200)).into_bytes(), BadLineEnd));
    let mut binary = |header: Vec<u8>, error| rows.push((header, error));
    binary(b"\r\n\r\n\0\r\nQUIX\n".to_vec(), NotProxy);
    binary(v2(0x11, 0x11, &IPV4), BadCommand);
    binary(v2(0x31, 0x11, &IPV4), BadCommand);
    binary(v2(0x22, 0x11, &IPV4), BadCommand);
    binary(v2(0x21, 0x41, &IPV4), BadCommand);
    binary(v2(0x21, 0x13, &IPV4), BadCommand);
    binary(v2(0x21, 0x11, &IPV4[..11]), Truncated);
    binary(v2(0x21, 0x21, &[0; 35]), Truncated);
    binary(v2(0x21, 0x31, &[0; 215]), Truncated);
    binary(v2(0x21, 0x00, &[0; HEADER_BYTES_MAX - 15]), TooLong);
    binary(v2(0x20, 0x00, &[0; 65535]), TooLong);
    binary(v2(0x21, 0x11, &[&IPV4[..], &[4]].concat()), BadAttribute);
    binary(v2(0x21, 0x11, &[&IPV4[..], &[4, 0]].concat()), BadAttribute);
    binary(v2(0x21, 0x11, &[&IPV4[..], &[4, 0, 1]].concat()), BadAttribute);
    binary(v2(0x21, 0x11, &[&IPV4[..], &[4, 0xff, 0xff, 1]].concat()), BadAttribute);
    binary(with_tlvs(&[(5, &[0; 129])]), BadAttribute);
    binary(with_tlvs(&[(3, &[0; 3])]), BadAttribute);
    binary(with_tlvs(&[(3, &[0; 5])]), BadAttribute);
    binary(with_tlvs(&[(3, &[0; 4])]), BadChecksum);
    rows
}

#[test]
fn valid_headers_are_read_however_they_are_cut() {
    for (mut input, version, endpoints) in valid() {
        let length = input.len();
        for cut in 0..length {
            let shown = input[..cut].escape_ascii();
            assert_eq!(parse(&input[..cut]), Ok(None), "{shown}");
        }
        input.extend(b"GET / HTTP/1.1\r\n");
        let (header, consumed) = parse(&input).expect("valid").expect("complete");
        assert_eq!((header.version, header.endpoints, consumed), (version, endpoints, length));
        assert_eq!(header.tlvs.count(), 0);
    }
}

#[test]
fn invalid_headers_are_refused_and_stay_so() {
    for (input, error) in invalid() {
        let shown = input.escape_ascii();
        assert_eq!(parse(&input), Err(error), "{shown}");
        let mut refused = false;
        for cut in 0..=input.len() {
            match parse(&input[..cut]) {
                Ok(None) => assert!(!refused, "{shown} at {cut}"),
                Ok(Some(_)) => panic!("{shown} at {cut}"),
                Err(early) => {
                    assert_eq!(early, error, "{shown} at {cut}");
                    refused = true;
                }
            }
        }
    }
}

#[test]
fn nothing_is_waited_for_beyond_the_bounds() {
    let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b' '; 500]].concat();
    assert_eq!(parse(&endless[..106]), Ok(None));
    assert_eq!(parse(&endless[..107]), Err(ProxyError::BadLineEnd));
    let mut late = endless[..107].to_vec();
    late[106] = b'\r';
    assert_eq!(parse(&late), Err(ProxyError::BadLineEnd), "no LF can come in time");
    let longest = v2(0x20, 0, &[0; HEADER_BYTES_MAX - 16]);
    assert_eq!(parse(&longest).map(|header| header.map(|(_, length)| length)), Ok(Some(8192)));
    // A length that is too large is refused before its bytes have come.
    let huge = v2(0x21, 0x11, &[0; 65535]);
    assert_eq!(parse(&huge[..15]), Ok(None));
    assert_eq!(parse(&huge[..16]), Err(ProxyError::TooLong));
}

#[test]
fn attributes_are_walked_in_order() {
    let input = with_tlvs(&[(2, b"example.com"), (4, b""), (5, &[7; 128]), (0xe0, b"own")]);
    let (header, length) = parse(&input).expect("valid").expect("complete");
    assert_eq!(length, input.len());
    let seen: Vec<(u8, &[u8])> = header.tlvs.map(|tlv| (tlv.kind, tlv.value)).collect();
    assert_eq!(seen, [(2, &b"example.com"[..]), (4, b""), (5, &[7; 128]), (0xe0, b"own")]);
}

#[test]
fn a_checksum_covers_every_byte() {
    assert_eq!(slow_crc32c(b"123456789"), 0xe306_9283, "the published check value");
    let mut input = with_tlvs(&[(2, b"example.com"), (3, &[0; 4]), (4, b"padding")]);
    let checksum = slow_crc32c(&input);
    let at = input.len() - 10 - 4;
    input[at..at + 4].copy_from_slice(&checksum.to_be_bytes());
    let (header, _) = parse(&input).expect("valid").expect("complete");
    assert_eq!(header.endpoints, tcp("192.0.2.1:56324", "198.51.100.7:443"));
    for index in 16..input.len() {
        for bit in 0..8 {
            let mut bent = input.clone();
            bent[index] ^= 1 << bit;
            // A bent type or length may hide the checksum's attribute, and then is another header.
            let is_type_or_length = (28..31).contains(&index) || (42..45).contains(&index);
            assert!(is_type_or_length || parse(&bent).is_err(), "byte {index} bit {bit}");
        }
    }
    let twice = with_tlvs(&[(3, &[0; 4]), (3, &[0; 4])]);
    assert!(parse(&twice).is_err());
}

#[test]
fn written_headers_have_the_exact_bytes() {
    let written = |version, endpoints: Endpoints<'_>| {
        let mut out = b"before".to_vec();
        write(version, &endpoints, &mut out);
        out.split_off(6)
    };
    let v4 = tcp("192.0.2.1:56324", "198.51.100.7:443");
    let mixed = tcp("192.0.2.1:1", "[2001:db8::2]:2");
    let unix = Endpoints::Unix { source: b"", destination: b"/run/x" };
    let line = |endpoints| String::from_utf8(written(Version::V1, endpoints)).expect("text");
    assert_eq!(line(v4), "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n");
    assert_eq!(line(mixed), "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n");
    assert_eq!(line(Endpoints::Own), "PROXY UNKNOWN\r\n");
    assert_eq!(line(unix), "PROXY UNKNOWN\r\n");
    assert_eq!(written(Version::V2, v4), v2(0x21, 0x11, &IPV4));
    assert_eq!(written(Version::V2, Endpoints::Own), v2(0x20, 0, b""));
    for endpoints in [v4, mixed, unix, Endpoints::Own] {
        let bytes = written(Version::V2, endpoints);
        let (header, length) = parse(&bytes).expect("valid").expect("complete");
        assert_eq!((header.endpoints, length), (endpoints, bytes.len()));
    }
    let long = Endpoints::Unix { source: &[b'a'; 300], destination: b"" };
    assert_eq!(written(Version::V2, long).len(), 16 + 216);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..3) {
        let mut input = match kind {
            0 => vec![],
            1 => b"PROXY TCP6 ".to_vec(),
            _ => [&SIGNATURE[..], &[0x21]].concat(),
        };
        input.extend(bytes);
        if let Ok(Some((header, length))) = parse(&input) {
            prop_assert!(length <= input.len() && length <= HEADER_BYTES_MAX);
            header.tlvs.for_each(drop);
        }
    }

    #[test]
    fn what_is_written_reads_back(
        source in any::<SocketAddr>(), destination in any::<SocketAddr>(), is_v1 in any::<bool>()
    ) {
        let version = if is_v1 { Version::V1 } else { Version::V2 };
        let endpoints = Endpoints::Tcp { source, destination };
        let mut out = Vec::new();
        write(version, &endpoints, &mut out);
        let (header, length) = parse(&out).expect("valid").expect("complete");
        let expected = Endpoints::Tcp {
            source: canonical(source.ip(), source.port()),
            destination: canonical(destination.ip(), destination.port()),
        };
        prop_assert_eq!((header.endpoints, length), (expected, out.len()));
    }
}
