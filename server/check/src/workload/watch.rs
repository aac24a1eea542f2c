//! Job: optimistic updates under WATCH of keys on different shards.
//! In: a stage. Out: a lost update, an update of a half-seen state, or an EXEC that was refused
//! although nobody had touched what it watched.
//! Invariant: a counter is stored twice, on two shards; only EXEC writes it, always both halves.

use super::{Failure, Stage, Summary};
use crate::client::{Connection, Reply};
use crate::history::Violation;
use crate::history::conserve::{check_increments, check_total};
use crate::random::Choices;

const UPDATERS: usize = 8;
const BANKERS: usize = 4;
const LONERS: usize = 2;
const COUNTERS: usize = 3;
const ACCOUNTS: usize = 4;
const INITIAL_BALANCE: i64 = 1000;

/// What a thread did.
#[derive(Default)]
struct Record {
    requests: usize,
    /// For each counter the values that successful transactions stored.
    stored: Vec<Vec<i64>>,
}

/// Runs the workload.
///
/// # Errors
/// See [`Failure`].
pub fn run(stage: &Stage) -> Result<Summary, Failure> {
    let mut connection = stage.connection()?;
    for account in accounts(stage) {
        ask(&mut connection, &["SET", &account, &INITIAL_BALANCE.to_string()])?;
    }
    let records = stage.threads(UPDATERS + BANKERS + LONERS, |thread| {
        let choices = stage.choices.fork(thread as u64);
        if thread < UPDATERS {
            run_updater(stage, choices)
        } else if thread < UPDATERS + BANKERS {
            run_banker(stage, choices)
        } else {
            run_loner(stage, choices, thread)
        }
    })?;
    for counter in 0..COUNTERS {
        let stored: Vec<i64> = records
            .iter()
            .flat_map(|record| record.stored.get(counter).into_iter().flatten().copied())
            .collect();
        for half in halves(stage, counter) {
            let last = number(&ask(&mut connection, &["GET", &half])?)?;
            check_increments(&stored, last)?;
        }
    }
    check_sum(stage, &mut connection)?;
    let succeeded: usize = records.iter().flat_map(|record| &record.stored).map(Vec::len).sum();
    Ok(Summary {
        requests: records.iter().map(|record| record.requests).sum(),
        note: format!("{succeeded} increments succeeded"),
    })
}

/// The two keys that hold a counter.
fn halves(stage: &Stage, counter: usize) -> [String; 2] {
    let shard = stage.choices.fork(1000 + counter as u64).below(stage.keys.shards());
    [
        stage.keys.on(shard, &format!("watch:{counter}:left")),
        stage.keys.on(shard + 1 + counter, &format!("watch:{counter}:right")),
    ]
}

fn accounts(stage: &Stage) -> Vec<String> {
    (0..ACCOUNTS).map(|n| stage.keys.on(n, &format!("watch:account:{n}"))).collect()
}

fn run_updater(stage: &Stage, mut choices: Choices) -> Result<Record, Failure> {
    let mut connection = stage.connection()?;
    let mut record = Record { requests: 0, stored: vec![Vec::new(); COUNTERS] };
    while stage.running() {
        let counter = choices.below(COUNTERS);
        let [left, right] = halves(stage, counter);
        let seen = read_watched(&mut connection, &[&left, &right])?;
        let next = (seen[0] + 1).to_string();
        let updates = [vec!["SET", &left, &next], vec!["SET", &right, &next]];
        record.requests += 2;
        if exec(&mut connection, &updates)? {
            if seen[0] != seen[1] {
                let evidence = format!("counter {counter}: {} and {}", seen[0], seen[1]);
                return Err(
                    Violation::new("EXEC took a half-seen state for unchanged", evidence).into()
                );
            }
            record.stored[counter].push(seen[0] + 1);
        }
    }
    Ok(record)
}

/// Moves what an account has, which only makes sense if the balance is still the one that was read.
fn run_banker(stage: &Stage, mut choices: Choices) -> Result<Record, Failure> {
    let mut connection = stage.connection()?;
    let accounts = accounts(stage);
    let mut record = Record::default();
    while stage.running() {
        let from = choices.below(ACCOUNTS);
        let to = (from + 1 + choices.below(ACCOUNTS - 1)) % ACCOUNTS;
        let seen = read_watched(&mut connection, &[&accounts[from], &accounts[to]])?;
        let amount = choices.below(100) as i64;
        let (rest, sum) = ((seen[0] - amount).to_string(), (seen[1] + amount).to_string());
        exec(
            &mut connection,
            &[vec!["SET", &accounts[from], &rest], vec!["SET", &accounts[to], &sum]],
        )?;
        record.requests += 3;
        check_sum(stage, &mut connection)?;
    }
    Ok(record)
}

/// Watches keys that nobody else touches, while others on the same shards do what they like.
fn run_loner(stage: &Stage, mut choices: Choices, thread: usize) -> Result<Record, Failure> {
    let mut connection = stage.connection()?;
    let mut record = Record::default();
    let own: Vec<String> = (0..stage.keys.shards())
        .map(|shard| stage.keys.on(shard, &format!("watch:own:{thread}:{shard}")))
        .collect();
    while stage.running() {
        let (one, other) = (choices.pick(&own), choices.pick(&own));
        read_watched(&mut connection, &[one, other])?;
        let written = choices.pick(&own);
        record.requests += 2;
        if !exec(&mut connection, &[vec!["INCRBY", written, "1"], vec!["INCRBY", one, "1"]])? {
            let evidence = format!("{one} and {other} were watched");
            let rule = "EXEC was refused though nobody had touched a watched key";
            return Err(Violation::new(rule, evidence).into());
        }
    }
    Ok(record)
}

fn check_sum(stage: &Stage, connection: &mut Connection) -> Result<(), Failure> {
    let mut words = vec!["MGET".to_owned()];
    words.extend(accounts(stage));
    let reply = connection.command(&words)?;
    let balances: Vec<i64> =
        reply.items().unwrap_or_default().iter().map(number).collect::<Result<_, _>>()?;
    Ok(check_total(INITIAL_BALANCE * ACCOUNTS as i64, &balances)?)
}

/// WATCHes `keys` and reads them, in one pipeline. A missing key counts as 0.
fn read_watched(connection: &mut Connection, keys: &[&str]) -> Result<Vec<i64>, Failure> {
    let mut commands = vec![[&["WATCH"], keys].concat()];
    commands.extend(keys.iter().map(|&key| vec!["GET", key]));
    let replies = connection.pipeline(&commands)?;
    if replies[0] != Reply::ok() {
        return Err(Failure::Trouble(format!("WATCH: {:?}", replies[0])));
    }
    replies[1..].iter().map(number).collect()
}

/// Executes `commands` in a transaction: true if it was not refused.
fn exec(connection: &mut Connection, commands: &[Vec<&str>]) -> Result<bool, Failure> {
    let mut pipeline = vec![vec!["MULTI"]];
    pipeline.extend_from_slice(commands);
    pipeline.push(vec!["EXEC"]);
    match connection.pipeline(&pipeline)?.pop() {
        Some(Reply::Array(replies)) if replies.len() == commands.len() => Ok(true),
        Some(Reply::Null) => Ok(false),
        other => Err(Failure::Trouble(format!("EXEC: {other:?}"))),
    }
}

fn ask(connection: &mut Connection, words: &[&str]) -> Result<Reply, Failure> {
    Ok(connection.command(words)?)
}

fn number(reply: &Reply) -> Result<i64, Failure> {
    match reply {
        Reply::Null => Ok(0),
        other => other.integer().ok_or_else(|| Failure::Trouble(format!("{other:?} is no number"))),
    }
}
