//! One key with its value, expiry and access bits, behind one word.
//!
//! Job: what a database holds per key. A small string lies with its key in one block of
//! 8 + key + value bytes; anything else has a block with an `Object` and the key.
//! In: keys, values, times. Out: views of the value, changed in place where that is possible.
//! Invariant: the bytes of a block are the expiry (8 bytes, if the flag says so), the key, and the
//! value if it is a small string. Strings longer than `SMALL_STRING_MAX` are never small.

use crate::memory;
pub use crate::object::{Kind, Object, ValueMut, ValueRef};
use bytes::{Bytes, BytesMut};
use ringlet_base::number::parse_i64;
use ringlet_runtime::thin::{Thin, ThinMut, ThinRef};

/// Longer strings live in a block of their own that replies can share.
pub const SMALL_STRING_MAX: usize = 1024;
/// A large string that grows gets as much room again, but no more than this: as in Redis. The
/// allocator enlarges very large blocks without a copy.
const ROOM_BYTES_MAX: usize = 1 << 20;
/// Strings up to this length report the encoding "embstr".
const EMBEDDED_STRING_MAX: usize = 44;
const EXPIRY_BYTES: usize = size_of::<i64>();

const HAS_EXPIRY: u8 = 1;
const IS_RAW: u8 = 2;
const IS_TEXT: u8 = 4;

/// What a block says about itself besides its key's length.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    access: [u8; 3],
    flags: u8,
}

#[derive(Debug)]
struct SmallHeader {
    key_length: u16,
    marks: Marks,
}

#[derive(Debug)]
struct ObjectHeader {
    object: Object,
    key_length: u32,
    marks: Marks,
}

/// A key with its value.
pub struct Entry(Thin<SmallHeader, ObjectHeader>);

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Entry")
            .field("key", &self.key().escape_ascii().to_string())
            .field("value", &self.value())
            .field("expiry_ms", &self.expiry())
            .finish()
    }
}

/// The flag and the bytes that say when an entry expires.
fn expiry_parts(expiry_ms: Option<i64>) -> (u8, [u8; EXPIRY_BYTES], usize) {
    match expiry_ms {
        Some(at) => (HAS_EXPIRY, at.to_le_bytes(), EXPIRY_BYTES),
        None => (0, [0; EXPIRY_BYTES], 0),
    }
}

fn fits_small(key: &[u8], value_length: usize) -> bool {
    value_length <= SMALL_STRING_MAX
        && EXPIRY_BYTES + key.len() + value_length <= Thin::<SmallHeader, ObjectHeader>::MAXIMUM_A
}

impl Entry {
    /// A string. Costs one allocation of 8 + key + value bytes when the value is small, and 8 bytes
    /// more with an expiry (Unix time in milliseconds).
    #[inline]
    #[must_use]
    pub fn string(key: &[u8], value: &[u8], expiry_ms: Option<i64>) -> Self {
        if fits_small(key, value.len()) {
            Self::small(key, &[value], expiry_ms, Marks::default())
        } else {
            Self::shared_string(key, Bytes::copy_from_slice(value), expiry_ms)
        }
    }

    /// A string that need not be copied if it is large.
    #[must_use]
    pub fn shared_string(key: &[u8], value: Bytes, expiry_ms: Option<i64>) -> Self {
        if fits_small(key, value.len()) {
            return Self::small(key, &[&value], expiry_ms, Marks::default());
        }
        Self::object(key, Object::Bytes(Box::new(value)), expiry_ms)
    }

    /// Any other value.
    #[must_use]
    pub fn object(key: &[u8], object: Object, expiry_ms: Option<i64>) -> Self {
        Self::large(key, object, expiry_ms, Marks::default())
    }

    fn small(key: &[u8], value: &[&[u8]], expiry_ms: Option<i64>, marks: Marks) -> Self {
        let (flag, expiry, expiry_length) = expiry_parts(expiry_ms);
        let marks = Marks { flags: marks.flags & !HAS_EXPIRY | flag, ..marks };
        let header = SmallHeader { key_length: key.len() as u16, marks };
        let expiry = &expiry[..expiry_length];
        Self(match value {
            [value] => Thin::new_a(header, &[expiry, key, value]),
            [value, suffix] => Thin::new_a(header, &[expiry, key, value, suffix]),
            _ => unreachable!("a value comes in one part or two"),
        })
    }

    fn large(key: &[u8], object: Object, expiry_ms: Option<i64>, marks: Marks) -> Self {
        let (flag, expiry, expiry_length) = expiry_parts(expiry_ms);
        let marks = Marks { flags: marks.flags & !HAS_EXPIRY | flag, ..marks };
        let key_length = u32::try_from(key.len()).expect("keys are shorter than 4 GiB");
        let header = ObjectHeader { object, key_length, marks };
        Self(Thin::new_b(header, &[&expiry[..expiry_length], key]))
    }

    #[inline]
    fn marks(&self) -> Marks {
        match self.0.get() {
            ThinRef::A(header, _) => header.marks,
            ThinRef::B(header, _) => header.marks,
        }
    }

    #[inline]
    fn marks_mut(&mut self) -> &mut Marks {
        match self.0.get_mut() {
            ThinMut::A(header, _) => &mut header.marks,
            ThinMut::B(header, _) => &mut header.marks,
        }
    }

    /// The key.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &[u8] {
        let (marks, length, bytes) = match self.0.get() {
            ThinRef::A(header, bytes) => (header.marks, usize::from(header.key_length), bytes),
            ThinRef::B(header, bytes) => (header.marks, header.key_length as usize, bytes),
        };
        let start = marks.key_start();
        &bytes[start..start + length]
    }

    /// The value.
    #[inline]
    #[must_use]
    pub fn value(&self) -> ValueRef<'_> {
        match self.0.get() {
            ThinRef::A(header, bytes) => ValueRef::String(&bytes[header.value_start()..]),
            ThinRef::B(header, _) => header.object.value(),
        }
    }

    /// The value, to be changed. Strings change by [`Self::set_string`], [`Self::append`],
    /// [`Self::set_range`] and [`Self::modify_bytes`].
    #[inline]
    #[must_use]
    pub fn value_mut(&mut self) -> ValueMut<'_> {
        match self.0.get_mut() {
            ThinMut::A(..) => ValueMut::String,
            ThinMut::B(header, _) => header.object.value_mut(),
        }
    }

    /// The type of the value.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.value().kind()
    }

    /// When the entry expires, in milliseconds of Unix time.
    #[inline]
    #[must_use]
    pub fn expiry(&self) -> Option<i64> {
        let (marks, bytes) = match self.0.get() {
            ThinRef::A(header, bytes) => (header.marks, bytes),
            ThinRef::B(header, bytes) => (header.marks, bytes),
        };
        if marks.flags & HAS_EXPIRY == 0 {
            return None;
        }
        bytes.first_chunk().map(|expiry| i64::from_le_bytes(*expiry))
    }

    /// Whether the entry's time is over. As in Redis, that is so only after the millisecond of its
    /// expiry.
    #[inline]
    #[must_use]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.expiry().is_some_and(|expiry| now_ms > expiry)
    }

    /// Sets or clears the expiry. Only a database may: it keeps count of expiries.
    pub(crate) fn set_expiry(&mut self, expiry_ms: Option<i64>) {
        if let (Some(expiry_ms), Some(_)) = (expiry_ms, self.expiry()) {
            let bytes = match self.0.get_mut() {
                ThinMut::A(_, bytes) => bytes,
                ThinMut::B(_, bytes) => bytes,
            };
            bytes[..EXPIRY_BYTES].copy_from_slice(&expiry_ms.to_le_bytes());
        } else if expiry_ms != self.expiry() {
            self.rebuild(|entry| {
                let key = entry.key().to_vec();
                entry.moved_to(&key, expiry_ms)
            });
        }
    }

    /// Replaces the entry by what `make` makes of it.
    fn rebuild(&mut self, make: impl FnOnce(Self) -> Self) {
        let entry = std::mem::replace(self, Self::small(b"", &[b""], None, Marks::default()));
        *self = make(entry);
    }

    /// The same value and marks under another key and expiry.
    fn moved_to(self, key: &[u8], expiry_ms: Option<i64>) -> Self {
        let marks = self.marks();
        if self.0.is_b() {
            return Self::large(key, self.0.into_b_header().object, expiry_ms, marks);
        }
        let value = self.value().bytes().expect("compact blocks hold strings");
        if fits_small(key, value.len()) {
            return Self::small(key, &[value], expiry_ms, marks);
        }
        let object = Object::Bytes(Box::new(Bytes::copy_from_slice(value)));
        Self::large(key, object, expiry_ms, marks)
    }

    /// The 24 access bits; see [`crate::access`].
    #[inline]
    #[must_use]
    pub fn access(&self) -> u32 {
        let [a, b, c] = self.marks().access;
        u32::from_le_bytes([a, b, c, 0])
    }

    /// Sets the 24 access bits (higher ones are dropped).
    #[inline]
    pub fn set_access(&mut self, access: u32) {
        let [a, b, c, _] = access.to_le_bytes();
        self.marks_mut().access = [a, b, c];
    }

    /// Whether a string must report the encoding "raw", because a command changed it in place.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.marks().flags & IS_RAW != 0
    }

    /// Says that a string is text though it looks like an integer, so that it does not report "int"
    /// (the sums of `INCRBYFLOAT`). Lasts until the value is replaced.
    pub fn set_text(&mut self) {
        self.marks_mut().flags |= IS_TEXT;
    }

    fn is_text(&self) -> bool {
        self.marks().flags & IS_TEXT != 0
    }

    /// Says whether a string must report "raw".
    pub fn set_raw(&mut self, raw: bool) {
        let flags = &mut self.marks_mut().flags;
        *flags = *flags & !IS_RAW | if raw { IS_RAW } else { 0 };
    }

    /// The encoding that `OBJECT ENCODING` reports.
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        match self.value() {
            ValueRef::String(bytes) => self.string_encoding(bytes),
            ValueRef::SharedString(bytes) => self.string_encoding(bytes),
            ValueRef::List(list) => list.encoding(),
            ValueRef::Hash(hash) => hash.encoding(),
            ValueRef::Set(set) => set.encoding(),
            ValueRef::SortedSet(sorted_set) => sorted_set.encoding(),
        }
    }

    fn string_encoding(&self, bytes: &[u8]) -> &'static str {
        if self.is_raw() {
            "raw"
        } else if !self.is_text() && parse_i64(bytes).is_some() {
            "int"
        } else if bytes.len() <= EMBEDDED_STRING_MAX {
            "embstr"
        } else {
            "raw"
        }
    }

    /// Makes the value a string (in place when it is small and as long as the old one). Key, expiry
    /// and access bits stay, "raw" is cleared.
    pub fn set_string(&mut self, value: &[u8]) {
        if let ThinMut::A(header, bytes) = self.0.get_mut() {
            let old = &mut bytes[header.value_start()..];
            if old.len() == value.len() {
                old.copy_from_slice(value);
                header.marks.flags &= !(IS_RAW | IS_TEXT);
                return;
            }
        }
        let mut fresh = Self::string(self.key(), value, self.expiry());
        fresh.set_access(self.access());
        *self = fresh;
    }

    /// Makes the entry what [`Self::string`] would make of these, if its block can stay as it is.
    /// Returns whether it could. Only a database may: it keeps count of expiries.
    #[inline]
    pub(crate) fn overwrite_string(&mut self, value: &[u8], expiry_ms: Option<i64>) -> bool {
        let ThinMut::A(header, bytes) = self.0.get_mut() else { return false };
        let (flag, expiry, expiry_length) = expiry_parts(expiry_ms);
        let start = header.value_start();
        if bytes.len() - start != value.len() || header.marks.flags & HAS_EXPIRY != flag {
            return false;
        }
        bytes[..expiry_length].copy_from_slice(&expiry[..expiry_length]);
        bytes[start..].copy_from_slice(value);
        header.marks.flags &= !(IS_RAW | IS_TEXT);
        true
    }

    /// Makes the value a large string without copying it (or a small one if it is small).
    pub fn set_shared_string(&mut self, value: Bytes) {
        if fits_small(self.key(), value.len()) {
            return self.set_string(&value);
        }
        self.set_object(Object::Bytes(Box::new(value)));
    }

    /// Replaces the value. Key, expiry and access bits stay, "raw" is cleared.
    pub fn set_object(&mut self, object: Object) {
        self.marks_mut().flags &= !(IS_RAW | IS_TEXT);
        match self.0.get_mut() {
            ThinMut::B(header, _) => header.object = object,
            ThinMut::A(..) => *self = Self::large(self.key(), object, self.expiry(), self.marks()),
        }
    }

    /// The large string of this entry, to be changed: taken over when nobody shares it, copied
    /// otherwise. Grows a small one. `false` for other types.
    fn edit_large(&mut self, edit: impl FnOnce(BytesMut) -> Bytes) -> bool {
        let shared = match self.0.get_mut() {
            ThinMut::A(header, bytes) => {
                let value = Bytes::copy_from_slice(&bytes[header.value_start()..]);
                self.set_object(Object::Bytes(Box::new(value)));
                return self.edit_large(edit);
            }
            ThinMut::B(ObjectHeader { object: Object::Bytes(bytes), .. }, _) => {
                std::mem::take(&mut **bytes).try_into_mut().unwrap_or_else(|bytes| bytes[..].into())
            }
            ThinMut::B(..) => return false,
        };
        let edited = edit(shared);
        if let ThinMut::B(ObjectHeader { object: Object::Bytes(bytes), .. }, _) = self.0.get_mut() {
            **bytes = edited;
        }
        true
    }

    /// Appends to a string (`APPEND`), which reports "raw" from then on. Returns its new length;
    /// `None` for other types.
    pub fn append(&mut self, suffix: &[u8]) -> Option<usize> {
        let value = self.value().bytes()?;
        let length = value.len() + suffix.len();
        if !self.0.is_b() && fits_small(self.key(), length) {
            *self = Self::small(self.key(), &[value, suffix], self.expiry(), self.marks());
        } else {
            self.edit_large(|bytes| {
                let mut bytes = with_room(bytes, length);
                bytes.extend_from_slice(suffix);
                bytes.into()
            });
        }
        self.set_raw(true);
        Some(length)
    }

    /// Writes `data` at `offset` of a string (`SETRANGE`), with zero bytes in any gap; it reports
    /// "raw" from then on. Empty `data` changes nothing. Returns the length; `None` for other
    /// types.
    pub fn set_range(&mut self, offset: usize, data: &[u8]) -> Option<usize> {
        let value = self.value().bytes()?;
        if data.is_empty() {
            return Some(value.len());
        }
        let (old, end) = (value.len(), offset + data.len());
        if end > old && !self.0.is_b() && fits_small(self.key(), end) {
            let padding = [0; SMALL_STRING_MAX];
            let padding = &padding[..end - old];
            *self = Self::small(self.key(), &[value, padding], self.expiry(), self.marks());
        } else if end > old {
            self.edit_large(|bytes| zero_extended(bytes, end).into());
        }
        self.modify_bytes(|bytes| bytes[offset..end].copy_from_slice(data));
        Some(old.max(end))
    }

    /// Lets `modify` change the bytes of a string, not their number (`SETBIT`, `BITFIELD`); it
    /// reports "raw" from then on. `None` for other types.
    pub fn modify_bytes<R>(&mut self, modify: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        if self.kind() != Kind::String {
            return None;
        }
        self.set_raw(true);
        if let ThinMut::A(header, bytes) = self.0.get_mut() {
            return Some(modify(&mut bytes[header.value_start()..]));
        }
        let mut result = None;
        self.edit_large(|mut bytes| {
            result = Some(modify(&mut bytes));
            bytes.freeze()
        });
        result
    }

    /// The same entry under another key (`RENAME`, `MOVE`), without touching a large value.
    #[must_use]
    pub fn with_key(self, key: &[u8]) -> Self {
        let expiry_ms = self.expiry();
        self.moved_to(key, expiry_ms)
    }

    /// A deep copy under another key (`COPY`). Large strings stay shared until one side changes.
    #[must_use]
    pub fn duplicate(&self, key: &[u8]) -> Self {
        match self.0.get() {
            ThinRef::A(header, bytes) => {
                let value = &bytes[header.value_start()..];
                let mut copy = Self::string(key, value, self.expiry());
                copy.marks_mut().access = header.marks.access;
                copy.marks_mut().flags |= header.marks.flags & (IS_RAW | IS_TEXT);
                copy
            }
            ThinRef::B(header, _) => {
                Self::large(key, header.object.duplicate(), self.expiry(), header.marks)
            }
        }
    }

    /// The value as an object, when it is not a small string.
    #[must_use]
    pub fn into_object(self) -> Option<Object> {
        self.0.is_b().then(|| self.0.into_b_header().object)
    }

    /// Heap bytes of the entry, and its word in the table (`MEMORY USAGE`). Big collections are
    /// sampled.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let own = size_of::<Self>() + memory::allocated(self.0.allocated_bytes());
        match self.0.get() {
            ThinRef::A(..) => own,
            ThinRef::B(header, _) => own + header.object.memory_bytes(),
        }
    }

    /// About how many blocks must be freed with the entry. Above
    /// [`crate::graveyard::FREE_AT_ONCE_MAX`] it is better left to a `Graveyard`.
    #[must_use]
    pub fn free_cost(&self) -> usize {
        match self.0.get() {
            ThinRef::A(..) => 1,
            ThinRef::B(header, _) => header.object.free_cost(),
        }
    }
}

/// Makes sure that a string can grow to `length` bytes; with some more room if it has to get any.
fn with_room(bytes: BytesMut, length: usize) -> Vec<u8> {
    let mut bytes = Vec::from(bytes);
    if bytes.capacity() < length {
        bytes.reserve_exact(length + length.min(ROOM_BYTES_MAX) - bytes.len());
    }
    bytes
}

/// Makes a string `length` bytes long, with zeros at its end.
fn zero_extended(bytes: BytesMut, length: usize) -> Vec<u8> {
    if length / 2 < bytes.len() {
        let mut bytes = with_room(bytes, length);
        bytes.resize(length, 0);
        return bytes;
    }
    // Fresh memory is zero already: to copy the string costs less than to write the zeros.
    let mut extended = vec![0; length + length.min(ROOM_BYTES_MAX)];
    extended[..bytes.len()].copy_from_slice(&bytes);
    extended.truncate(length);
    extended
}

impl Marks {
    #[inline]
    fn key_start(self) -> usize {
        usize::from(self.flags & HAS_EXPIRY) * EXPIRY_BYTES
    }
}

impl SmallHeader {
    #[inline]
    fn value_start(&self) -> usize {
        self.marks.key_start() + usize::from(self.key_length)
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
