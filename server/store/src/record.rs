//! The elements of big collections: one word in the table, one heap block each.
//!
//! Job: members of sets and sorted sets, and fields of hashes with their values.
//! In: bytes. Out: the same bytes.
//! Invariant: a block is compact when its bytes fit one, large otherwise.

use crate::memory;
use ringlet_runtime::thin::{Thin, ThinMut, ThinRef};

/// A member of a set or sorted set.
pub(crate) struct Member(Thin<(), ()>);

impl Member {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        if bytes.len() <= Thin::<(), ()>::MAXIMUM_A {
            Self(Thin::new_a((), &[bytes]))
        } else {
            Self(Thin::new_b((), &[bytes]))
        }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self.0.get() {
            ThinRef::A((), bytes) | ThinRef::B((), bytes) => bytes,
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        memory::allocated(self.0.allocated_bytes())
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.bytes().fmt(formatter)
    }
}

/// A field of a hash and its value. The headers are the length of the field.
pub(crate) struct Field(Thin<u16, u32>);

impl Field {
    pub(crate) fn new(name: &[u8], value: &[u8]) -> Self {
        let parts = [name, value];
        if name.len() + value.len() <= Thin::<u16, u32>::MAXIMUM_A {
            Self(Thin::new_a(name.len() as u16, &parts))
        } else {
            let length = u32::try_from(name.len()).expect("a field is shorter than 4 GiB");
            Self(Thin::new_b(length, &parts))
        }
    }

    /// The field's name and its value.
    #[inline]
    pub(crate) fn parts(&self) -> (&[u8], &[u8]) {
        match self.0.get() {
            ThinRef::A(length, bytes) => bytes.split_at(usize::from(*length)),
            ThinRef::B(length, bytes) => bytes.split_at(*length as usize),
        }
    }

    #[inline]
    pub(crate) fn name(&self) -> &[u8] {
        self.parts().0
    }

    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        self.parts().1
    }

    /// Replaces the value: in place when it is as long as the old one.
    pub(crate) fn set_value(&mut self, value: &[u8]) {
        let old = match self.0.get_mut() {
            ThinMut::A(length, bytes) => &mut bytes[usize::from(*length)..],
            ThinMut::B(length, bytes) => &mut bytes[*length as usize..],
        };
        if old.len() == value.len() {
            old.copy_from_slice(value);
        } else {
            *self = Self::new(self.name(), value);
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        memory::allocated(self.0.allocated_bytes())
    }
}

impl std::fmt::Debug for Field {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.parts().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_bytes_at_every_size() {
        for length in [0, 1, 10, 65_534, 65_535, 65_536, 100_000] {
            let bytes = vec![7_u8; length];
            assert_eq!(Member::new(&bytes).bytes(), bytes);
            for name in [&b""[..], b"name"] {
                let mut field = Field::new(name, &bytes);
                assert_eq!(field.parts(), (name, &bytes[..]));
                field.set_value(&vec![8; length]);
                assert_eq!(field.parts(), (name, &vec![8; length][..]));
                field.set_value(b"short");
                assert_eq!(field.parts(), (name, &b"short"[..]));
            }
        }
        assert_eq!(size_of::<Member>(), 8);
        assert_eq!(Member::new(b"123456").memory_bytes(), 8);
        assert_eq!(Field::new(b"123", b"123456789").memory_bytes(), 16);
    }
}
