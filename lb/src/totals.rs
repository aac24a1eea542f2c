//! What a server has counted on all cores together.
//!
//! Job: add rows up, for the metrics and the status page. In: the rows of a server. Out: plain numbers.
//! Invariant: none of them falls as long as the server lives.

use crate::state::{ServerRow, ServerState};

/// Sums over all cores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerTotals {
    /// Requests (TCP: connections) given to it.
    pub requests: u64,
    /// Connections begun.
    pub connects: u64,
    /// Requests on a connection that had served before.
    pub reused: u64,
    /// Idle connections taken over from another core.
    pub borrowed: u64,
    /// Bytes sent to it.
    pub bytes_out: u64,
    /// Bytes received from it.
    pub bytes_in: u64,
    /// Responses by the first digit of their status; others at 0.
    pub responses: [u64; 6],
    /// Connections that could not be made.
    pub connect_failures: u64,
    /// Requests that ended in a reset, a timeout or a response that is none.
    pub response_failures: u64,
    /// Second tries that came from this server.
    pub retries: u64,
    /// Clients that went away before the end.
    pub client_aborts: u64,
    /// Times that its checks have found it down.
    pub downs: u64,
    /// Times that it was ejected.
    pub ejections: u64,
}

impl ServerTotals {
    /// What it has counted so far.
    #[must_use]
    pub fn of(server: &ServerState) -> Self {
        let mut sum =
            Self { downs: server.downs(), ejections: server.ejections(), ..Self::default() };
        server.rows.iter().for_each(|row| sum.add(&Self::of_row(row)));
        sum
    }

    fn of_row(row: &ServerRow) -> Self {
        Self {
            requests: row.requests.get(),
            connects: row.connects.get(),
            reused: row.reused.get(),
            borrowed: row.borrowed.get(),
            bytes_out: row.bytes_out.get(),
            bytes_in: row.bytes_in.get(),
            responses: std::array::from_fn(|class| row.responses[class].get()),
            connect_failures: row.connect_failures.get(),
            response_failures: row.response_failures.get(),
            retries: row.retries.get(),
            client_aborts: row.client_aborts.get(),
            downs: 0,
            ejections: 0,
        }
    }

    /// Adds those of another one.
    pub fn add(&mut self, other: &Self) {
        let Self {
            requests,
            connects,
            reused,
            borrowed,
            bytes_out,
            bytes_in,
            responses,
            connect_failures,
            response_failures,
            retries,
            client_aborts,
            downs,
            ejections,
        } = other;
        self.requests += requests;
        self.connects += connects;
        self.reused += reused;
        self.borrowed += borrowed;
        self.bytes_out += bytes_out;
        self.bytes_in += bytes_in;
        for (sum, count) in self.responses.iter_mut().zip(responses) {
            *sum += count;
        }
        self.connect_failures += connect_failures;
        self.response_failures += response_failures;
        self.retries += retries;
        self.client_aborts += client_aborts;
        self.downs += downs;
        self.ejections += ejections;
    }

    /// Failed connections, answers that are none and 5xx responses.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.connect_failures + self.response_failures + self.responses[5]
    }
}
