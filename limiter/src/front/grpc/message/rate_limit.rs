//! `envoy.service.ratelimit.v3`: what Envoy asks and what it is told.
//!
//! Job: read `RateLimitRequest`, write `RateLimitResponse`. In: the bytes; the statuses. Out: the same
//! as values; bytes. Invariant: a request borrows its texts; it has at most [`DESCRIPTORS_MAX`]
//! descriptors with at most [`ENTRIES_MAX`] entries each.

use ringlet_limit::model::CalendarUnit;
use ringlet_limit::request::Descriptor;
use ringlet_limit::time::NS_PER_S;

use super::wire::{Malformed, Reader, Value, text, write_bytes, write_message, write_number};

/// The most descriptors of one request.
pub const DESCRIPTORS_MAX: usize = 128;
/// The most entries of one descriptor.
pub const ENTRIES_MAX: usize = 32;

const DAY_S: u64 = 24 * 60 * 60;

/// Envoy's units with their lengths in seconds; a unit's place is its number. Months and years are as
/// long as Envoy's own service takes them to be.
const UNITS_S: [u64; 8] = [0, 1, 60, 60 * 60, DAY_S, 30 * DAY_S, 365 * DAY_S, 7 * DAY_S];
/// The last unit that a request may name; only answers have the week.
const REQUEST_UNIT_MAX: u64 = 6;

/// A request.
#[derive(Debug, Default)]
pub struct RateLimitRequest<'a> {
    /// The domain.
    pub domain: &'a str,
    /// The descriptors.
    pub descriptors: Vec<Descriptor<'a>>,
    /// Tokens for each descriptor that says none itself; none: as the rules say.
    pub cost: Option<u64>,
}

/// What is said of one descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescriptorStatus<'a> {
    /// Whether it is over its limit.
    pub is_over: bool,
    /// The limit, if there is one.
    pub limit: Option<CurrentLimit<'a>>,
    /// Tokens that are left.
    pub remaining: u32,
    /// Seconds until all of them are back; none: nothing to wait for.
    pub reset_s: Option<u64>,
}

/// A limit as Envoy puts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrentLimit<'a> {
    /// Tokens in a unit.
    pub count: u32,
    /// The unit's number; 0 when the period is none of Envoy's units.
    pub unit: u8,
    /// The rule's name.
    pub name: &'a str,
}

/// The number of the unit that lasts so long; 0 if none does.
#[must_use]
pub fn unit_of_s(period_s: u64) -> u8 {
    UNITS_S.iter().position(|&length| length == period_s).unwrap_or(0) as u8
}

/// The number of a unit of the calendar.
#[must_use]
pub fn unit_of(unit: CalendarUnit) -> u8 {
    match unit {
        CalendarUnit::Minute => 2,
        CalendarUnit::Hour => 3,
        CalendarUnit::Day => 4,
        CalendarUnit::Month => 5,
        CalendarUnit::Year => 6,
        CalendarUnit::Week => 7,
    }
}

/// Reads a request.
///
/// # Errors
/// When the bytes are no such message, or more than the bounds allow.
pub fn read_request(message: &[u8]) -> Result<RateLimitRequest<'_>, Malformed> {
    let mut reader = Reader::new(message);
    let mut request = RateLimitRequest::default();
    while let Some(field) = reader.field()? {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => request.domain = text(bytes)?,
            (2, Value::Bytes(bytes)) => {
                if request.descriptors.len() == DESCRIPTORS_MAX {
                    return Err("it has more than 128 descriptors; ask in several requests");
                }
                request.descriptors.push(read_descriptor(bytes)?);
            }
            // 0 is what a missing number reads as, and means one request's cost.
            (3, Value::Varint(cost)) => {
                request.cost = Some(u64::from(cost as u32)).filter(|&cost| cost != 0);
            }
            _ => {}
        }
    }
    Ok(request)
}

fn read_descriptor(message: &[u8]) -> Result<Descriptor<'_>, Malformed> {
    let mut reader = Reader::new(message);
    let mut descriptor = Descriptor::default();
    let mut limit = None;
    while let Some(field) = reader.field()? {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => {
                if descriptor.entries.len() == ENTRIES_MAX {
                    return Err("a descriptor has more than 32 entries");
                }
                descriptor.entries.push(read_entry(bytes)?);
            }
            // A message that comes twice is merged, not replaced.
            (2, Value::Bytes(bytes)) => {
                let limit = limit.get_or_insert((0, 0));
                (limit.0, limit.1) = read_override(bytes, *limit)?;
            }
            (3, Value::Bytes(bytes)) => {
                let former = descriptor.cost.unwrap_or(0);
                descriptor.cost = Some(read_number(bytes, former)?);
            }
            _ => {}
        }
    }
    descriptor.limit = limit.map(of_unit).transpose()?;
    Ok(descriptor)
}

fn read_entry(message: &[u8]) -> Result<(&str, &str), Malformed> {
    let mut reader = Reader::new(message);
    let mut entry = ("", "");
    while let Some(field) = reader.field()? {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => entry.0 = text(bytes)?,
            (2, Value::Bytes(bytes)) => entry.1 = text(bytes)?,
            _ => {}
        }
    }
    Ok(entry)
}

/// Reads `RateLimitOverride` over what a former one has said: count and number of the unit.
fn read_override(message: &[u8], mut limit: (u64, u64)) -> Result<(u64, u64), Malformed> {
    let mut reader = Reader::new(message);
    while let Some(field) = reader.field()? {
        match (field.number, field.value) {
            (1, Value::Varint(count)) => limit.0 = u64::from(count as u32),
            (2, Value::Varint(unit)) => limit.1 = unit,
            _ => {}
        }
    }
    Ok(limit)
}

/// Reads `google.protobuf.UInt64Value`.
fn read_number(message: &[u8], mut number: u64) -> Result<u64, Malformed> {
    let mut reader = Reader::new(message);
    while let Some(field) = reader.field()? {
        if let (1, Value::Varint(value)) = (field.number, field.value) {
            number = value;
        }
    }
    Ok(number)
}

/// Count and period in nanoseconds of a count and the number of a unit.
fn of_unit((count, unit): (u64, u64)) -> Result<(u64, u64), Malformed> {
    if !(1..=REQUEST_UNIT_MAX).contains(&unit) {
        return Err("a limit's unit is none of SECOND, MINUTE, HOUR, DAY, MONTH, YEAR");
    }
    Ok((count, UNITS_S[unit as usize] * NS_PER_S))
}

/// Writes an answer.
pub fn write_response(out: &mut Vec<u8>, is_over: bool, statuses: &[DescriptorStatus<'_>]) {
    write_number(out, 1, code(is_over));
    for status in statuses {
        write_message(out, 2, |out| write_status(out, status));
    }
}

fn write_status(out: &mut Vec<u8>, status: &DescriptorStatus<'_>) {
    write_number(out, 1, code(status.is_over));
    if let Some(limit) = &status.limit {
        write_message(out, 2, |out| {
            write_number(out, 1, u64::from(limit.count));
            write_number(out, 2, u64::from(limit.unit));
            if !limit.name.is_empty() {
                write_bytes(out, 3, limit.name.as_bytes());
            }
        });
    }
    write_number(out, 3, u64::from(status.remaining));
    if let Some(reset_s) = status.reset_s {
        write_message(out, 4, |out| write_number(out, 1, reset_s));
    }
}

fn code(is_over: bool) -> u64 {
    if is_over { 2 } else { 1 }
}
