//! Job: the seam between the loop that sends and receives and what is said.
//! In: numbers drawn, received bytes. Out: requests, judgements of replies.
//! Invariant: no I/O and no clock: a [`Traffic`] only writes and reads bytes.

/// Whose traffic it is: which keys and random numbers it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seat {
    /// The core, from 0.
    pub core: usize,
    /// How many cores make load.
    pub cores: usize,
    /// The bystander's, not the load's.
    pub is_probe: bool,
}

impl Seat {
    /// A seed for it that differs from that of all others.
    #[must_use]
    pub fn seed(&self, seed: u64) -> u64 {
        seed.wrapping_add(self.core as u64).wrapping_add(u64::from(self.is_probe) << 32)
    }
}

/// A request: what the reply must be judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Which of [`Traffic::kinds`].
    pub kind: u16,
    /// Which of the nodes.
    pub node: u16,
    /// The key's number.
    pub key: u64,
    /// For a checked write: the version written.
    pub version: u32,
    /// For a checked read: the oldest version that may come back; 0 if anything may.
    pub floor: u32,
}

/// What a reply is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As wanted.
    Good,
    /// A read that found nothing, which is no error unless it was checked.
    Miss,
    /// An error reply, or a status that was not expected.
    Refused,
    /// Not what was written (`--verify`).
    Wrong,
}

/// A reply at the front of what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Its length in bytes.
    pub length: usize,
    /// Its worth.
    pub answer: Answer,
    /// The server closes the connection behind it.
    pub closes: bool,
}

/// What is said on the connections of one core.
pub trait Traffic {
    /// Whether a connection takes further requests before the reply to the first has come. Without it
    /// a request of an open loop waits for a connection of its own.
    fn pipelines(&self) -> bool;

    /// Whether a request may be sent again when an idle connection turns out to have ended meanwhile (RFC
    /// 9110, section 9.2.2).
    fn repeats(&self) -> bool;

    /// The names of the kinds of requests.
    fn kinds(&self) -> &[String];

    /// Appends what a new connection says first; the number of replies to it. Each of them must be
    /// [`Answer::Good`] by [`Traffic::judge`] of an [`Asked`] without a kind (`u16::MAX`).
    fn greeting(&mut self, output: &mut Vec<u8>) -> usize;

    /// Draws the next request; if possible one for the node `only`. Where a node has so few of the keys
    /// that none is found, it is one for another node.
    fn draw(&mut self, only: Option<u16>) -> Asked;

    /// Appends a request that was drawn.
    fn encode(&mut self, asked: &Asked, output: &mut Vec<u8>);

    /// The reply to `asked` at the front of `input`, or `None` if it is not complete.
    ///
    /// # Errors
    /// Bytes that are no reply: the connection is of no use any more.
    fn judge(&mut self, asked: &Asked, input: &[u8]) -> Result<Option<Judged>, String>;

    /// What is wrong with a reply that is not good, for people: what was asked, what came. The same
    /// error gives the same text, so that errors can be counted by it.
    fn explain(&self, asked: &Asked, reply: &[u8]) -> String;
}
