//! `grpc.health.v1`: whose health is asked, and how it is.

use super::wire::{Malformed, Reader, Value, text, write_number};

/// How a service is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Serving = 1,
    /// It is about to end.
    NotServing = 2,
    /// Only ever said by `Watch`: there is no such service.
    ServiceUnknown = 3,
}

/// Reads `HealthCheckRequest`: the name of the service, empty for the whole process.
///
/// # Errors
/// When the bytes are no such message.
pub fn read_request(message: &[u8]) -> Result<&str, Malformed> {
    let mut reader = Reader::new(message);
    let mut service = "";
    while let Some(field) = reader.field()? {
        if let (1, Value::Bytes(bytes)) = (field.number, field.value) {
            service = text(bytes)?;
        }
    }
    Ok(service)
}

/// Writes `HealthCheckResponse`.
pub fn write_response(out: &mut Vec<u8>, health: Health) {
    write_number(out, 1, health as u64);
}
