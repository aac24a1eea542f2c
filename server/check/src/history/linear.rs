//! Job: decide whether a short history of any commands is strictly serializable in program order.
//! In: events of several sessions from an empty store. Out: a verdict; on refusal the requests that
//! no order explains.
//! Invariant: a search (after Wing and Gong, with Lowe's memory of visited states) over all orders
//! that keep real time and each session's order, where the reference store must give every reply.
//! The whole store is one object here, so multi-key commands need no rules of their own.

use std::collections::HashSet;

use super::store::{Store, same_reply};
use super::{Event, Violation};

/// Most states that one search visits before it gives up.
pub const MAX_STATES: usize = 400_000;

/// What the search found.
#[derive(Debug)]
pub enum Verdict {
    /// Some order explains every reply.
    Serializable,
    /// No order does.
    Broken(Violation),
    /// [`MAX_STATES`] states were not enough to tell.
    Undecided,
}

/// How far each session has come, and the store then.
type State = (Vec<u16>, Store);

/// Judges `history`. Events of one session must stand in program order.
pub fn check(history: &[Event]) -> Verdict {
    let sessions = by_session(history);
    let mut visited: HashSet<State> = HashSet::new();
    let mut open: Vec<State> = vec![(vec![0; sessions.len()], Store::default())];
    let mut farthest: State = (vec![0; sessions.len()], Store::default());
    while let Some(state) = open.pop() {
        if !visited.insert(state.clone()) {
            continue;
        }
        if visited.len() > MAX_STATES {
            return Verdict::Undecided;
        }
        let (positions, store) = state;
        if done(&positions) > done(&farthest.0) {
            farthest = (positions.clone(), store.clone());
        }
        let mut candidates = candidates(&sessions, &positions);
        if candidates.is_empty() {
            return Verdict::Serializable;
        }
        // The request that was answered first is the best guess: it goes on top of the stack.
        candidates.sort_unstable_by_key(|&(_, event)| std::cmp::Reverse(event.completed_ns));
        for (index, event) in candidates {
            let mut after = store.clone();
            let expected = after.execute(event.session, &event.request);
            if same_reply(&event.request, &expected, &event.reply) {
                let mut moved = positions.clone();
                moved[index] += 1;
                open.push((moved, after));
            }
        }
    }
    Verdict::Broken(explain(&sessions, &farthest, history))
}

fn by_session(history: &[Event]) -> Vec<Vec<&Event>> {
    let mut numbers: Vec<usize> = history.iter().map(|event| event.session).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut sessions = vec![Vec::new(); numbers.len()];
    for event in history {
        let index = numbers.partition_point(|&number| number < event.session);
        sessions[index].push(event);
    }
    assert!(sessions.iter().all(|events| events.len() < usize::from(u16::MAX)), "a short history");
    sessions
}

/// The next event of each session that nothing outstanding precedes in real time. Empty only when
/// all sessions are at their end.
fn candidates<'a>(sessions: &[Vec<&'a Event>], positions: &[u16]) -> Vec<(usize, &'a Event)> {
    let next: Vec<(usize, &Event)> = (sessions.iter().zip(positions).enumerate())
        .filter_map(|(index, (events, &at))| Some((index, *events.get(usize::from(at))?)))
        .collect();
    let first_completion = next.iter().map(|(_, event)| event.completed_ns).min();
    let possible = |event: &Event| first_completion.is_none_or(|first| event.invoked_ns <= first);
    next.into_iter().filter(|(_, event)| possible(event)).collect()
}

fn done(positions: &[u16]) -> usize {
    positions.iter().map(|&at| usize::from(at)).sum()
}

fn explain(sessions: &[Vec<&Event>], farthest: &State, history: &[Event]) -> Violation {
    let (positions, store) = farthest;
    let mut evidence = format!(
        "{} of {} requests can be put in order; then no reply of these fits:\n",
        done(positions),
        history.len()
    );
    for (_, event) in candidates(sessions, positions) {
        let expected = store.clone().execute(event.session, &event.request);
        evidence += &format!("  {event}   (expected {expected:?})\n");
    }
    evidence += "the history in order of completion:\n";
    let mut sorted: Vec<&Event> = history.iter().collect();
    sorted.sort_by_key(|event| event.completed_ns);
    for event in sorted {
        evidence += &format!("  {event}\n");
    }
    Violation::new("not strictly serializable in program order", evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Reply;
    use crate::history::Request;

    fn event(session: usize, times: (u64, u64), words: &str, reply: Reply) -> Event {
        let words: Vec<&str> = words.split(' ').collect();
        Event {
            session,
            invoked_ns: times.0,
            completed_ns: times.1,
            request: Request::command(&words),
            reply,
        }
    }

    fn texts(items: &[&str]) -> Reply {
        Reply::Array(
            items.iter().map(|&t| if t == "-" { Reply::Null } else { Reply::bulk(t) }).collect(),
        )
    }

    fn broken(history: &[Event]) -> bool {
        match check(history) {
            Verdict::Serializable => false,
            Verdict::Broken(_) => true,
            Verdict::Undecided => panic!("a history of {} events is small", history.len()),
        }
    }

    #[test]
    fn overlapping_requests_may_take_effect_in_either_order() {
        for seen in ["1", "2"] {
            assert!(!broken(&[
                event(0, (0, 10), "SET a 1", Reply::ok()),
                event(1, (5, 15), "SET a 2", Reply::ok()),
                event(2, (20, 30), "GET a", Reply::bulk(seen)),
            ]));
        }
    }

    #[test]
    fn a_stale_read_breaks_linearizability() {
        assert!(broken(&[
            event(0, (0, 10), "SET a 1", Reply::ok()),
            event(1, (11, 20), "GET a", Reply::Null),
        ]));
    }

    #[test]
    fn a_half_done_mset_breaks_atomicity() {
        let history = |seen: &[&str]| {
            [
                event(0, (0, 10), "MSET a 1 b 1", Reply::ok()),
                event(1, (0, 10), "MGET a b", texts(seen)),
            ]
        };
        assert!(broken(&history(&["1", "-"])));
        assert!(broken(&history(&["-", "1"])));
        assert!(!broken(&history(&["1", "1"])));
        assert!(!broken(&history(&["-", "-"])));
    }

    #[test]
    fn a_pipeline_keeps_its_order() {
        // Both SETs are in one pipeline: their times are equal, only their order in it counts.
        let history = |seen: &[&str]| {
            [
                event(0, (0, 10), "SET a 1", Reply::ok()),
                event(0, (0, 10), "SET b 1", Reply::ok()),
                event(1, (0, 10), "MGET a b", texts(seen)),
            ]
        };
        assert!(!broken(&history(&["1", "-"])));
        assert!(broken(&history(&["-", "1"])));
    }

    #[test]
    fn two_snapshots_must_agree_on_the_order_of_writes() {
        assert!(broken(&[
            event(0, (0, 10), "SET a 1", Reply::ok()),
            event(1, (0, 10), "SET b 1", Reply::ok()),
            event(2, (0, 10), "MGET a b", texts(&["1", "-"])),
            event(3, (0, 10), "MGET a b", texts(&["-", "1"])),
        ]));
    }

    #[test]
    fn a_move_is_never_seen_half_done() {
        let history = |seen| {
            [
                event(0, (0, 10), "RPUSH l x", Reply::Integer(1)),
                event(0, (20, 40), "LMOVE l m LEFT RIGHT", Reply::bulk("x")),
                event(1, (20, 40), "EXISTS l m", Reply::Integer(seen)),
            ]
        };
        assert!(!broken(&history(1)));
        assert!(broken(&history(0)));
        assert!(broken(&history(2)));
    }

    #[test]
    fn exec_after_a_change_of_a_watched_key_is_a_lost_update() {
        let exec = |reply| Event {
            session: 0,
            invoked_ns: 30,
            completed_ns: 40,
            request: Request::transaction(&[&["SET", "a", "1"]]),
            reply,
        };
        let before = [
            event(0, (0, 10), "WATCH a", Reply::ok()),
            event(0, (0, 10), "GET a", Reply::Null),
            event(1, (15, 20), "SET a 7", Reply::ok()),
        ];
        let with = |last: Event| [before.to_vec(), vec![last]].concat();
        assert!(broken(&with(exec(Reply::Array(vec![Reply::ok()])))));
        assert!(!broken(&with(exec(Reply::Null))));
    }
}
