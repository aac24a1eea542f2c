//! Authentication: what AUTH, HELLO and RESET share.
//! In: a user's name and a password. Out: whether the connection may run commands from now on.
//! Invariant: there is one user, `default`, whose password is `requirepass`; how long a comparison
//! takes tells nothing about the password but its length.

use crate::command::spec::{CommandError, CommandResult};
use crate::session::Session;

/// The only user until there are ACL users.
pub const DEFAULT_USER: &[u8] = b"default";

/// Checks a name and a password, and lets the connection in. An error leaves it as it was.
pub fn authenticate(session: &mut Session<'_>, user: &[u8], password: &[u8]) -> CommandResult {
    let wanted = session.core.config.password.as_bytes();
    let is_right = wanted.is_empty() || is_same_secret(password, wanted);
    if user != DEFAULT_USER || !is_right {
        return Err(CommandError::new(
            "WRONGPASS invalid username-password pair or user is disabled.",
        ));
    }
    set_authenticated(session, true);
    Ok(())
}

/// Lets the connection in or out; what it may send follows with its next command.
pub fn set_authenticated(session: &mut Session<'_>, is_authenticated: bool) {
    session.connection.is_authenticated = is_authenticated;
    session.connection.has_new_limits = true;
}

/// Compares in a time that depends on the length of `wanted` only.
fn is_same_secret(given: &[u8], wanted: &[u8]) -> bool {
    let mut difference = u8::from(given.len() != wanted.len());
    for (index, byte) in wanted.iter().enumerate() {
        difference |= byte ^ given.get(index).copied().unwrap_or_default();
    }
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_same_secret_is_the_same() {
        assert!(is_same_secret(b"open sesame", b"open sesame"));
        assert!(is_same_secret(b"", b""));
        for wrong in [&b""[..], b"open sesam", b"open sesame!", b"open sesamf", b"Open sesame"] {
            assert!(!is_same_secret(wrong, b"open sesame"), "{wrong:?}");
        }
        assert!(!is_same_secret(b"\0", b""), "a missing byte is no zero byte");
        assert!(!is_same_secret(b"", b"\0"));
    }
}
