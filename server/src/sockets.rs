//! Sockets: from the ring's events to connections, and from their output to the ring.
//! In: accepted sockets, received bytes, sent buffers. Out: input for `intake`, sends, closes.
//! Invariant: one send is in flight per connection; a connection that is closed keeps its place
//! until the ring has given its last event.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use ringlet_protocol::reply::ReplyBuffer;
use ringlet_protocol::request::RequestParser;
use ringlet_runtime::ring::{
    Chunk, Event, ListenerId, ReceiveEnd, SendData, SocketAddress, SocketId,
};

use crate::clients::client_of;
use crate::config::{ClientClass, OutputLimit};
use crate::connection::{Connection, Ending, Queued};
use crate::core::Core;
use crate::input::Input;
use crate::limits::{
    INPUT_BYTES_PAUSE, INPUT_BYTES_PAUSE_BLOCKED, OUTPUT_BUFFERS_KEPT, OUTPUT_BYTES_KEPT,
};
use crate::message::{Client, Work};

const TOO_MANY_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";

const PROTECTED: &[u8] = b"-DENIED Ringlet is running in protected mode because protected mode is \
enabled and no password is set for the default user. In this mode connections are only accepted \
from the loopback interface. If you want to connect from external computers, set a password with \
'requirepass' in the configuration file or CONFIG SET requirepass on the server's own host, or set \
protected-mode to no there if you are sure that nobody else can reach the port.\r\n";

impl Core {
    /// Acts on one event of the ring.
    pub fn on_event(&mut self, event: Event) {
        match event {
            Event::Accepted { listener, socket } => self.on_accepted(listener, socket),
            Event::AcceptFailed { errno, .. } if self.shared.may_warn(self.monotonic_ms) => {
                tracing::warn!(
                    "cannot accept connections for a moment: {errno}; raise the limit of open files \
                     (LimitNOFILE) or lower maxclients"
                );
            }
            Event::Received { socket, buffer } => {
                let place = socket.index() as u32;
                let taken = self.clients.take(place);
                if let Some(mut connection) = taken {
                    let bytes = self.ring.bytes(&buffer);
                    self.statistics.input_bytes += bytes.len() as u64;
                    self.statistics.reads += 1;
                    connection.input.append(bytes);
                    self.ring.release(buffer);
                    self.on_received(&mut connection);
                    self.put_back(connection);
                } else {
                    self.ring.release(buffer);
                }
            }
            Event::ReceiveEnded { socket, end } => {
                if let Some(mut connection) = self.clients.take(socket.index() as u32) {
                    self.on_end(&mut connection, end);
                    self.put_back(connection);
                }
            }
            Event::Sent { socket, data, result } => self.on_sent(socket, data, result.is_err()),
            Event::Closed { socket } => {
                self.clients.remove(socket.index() as u32);
            }
            // The server neither connects nor hands sockets on.
            Event::Connected { .. } | Event::Detached { .. } => {}
            Event::AcceptFailed { .. } | Event::ListenerClosed { .. } => {}
            Event::Woken | Event::Tick => {}
        }
    }

    fn on_accepted(&mut self, listener: ListenerId, socket: SocketId) {
        let config = self.config.clone();
        let address = self.ring.peer_address(socket);
        let local = self.ring.local_address(socket);
        let is_unix = local.as_ref().is_ok_and(SocketAddress::is_unix);
        let shown = |address: std::io::Result<SocketAddress>| {
            address.map_or_else(|_| "?:0".to_string(), |address| address.to_string())
        };
        let is_loopback = match &address {
            Ok(SocketAddress::Ip(address)) => address.ip().to_canonical().is_loopback(),
            _ => is_unix,
        };
        let local_address = shown(local) + if is_unix { ":0" } else { "" };
        let address = if is_unix { local_address.clone() } else { shown(address) };
        if !is_unix {
            // Without these a connection works all the same.
            let _ = self.ring.set_no_delay(socket, true);
            let _ = self.ring.set_keepalive(socket, config.keepalive_s);
        }
        let client = client_of(self.number(), socket);
        let monotonic_ms = self.monotonic_ms;
        let mut connection = Box::new(Connection::new(
            client,
            self.shared.next_client_id.fetch_add(1, Ordering::Relaxed),
            socket,
            RequestParser::new(Connection::request_limits(&config, false)),
            monotonic_ms,
        ));
        connection.address = address;
        connection.local_address = local_address;
        connection.is_unix = is_unix;
        connection.is_shard_port = self.shard_listener.contains(&listener);
        connection.is_authenticated = config.password.is_empty();
        self.statistics.connections += 1;
        let refusal = if self.shared.clients.fetch_add(1, Ordering::AcqRel) >= config.clients_max {
            self.statistics.connections_rejected += 1;
            Some(TOO_MANY_CLIENTS)
        } else {
            let is_open = !config.protected_mode || !config.password.is_empty() || is_loopback;
            (!is_open).then_some(PROTECTED)
        };
        tracing::debug!("Accepted {}", connection.address);
        if let Some(text) = refusal {
            let mut output = ReplyBuffer::new();
            ringlet_protocol::reply::Reply::new(&mut output, connection.version).raw(text);
            connection.push(&output);
            connection.ending = Ending::AfterReplies;
        } else {
            self.ring.start_receive(socket);
        }
        self.clients.add(connection);
        self.mark_output(client);
    }

    fn on_received(&mut self, connection: &mut Connection) {
        if connection.ending != Ending::Open {
            connection.input.clear();
            return;
        }
        connection.active_ms = self.monotonic_ms;
        if connection.stall.is_none() {
            self.take_input(connection);
        }
        self.bound_input(connection);
    }

    /// Stops receiving while too much is unparsed; later while a blocking command waits, for then
    /// the end of the connection should be noticed.
    pub fn bound_input(&mut self, connection: &mut Connection) {
        if connection.ending != Ending::Open || connection.has_ended {
            return;
        }
        let unparsed = connection.input.len();
        let pause = match connection.waiting {
            None => INPUT_BYTES_PAUSE,
            Some(_) => INPUT_BYTES_PAUSE_BLOCKED,
        };
        let queued = connection.transaction.as_ref().map_or(0, Queued::held_bytes);
        let held = unparsed + connection.parser.buffered_bytes() + queued;
        if held > self.config.query_buffer_bytes_max {
            self.statistics.query_buffer_limit_disconnections += 1;
            tracing::warn!("closing client {}: query buffer limit reached", connection.address);
            self.close(connection);
        } else if unparsed > pause && connection.stall.is_some() {
            if !connection.is_receive_paused {
                connection.is_receive_paused = true;
                self.ring.pause_receive(connection.socket);
            }
        } else if connection.is_receive_paused {
            connection.is_receive_paused = false;
            self.ring.resume_receive(connection.socket);
        }
    }

    fn on_end(&mut self, connection: &mut Connection, end: ReceiveEnd) {
        let is_clean = matches!(end, ReceiveEnd::EndOfStream);
        if connection.ending == Ending::Closing {
            return;
        }
        connection.has_ended = true;
        match end {
            ReceiveEnd::EndOfStream => {
                tracing::debug!("Client closed connection {}", connection.address);
            }
            ref error => {
                tracing::debug!("Reading from client: {error:?} ({})", connection.address);
            }
        }
        if is_clean {
            self.end_when_done(connection);
        } else {
            self.close(connection);
        }
    }

    /// A connection that sends nothing more ends when all it has sent has run and is answered; at
    /// once when it waits for a key, for nobody is there to take the element.
    pub fn end_when_done(&mut self, connection: &mut Connection) {
        if connection.waiting.is_some() {
            self.close(connection);
        } else if connection.stall.is_none() && connection.ending == Ending::Open {
            connection.ending = Ending::AfterReplies;
        }
    }

    /// Puts a connection back after it was worked on, and notes what has to be done about it.
    pub fn put_back(&mut self, mut connection: Box<Connection>) {
        let has_news = !connection.output.is_empty() || connection.ending == Ending::AfterReplies;
        if has_news && !connection.is_dirty {
            connection.is_dirty = true;
            self.clients.lists.dirty.push(connection.client.index);
        }
        self.clients.put_back(connection);
    }

    /// Hands output to the ring; closes what has said its last.
    pub fn send_output(&mut self) {
        for place in std::mem::take(&mut self.clients.lists.dirty) {
            let Some(mut connection) = self.clients.take(place) else { continue };
            connection.is_dirty = false;
            self.send_output_of(&mut connection);
            self.clients.put_back(connection);
        }
    }

    fn send_output_of(&mut self, connection: &mut Connection) {
        if connection.ending == Ending::Closing {
            return;
        }
        if self.is_over_output_limit(connection) {
            self.statistics.output_limit_disconnections += 1;
            tracing::warn!(
                "closing client {}: its output buffer limit was reached ({} bytes)",
                connection.address,
                connection.output_bytes()
            );
            self.close(connection);
            return;
        }
        if self.ring.is_sending(connection.socket) {
            return;
        }
        if !connection.output.is_empty() {
            let spare = self.spare_outputs.pop().unwrap_or_default();
            let next = ReplyBuffer::from_spare(spare, Vec::new());
            let output = std::mem::replace(&mut connection.output, next);
            connection.sending_bytes = output.len();
            self.statistics.output_bytes += output.len() as u64;
            self.statistics.writes += 1;
            self.ring.send(connection.socket, to_send(output));
        } else if connection.ending == Ending::AfterReplies && connection.pending.is_empty() {
            if self.shared.is_stopping.load(Ordering::Acquire) {
                self.take_leave(connection);
            } else {
                self.close(connection);
            }
        }
    }

    /// Closes a connection in a shutdown, when the peer has all that was sent to it: to close a
    /// socket with input that was not read makes the kernel throw away what is on its way. Until
    /// then input is read and dropped. It is tried again in every pass, up to the deadline of the
    /// shutdown.
    fn take_leave(&mut self, connection: &mut Connection) {
        if connection.has_ended || self.ring.unsent_bytes(connection.socket).unwrap_or(0) == 0 {
            self.close(connection);
            return;
        }
        self.ring.shutdown_write(connection.socket);
        if std::mem::take(&mut connection.is_receive_paused) {
            self.ring.resume_receive(connection.socket);
        }
    }

    fn on_sent(&mut self, socket: SocketId, data: SendData, has_failed: bool) {
        if let SendData::Buffer(mut bytes) = data
            && self.spare_outputs.len() < OUTPUT_BUFFERS_KEPT
            && bytes.capacity() <= OUTPUT_BYTES_KEPT
        {
            bytes.clear();
            self.spare_outputs.push(bytes);
        }
        let Some(mut connection) = self.clients.take(socket.index() as u32) else { return };
        connection.sending_bytes = 0;
        connection.active_ms = self.monotonic_ms;
        if has_failed {
            self.close(&mut connection);
        }
        self.put_back(connection);
    }

    fn is_over_output_limit(&self, connection: &mut Connection) -> bool {
        let class =
            if connection.subscriptions() > 0 { ClientClass::PubSub } else { ClientClass::Normal };
        let OutputLimit { hard_bytes, soft_bytes, soft_s } =
            self.config.output_limits[class as usize];
        let bytes = connection.output_bytes() as u64;
        if hard_bytes > 0 && bytes > hard_bytes {
            return true;
        }
        if soft_bytes == 0 || bytes <= soft_bytes {
            connection.soft_limit_since_ms = None;
            return false;
        }
        let since_ms = *connection.soft_limit_since_ms.get_or_insert(self.monotonic_ms);
        self.monotonic_ms - since_ms > soft_s as i64 * 1000
    }

    /// Closes a connection now: what it waits for and watches is dropped everywhere.
    pub fn close(&mut self, connection: &mut Connection) {
        if connection.ending == Ending::Closing {
            return;
        }
        connection.ending = Ending::Closing;
        connection.input = Input::default();
        connection.postponed = None;
        self.end_stall(connection);
        self.end_connection_watch(connection);
        self.stop_waiting(connection);
        self.channels.forget(connection);
        if let Some(hold) = &mut connection.held {
            hold.forget_connection();
        }
        if connection.is_monitor {
            self.stop_monitor(connection);
        }
        self.shared.clients.fetch_sub(1, Ordering::AcqRel);
        self.ring.close(connection.socket);
    }

    /// The blocking command of a connection has no more use for an answer.
    fn stop_waiting(&mut self, connection: &mut Connection) {
        if let Some(waiting) = connection.waiting.take() {
            waiting.claim.cancel();
            for shard in waiting.shards {
                self.batches.push_work(usize::from(shard), Work::Forget(waiting.origin));
            }
        }
    }

    /// Closes a connection that is in its place.
    pub fn close_client(&mut self, client: Client) {
        if let Some(mut connection) = self.clients.take(client.index) {
            if connection.client == client {
                self.close(&mut connection);
            }
            self.clients.put_back(connection);
        }
    }

    /// Looks after all connections, on ticks: idle ones, output limits over time.
    pub fn check_clients(&mut self) {
        if self.monotonic_ms < self.next_check_ms {
            return;
        }
        self.next_check_ms = self.monotonic_ms + 1000;
        let blocked = self.clients.blocked_len() as u64;
        self.shared.gauges[self.index].blocked.store(blocked, Ordering::Relaxed);
        let timeout_ms = self.config.timeout_s as i64 * 1000;
        let monotonic_ms = self.monotonic_ms;
        let mut over = Vec::new();
        for connection in self.clients.iter_mut() {
            let is_silent = timeout_ms > 0 && monotonic_ms - connection.active_ms > timeout_ms;
            if !is_silent || !connection.may_be_idle() {
                continue;
            }
            let socket = connection.socket;
            let left = match self.ring.left_to_send(socket) {
                0 => (0, 0),
                left => (left, self.ring.unsent_bytes(socket).unwrap_or(0)),
            };
            // A peer that takes a long reply slowly is not idle.
            if left.0 > 0 && left != std::mem::replace(&mut connection.left_to_send, left) {
                connection.active_ms = monotonic_ms;
            } else {
                tracing::debug!("Closing idle client {}", connection.address);
                over.push(connection.client);
            }
        }
        for client in over {
            self.close_client(client);
        }
        let with_output: Vec<Client> = self
            .clients
            .iter()
            .filter(|connection| connection.soft_limit_since_ms.is_some())
            .map(|connection| connection.client)
            .collect();
        for client in with_output {
            self.mark_output(client);
        }
    }

    /// No more connections are accepted.
    pub fn stop_listening(&mut self) {
        for listener in std::mem::take(&mut self.listeners) {
            self.ring.stop_listening(listener);
        }
    }

    /// Ends all connections: those with nothing due now, the others after their replies, or all of
    /// them when `at_once`.
    pub fn end_all_clients(&mut self, at_once: bool) {
        let clients: Vec<Client> =
            self.clients.iter().map(|connection| connection.client).collect();
        for client in clients {
            let Some(mut connection) = self.clients.take(client.index) else { continue };
            if at_once || connection.waiting.is_some() {
                self.close(&mut connection);
            } else if connection.ending == Ending::Open {
                connection.ending = Ending::AfterReplies;
            }
            self.put_back(connection);
        }
    }

    /// Tells the process-wide gauges how this core is.
    pub fn publish_gauges(&mut self) {
        let gauges = &self.shared.gauges[self.index];
        gauges.store(self.monotonic_ms, &self.statistics, &self.clients, &self.shard.keyspace);
        self.shared.note_peak();
    }
}

/// The bytes of a reply buffer as the ring takes them; large values are not copied.
fn to_send(output: ReplyBuffer) -> SendData {
    let (bytes, shared) = output.into_parts();
    if shared.is_empty() {
        return SendData::Buffer(bytes);
    }
    let bytes = Bytes::from(bytes);
    let mut chunks = Vec::with_capacity(shared.len() * 2 + 1);
    let mut start = 0;
    for (at, value) in shared {
        if at > start {
            chunks.push(Chunk::Shared(bytes.slice(start..at)));
        }
        start = at;
        chunks.push(Chunk::Shared(value));
    }
    if start < bytes.len() {
        chunks.push(Chunk::Shared(bytes.slice(start..)));
    }
    SendData::Chunks(chunks)
}
