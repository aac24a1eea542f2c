//! Hostile bytes for tests of fronts.
//!
//! Job: change bytes of a good conversation at random, and cut it at random. In: a conversation, a seed.
//! Out: a failure that names the seed. Invariant: a seed always does the same.

use super::fake_desk::FakeDesk;
use super::{Flow, Front};

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// Bytes that mean something to a parser.
const ODD: &[u8] = b"\r\n\0 :;,*$-+0129aA{}[]\"\\/?%\xff";

/// A front must survive whatever comes, and understand the same however it is cut.
pub fn survives_mutations(conversation: &[u8], make: impl Fn() -> Box<dyn Front>) {
    for seed in 1..=2000 {
        let mut random = Random(seed);
        let mut bytes = conversation.to_vec();
        for _ in 0..=random.below(6) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = ODD[random.below(ODD.len())],
                1 => bytes.insert(at, ODD[random.below(ODD.len())]),
                _ => drop(bytes.remove(at)),
            }
        }
        let whole = play(&mut *make(), &bytes, || usize::MAX);
        let pieces = play(&mut *make(), &bytes, || 1 + random.below(40));
        assert_eq!(whole, pieces, "seed {seed}: {}", bytes.escape_ascii());
    }
}

fn play(
    front: &mut dyn Front,
    mut bytes: &[u8],
    mut piece: impl FnMut() -> usize,
) -> (String, Vec<String>) {
    let (mut desk, mut out) = (FakeDesk::default(), Vec::new());
    while !bytes.is_empty() {
        let (now, later) = bytes.split_at(piece().min(bytes.len()));
        bytes = later;
        if front.receive(now, &mut desk, &mut out) == Flow::Close {
            break;
        }
    }
    (out.escape_ascii().to_string(), desk.asked)
}
