//! Job: `ringlet-bench load`: put load on one server and say what came of it.
//! In: the command line. Out: a report on standard output or in a file, progress on standard error, an
//! exit code.
//! Invariant: what was measured is printed however the run ended.

mod command_line;
mod options;
mod output;
mod plan;
mod search;
mod target;
mod units;

pub use options::Arguments;
