//! The fields of a head of either kind, and what those that every reader must agree on say.
//!
//! Job: keep the fields and find length, coding and the state of the connection in one place, for
//! requests and responses alike. In: the fields that httparse found. Out: [`Fields`], used again.
//! Invariant: at most one Content-Length and one Transfer-Encoding, and never both.

use super::error::HeadFault;
use super::field::{self, Field, Span, members};
use super::{FIELDS_MAX, Framing, Known};

/// Fields that Connection may name. Each is compared with all others.
const NOMINATIONS_MAX: usize = 16;

/// Room for one bit per field.
type FieldSet = [u64; FIELDS_MAX / 64];

/// The fields of a head.
#[derive(Debug, Default)]
pub(super) struct Fields {
    list: Vec<Field>,
    /// Fields that Connection names.
    nominated: FieldSet,
    pub(super) length: Option<u64>,
    coding: Option<Span>,
    closes: bool,
    stays: bool,
    /// Whether Connection names Upgrade.
    pub(super) upgrades: bool,
}

impl Fields {
    pub(super) fn clear(&mut self) {
        let mut list = std::mem::take(&mut self.list);
        list.clear();
        *self = Self { list, ..Self::default() };
    }

    /// Takes over the fields that httparse found in `head`.
    pub(super) fn read(
        &mut self,
        headers: &[httparse::Header<'_>],
        head: &[u8],
    ) -> Result<(), HeadFault> {
        let mut nominations = 0;
        for header in headers {
            let name = header.name.as_bytes();
            let value = field::trim(header.value);
            let (known, place) = (Known::of(name), Span::of(value, head));
            self.list.push(Field { name: Span::of(name, head), value: place, known });
            match known {
                Known::ContentLength => {
                    let number = field::decimal(value)
                        .ok_or(HeadFault::Malformed("Content-Length is no decimal number"))?;
                    if self.length.replace(number).is_some() {
                        return Err(HeadFault::Malformed("more than one Content-Length"));
                    }
                }
                Known::TransferEncoding => {
                    let earlier = self.coding.replace(place);
                    if earlier.is_some() {
                        return Err(HeadFault::Malformed("more than one Transfer-Encoding"));
                    }
                }
                Known::Connection => nominations += self.read_connection(value),
                _ => {}
            }
        }
        match nominations {
            0 => Ok(()),
            1..=NOMINATIONS_MAX => self.nominate(head),
            _ => Err(HeadFault::Malformed("Connection names too many fields")),
        }
    }

    /// How many names it has besides what to do with the connection.
    fn read_connection(&mut self, value: &[u8]) -> usize {
        let mut nominations = 0;
        for option in members(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.closes = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.stays = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrades = true;
            } else {
                nominations += 1;
            }
        }
        nominations
    }

    /// Finds the fields that Connection names.
    fn nominate(&mut self, head: &[u8]) -> Result<(), HeadFault> {
        for connection in self.list.iter().filter(|field| field.known == Known::Connection) {
            for option in members(connection.value(head)) {
                if is_end_to_end(Known::of(option)) {
                    return Err(HeadFault::Malformed(
                        "Connection names a field that every server must see",
                    ));
                }
                for (index, field) in self.list.iter().enumerate() {
                    if field.name(head).eq_ignore_ascii_case(option) {
                        self.nominated[index / 64] |= 1 << (index % 64);
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn list(&self) -> &[Field] {
        &self.list
    }

    /// What length and coding say about the body, if they say anything.
    pub(super) fn framing(&self, head: &[u8], is_old: bool) -> Result<Option<Framing>, HeadFault> {
        let coding = self.coding.map(|coding| coding.of_input(head));
        match (coding, self.length) {
            (Some(_), Some(_)) => {
                Err(HeadFault::Malformed("both Transfer-Encoding and Content-Length"))
            }
            (Some(_), None) if is_old => Err(HeadFault::Malformed("Transfer-Encoding in HTTP/1.0")),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => {
                Ok(Some(Framing::Chunked))
            }
            (Some(coding), None) => Err(refused_coding(coding)),
            (None, Some(0)) => Ok(Some(Framing::None)),
            (None, length) => Ok(length.map(Framing::Length)),
        }
    }

    /// Whether the connection is meant to be used again.
    pub(super) fn keeps_alive(&self, is_old: bool) -> bool {
        !self.closes && (self.stays || !is_old)
    }

    pub(super) fn is_hop_by_hop(&self, index: usize) -> bool {
        self.list[index].known.is_hop_by_hop()
            || self.nominated[index / 64] & (1 << (index % 64)) != 0
    }
}

/// A list that ends in chunked has a length that can be found, but we cannot undo the rest of it.
fn refused_coding(coding: &[u8]) -> HeadFault {
    let mut codings = coding.split(|byte| *byte == b',').map(field::trim);
    let is_other = |coding: &[u8]| {
        !coding.is_empty()
            && coding.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && !coding.eq_ignore_ascii_case(b"chunked")
    };
    let ends_in_chunked =
        codings.next_back().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
    if ends_in_chunked && codings.all(is_other) {
        HeadFault::UnknownCoding
    } else {
        HeadFault::Malformed("Transfer-Encoding is not chunked")
    }
}

/// Fields whose removal would change what a server understands.
fn is_end_to_end(known: Known) -> bool {
    matches!(
        known,
        Known::Host
            | Known::ContentLength
            | Known::Cookie
            | Known::XForwardedFor
            | Known::XForwardedProto
            | Known::XForwardedHost
            | Known::Forwarded
            | Known::XRealIp
    )
}
