//! Rate limits, decided in the process with the library of `ringlet-limiter`.
//!
//! Job: hold requests (TCP: connections) against the rules that their listener and route name, before a
//! server is chosen. In: heads, snapshots, mail of other cores, replies of the store. Out: requests that
//! enter their pool, at once or later, or get 429. Invariant: a core without rules has no
//! [`Limiter`], and pays one test of an `Option`.

mod decide;
mod drive;
mod limiter;
mod state;
mod view;

pub use drive::Settling;
pub use limiter::Limiter;
pub use state::{LimitRow, LimitState, ListenerLimits};
