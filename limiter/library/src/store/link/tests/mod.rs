//! Tests of the way to the store, with scripted bytes and a clock of their own.

mod calls;
mod cluster;
mod fake;
mod upkeep;
