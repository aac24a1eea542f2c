//! What a core and its process need from the machine: the only crate with `unsafe`.
//!
//! Job: cores, net rings and buffers, the mesh between cores, timers, clocks, memory, signals, the
//! control thread and the admin listener, for every product. Products see safe types only.
//! In: configuration values from the product. Out: sockets, messages, events, times.
//! Invariant: nothing here knows a protocol of a product or imports one.

pub mod admin;
pub mod buffers;
pub mod clock;
pub mod control;
pub mod cores;
pub mod listen;
pub mod log;
mod mapped;
pub mod memory;
pub mod mesh;
pub mod preflight;
pub mod ring;
#[cfg(test)]
mod seeds;
pub mod signals;
pub mod sockets;
pub mod thin;
pub mod timers;
pub mod wake;
