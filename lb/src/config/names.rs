//! The names of what the model tells apart.
//!
//! Job: one table for each enumeration, to read and to write it. In: nothing. Out: tables.
//! Invariant: every variant has exactly one name.

use crate::model::{LogFormat, Mode, ProxyVersion};

/// Modes by name.
pub const MODES: [(&str, Mode); 2] = [("http", Mode::Http), ("tcp", Mode::Tcp)];

/// Log formats by name.
pub const LOG_FORMATS: [(&str, LogFormat); 3] =
    [("common", LogFormat::Common), ("combined", LogFormat::Combined), ("json", LogFormat::Json)];

/// Versions of the PROXY protocol by name.
pub const PROXY_VERSIONS: [(&str, ProxyVersion); 2] =
    [("v1", ProxyVersion::V1), ("v2", ProxyVersion::V2)];
