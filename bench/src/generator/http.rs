//! Job: load on an HTTP/1.1 server.
//! In: [`HttpSettings`], a seat. Out: requests, judgements of responses.
//! Invariant: a request is copied together from pieces without allocation. Where a response ends is
//! found by the rules of the protocol crate, which are those of the products.

use ringlet_base::random::Random;
use ringlet_protocol::http1::{Body, Framing, HeadLimits, Piece, RequestKind, ResponseHead};

use super::http_settings::HttpSettings;
use super::keys::{Distribution, KeyClass, Keys};
use super::plan::REPLY_BYTES_MAX;
use super::resp::push_number;
use super::traffic::{Answer, Asked, Judged, Seat, Traffic};

/// Stands for a key's number.
const KEY: &str = "__key__";
const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 64 << 10, fields_max: 128 };

/// What one core says to an HTTP server. The bystander asks for the same.
#[derive(Debug)]
pub struct HttpTraffic {
    kinds: Vec<String>,
    /// The request, cut where the key's number goes.
    pieces: Vec<Vec<u8>>,
    settings: HttpSettings,
    random: Random,
    keys: Keys,
    /// Used again for every response.
    head: ResponseHead,
}

impl HttpTraffic {
    /// The traffic of a seat, by settings that have passed their check.
    #[must_use]
    pub fn new(settings: &HttpSettings, seat: Seat) -> Self {
        let class = match settings.distribution {
            Distribution::Sequential if !seat.is_probe => {
                KeyClass::of_core(settings.keys, seat.core, seat.cores)
            }
            _ => KeyClass::all(settings.keys),
        };
        Self {
            kinds: vec![format!("{} {}", settings.method, settings.path)],
            pieces: compile(settings),
            settings: settings.clone(),
            random: Random::new(seat.seed(settings.seed)),
            keys: Keys::new(settings.distribution, class),
            head: ResponseHead::default(),
        }
    }
}

impl Traffic for HttpTraffic {
    fn pipelines(&self) -> bool {
        false
    }

    fn repeats(&self) -> bool {
        matches!(self.settings.method.as_str(), "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS")
    }

    fn kinds(&self) -> &[String] {
        &self.kinds
    }

    fn greeting(&mut self, _: &mut Vec<u8>) -> usize {
        0
    }

    #[inline]
    fn draw(&mut self, _: Option<u16>) -> Asked {
        Asked { key: self.keys.draw(&mut self.random), ..Asked::default() }
    }

    #[inline]
    fn encode(&mut self, asked: &Asked, output: &mut Vec<u8>) {
        for (at, piece) in self.pieces.iter().enumerate() {
            if at > 0 {
                push_number(asked.key, output);
            }
            output.extend_from_slice(piece);
        }
    }

    fn judge(&mut self, _: &Asked, input: &[u8]) -> Result<Option<Judged>, String> {
        let is_head = self.settings.method == "HEAD";
        let Some(length) = find_response(&mut self.head, is_head, input)? else { return Ok(None) };
        let expected = self.settings.expected.contain(self.head.status());
        let answer = if expected { Answer::Good } else { Answer::Refused };
        let closes = self.settings.close || !self.head.keeps_alive();
        Ok(Some(Judged { length, answer, closes }))
    }

    fn explain(&self, _: &Asked, reply: &[u8]) -> String {
        let mut head = ResponseHead::default();
        match final_head(&mut head, self.settings.method == "HEAD", reply) {
            Ok(Some(_)) => format!("status {}", head.status()),
            Ok(None) => "a response without end".to_owned(),
            Err(error) => error,
        }
    }
}

/// The length of the first response in `input`, or `None` if it is not complete; its final head.
///
/// # Errors
/// Bytes that begin no response, or one whose end cannot be seen or is too far.
#[inline]
pub fn find_response(
    head: &mut ResponseHead,
    is_head: bool,
    input: &[u8],
) -> Result<Option<usize>, String> {
    match final_head(head, is_head, input)? {
        Some(start) => body_end(head.framing(), input, start),
        None => Ok(None),
    }
}

/// Reads heads until one is no 1xx; where its body begins.
#[inline]
fn final_head(
    head: &mut ResponseHead,
    is_head: bool,
    input: &[u8],
) -> Result<Option<usize>, String> {
    let request = RequestKind { is_head, asked_upgrade: false };
    let mut at = 0;
    loop {
        match head.parse(&input[at..], &LIMITS, request) {
            Ok(Some(length)) => at += length,
            Ok(None) => return Ok(None),
            Err(error) => return Err(format!("the server sent no HTTP/1 response: {error}")),
        }
        if !head.is_interim() {
            return Ok(Some(at));
        }
    }
}

/// Where the body that begins at `start` ends, if it does within `input`.
#[inline]
fn body_end(framing: Framing, input: &[u8], start: usize) -> Result<Option<usize>, String> {
    match framing {
        Framing::None => Ok(Some(start)),
        Framing::Length(length) => match usize::try_from(length) {
            Ok(length) if length <= REPLY_BYTES_MAX => {
                let end = start + length;
                Ok((end <= input.len()).then_some(end))
            }
            _ => Err(format!("the server sent a response of {length} bytes, which is too long")),
        },
        Framing::Chunked => chunks_end(input, start),
        Framing::UntilClose => {
            Err("the server sent a response that has neither Content-Length nor \
                                    chunks: where it ends cannot be seen, so it cannot be measured"
                .to_owned())
        }
    }
}

fn chunks_end(input: &[u8], start: usize) -> Result<Option<usize>, String> {
    let mut body = Body::new(Framing::Chunked);
    let mut at = start;
    loop {
        match body.next(&input[at..]) {
            Ok(Piece::Data { skip, length }) => at += skip + length,
            Ok(Piece::More { .. }) => return Ok(None),
            Ok(Piece::End { consumed }) => return Ok(Some(at + consumed)),
            Err(error) => return Err(format!("the server sent a broken body: {error}")),
        }
    }
}

/// The request's bytes before, between and behind the places for the key's number.
fn compile(settings: &HttpSettings) -> Vec<Vec<u8>> {
    let has =
        |name: &str| settings.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
    let mut head = format!("{} {} HTTP/1.1\r\n", settings.method, settings.path);
    let mut add = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
    if !has("host") {
        add("Host", &settings.host);
    }
    if !has("user-agent") {
        add("User-Agent", "ringlet-bench");
    }
    for header in &settings.headers {
        add(&header.name, &header.value);
    }
    // A method that is about a body says that there is none (RFC 9110 section 8.6).
    let has_body = settings.body_bytes > 0;
    if has_body || matches!(settings.method.as_str(), "POST" | "PUT" | "PATCH") {
        add("Content-Length", &settings.body_bytes.to_string());
    }
    if settings.close {
        add("Connection", "close");
    }
    head.push_str("\r\n");
    let mut pieces: Vec<Vec<u8>> = head.split(KEY).map(|piece| piece.as_bytes().to_vec()).collect();
    if let Some(last) = pieces.last_mut() {
        last.extend((b'a'..=b'z').cycle().take(settings.body_bytes as usize));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: Seat = Seat { core: 0, cores: 1, is_probe: false };

    fn traffic(change: impl Fn(&mut HttpSettings)) -> HttpTraffic {
        let mut settings = HttpSettings::default();
        change(&mut settings);
        assert_eq!(settings.check(1), Ok(()));
        HttpTraffic::new(&settings, ALONE)
    }

    fn request(traffic: &mut HttpTraffic, key: u64) -> String {
        let mut output = Vec::new();
        traffic.encode(&Asked { key, ..Asked::default() }, &mut output);
        String::from_utf8(output).expect("text")
    }

    /// Judges a response, which is not complete at any byte before its end.
    fn judge(traffic: &mut HttpTraffic, response: &str) -> (Answer, bool) {
        let asked = Asked::default();
        for cut in 0..response.len() {
            assert_eq!(
                traffic.judge(&asked, &response.as_bytes()[..cut]),
                Ok(None),
                "cut at {cut}"
            );
        }
        let with_more = format!("{response}HTTP/1.1 200 OK\r\n");
        let judged = traffic.judge(&asked, with_more.as_bytes()).expect("HTTP").expect("complete");
        assert_eq!(judged.length, response.len());
        (judged.answer, judged.closes)
    }

    #[test]
    fn requests_have_the_key_in_path_and_headers() {
        let mut plain = traffic(|settings| settings.path = "/a/__key__?b=__key__".to_owned());
        assert_eq!(
            request(&mut plain, 42),
            "GET /a/42?b=42 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ringlet-bench\r\n\r\n"
        );
        assert_eq!(plain.kinds(), ["GET /a/__key__?b=__key__"]);
        let mut full = traffic(|settings| {
            settings.method = "POST".to_owned();
            settings.headers =
                ["host: x", "X-User: u__key__"].map(|h| h.parse().expect("it")).into();
            settings.body_bytes = 28;
            settings.close = true;
        });
        assert_eq!(
            request(&mut full, 7),
            "POST / HTTP/1.1\r\nUser-Agent: ringlet-bench\r\nhost: x\r\nX-User: u7\r\n\
             Content-Length: 28\r\nConnection: close\r\n\r\nabcdefghijklmnopqrstuvwxyzab"
        );
        let mut empty = traffic(|settings| settings.method = "PUT".to_owned());
        assert!(request(&mut empty, 0).contains("Content-Length: 0\r\n"));
    }

    #[test]
    fn responses_end_where_their_framing_says() {
        let mut plain = traffic(|_| {});
        for (response, closes) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\na\r\n\r\nb", false),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx", true),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", true),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx", false),
            ("HTTP/1.1 204 No\r\n\r\n", false),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10;x=y\r\n\
                 0123456789abcdef\r\n0\r\nX: y\r\n\r\n",
                false,
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                false,
            ),
        ] {
            assert_eq!(judge(&mut plain, response), (Answer::Good, closes), "{response}");
        }
        let mut head = traffic(|settings| settings.method = "HEAD".to_owned());
        let length_only = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n";
        assert_eq!(judge(&mut head, length_only), (Answer::Good, false));
        let mut closing = traffic(|settings| settings.close = true);
        let silent = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(judge(&mut closing, silent), (Answer::Good, true));
    }

    #[test]
    fn statuses_that_are_not_expected_are_refusals() {
        let mut plain = traffic(|_| {});
        for status in [304, 404, 503] {
            let response = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(judge(&mut plain, &response), (Answer::Refused, false));
            let behind_interim = format!("HTTP/1.1 100 Continue\r\n\r\n{response}");
            let text = plain.explain(&Asked::default(), behind_interim.as_bytes());
            assert_eq!(text, format!("status {status}"));
        }
        let mut limited = traffic(|settings| settings.expected = "200,429".parse().expect("it"));
        let too_many = "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(judge(&mut limited, too_many), (Answer::Good, false));
        assert_eq!(judge(&mut limited, "HTTP/1.1 204 No\r\n\r\n"), (Answer::Refused, false));
    }

    #[test]
    fn other_bytes_are_errors_that_say_why() {
        let mut plain = traffic(|_| {});
        for (bytes, part) in [
            ("+OK\r\n", "no HTTP/1 response"),
            ("HTTP/1.1 200 OK\r\n\r\nbody", "neither Content-Length nor chunks"),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "Content-Length is no decimal"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "too long"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", "broken body"),
            ("HTTP/1.1 101 Other\r\n\r\n", "asked for no upgrade"),
        ] {
            let error = plain.judge(&Asked::default(), bytes.as_bytes()).expect_err(bytes);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn keys_are_drawn_by_their_distribution() {
        let settings =
            HttpSettings { keys: 5, distribution: Distribution::Sequential, ..Default::default() };
        let mut second = HttpTraffic::new(&settings, Seat { core: 1, cores: 2, is_probe: false });
        assert_eq!([(); 3].map(|()| second.draw(None).key), [1, 3, 1]);
    }
}
