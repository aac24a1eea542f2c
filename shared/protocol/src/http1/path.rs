//! The normal form of a path, for matching only: what is forwarded is what the client sent.
//!
//! Job: give all spellings of a path that servers take for the same one spelling. In: a path without
//! its query. Out: the normal form, or none where servers disagree on what the path means.
//! Invariant: the normal form of a normal form is itself.
//!
//! - Percent-encoded unreserved characters are decoded (RFC 3986 section 6.2.2.2). Others stay encoded,
//!   with upper-case digits: an encoded slash is no slash, it is part of its segment.
//! - `%` that two hexadecimal digits do not follow is refused.
//! - Dot segments are removed, encoded or not; above the root there is nothing to remove.
//! - Empty segments are removed, as most servers do (`//admin` is `/admin`). But `..` behind an empty
//!   segment is refused: some servers let it remove the empty one, others the one before.
//! - `\` and `;` mean nothing.

/// The normal form; `None` if there is none. `path` begins with `/`.
#[must_use]
pub fn normalise<'a>(path: &'a [u8], scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    if is_normal(path) {
        return Some(path);
    }
    scratch.clear();
    decode(path, scratch)?;
    let length = remove_segments(scratch)?;
    Some(&scratch[..length])
}

/// The normal form of a path from the configuration; `None` if it has none or begins with no `/`.
#[must_use]
pub fn normal_text(path: &str) -> Option<String> {
    let path = path.starts_with('/').then_some(path.as_bytes())?;
    let mut scratch = Vec::new();
    String::from_utf8(normalise(path, &mut scratch)?.to_vec()).ok()
}

/// Whether nothing is to be done; may say no for a path that is normal.
fn is_normal(path: &[u8]) -> bool {
    memchr::memchr(b'%', path).is_none()
        && memchr::memchr_iter(b'/', path).all(|at| !matches!(path.get(at + 1), Some(b'/' | b'.')))
}

fn decode(path: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = path;
    while let Some(at) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..at]);
        let digits = rest.get(at + 1..at + 3)?;
        let byte = digit(digits[0])? << 4 | digit(digits[1])?;
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            out.push(b'%');
            out.extend(digits.iter().map(u8::to_ascii_uppercase));
        }
        rest = &rest[at + 3..];
    }
    out.extend_from_slice(rest);
    Some(())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// Removes dot segments and empty ones in place, and returns the new length.
fn remove_segments(path: &mut [u8]) -> Option<usize> {
    let mut kept = 0;
    let mut start = 1;
    let mut has_empty = false;
    loop {
        let slash = memchr::memchr(b'/', path.get(start..)?);
        let end = slash.map_or(path.len(), |at| start + at);
        match &path[start..end] {
            b"" if slash.is_some() => has_empty = true,
            b"." => {}
            b".." if has_empty => return None,
            b".." => kept = memchr::memrchr(b'/', &path[..kept]).unwrap_or(0),
            _ => {
                // The slash before the segment comes along.
                path.copy_within(start - 1..end, kept);
                kept += end - start + 1;
            }
        }
        if slash.is_none() {
            // A path that ends in a dot segment names a folder.
            if matches!(&path[start..end], b"." | b"..") {
                path[kept] = b'/';
                kept += 1;
            }
            return Some(kept);
        }
        start = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(path: &str) -> Option<String> {
        let mut scratch = b"old".to_vec();
        let normal = normalise(path.as_bytes(), &mut scratch)?;
        Some(String::from_utf8(normal.to_vec()).expect("text"))
    }

    #[test]
    fn every_spelling_has_one_normal_form() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/%61dmin", "/admin"),
            ("/%61%64%6D%69%6e", "/admin"),
            ("/%2D%2e%5F%7Ea", "/-._~a"),
            ("/a%20b", "/a%20b"),
            ("/a%c3%a4", "/a%C3%A4"),
            ("/a%00", "/a%00"),
            ("/%25%36%31", "/%2561"),
            ("/a%2f..%2fadmin", "/a%2F..%2Fadmin"),
            ("/a%5c..%5cadmin", "/a%5C..%5Cadmin"),
            ("/admin/../", "/"),
            ("/admin/..", "/"),
            ("/a/../admin", "/admin"),
            ("/a/%2e%2e/admin", "/admin"),
            ("/a/.%2E/admin", "/admin"),
            ("/a/b/../../admin/x", "/admin/x"),
            ("/./admin", "/admin"),
            ("/admin/.", "/admin/"),
            ("/.", "/"),
            ("/..", "/"),
            ("/../../admin", "/admin"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a..b/..c/d..", "/a..b/..c/d.."),
            ("//", "/"),
            ("//admin", "/admin"),
            ("///admin//x//", "/admin/x/"),
            ("/a/../b//c", "/b/c"),
            ("/.//admin", "/admin"),
            ("/a;x=1/b\\c", "/a;x=1/b\\c"),
        ] {
            assert_eq!(normal(path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn what_has_two_meanings_has_no_normal_form() {
        for path in [
            "/%",
            "/%6",
            "/%6g",
            "/%g1",
            "/a%",
            "/%%61",
            "/%u0061",
            "/%+1",
            "/a//..",
            "/a//../b",
            "/a//b/../..",
            "//..",
            "/a//./..",
            "/a//%2e%2e/b",
        ] {
            assert_eq!(normal(path), None, "{path}");
        }
    }

    /// Dot segments as RFC 3986 section 5.2.4 removes them, segment by segment.
    fn without_dots(path: &str) -> String {
        let mut kept: Vec<&str> = Vec::new();
        let segments: Vec<&str> = path[1..].split('/').collect();
        for segment in &segments {
            match *segment {
                "." => {}
                ".." => drop(kept.pop()),
                other => kept.push(other),
            }
        }
        if matches!(segments.last(), Some(&("." | ".."))) {
            kept.push("");
        }
        format!("/{}", kept.join("/"))
    }

    proptest! {
        #[test]
        fn a_normal_form_stays(path in "(/|\\.|%2[eEfF]|%61|a|%|/\\.\\./){0,20}") {
            if let Some(once) = normal(&format!("/{path}")) {
                prop_assert!(once.starts_with('/'));
                prop_assert_eq!(normal(&once), Some(once.clone()), "{}", path);
                prop_assert!(!once.contains("/../") && !once.contains("//"), "{}", once);
            }
        }

        #[test]
        fn dot_segments_go_as_the_standard_says(
            segments in prop::collection::vec("a|b|\\.|\\.\\.", 0..10)
        ) {
            let path = format!("/{}", segments.join("/"));
            prop_assert_eq!(normal(&path), Some(without_dots(&path)));
        }
    }
}
