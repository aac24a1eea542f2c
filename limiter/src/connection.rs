//! One client's connection.
//!
//! Job: bytes between the net ring and a front. In: events of its socket. Out: sends. Invariant: one send
//! in flight; a client that does not read its answers is not read from; what it made the limiter keep
//! is bounded by its front's bounds and [`OUTPUT_BYTES_MAX`].

use ringlet_runtime::ring::{NetRing, SendData, SocketId};

use crate::front::{Flow, Front};
use crate::limits::OUTPUT_BYTES_MAX;

/// One client's connection.
pub struct Connection {
    /// Its socket.
    pub socket: SocketId,
    /// The place of its listener in the shared list.
    pub listener: usize,
    /// Its protocol.
    pub front: Box<dyn Front>,
    /// What is to be sent next.
    pub out: Vec<u8>,
    spare: Vec<u8>,
    is_sending: bool,
    is_paused: bool,
    /// Takes no more bytes until an answer comes, or what there is to send is on its way.
    is_full: bool,
    /// Ends when all is sent.
    is_ending: bool,
    /// Told the ring to close.
    pub is_closed: bool,
    /// The peer has ended its half.
    pub has_peer_ended: bool,
    /// Since when it owes the rest of a message.
    pub in_message_since_ms: Option<i64>,
    /// When something last happened.
    pub active_ms: i64,
}

impl Connection {
    /// A connection that has just been accepted.
    #[must_use]
    pub fn new(socket: SocketId, listener: usize, front: Box<dyn Front>, now_ms: i64) -> Self {
        Self {
            socket,
            listener,
            front,
            out: Vec::new(),
            spare: Vec::new(),
            is_sending: false,
            is_paused: false,
            is_full: false,
            is_ending: false,
            is_closed: false,
            has_peer_ended: false,
            in_message_since_ms: None,
            active_ms: now_ms,
        }
    }

    /// Whether its front is still to be told of anything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.is_ending && !self.is_closed
    }

    /// Whether its front may have stopped for want of room in [`Connection::out`], and there is some.
    #[must_use]
    pub fn may_resume(&self) -> bool {
        self.is_open() && self.is_full && self.out.len() < OUTPUT_BYTES_MAX
    }

    /// What the front has said about going on; then sends what it has written.
    pub fn follow(&mut self, flow: Flow, now_ms: i64, ring: &mut NetRing) {
        self.active_ms = now_ms;
        self.is_full = flow == Flow::Full;
        self.is_ending |= flow == Flow::Close;
        self.in_message_since_ms = owes_since(&*self.front, self.in_message_since_ms, now_ms);
        self.flush(ring);
    }

    /// A send has ended well.
    pub fn sent(&mut self, data: SendData, ring: &mut NetRing) {
        self.is_sending = false;
        if let SendData::Buffer(mut buffer) = data
            && buffer.capacity() <= OUTPUT_BYTES_MAX
        {
            buffer.clear();
            self.spare = buffer;
        }
        self.flush(ring);
    }

    /// Sends if there is something and nothing is in flight, and pauses or resumes receiving.
    pub fn flush(&mut self, ring: &mut NetRing) {
        if self.is_closed {
            return;
        }
        if !self.is_sending && !self.out.is_empty() {
            let next = std::mem::take(&mut self.spare);
            let out = std::mem::replace(&mut self.out, next);
            self.is_sending = true;
            ring.send(self.socket, SendData::Buffer(out));
        }
        if self.is_ending && !self.is_sending && self.out.is_empty() {
            self.close(ring);
            return;
        }
        let has_to_wait = self.is_full || self.is_ending || self.out.len() > OUTPUT_BYTES_MAX;
        if has_to_wait != self.is_paused && !self.has_peer_ended {
            self.is_paused = has_to_wait;
            if has_to_wait {
                ring.pause_receive(self.socket);
            } else {
                ring.resume_receive(self.socket);
            }
        }
    }

    /// Closes at once.
    pub fn close(&mut self, ring: &mut NetRing) {
        if !std::mem::replace(&mut self.is_closed, true) {
            ring.close(self.socket);
        }
    }
}

/// Since when the peer owes the rest of a message, if it did so since `since_ms`.
fn owes_since(front: &dyn Front, since_ms: Option<i64>, now_ms: i64) -> Option<i64> {
    let since_ms = since_ms.filter(|_| !front.has_message_come());
    front.is_in_message().then(|| since_ms.unwrap_or(now_ms))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::front::fake_desk::FakeDesk;
    use crate::front::{http::HttpFront, resp::RespFront};

    #[test]
    fn the_deadline_is_for_one_message_and_not_for_a_stream() {
        let http = HttpFront::new(Arc::default(), None);
        let rows: [(Box<dyn Front>, &str); 2] = [
            (Box::new(RespFront::new(1)), "*1\r\n$4\r\nPING\r\n"),
            (Box::new(http), "POST /auth HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
        ];
        for (mut front, message) in rows {
            let (mut desk, mut out, mut since_ms) = (FakeDesk::default(), Vec::new(), None);
            let mut receive = |bytes: &str, now_ms| {
                assert_eq!(front.receive(bytes.as_bytes(), &mut desk, &mut out), Flow::Open);
                since_ms = owes_since(&*front, since_ms, now_ms);
                since_ms
            };
            let (start, rest) = message.split_at(5);
            assert_eq!(receive(start, 10), Some(10));
            for now_ms in 11..20 {
                let bytes = format!("{rest}{start}");
                assert_eq!(receive(&bytes, now_ms), Some(now_ms), "each begins anew");
            }
            assert_eq!(receive(&rest[..2], 30), Some(19), "some bytes are no message");
            assert_eq!(receive(&rest[2..], 40), None);
        }
    }
}
