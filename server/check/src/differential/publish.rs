//! Job: random subscriptions and messages on both servers; every subscriber must see the same.
//! In: both servers, seeded choices. Out: nothing, or the first difference.
//! Invariant: after each action every connection is fenced with a PING, so that the frames are
//! compared action by action. A message may arrive after the fence, as it may come from another
//! core.

use std::io;
use std::time::{Duration, Instant};

use crate::random::Choices;
use crate::value::Value;
use crate::wire::{Address, Wire};

use super::grammar::Line;
use super::player::{Mismatch, Pair, typed};

const CONNECTIONS: usize = 4;
const ACTIONS: usize = 60;
const LATE_FRAME_TIMEOUT: Duration = Duration::from_secs(10);
const CHANNELS: &[&str] = &["news", "sport", "new", "n*"];
/// Time in which a server must notice that connections were closed.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(10);
const PATTERNS: &[&str] = &["n*", "*", "ne?s", "[ns]*", "n\\*"];

/// Plays one round of subscriptions.
///
/// # Errors
/// The first difference.
pub fn play(pair: &Pair, choices: &mut Choices) -> Result<(), Mismatch> {
    let resp3 = choices.percent(50);
    let mut reference = open(&pair.reference, resp3, "the reference")?;
    let mut tested = open(&pair.tested, resp3, "the tested server")?;
    for wire in [&mut reference[0], &mut tested[0]] {
        forget_others(wire).map_err(failed("the end of the last round's subscriptions"))?;
    }
    for number in 0..ACTIONS {
        let connection = choices.below(CONNECTIONS);
        let line = action(number, connection, choices);
        for (index, (expected, got)) in reference.iter_mut().zip(&mut tested).enumerate() {
            if index == connection {
                send(expected, &line)?;
                send(got, &line)?;
            }
        }
        let fence = format!("fence-{number}");
        // The one who acts is fenced first: then the action is over, and its messages are on the
        // way.
        let order =
            std::iter::once(connection).chain((0..CONNECTIONS).filter(|&i| i != connection));
        for index in order {
            let what =
                format!("{} on {connection}, seen by {index} (RESP3: {resp3})", typed(&line));
            let expected = frames(&mut reference[index], &fence, None).map_err(failed(&what))?;
            let got =
                frames(&mut tested[index], &fence, Some(expected.len())).map_err(failed(&what))?;
            let (expected, got) = (ordered(&line, expected), ordered(&line, got));
            if expected != got {
                let show = |frames: Vec<Value>| Value::Array(frames).to_string();
                let (expected, got) = (show(expected), show(got));
                return Err(Mismatch { step: Some(number), what, expected, got });
            }
        }
    }
    Ok(())
}

fn open(address: &Address, resp3: bool, whose: &str) -> Result<Vec<Wire>, Mismatch> {
    let open = || if resp3 { Wire::open_resp3(address) } else { Wire::open(address) };
    (0..CONNECTIONS).map(|_| open()).collect::<io::Result<_>>().map_err(failed(whose))
}

/// Waits until nobody listens any more: a server hears of closed connections a little later.
fn forget_others(wire: &mut Wire) -> io::Result<()> {
    let deadline = Instant::now() + FORGOTTEN_WITHIN;
    loop {
        let channels = wire.call(&["PUBSUB", "CHANNELS"])?;
        let patterns = wire.call(&["PUBSUB", "NUMPAT"])?;
        if channels == Value::Array(Vec::new()) && patterns == Value::Integer(0) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

fn failed(what: &str) -> impl Fn(io::Error) -> Mismatch {
    move |error| Mismatch {
        step: None,
        what: what.to_owned(),
        expected: "frames".to_owned(),
        got: error.to_string(),
    }
}

fn send(wire: &mut Wire, line: &Line) -> Result<(), Mismatch> {
    wire.send(line).map_err(failed("sending"))
}

/// Connection 0 publishes; the others subscribe, and publish where they may.
fn action(number: usize, connection: usize, choices: &mut Choices) -> Line {
    let some = |from: &[&str], choices: &mut Choices| -> Vec<String> {
        (0..choices.below(4)).map(|_| (*choices.pick(from)).to_owned()).collect()
    };
    let publish = |choices: &mut Choices| {
        vec!["PUBLISH".into(), (*choices.pick(CHANNELS)).to_owned(), format!("message-{number}")]
    };
    let with = |name: &str, rest: Vec<String>| [vec![name.to_owned()], rest].concat();
    let words = match (connection, choices.below(14)) {
        (0, 0) => with("PUBSUB", vec!["NUMPAT".into()]),
        (0, 1) => with("PUBSUB", [vec!["NUMSUB".into()], some(CHANNELS, choices)].concat()),
        (0, 2) => with("PUBSUB", vec!["CHANNELS".into()]),
        (0, 3) => with("PUBSUB", vec!["CHANNELS".into(), (*choices.pick(PATTERNS)).to_owned()]),
        (0, _) => publish(choices),
        (_, 0..4) => with("SUBSCRIBE", some(CHANNELS, choices)),
        (_, 4..7) => with("PSUBSCRIBE", some(PATTERNS, choices)),
        (_, 7..9) => with("UNSUBSCRIBE", some(CHANNELS, choices)),
        (_, 9) => with("PUNSUBSCRIBE", some(PATTERNS, choices)),
        (_, 10) => with("GET", vec!["key".into()]),
        (_, 11) => with("RESET", Vec::new()),
        (_, 12) => with("PING", Vec::new()),
        _ => publish(choices),
    };
    words.into_iter().map(String::into_bytes).collect()
}

/// All frames up to the reply to `PING fence`, and later ones until there are `wanted`.
fn frames(wire: &mut Wire, fence: &str, wanted: Option<usize>) -> io::Result<Vec<Value>> {
    wire.send(&["PING", fence])?;
    let fences = [Value::bulk(fence), Value::Array(vec![Value::bulk("pong"), Value::bulk(fence)])];
    let mut frames = Vec::new();
    loop {
        match wire.read()? {
            value if fences.contains(&value) => break,
            value => frames.push(value),
        }
    }
    while frames.len() < wanted.unwrap_or(0) {
        match wire.read_within(LATE_FRAME_TIMEOUT)? {
            Some(value) => frames.push(value),
            None => break,
        }
    }
    Ok(frames)
}

/// The frames of one action, in sorted order where Redis leaves the order open: patterns that match
/// the same message, channels that are left all at once, channels that are listed.
fn ordered(line: &Line, mut frames: Vec<Value>) -> Vec<Value> {
    let name = line[0].as_slice();
    if name == b"PUBSUB" {
        return frames.into_iter().map(super::compare::sorted).collect();
    }
    if name == b"PUBLISH" {
        frames.sort();
    } else if name.ends_with(b"UNSUBSCRIBE") && line.len() == 1 {
        let mut names = Vec::new();
        let mut rest = Vec::new();
        for frame in frames {
            let mut items = frame.into_items();
            names.extend((items.len() == 3).then(|| items.remove(1)));
            rest.push(Value::Array(items));
        }
        names.sort();
        return [names, rest].concat();
    }
    frames
}
