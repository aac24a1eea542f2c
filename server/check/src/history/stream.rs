//! Job: check what observers see of one connection that writes alone, over very long histories.
//! In: the writes in program order, each of one or more keys at once, and observations: versions of
//! keys that one command or transaction saw. Out: an observation that no instant explains.
//! Invariant: the n-th write of a key stores version n, so a version tells an interval of positions
//! in the writer's program; observers may only move forward. Exact, in O(n log n).

use super::Violation;

/// One write of the writer. Its position in the program is its index plus 1.
#[derive(Clone, Debug)]
pub struct Write {
    /// The keys that it wrote at once, as indices.
    pub keys: Vec<usize>,
    /// When it began to be sent.
    pub invoked_ns: u64,
    /// When its reply had been read.
    pub completed_ns: u64,
}

/// What one command or transaction of an observer saw at one instant.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The observer's connection; its observations stand in program order.
    pub session: usize,
    /// When it began to be sent.
    pub invoked_ns: u64,
    /// When its reply had been read.
    pub completed_ns: u64,
    /// Keys with the version seen: 0 for a missing key.
    pub seen: Vec<(usize, u64)>,
}

/// An observation with the positions of the writer that explain it.
struct Window<'a> {
    observation: &'a Observation,
    first: usize,
    last: usize,
}

/// Judges what was seen of `writes`.
///
/// # Errors
/// The first observation that contradicts the others, or the writes.
pub fn check(writes: &[Write], observations: &[Observation]) -> Result<(), Violation> {
    let keys = writes.iter().flat_map(|write| &write.keys).max().map_or(0, |&key| key + 1);
    let mut positions: Vec<Vec<usize>> = vec![vec![0]; keys];
    for (index, write) in writes.iter().enumerate() {
        for &key in &write.keys {
            positions[key].push(index + 1);
        }
    }
    let windows = observations
        .iter()
        .map(|observation| window(observation, &positions, writes.len()))
        .collect::<Result<Vec<_>, _>>()?;
    move_forward(writes, &windows)
}

/// The positions after which the writer's keys had just the versions that were seen.
fn window<'a>(
    observation: &'a Observation,
    positions: &[Vec<usize>],
    end: usize,
) -> Result<Window<'a>, Violation> {
    let mut window = Window { observation, first: 0, last: end };
    for &(key, version) in &observation.seen {
        let of_key = positions.get(key).map_or(&[0][..], Vec::as_slice);
        let version = version as usize;
        let Some(&written) = of_key.get(version) else {
            let evidence = format!("version {version} of key {key} in {observation:?}");
            return Err(Violation::new("a version that nobody wrote was seen", evidence));
        };
        window.first = window.first.max(written);
        window.last = window.last.min(of_key.get(version + 1).map_or(end, |next| next - 1));
    }
    if window.first > window.last {
        return Err(Violation::new(
            "one command saw writes without those that the same connection made before",
            format!("{observation:?}: position {} but not {}", window.first, window.last + 1),
        ));
    }
    Ok(window)
}

/// What happens at a moment, in the order in which things of one moment are taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Sent(usize),
    Invoked(usize),
    Seen(usize),
    Answered(usize),
}

/// Walks through time; `floor` is the position that is known to have been passed.
fn move_forward(writes: &[Write], windows: &[Window]) -> Result<(), Violation> {
    let mut moments: Vec<(u64, Moment)> = Vec::new();
    for (index, write) in writes.iter().enumerate() {
        moments.push((write.invoked_ns, Moment::Sent(index + 1)));
        moments.push((write.completed_ns, Moment::Answered(index + 1)));
    }
    for (index, window) in windows.iter().enumerate() {
        moments.push((window.observation.invoked_ns, Moment::Invoked(index)));
        moments.push((window.observation.completed_ns, Moment::Seen(index)));
    }
    moments.sort_unstable();
    let sessions = windows.iter().map(|window| window.observation.session).max();
    let mut of_session: Vec<usize> = vec![0; sessions.map_or(0, |session| session + 1)];
    let mut at_invocation: Vec<usize> = vec![0; windows.len()];
    let (mut floor, mut sent) = (0, 0);
    for (_, moment) in moments {
        match moment {
            Moment::Sent(position) => sent = sent.max(position),
            Moment::Answered(position) => floor = floor.max(position),
            Moment::Invoked(index) => at_invocation[index] = floor,
            Moment::Seen(index) => {
                let window = &windows[index];
                let own = &mut of_session[window.observation.session];
                let earliest = window.first.max(at_invocation[index]).max(*own);
                let rule = if *own > window.last {
                    "a connection saw an older state after a newer one"
                } else if at_invocation[index] > window.last {
                    "an older state was seen after somebody had been shown a newer one"
                } else if window.first > sent {
                    "a write was seen before it was sent"
                } else {
                    *own = earliest;
                    floor = floor.max(earliest);
                    continue;
                };
                return Err(Violation::new(
                    rule,
                    format!(
                        "{:?}: positions {} to {}, but the connection was at {own} and all at {}, \
                         and {sent} had been sent",
                        window.observation, window.first, window.last, at_invocation[index]
                    ),
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes key 0 and key 1 in turn, one pipeline, answered at 100.
    fn writes(count: usize) -> Vec<Write> {
        let write = |index| Write { keys: vec![index % 2], invoked_ns: 10, completed_ns: 100 };
        (0..count).map(write).collect()
    }

    fn saw(session: usize, times: (u64, u64), seen: &[(usize, u64)]) -> Observation {
        Observation { session, invoked_ns: times.0, completed_ns: times.1, seen: seen.to_vec() }
    }

    fn rule(observations: &[Observation]) -> &'static str {
        check(&writes(6), observations).expect_err("a promise is broken").rule
    }

    #[test]
    fn what_the_program_order_allows_passes() {
        let seen = [
            saw(0, (20, 30), &[(1, 1)]),
            saw(0, (20, 30), &[(0, 1)]),
            saw(1, (25, 40), &[(0, 2), (1, 1)]),
            saw(1, (25, 41), &[(0, 3), (1, 2)]),
            saw(0, (101, 102), &[(0, 3), (1, 3)]),
        ];
        assert_eq!(check(&writes(6), &seen), Ok(()));
    }

    #[test]
    fn the_later_key_newer_than_the_earlier_one_is_found_in_one_command() {
        assert_eq!(
            rule(&[saw(0, (20, 30), &[(0, 1), (1, 2)])]),
            "one command saw writes without those that the same connection made before"
        );
    }

    #[test]
    fn the_later_key_first_and_then_an_old_earlier_key_is_found() {
        let pipelined = [saw(0, (20, 30), &[(1, 2)]), saw(0, (20, 30), &[(0, 1)])];
        assert_eq!(rule(&pipelined), "a connection saw an older state after a newer one");
        let apart = [saw(0, (20, 30), &[(1, 2)]), saw(1, (31, 40), &[(0, 1)])];
        let forgotten = "an older state was seen after somebody had been shown a newer one";
        assert_eq!(rule(&apart), forgotten);
        let overlapping = [saw(0, (20, 30), &[(1, 2)]), saw(1, (30, 40), &[(0, 1)])];
        assert_eq!(check(&writes(6), &overlapping), Ok(()));
        assert_eq!(rule(&[saw(0, (101, 110), &[(0, 2)])]), forgotten);
    }

    #[test]
    fn versions_from_nowhere_or_from_the_future_are_found() {
        assert_eq!(rule(&[saw(0, (20, 30), &[(0, 9)])]), "a version that nobody wrote was seen");
        assert_eq!(rule(&[saw(0, (2, 3), &[(0, 1)])]), "a write was seen before it was sent");
    }

    #[test]
    fn keys_written_at_once_are_seen_at_once() {
        let both = [Write { keys: vec![0, 1], invoked_ns: 0, completed_ns: 10 }];
        assert!(check(&both, &[saw(0, (0, 10), &[(0, 1), (1, 0)])]).is_err());
        assert!(check(&both, &[saw(0, (0, 10), &[(0, 1)]), saw(0, (0, 10), &[(1, 0)])]).is_err());
        assert!(check(&both, &[saw(0, (0, 10), &[(0, 0)]), saw(0, (0, 10), &[(1, 1)])]).is_ok());
    }
}
