//! Job: copy the value and the expiry of a key to another key or database.
//! In: the words `COPY source destination [DB destination-db] [REPLACE]`.
//! Out: 1 when it was copied, otherwise 0.
//! Invariant: an existing destination stays as it is without REPLACE.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::generic::support::{SAME_OBJECT, database_index, in_database};
use crate::command::key_spec::access::{ACCESS, OW, RO, UPDATE};
use crate::command::spec::{
    CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, categories, flags, is_word,
};
use crate::shard::context::Context;

/// `COPY source destination [DB destination-db] [REPLACE]`
pub const SPEC: Spec = Spec {
    name: "copy",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).with(RO | ACCESS), KeySpec::at(2).with(OW | UPDATE)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "6.2.0",
    complexity: "O(N) where N is the number of elements of the value",
    summary: "Copies the value and the expiry of a key to another key.",
    syntax: "source destination [DB destination-db] [REPLACE]",
    examples: &[
        ("SET one value", "OK"),
        ("COPY one two", "(integer) 1"),
        ("GET two", r#""value""#),
        ("COPY one two", "(integer) 0"),
        ("COPY one two REPLACE", "(integer) 1"),
        ("COPY one one DB 1", "(integer) 1"),
        ("COPY missing two", "(integer) 0"),
        ("COPY one one", "(error) ERR source and destination objects are the same"),
    ],
    run: Run::Keys(run),
};

struct Options {
    db: usize,
    replace: bool,
}

fn parse_options(context: &Context<'_>, options: Arguments<'_>) -> Result<Options, CommandError> {
    let mut parsed = Options { db: context.db, replace: false };
    let mut options = options.iter();
    while let Some(option) = options.next() {
        if is_word(option, "REPLACE") {
            parsed.replace = true;
        } else if is_word(option, "DB") {
            parsed.db = database_index(context, options.next().ok_or(CommandError::SYNTAX)?)?;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    Ok(parsed)
}

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (source, destination) = (&words[1], &words[2]);
    let options = parse_options(context, words.from(3))?;
    if options.db == context.db && source == destination {
        return Err(SAME_OBJECT);
    }
    let is_copied = context.read(source).is_some()
        && (options.replace
            || in_database(context, options.db, |context| context.write(destination).is_none()));
    if is_copied && let Some(copy) = context.peek(source).map(|entry| entry.duplicate(destination))
    {
        in_database(context, options.db, |context| context.insert(copy));
    }
    reply.integer(i64::from(is_copied));
    Ok(())
}
