//! Job: play a round whose commands may block.
//! In: both servers, the steps. Out: nothing, or the first mismatch.
//! Invariant: after each step the tested server has as many blocked clients as the reference, and
//! the clients that the reference released got the same replies; who is served first is compared.

use std::time::Duration;

use crate::value::Value;

use super::compare::Rule;
use super::exceptions;
use super::player::{Mismatch, Player, typed};
use super::round::Step;

/// What a released client's bytes need from socket to socket at most on the reference, whose list
/// of clients comes after them.
const RELEASED_WITHIN: Duration = Duration::from_millis(20);

/// Whether the round is played to its end.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// Both servers are in the same state.
    Continues,
    /// They rightly went different ways.
    Parted,
}

/// Plays `steps` one after the other; steps of a connection that is blocked are left out.
///
/// # Errors
/// The first difference.
pub fn play(player: &mut Player, steps: &[Step]) -> Result<Course, Mismatch> {
    let mut waiting: Vec<Option<&Step>> = vec![None; player.reference.wires.len()];
    for (index, step) in steps.iter().enumerate() {
        if waiting[step.connection].is_some() || decides_by_version(step, &waiting) {
            continue;
        }
        let course = play_step(player, step, &mut waiting).map_err(|mut mismatch| {
            mismatch.step = Some(index);
            mismatch
        })?;
        if course == Course::Parted {
            return Ok(course);
        }
    }
    release_all(player, &mut waiting)?;
    Ok(Course::Continues)
}

/// True for a step after which several keys may be filled at once while somebody waits for several:
/// Redis 7.0 serves the key that was filled first, 7.2 the first one that the waiting command
/// names. A waiting move fills its destination as soon as anything fills its source.
fn decides_by_version(step: &Step, waiting: &[Option<&Step>]) -> bool {
    let is_one_of = |step: &Step, names: &[&[u8]]| {
        let word = step.line.first().map(Vec::as_slice).unwrap_or_default();
        names.iter().any(|name| word.eq_ignore_ascii_case(name))
    };
    let is_move = |step: &Step| is_one_of(step, &[b"BLMOVE", b"BRPOPLPUSH"]);
    // Any other command with more than a key and a timeout may wait for several keys.
    let is_wide = |step: &Step| step.may_block() && step.line.len() > 3 && !is_move(step);
    let waits = |is: &dyn Fn(&Step) -> bool| waiting.iter().flatten().any(|step| is(step));
    let fills_many = is_one_of(step, &[b"EXEC", b"SWAPDB"]) || is_move(step);
    (fills_many && waits(&is_wide)) || (is_wide(step) && waits(&is_move))
}

fn play_step<'a>(
    player: &mut Player,
    step: &'a Step,
    waiting: &mut [Option<&'a Step>],
) -> Result<Course, Mismatch> {
    let what = typed(&step.line);
    let line = || std::iter::once(&step.line);
    let sent = (
        player.reference.send(step.connection, line()),
        player.tested.send(step.connection, line()),
    );
    Player::both("sending", sent.0, sent.1)?;
    let before = waiting.iter().flatten().count();
    // Only a command that blocks adds to the number, so the first of both events decides.
    let replies = match step.may_block() {
        true => (
            player.reference.reply_or_blocked(step.connection, before),
            player.tested.reply_or_blocked(step.connection, before),
        ),
        false => (
            player.reference.wires[step.connection].read().map(Some),
            player.tested.wires[step.connection].read().map(Some),
        ),
    };
    match Player::both(&what, replies.0, replies.1)? {
        (Some(expected), Some(got)) => {
            player.judge(step, &expected, &got)?;
            player.ask_again(step, expected, got)?;
        }
        (None, None) => waiting[step.connection] = Some(step),
        (expected, got) => {
            let show = |reply: Option<Value>| match reply {
                Some(value) => value.to_string(),
                None => "blocked".to_owned(),
            };
            let (expected, got) = (show(expected), show(got));
            return Err(Mismatch { step: None, what, expected, got });
        }
    }
    released(player, step, &what, waiting)
}

/// Reads the replies of those whom the last step released.
fn released(
    player: &mut Player,
    last: &Step,
    cause: &str,
    waiting: &mut [Option<&Step>],
) -> Result<Course, Mismatch> {
    let before = waiting.iter().flatten().count();
    if before == 0 {
        return Ok(Course::Continues);
    }
    let expected = player.reference.blocked();
    let (expected, _) = Player::both("CLIENT LIST", expected, Ok(0))?;
    let mut left = before.saturating_sub(expected);
    for connection in 0..waiting.len() {
        let Some(step) = waiting[connection] else { continue };
        if left == 0 {
            break;
        }
        let reply = player.reference.wires[connection].read_within(RELEASED_WITHIN);
        let (Some(reply), _) = Player::both("a released client", reply, Ok(None))? else {
            continue;
        };
        let what = format!("{} of connection {connection}, released by {cause}", typed(&step.line));
        let got = player.tested.wires[connection].read();
        let (reply, got) = Player::both(&what, Ok(reply), got)?;
        waiting[connection] = None;
        left -= 1;
        if let Err(mismatch) = player.judge(step, &reply, &got) {
            let parted = exceptions::met_another_type(&reply, &got)
                || another_met_another_type(player, connection, waiting)?;
            return if parted { Ok(Course::Parted) } else { Err(Mismatch { what, ..mismatch }) };
        }
    }
    let seen = player.tested.wait_blocked(expected);
    let (seen, _) = Player::both("CLIENT LIST", seen, Ok(0))?;
    if seen == expected {
        Ok(Course::Continues)
    } else if seen < expected && exceptions::stores_over_any_type(&last.line) {
        Ok(Course::Parted)
    } else {
        Err(Mismatch {
            step: None,
            what: format!("number of blocked clients after {cause}"),
            expected: expected.to_string(),
            got: seen.to_string(),
        })
    }
}

/// True when a client that was to be served before `connection` got what only 7.2 says.
fn another_met_another_type(
    player: &mut Player,
    connection: usize,
    waiting: &[Option<&Step>],
) -> Result<bool, Mismatch> {
    for other in (0..waiting.len()).filter(|&other| other != connection && waiting[other].is_some())
    {
        let got = player.tested.wires[other].read_within(RELEASED_WITHIN);
        let (got, _) = Player::both("a released client", got, Ok(None))?;
        if got.is_some_and(|got| exceptions::met_another_type(&Value::Null, &got)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// CLIENT UNBLOCK for everybody who still waits.
fn release_all(player: &mut Player, waiting: &mut [Option<&Step>]) -> Result<(), Mismatch> {
    for (connection, slot) in waiting.iter_mut().enumerate() {
        let Some(step) = slot.take() else { continue };
        let ids = (player.reference.id(connection), player.tested.id(connection));
        let replies = (
            player.reference.control.call(&["CLIENT", "UNBLOCK", &ids.0]),
            player.tested.control.call(&["CLIENT", "UNBLOCK", &ids.1]),
        );
        let unblock = Step {
            connection,
            line: vec![b"CLIENT".to_vec(), b"UNBLOCK".to_vec()],
            rule: Rule::Exact,
            joined: false,
        };
        let (expected, got) = Player::both("CLIENT UNBLOCK", replies.0, replies.1)?;
        player.judge(&unblock, &expected, &got)?;
        let replies =
            (player.reference.wires[connection].read(), player.tested.wires[connection].read());
        let (expected, got) = Player::both("a released client", replies.0, replies.1)?;
        player.judge(step, &expected, &got)?;
    }
    Ok(())
}
