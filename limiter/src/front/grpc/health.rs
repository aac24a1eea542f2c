//! `grpc.health.v1.Health`: whether the process answers.
//!
//! Job: say `SERVING` until the process is about to end. In: the name of a service, empty for all.
//! Out: its health. Invariant: asks no question, so that it answers however busy the core is.

use bytes::Bytes;

use super::message::health::{Health, read_request, write_response};
use super::service::{Ask, Reply, framed, is_service};
use super::status::{Code, Status};

/// The service's name.
pub const SERVICE: &str = "grpc.health.v1.Health";

/// `Check`: the health now.
pub fn check(message: &[u8], ask: Ask<'_>) -> Reply {
    match health_of(message, ask.desk.is_draining()) {
        Ok(Health::ServiceUnknown) => Reply::Failure(Status::new(
            Code::NotFound,
            "there is no such service here; ask for \"\" to hear of the whole process",
        )),
        Ok(health) => Reply::Message(say(health)),
        Err(status) => Reply::Failure(status),
    }
}

/// `Watch`: the health now and whenever it changes, which it does once, at the end.
pub fn watch(message: &[u8], ask: Ask<'_>) -> Reply {
    match health_of(message, ask.desk.is_draining()) {
        Ok(health) => Reply::Open(say(health)),
        Err(status) => Reply::Failure(status),
    }
}

/// The message that says so.
pub fn say(health: Health) -> Bytes {
    framed(|out| write_response(out, health))
}

fn health_of(message: &[u8], is_draining: bool) -> Result<Health, Status> {
    let service = read_request(message).map_err(|reason| {
        Status::new(
            Code::InvalidArgument,
            format!("the request is no HealthCheckRequest: {reason}"),
        )
    })?;
    Ok(match is_draining {
        _ if !service.is_empty() && !is_service(service) => Health::ServiceUnknown,
        true => Health::NotServing,
        false => Health::Serving,
    })
}
