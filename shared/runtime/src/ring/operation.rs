//! What a completion belongs to.
//!
//! Job: pack operation kind, slot index and generation into the `user_data` of a submission and
//! back.
//! In: kind and slot. Out: 64 bits (8 kind, 32 generation, 24 index).
//! Invariant: unpacking gives back what was packed.

use crate::sockets::{MAX_SLOTS, Slot};

/// The kinds of submissions (and of messages from other rings).
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
#[repr(u8)]
pub(crate) enum Operation {
    /// Multishot accept of a listener.
    Accept,
    /// Cancels the accept of a listener.
    CancelAccept,
    /// Multishot receive of a socket.
    Receive,
    /// Cancels the receive of a socket.
    CancelReceive,
    /// Send of a socket.
    Send,
    /// Connect of a socket.
    Connect,
    /// Cancels everything of a socket.
    CancelSocket,
    /// The multishot timeout.
    Tick,
    /// Removes the multishot timeout.
    RemoveTick,
    /// Multishot poll of the eventfd that threads without a ring write to.
    WakePoll,
    /// A message to another ring; completes here only if it failed.
    WakeSend,
    /// A message from another ring.
    Woken,
    /// Cancels everything of the ring.
    CancelAll,
}

const KINDS: [Operation; 13] = [
    Operation::Accept,
    Operation::CancelAccept,
    Operation::Receive,
    Operation::CancelReceive,
    Operation::Send,
    Operation::Connect,
    Operation::CancelSocket,
    Operation::Tick,
    Operation::RemoveTick,
    Operation::WakePoll,
    Operation::WakeSend,
    Operation::Woken,
    Operation::CancelAll,
];

const INDEX_BITS: u32 = 24;
const KIND_SHIFT: u32 = 56;

impl Operation {
    /// The `user_data` of this operation on `slot`.
    pub(crate) fn on(self, slot: Slot) -> u64 {
        debug_assert!((slot.index as usize) < MAX_SLOTS);
        (u64::from(self as u8) << KIND_SHIFT)
            | (u64::from(slot.generation) << INDEX_BITS)
            | u64::from(slot.index)
    }

    /// The `user_data` of this operation on the ring as a whole, in its `generation`-th life.
    pub(crate) fn on_ring(self, generation: u32) -> u64 {
        self.on(Slot { index: 0, generation })
    }

    /// The inverse of [`Operation::on`].
    pub(crate) fn unpack(user_data: u64) -> (Operation, Slot) {
        let kind = KINDS[(user_data >> KIND_SHIFT) as usize];
        let generation = (user_data >> INDEX_BITS) as u32;
        let index = (user_data & (MAX_SLOTS as u64 - 1)) as u32;
        (kind, Slot { index, generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_packing() {
        for kind in KINDS {
            let slot = Slot { index: MAX_SLOTS as u32 - 1, generation: u32::MAX };
            assert_eq!(Operation::unpack(kind.on(slot)), (kind, slot));
            let slot = Slot { index: 7, generation: 0 };
            assert_eq!(Operation::unpack(kind.on(slot)), (kind, slot));
        }
    }
}
