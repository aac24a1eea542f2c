//! Job: insert an element beside another one, the pivot.
//! In: the words `LINSERT key <BEFORE | AFTER> pivot element`.
//! Out: the new length, -1 when the pivot is not there, 0 when there is no list.
//! Invariant: the element stands right before or after the first element that equals the pivot.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::list::{List, Side};

use crate::command::key_spec::access::{INSERT, RW};
use crate::command::spec::{
    CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, flags, is_word,
};
use crate::shard::context::Context;

/// `LINSERT key <BEFORE | AFTER> pivot element`
pub const SPEC: Spec = Spec {
    name: "linsert",
    arity: 5,
    keys: Keys(&[KeySpec::at(1).with(RW | INSERT)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::List,
    since: "2.2.0",
    complexity: "O(N) where N is the number of elements to traverse before seeing the value \
        pivot. This means that inserting somewhere on the left end on the list (head) \
        can be considered O(1) and inserting somewhere on the right end (tail) is O(N).",
    summary: "Inserts an element before or after another element of a list.",
    syntax: "key <BEFORE | AFTER> pivot element",
    examples: &[
        ("RPUSH list a c", "(integer) 2"),
        ("LINSERT list BEFORE c b", "(integer) 3"),
        ("LINSERT list AFTER c d", "(integer) 4"),
        ("LRANGE list 0 -1", "1) \"a\"\n2) \"b\"\n3) \"c\"\n4) \"d\""),
        ("LINSERT list BEFORE x y", "(integer) -1"),
        ("LINSERT missing BEFORE x y", "(integer) 0"),
        ("LINSERT list NEXTTO a b", "(error) ERR syntax error"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = &words[1];
    let side = if is_word(&words[2], "AFTER") {
        Side::After
    } else if is_word(&words[2], "BEFORE") {
        Side::Before
    } else {
        return Err(CommandError::SYNTAX);
    };
    let limits = context.limits();
    let Some(list) = context.get_mut::<List>(key)? else {
        reply.integer(0);
        return Ok(());
    };
    if list.insert_beside(side, &words[3], &words[4], &limits) {
        let length = list.len();
        context.changed(key);
        reply.integer(length as i64);
    } else {
        reply.integer(-1);
    }
    Ok(())
}
