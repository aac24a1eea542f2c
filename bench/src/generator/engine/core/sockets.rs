//! Job: the sockets of a core: made, greeted, read, replaced.
//! In: events of the net ring. Out: replies for the streams, requests written anew.
//! Invariant: a socket that was given up says nothing to anyone any more; a connection that ends while a
//! reply is due ends the run.

use ringlet_runtime::ring::{Event, ReceiveEnd, ReceivedBuffer, SocketAddress, SocketId};

use super::Core;
use crate::generator::engine::connection::{Brought, State};
use crate::generator::engine::stream::Stream;
use crate::generator::plan::RETIRED_SOCKETS_MAX;
use crate::generator::traffic::Traffic;

impl<T: Traffic> Core<T> {
    pub(super) fn on_event(&mut self, event: Event, now_ns: u64) -> Result<(), String> {
        match event {
            Event::Connected { socket, result } => {
                if let Some(place) = self.links.find(socket) {
                    result.map_err(|errno| self.lost(place, &errno.to_string(), "connect to"))?;
                    self.greet(place);
                }
            }
            Event::Received { socket, buffer } => {
                let result = match self.links.find(socket) {
                    Some(place) => self.receive(place, &buffer, now_ns),
                    None => Ok(()),
                };
                self.ring.release(buffer);
                result?;
            }
            Event::ReceiveEnded { socket, end } => match self.links.find(socket) {
                Some(place) => self.on_end(place, end)?,
                None => self.ring.close(socket),
            },
            Event::Sent { socket, data, result } => {
                // Greetings have not been counted.
                self.unsent_bytes = self.unsent_bytes.saturating_sub(data.len());
                if let Some(place) = self.links.find(socket) {
                    if let Err(errno) = result {
                        return self.on_end(place, ReceiveEnd::Error(errno));
                    }
                    let connection = self.links.at(place);
                    connection.free_since_ns = self.pass_start_ns;
                    connection.give_back(data);
                    if !connection.output.is_empty() {
                        self.dirty.push(place);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn connect(&mut self, place: usize) -> Result<(), String> {
        let address = self.plan.nodes[self.links.node_of(place)];
        let socket = self
            .ring
            .connect(&SocketAddress::Ip(address))
            .map_err(|error| format!("cannot connect to {address}: {error} (see ulimit -n)"))?;
        self.links.connect(place, socket);
        Ok(())
    }

    /// A connection has been made: it says what it says first.
    fn greet(&mut self, place: usize) {
        let stream = &mut self.streams[self.links.stream_of(place)];
        let connection = self.links.at(place);
        let mut greeting = Vec::new();
        let replies = stream.traffic.greeting(&mut greeting);
        // Requests may wait already, if the connection is made anew.
        greeting.append(&mut connection.output);
        connection.output = greeting;
        if !connection.output.is_empty() {
            self.dirty.push(place);
        }
        connection.free_since_ns = self.pass_start_ns;
        connection.state = if replies > 0 { State::Greeting(replies) } else { State::Ready };
        self.ready += usize::from(replies == 0);
        self.ring.start_receive(connection.socket);
    }

    fn receive(
        &mut self,
        place: usize,
        buffer: &ReceivedBuffer,
        now_ns: u64,
    ) -> Result<(), String> {
        let stream = &mut self.streams[self.links.stream_of(place)];
        let connection = self.links.at(place);
        let was_ready = connection.state == State::Ready;
        let brought = connection
            .receive(self.ring.bytes(buffer), now_ns, &mut stream.traffic, &mut stream.recorder)
            .map_err(|problem| format!("{}: {problem}", self.plan.nodes[connection.node]))?;
        self.ready += usize::from(!was_ready && connection.state == State::Ready);
        let Brought { replies, closes } = brought;
        if replies > 0 {
            self.last_reply_ns = now_ns;
            if stream.takes_turns() {
                connection.free_since_ns = self.pass_start_ns;
            }
            stream.answered(connection.client, replies);
            // Of requests that were sent together, the last reply ends the connection.
            let is_used_up = self.plan.reconnects && connection.outstanding.is_empty();
            if closes || is_used_up {
                self.replace(place, closes)?;
            }
        }
        Ok(())
    }

    /// The server, or the plan, ends a connection after a reply: the client takes another.
    fn replace(&mut self, place: usize, by_server: bool) -> Result<(), String> {
        let stream = &mut self.streams[self.links.stream_of(place)];
        let connection = self.links.at(place);
        let socket = connection.socket;
        // What was pipelined behind the last reply was not looked at (RFC 9112, section 9.6).
        connection.write_again(&mut stream.traffic);
        // Who closes first keeps the port busy for a minute: the server's end is waited for, and where
        // the end is ours it is a reset.
        self.links.forget(socket);
        if by_server {
            self.retire(socket);
        } else {
            self.ring.close_with_reset(socket);
        }
        self.ready -= 1;
        self.connect(place)
    }

    /// Waits for the end of a socket that the server has announced, but not for too many of them.
    fn retire(&mut self, socket: SocketId) {
        self.retired.push_back(socket);
        if self.retired.len() > RETIRED_SOCKETS_MAX
            && let Some(oldest) = self.retired.pop_front()
            && self.ring.is_open(oldest)
        {
            self.ring.close(oldest);
        }
    }

    /// The server has ended a connection by itself. An idle one of HTTP ends in good order, perhaps while
    /// a request is on its way (RFC 9112, section 9.6).
    fn on_end(&mut self, place: usize, end: ReceiveEnd) -> Result<(), String> {
        let traffic = &mut self.streams[self.links.stream_of(place)].traffic;
        let connection = self.links.at(place);
        let socket = connection.socket;
        let is_orderly = !traffic.pipelines()
            && connection.state == State::Ready
            && (connection.outstanding.is_empty() || (connection.was_idle() && traffic.repeats()));
        if is_orderly {
            connection.write_again(traffic);
            self.links.forget(socket);
            self.ring.close(socket);
            self.ready -= 1;
            return self.connect(place);
        }
        let reason = match end {
            ReceiveEnd::EndOfStream => "the server closed the connection".to_owned(),
            ReceiveEnd::Error(errno) => errno.to_string(),
        };
        Err(self.lost(place, &reason, "talk to"))
    }

    /// What is said when the server is gone.
    fn lost(&mut self, place: usize, reason: &str, what: &str) -> String {
        let address = self.plan.nodes[self.links.node_of(place)];
        let waiting: u64 = self.streams.iter().map(Stream::unanswered).sum();
        let after = match self.start_ns {
            0 => String::new(),
            _ => format!(
                " {:.1} s after the start; {waiting} requests had no reply",
                self.now_ns() as f64 / 1e9
            ),
        };
        format!("cannot {what} {address}: {reason}{after} (does the server still run?)")
    }
}
