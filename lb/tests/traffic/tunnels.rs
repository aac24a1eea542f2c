//! Connections that become something else, and headers that stand before them.
//!
//! Job: upgrades to a tunnel, the PROXY protocol in and out. In: handshakes and frames, headers of both
//! versions. Out: bytes on the other side. Invariant: a tunnel adds and drops nothing.

use crate::harness::{Backend, Balancer, End, Peer, Wire};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn file(listener: &str, pool: &str) -> String {
    format!(
        "[[listener]]\nbind = \"BIND\"\ndefault_pool = \"p\"\n{listener}\n\
         [pool.p]\nservers = [\"SERVER0\"]\n{pool}\n"
    )
}

/// A text frame, masked as clients must.
fn masked_frame(text: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x81, 0x80 | text.len() as u8];
    frame.extend(mask);
    frame.extend(text.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Answers the handshake, and each frame with the same text in a frame of its own.
fn echo_frames(mut peer: Peer) {
    let head = peer.read_head().expect("a head");
    assert_eq!(head.field("Upgrade").as_deref(), Some("websocket"));
    assert!(head.field("Connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")));
    assert_eq!(head.field("Sec-WebSocket-Key").as_deref(), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    // The first frame of the server comes right behind its handshake.
    peer.send([ACCEPTED.as_bytes(), b"\x81\x02hi"].concat());
    while let Ok(start) = peer.read_exactly(6) {
        let length = usize::from(start[1] & 0x7f);
        let Ok(data) = peer.read_exactly(length) else { return };
        let text: Vec<u8> =
            data.iter().zip(start[2..].iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        peer.send([&[0x81, length as u8], &text[..]].concat());
    }
    peer.send(b"\x88\x00");
}

#[test]
fn a_websocket_goes_through_both_ways() {
    let backend = Backend::scripted(echo_frames);
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    // The first frame comes along with the handshake.
    client.send([HANDSHAKE.as_bytes(), &masked_frame(b"early")].concat());
    let head = client.read_head().expect("a head");
    assert_eq!(head.status(), 101);
    assert_eq!(head.field("Upgrade").as_deref(), Some("websocket"));
    assert_eq!(head.field("Sec-WebSocket-Accept").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(client.read_exactly(4).expect("a frame"), b"\x81\x02hi");
    assert_eq!(client.read_exactly(7).expect("a frame"), b"\x81\x05early");
    for number in 0..100 {
        let text = format!("frame {number}");
        client.send(masked_frame(text.as_bytes()));
        let echo = client.read_exactly(2 + text.len()).expect("a frame");
        assert_eq!(&echo[2..], text.as_bytes());
    }
    client.end_writing();
    assert_eq!(client.read_to_end(), (b"\x88\x00".to_vec(), End::Closed));
}

#[test]
fn an_upgrade_that_is_declined_is_a_request_like_others() {
    let backend = Backend::answering(OK);
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    assert_eq!(client.ask(HANDSHAKE).text(), "ok");
    assert_eq!(client.ask(GET).text(), "ok");
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_tunnel_that_falls_silent_ends() {
    let backend = Backend::scripted(echo_frames);
    let text = file("", "tunnel_timeout = \"200ms\"");
    let balancer = Balancer::of_file(&text, &[&backend]);
    let mut client = balancer.connect();
    client.send(HANDSHAKE);
    assert_eq!(client.read_head().expect("a head").status(), 101);
    assert_eq!(client.read_to_end(), (b"\x81\x02hi".to_vec(), End::Reset));
}

fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([0x20 | command, family]);
    header.extend((addresses.len() as u16).to_be_bytes());
    header.extend(addresses);
    header
}

#[test]
fn a_proxy_header_says_who_the_client_is() {
    let backend = Backend::scripted(|mut peer| {
        while let Ok(request) = peer.read_request() {
            let (length, head) = (request.head.len(), request.head);
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{head}"));
        }
    });
    let balancer = Balancer::of_file(&file("accept_proxy = true", ""), &[&backend]);
    let four = [1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0, 0, 80];
    let mut six = [0; 36];
    six[15] = 9;
    for (header, address) in [
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 4096 80\r\n".to_vec(), "1.2.3.4"),
        (b"PROXY TCP6 2001:db8::7 ::1 4096 80\r\n".to_vec(), "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2(1, 0x11, &four), "1.2.3.4"),
        (v2(1, 0x21, &six), "::9"),
        (v2(0, 0x00, b""), "127.0.0.1"),
    ] {
        let told = format!("\r\nX-Forwarded-For: {address}\r\n");
        let mut client = balancer.connect();
        let seen = client.ask([&header[..], GET.as_bytes()].concat()).text();
        assert!(seen.contains(&told), "{seen}");
        let seen = client.ask(GET).text();
        assert!(seen.contains(&told), "the header stands at the start only: {seen}");
        // In single bytes it is the same header.
        let mut client = balancer.connect();
        for byte in &header {
            client.send([*byte]);
        }
        assert!(client.ask(GET).text().contains(&told));
    }
}

#[test]
fn what_is_no_proxy_header_breaks_the_connection() {
    let backend = Backend::answering(OK);
    let text = file("accept_proxy = true\nrequest_timeout = \"200ms\"", "");
    let balancer = Balancer::of_file(&text, &[&backend]);
    let mut cut = v2(1, 0x11, &[1, 2, 3, 4]);
    cut.extend(GET.as_bytes());
    for start in [
        GET.as_bytes().to_vec(),
        b"PROXY TCP4 1.2.3.4 5.6.7.8 4096\r\n".to_vec(),
        b"PROXY TCP4 1.2.3.4 5.6.7.8 4096 80\n".to_vec(),
        b"PROXY TCP4 1.2.3.999 5.6.7.8 4096 80\r\n".to_vec(),
        [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat(),
        v2(3, 0x11, &[0; 12]),
        cut,
        // And one that never ends.
        b"PROXY TCP4 1.2".to_vec(),
    ] {
        let mut client = balancer.connect();
        client.send(&start);
        let (bytes, _) = client.read_to_end();
        assert_eq!(bytes, b"", "{:?}", String::from_utf8_lossy(&start));
    }
    assert_eq!(backend.connections(), 0);
}

/// Reads the header and then serves, if the header is right.
fn behind_proxy_header(version: u8) -> Backend {
    Backend::scripted(move |mut peer| {
        let header = match version {
            1 => {
                let mut line = Vec::new();
                while !line.ends_with(b"\r\n") {
                    line.extend(peer.read_exactly(1).expect("a header"));
                }
                String::from_utf8_lossy(&line).into_owned()
            }
            _ => {
                let start = peer.read_exactly(16).expect("a header");
                assert_eq!(&start[..14], b"\r\n\r\n\0\r\nQUIT\n\x21\x11");
                let rest = peer.read_exactly(usize::from(start[15])).expect("addresses");
                format!("{:?} {:?}\r\n", &rest[..4], &rest[4..8])
            }
        };
        while peer.read_request().is_ok() {
            let length = header.len();
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{header}"));
        }
    })
}

#[test]
fn servers_get_a_proxy_header_for_each_connection() {
    for (version, start) in
        [(1, "PROXY TCP4 127.0.0.1 127.0.0.1 "), (2, "[127, 0, 0, 1] [127, 0, 0, 1]")]
    {
        let backend = behind_proxy_header(version);
        let text = file("", &format!("send_proxy = \"v{version}\""));
        let balancer = Balancer::of_file(&text, &[&backend]);
        let mut client: Wire = balancer.connect();
        for _ in 0..2 {
            let seen = client.ask(GET).text();
            assert!(seen.starts_with(start), "{seen}");
            assert!(version == 2 || seen.ends_with(&format!(" {}\r\n", balancer.address().port())));
        }
        assert_eq!(backend.connections(), 2, "the header belongs to one client");
    }
    // What a client's own header says is passed on.
    let backend = behind_proxy_header(1);
    let text = file("accept_proxy = true", "send_proxy = \"v1\"");
    let balancer = Balancer::of_file(&text, &[&backend]);
    let header = "PROXY TCP4 1.2.3.4 5.6.7.8 4096 80\r\n";
    assert_eq!(balancer.ask(format!("{header}{GET}")).text(), header);
}
