//! Rate limits without I/O and without a clock.
//!
//! A check goes: `request` -> `rules` (which limits, which keys) -> `engine` (whose core, which tokens)
//! -> `algorithm` (what one limit says) or `lease` (tokens of the store). Calls to the store and
//! messages to other cores are values that whoever drives the engine carries. docs/limiter.md shows it.
//!
//! One core without a store has neither, and decides at once:
//!
//! ```
//! use std::sync::Arc;
//!
//! use ringlet_limit::config::{limit, plain_rule};
//! use ringlet_limit::engine::{Engine, EngineSettings};
//! use ringlet_limit::lease::LeaseSettings;
//! use ringlet_limit::model::Rules;
//! use ringlet_limit::request::{Action, Matched, Verdict};
//! use ringlet_limit::rules::RuleSet;
//! use ringlet_limit::time::{NS_PER_S, Now};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rule = plain_rule("search".to_owned(), Some(limit("token-bucket", 2, 60 * NS_PER_S)?));
//! let rules = Rules { rules: vec![Arc::new(rule)], ..Rules::default() };
//! let rules = Arc::new(RuleSet::compile(&rules, None, 17)?);
//! let (keys_max, leases_max, lease) = (1000, 0, LeaseSettings::default());
//! let settings =
//!     EngineSettings { core: 0, cores: 1, keys_max, leases_max, has_store: false, lease };
//! let mut engine = Engine::new(settings, rules.clone());
//! let (mut matched, mut verdict) = (Matched::default(), Verdict::default());
//! for (ms, expected) in [(0, true), (5, true), (10, false), (30_000, true)] {
//!     rules.by_name("search", b"ann", None, &mut matched)?;
//!     assert!(engine.check(&matched, Action::Take, 0, Now::at_ms(ms), &mut verdict));
//!     assert_eq!(verdict.is_allowed, expected);
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod algorithm;
pub mod config;
pub mod engine;
pub mod headers;
pub mod lease;
pub mod model;
pub mod request;
pub mod rules;
pub mod store;
pub mod table;
pub mod time;
pub mod window;
