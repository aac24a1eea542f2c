//! Who may change something by the admin listener. No I/O.
//!
//! Job: tell what the operator sends from what a page of another site makes the operator's browser
//! send. In: the head of a POST. Out: yes, or the status that refuses it.
//! Invariant: no form, script or rebound name of another site passes; tools that are no browser need
//! one header field at most.
//!
//! A page of another site can send forms and plain texts, but neither JSON nor a field of our own
//! without asking first, and the question (a preflight, OPTIONS) is never answered. A name that the
//! other site turns to this machine's address makes it the same site; but then Host is that name.

use std::net::{IpAddr, SocketAddr};

use super::http::{AdminStatus, Head};

/// The field that marks a request that no form can send. Its value does not matter.
pub const MARK: &str = "Ringlet-Admin";

/// Whether this POST may change something.
pub(super) fn check(head: &Head) -> Result<(), AdminStatus> {
    let is_own = match &head.origin {
        // No browser sends a POST without it.
        None => true,
        Some(origin) => is_own_origin(origin, &head.host),
    };
    let came_from_here = match head.fetch_site.as_deref() {
        None => true,
        Some(site) => matches!(site, "same-origin" | "none"),
    };
    if !is_own || !came_from_here {
        return Err(AdminStatus::Forbidden);
    }
    if head.is_marked || head.media_type == "application/json" {
        return Ok(());
    }
    Err(AdminStatus::UnsupportedMediaType)
}

/// Whether a page of this origin came from us: it names the host that is asked, and that host is an
/// address or this machine, which no other site can be named.
fn is_own_origin(origin: &str, host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host)) && is_unforgeable(host)
}

fn is_unforgeable(host: &str) -> bool {
    if host.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::http;
    use super::*;

    fn check_fields(host: &str, fields: &str) -> Result<(), AdminStatus> {
        let head = format!("POST /set HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        check(&http::parse(head.as_bytes()).expect("a request"))
    }

    const JSON: &str = "Content-Type: application/json\r\n";
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

    #[test]
    fn tools_pass_with_json_or_the_mark() {
        for host in ["127.0.0.1:9", "lb.example.com"] {
            assert_eq!(check_fields(host, JSON), Ok(()));
            assert_eq!(
                check_fields(host, "Content-Type: Application/JSON; charset=utf-8\r\n"),
                Ok(())
            );
            assert_eq!(check_fields(host, &format!("{FORM}ringlet-admin: 1\r\n")), Ok(()));
            assert_eq!(check_fields(host, "Ringlet-Admin:\r\n"), Ok(()));
        }
    }

    #[test]
    fn what_a_form_of_another_site_can_send_is_refused() {
        for media in
            [FORM, "", "Content-Type: text/plain\r\n", "Content-Type: multipart/form-data\r\n"]
        {
            let refused = check_fields("127.0.0.1:9", media);
            assert_eq!(refused, Err(AdminStatus::UnsupportedMediaType), "{media}");
        }
        for origin in ["http://evil.example", "null", "http://127.0.0.1:8", "ftp://127.0.0.1:9"] {
            let fields = format!("{JSON}Origin: {origin}\r\n");
            assert_eq!(
                check_fields("127.0.0.1:9", &fields),
                Err(AdminStatus::Forbidden),
                "{origin}"
            );
        }
        for site in ["cross-site", "same-site"] {
            let fields = format!("{JSON}Sec-Fetch-Site: {site}\r\n");
            assert_eq!(check_fields("127.0.0.1:9", &fields), Err(AdminStatus::Forbidden), "{site}");
        }
    }

    #[test]
    fn our_own_page_passes_but_no_name_that_was_turned_to_us() {
        for host in ["127.0.0.1:9", "10.0.0.1", "[::1]:9", "[::1]", "localhost:9", "LOCALHOST"] {
            let fields = format!("{JSON}Origin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n");
            assert_eq!(check_fields(host, &fields), Ok(()), "{host}");
        }
        for host in ["evil.example:9", "localhost.evil.example", "127.0.0.1.evil.example:9"] {
            let fields = format!("{JSON}Origin: http://{host}\r\n");
            assert_eq!(check_fields(host, &fields), Err(AdminStatus::Forbidden), "{host}");
        }
    }
}
