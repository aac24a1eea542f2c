//! Job: draw something, and tell the version.
//! In: the words `LOLWUT [VERSION version] [columns [rows]]`. Out: rings on water, as text.
//! Invariant: the size is bounded; a size that is no number is passed over.

use ringlet_base::number::parse_i64;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::spec;
use crate::command::spec::{CommandResult, Run, Spec, flags, integer, is_word};
use crate::shard::context::Context;

/// `LOLWUT [VERSION version] [columns [rows]]`
pub const SPEC: Spec = Spec {
    since: "5.0.0",
    complexity: "O(N) where N is the size of the drawing.",
    summary: "Draws rings on water and tells the version.",
    syntax: "[VERSION version] [columns [rows]]",
    examples: &[(
        "LOLWUT 11 5",
        "   ooooo\n oo     oo\n o   .   o\n oo     oo\n   ooooo\n\n\
         Redis ver. 7.2.5 (Ringlet 0.1.0)",
    )],
    ..spec("lolwut", -1, flags::READONLY | flags::FAST, Run::Keys(run))
};

const COLUMNS: usize = 66;
const ROWS: usize = 17;
const COLUMNS_MAX: usize = 200;
const ROWS_MAX: usize = 100;

/// Distance from ring to ring, in rows.
const RING_ROWS: f64 = 2.0;

fn run(_: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let has_version = words.get(1).is_some_and(|word| is_word(word, "VERSION"));
    if has_version && let Some(version) = words.get(2) {
        integer(version)?;
    }
    let sizes = words.from(if has_version { 3 } else { 1 });
    let size = |index: usize, default: usize, max: usize| {
        let number = sizes.get(index).and_then(parse_i64);
        number.map_or(default, |number| number.clamp(1, max as i64) as usize)
    };
    let mut text = drawing(size(0, COLUMNS, COLUMNS_MAX), size(1, ROWS, ROWS_MAX));
    text +=
        &format!("\nRedis ver. {} (Ringlet {})\n", crate::REDIS_VERSION, env!("CARGO_PKG_VERSION"));
    reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// Rings around the middle; a row is as high as two columns are wide.
fn drawing(columns: usize, rows: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        let mut line = String::new();
        for column in 0..columns {
            let x = (column as f64 - (columns - 1) as f64 / 2.0) / 2.0;
            let y = row as f64 - (rows - 1) as f64 / 2.0;
            let distance = x.hypot(y) / RING_ROWS;
            line.push(match distance - distance.floor() {
                _ if distance < 0.2 => '.',
                off if !(0.15..=0.85).contains(&off) => 'o',
                _ => ' ',
            });
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
