//! Job: the values that are written.
//! In: sizes, and for values that are checked: run, key and version. Out: bytes.
//! Invariant: bytes are copied from a prepared buffer, not made for each request. A checked value says
//! what it is: any other value (of another key or run, an older one, cut, with a bit flipped) differs.

use std::fmt;
use std::str::FromStr;

use ringlet_base::random::Random;

use super::verify::Fault;

/// The longest value, as Redis has it.
pub const VALUE_BYTES_MAX: u32 = 512 << 20;
/// The shortest value that can be checked.
pub const CHECKED_BYTES_MIN: u32 = 40;
/// Bytes at the start of a checked value that say what it is.
const LABEL_BYTES: usize = 32;
/// Random bytes that contents are copied from, again and again if they are longer: a prime, so that
/// pages of a long value that change places are noticed.
const BUFFER_BYTES: usize = 65_521;

/// How long values are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// All alike.
    Fixed(u32),
    /// From the first to the second, all alike likely.
    Range(u32, u32),
    /// Each size with its weight; neither list nor sum of the weights is empty.
    Weighted(Vec<(u32, u32)>),
}

impl Default for Sizes {
    fn default() -> Self {
        Self::Fixed(64)
    }
}

impl Sizes {
    /// The shortest that is drawn.
    #[must_use]
    pub fn min(&self) -> u32 {
        match self {
            Self::Fixed(size) | Self::Range(size, _) => *size,
            Self::Weighted(list) => {
                let drawn = list.iter().filter(|(_, weight)| *weight > 0);
                drawn.map(|(size, _)| *size).min().unwrap_or(0)
            }
        }
    }

    /// Draws one.
    #[inline]
    pub fn draw(&self, random: &mut Random) -> usize {
        let size = match self {
            Self::Fixed(size) => *size,
            Self::Range(from, to) => from + random.below(u64::from(to - from) + 1) as u32,
            Self::Weighted(list) => {
                let sum = list.iter().map(|(_, weight)| u64::from(*weight)).sum();
                let mut rest = random.below(sum);
                let mut drawn = 0;
                for (size, weight) in list {
                    drawn = *size;
                    match rest.checked_sub(u64::from(*weight)) {
                        Some(less) => rest = less,
                        None => break,
                    }
                }
                drawn
            }
        };
        size as usize
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(formatter, "{size}"),
            Self::Range(from, to) => write!(formatter, "{from}-{to}"),
            Self::Weighted(list) => {
                for (at, (size, weight)) in list.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(formatter, "{comma}{size}*{weight}")?;
                }
                Ok(())
            }
        }
    }
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains([',', '*']) {
            let list: Vec<(u32, u32)> = text.split(',').map(weighted).collect::<Result<_, _>>()?;
            if list.iter().all(|(_, weight)| *weight == 0) {
                return Err(format!("all weights in \"{text}\" are 0"));
            }
            return Ok(Self::Weighted(list));
        }
        match text.split_once('-') {
            None => size(text).map(Self::Fixed),
            Some((from, to)) => {
                let (from, to) = (size(from)?, size(to)?);
                if from > to {
                    return Err(format!("the sizes {from}-{to} end before they begin"));
                }
                Ok(Self::Range(from, to))
            }
        }
    }
}

fn weighted(text: &str) -> Result<(u32, u32), String> {
    match text.split_once('*') {
        None => Ok((size(text)?, 1)),
        Some((bytes, weight)) => {
            let weight = weight.parse().map_err(|_| format!("\"{weight}\" is no weight"))?;
            Ok((size(bytes)?, weight))
        }
    }
}

fn size(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|&size| size <= VALUE_BYTES_MAX).ok_or_else(|| {
        format!(
            "\"{text}\" is no size: a number of bytes up to {VALUE_BYTES_MAX}, as in 64, 16-1024 or \
             16*70,1024*30"
        )
    })
}

/// Makes values, and recognises those that are checked.
#[derive(Clone, Debug)]
pub struct Values {
    run: u64,
    buffer: Vec<u8>,
}

impl Values {
    /// Values of the run with that number: all its cores make the same, another run makes others.
    #[must_use]
    pub fn new(run: u64) -> Self {
        let mut random = Random::new(run);
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let buffer = (0..BUFFER_BYTES).map(|_| letters[random.below(64) as usize]).collect();
        Self { run, buffer }
    }

    /// Appends a value that says nothing.
    #[inline]
    pub fn push_any(&self, length: usize, random: &mut Random, output: &mut Vec<u8>) {
        self.push_from(random.next_u64(), length, output);
    }

    /// Appends a value that can be checked; `length` is at least [`CHECKED_BYTES_MIN`].
    #[inline]
    pub fn push_checked(&self, key: u64, version: u32, length: usize, output: &mut Vec<u8>) {
        let label = self.label(key, version, length);
        output.extend_from_slice(&label);
        self.push_from(mark_of(&label), length.saturating_sub(LABEL_BYTES), output);
    }

    /// The version of a value of `key`.
    ///
    /// # Errors
    /// What is wrong with a value that this run has not written so for that key.
    pub fn version(&self, key: u64, value: &[u8]) -> Result<u32, Fault> {
        let Some(label) = value.first_chunk::<LABEL_BYTES>() else { return Err(Fault::Foreign) };
        let [run, its_key, numbers, _] = words(label);
        if run != self.run {
            return Err(Fault::Foreign);
        }
        let version = (numbers >> 32) as u32;
        if *label != self.label(its_key, version, numbers as u32 as usize) {
            return Err(Fault::Changed);
        }
        if its_key != key {
            return Err(Fault::OtherKey);
        }
        if value.len() != numbers as u32 as usize {
            return Err(Fault::Cut);
        }
        if !self.is_from(mark_of(label), &value[LABEL_BYTES..]) {
            return Err(Fault::Changed);
        }
        Ok(version)
    }

    /// Run, key, version with length, and a mark that depends on all bits of these.
    fn label(&self, key: u64, version: u32, length: usize) -> [u8; LABEL_BYTES] {
        let numbers = (u64::from(version) << 32) | length as u64;
        let mark = mixed(mixed(mixed(self.run) ^ key) ^ numbers);
        let mut label = [0; LABEL_BYTES];
        for (place, word) in label.chunks_exact_mut(8).zip([self.run, key, numbers, mark]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        label
    }

    /// Appends bytes of the buffer from a place that follows from `mark`.
    #[inline]
    fn push_from(&self, mark: u64, length: usize, output: &mut Vec<u8>) {
        let mut rest = length;
        let mut at = self.place(mark);
        while rest > 0 {
            let piece = &self.buffer[at..];
            let taken = rest.min(piece.len());
            output.extend_from_slice(&piece[..taken]);
            rest -= taken;
            at = 0;
        }
    }

    fn is_from(&self, mark: u64, mut bytes: &[u8]) -> bool {
        let mut at = self.place(mark);
        while !bytes.is_empty() {
            let piece = &self.buffer[at..];
            let (front, rest) = bytes.split_at(bytes.len().min(piece.len()));
            if *front != piece[..front.len()] {
                return false;
            }
            bytes = rest;
            at = 0;
        }
        true
    }

    /// The high bits of a product: no division on the path of each request.
    #[inline]
    fn place(&self, mark: u64) -> usize {
        ((u128::from(mark) * BUFFER_BYTES as u128) >> 64) as usize
    }
}

fn words(label: &[u8; LABEL_BYTES]) -> [u64; 4] {
    std::array::from_fn(|at| u64::from_le_bytes(std::array::from_fn(|byte| label[at * 8 + byte])))
}

fn mark_of(label: &[u8; LABEL_BYTES]) -> u64 {
    words(label)[3]
}

/// A number whose bits all depend on all bits of `number` (the finalizer of splitmix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
