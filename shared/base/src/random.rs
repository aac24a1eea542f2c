//! Job: random choices that need no secrecy, and identifiers that must not repeat.
//! In: a seed, or the operating system's entropy. Out: numbers and hexadecimal identifiers.
//! Invariant: a [`Random`] made from one seed gives one sequence on every machine.

/// Length of a run or node identifier in characters.
pub const IDENTIFIER_LENGTH: usize = 40;

/// A generator of the xoshiro256++ family: fast, small, not for secrets.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// A generator whose sequence follows from `seed` alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // SplitMix64 spreads the seed over the state, which thereby is never all zero.
        let mut weyl = seed;
        let state = std::array::from_fn(|_| {
            weyl = weyl.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = weyl;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ (word >> 31)
        });
        Self { state }
    }

    /// A generator seeded by the operating system.
    ///
    /// # Errors
    /// The error of the `getrandom` call, for example in a sandbox that forbids it.
    pub fn from_system() -> Result<Self, getrandom::Error> {
        getrandom::u64().map(Self::new)
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number in `0..bound`, each equally likely. A bound of 0 gives 0.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        // Lemire's method: the high half of a product, drawn again while the low half falls into
        // the part that would favour some results.
        let mut product = u128::from(self.next_u64()) * u128::from(bound);
        if (product as u64) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u64) < threshold {
                product = u128::from(self.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// A number in `0.0..1.0` with 53 random bits.
    #[inline]
    pub fn fraction(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A fresh identifier of [`IDENTIFIER_LENGTH`] lower-case hexadecimal characters from the operating
/// system's entropy, as Redis's `run_id` and cluster node names.
///
/// # Errors
/// The error of the `getrandom` call.
pub fn identifier() -> Result<String, getrandom::Error> {
    let mut entropy = [0u8; IDENTIFIER_LENGTH / 2];
    getrandom::fill(&mut entropy)?;
    let mut text = String::with_capacity(IDENTIFIER_LENGTH);
    for byte in entropy {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut one, mut same, mut other) = (Random::new(7), Random::new(7), Random::new(8));
        let first: Vec<u64> = (0..100).map(|_| one.next_u64()).collect();
        assert_eq!(first, (0..100).map(|_| same.next_u64()).collect::<Vec<_>>());
        assert_ne!(first, (0..100).map(|_| other.next_u64()).collect::<Vec<_>>());
    }

    #[test]
    fn below_stays_below_and_is_even() {
        let mut random = Random::new(1);
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        // Each is expected 10 000 times with a standard deviation of about 93.
        assert!(counts.iter().all(|&count| (9_500..10_500).contains(&count)), "{counts:?}");
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.fraction())));
    }

    #[test]
    fn identifiers_are_hexadecimal_and_differ() {
        let (one, other) = (identifier().unwrap(), identifier().unwrap());
        assert_eq!(one.len(), IDENTIFIER_LENGTH);
        assert!(one.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
        assert_ne!(one, other);
    }
}
