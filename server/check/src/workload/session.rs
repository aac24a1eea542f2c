//! Job: a connection that remembers when it sent what, and when the replies came.
//! In: bursts of requests. Out: their events in program order.
//! Invariant: an event's interval contains the moment at which the server executed it.

use std::collections::VecDeque;

use super::{Failure, Stage};
use crate::client::{Connection, Reply};
use crate::history::{Event, Request};
use crate::random::Choices;

/// A recording connection.
pub struct Session<'a> {
    /// Its number in the history.
    pub number: usize,
    stage: &'a Stage,
    connection: Connection,
    outstanding: VecDeque<(Request, u64)>,
}

impl<'a> Session<'a> {
    pub(super) fn new(stage: &'a Stage, number: usize, connection: Connection) -> Self {
        Self { number, stage, connection, outstanding: VecDeque::new() }
    }

    /// How many requests wait for their replies.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Sends `requests` as one pipeline and returns at once.
    ///
    /// # Errors
    /// A broken connection.
    pub fn send(&mut self, requests: Vec<Request>) -> Result<(), Failure> {
        for request in &requests {
            match request {
                Request::Command(words) => self.connection.queue(words),
                Request::Transaction(commands) => {
                    self.connection.queue(&["MULTI"]);
                    for words in commands {
                        self.connection.queue(words);
                    }
                    self.connection.queue(&["EXEC"]);
                }
            }
        }
        let invoked_ns = self.stage.now_ns();
        self.outstanding.extend(requests.into_iter().map(|request| (request, invoked_ns)));
        Ok(self.connection.flush()?)
    }

    /// Waits for the reply of the oldest outstanding request.
    ///
    /// # Errors
    /// A broken connection, silence, or a transaction that the server did not take.
    pub fn receive(&mut self) -> Result<Event, Failure> {
        let (request, invoked_ns) = self.outstanding.pop_front().ok_or_else(|| {
            Failure::Trouble("a reply is awaited but no request is outstanding".to_owned())
        })?;
        let reply = self.read(&request).map_err(|failure| match failure {
            Failure::Silence(_) => Failure::Silence(request.to_string()),
            Failure::Trouble(what) => Failure::Trouble(format!("{request}: {what}")),
            violation @ Failure::Violation(_) => violation,
        })?;
        let completed_ns = self.stage.now_ns();
        Ok(Event { session: self.number, invoked_ns, completed_ns, request, reply })
    }

    fn read(&mut self, request: &Request) -> Result<Reply, Failure> {
        if let Request::Transaction(commands) = request {
            for index in 0..=commands.len() {
                let wanted = if index == 0 { "OK" } else { "QUEUED" };
                let reply = self.connection.read_reply()?;
                if reply != Reply::Status(wanted.to_owned()) {
                    return Err(Failure::Trouble(format!("{reply:?} instead of {wanted}")));
                }
            }
        }
        Ok(self.connection.read_reply()?)
    }

    /// Waits for all outstanding replies and appends their events.
    ///
    /// # Errors
    /// As [`Session::receive`].
    pub fn receive_all(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        while self.outstanding() > 0 {
            events.push(self.receive()?);
        }
        Ok(())
    }

    /// Sends one request and waits for its reply. Nothing may be outstanding.
    ///
    /// # Errors
    /// As [`Session::send`] and [`Session::receive`].
    pub fn ask(&mut self, request: Request) -> Result<Event, Failure> {
        self.send(vec![request])?;
        self.receive()
    }
}

/// Lets a random session go on: an idle one sends what `burst` makes for it, a waiting one receives
/// its replies. One thread thus keeps many requests of many connections in flight at once.
///
/// # Errors
/// As [`Session::send`] and [`Session::receive_all`].
pub fn step(
    sessions: &mut [Session],
    choices: &mut Choices,
    events: &mut Vec<Event>,
    burst: impl FnOnce(&mut Choices, &Session) -> Vec<Request>,
) -> Result<(), Failure> {
    let index = choices.below(sessions.len());
    let session = &mut sessions[index];
    if session.outstanding() > 0 {
        return session.receive_all(events);
    }
    let requests = burst(choices, session);
    session.send(requests)
}
