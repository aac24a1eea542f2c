//! Protocol Buffers on the wire: varints, tags, fields.
//!
//! Job: read one field after the other and write the few kinds of fields that answers have. In: a
//! message's bytes. Out: [`Field`]s that borrow from them. Invariant: nothing is allocated; bytes that
//! are not Protocol Buffers end the reading with a text that says what they are not.

/// What one field holds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An integer, of whatever width.
    Varint(u64),
    /// A string, bytes or a message.
    Bytes(&'a [u8]),
    /// Eight or four bytes, which no message of ours has.
    Fixed,
}

/// One field: its number and what it holds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its number in the message's definition.
    pub number: u32,
    /// What it holds.
    pub value: Value<'a>,
}

/// Why bytes are no message.
pub type Malformed = &'static str;

/// Reads the fields of one message in their order.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads this message.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field; none at the end.
    ///
    /// # Errors
    /// When the bytes are no field.
    pub fn field(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        // A tag is a 32-bit number: longer ones are refused, as the official readers do.
        let tag = u32::try_from(self.varint()?).map_err(|_| "a field's number is too large")?;
        let number = tag >> 3;
        if number == 0 {
            return Err("a field has the number 0");
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            // Groups are unknown to proto3, and nested ones would need a stack.
            3 | 4 => return Err("groups are not supported"),
            _ => return Err("a field has an unknown wire type"),
        };
        Ok(Some(Field { number, value }))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for place in 0..10 {
            let (&byte, rest) = self.rest.split_first().ok_or("it ends within a number")?;
            self.rest = rest;
            if place == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number is longer than 64 bits")
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("it ends within a field")?;
        self.rest = rest;
        Ok(taken)
    }
}

/// The text of a string.
///
/// # Errors
/// When it is not UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| "a string is not UTF-8")
}

/// Writes an integer field; nothing for 0, which is what a missing one means.
pub fn write_number(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        write_varint(out, u64::from(number << 3));
        write_varint(out, value);
    }
}

/// Writes a string, bytes or a message.
pub fn write_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    write_length(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// Writes a message within the message in place.
pub fn write_message(out: &mut Vec<u8>, number: u32, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let length = out.len() - start;
    write_length(out, number, length);
    // The length's own length is known only now: it is written behind and turned to the front.
    out[start..].rotate_left(length);
}

fn write_length(out: &mut Vec<u8>, number: u32, length: usize) {
    write_varint(out, u64::from(number << 3 | 2));
    write_varint(out, length as u64);
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
