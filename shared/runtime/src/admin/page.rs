//! The status page: one file, the same for every product.
//!
//! Job: serve the page and the document that it shows. In: a function that makes the document. Out:
//! routes. Invariant: the page refers to nothing outside of itself but `/state.json`.

use std::sync::Arc;

use super::document::Document;
use super::{AdminAnswer, AdminRoute, AdminStatus};

const PAGE: &str = include_str!("page.html");

/// `/`, the page, and `/state.json`, which it reads each second.
pub fn routes(document: impl Fn() -> Document + Send + Sync + 'static) -> Vec<AdminRoute> {
    let document = Arc::new(document);
    vec![
        AdminRoute::new("/", "text/html; charset=utf-8", || AdminAnswer {
            status: AdminStatus::Ok,
            body: PAGE.as_bytes().to_vec(),
        }),
        AdminRoute::new("/state.json", "application/json", move || match document().to_json() {
            Ok(body) => AdminAnswer { status: AdminStatus::Ok, body },
            Err(error) => AdminAnswer {
                status: AdminStatus::InternalServerError,
                body: format!("{error}\n").into_bytes(),
            },
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_file_that_refers_to_nothing_outside() {
        for outside in
            ["http://", "https://", "//cdn", "<link", "@import", "url(", " src=", "import("]
        {
            assert!(!PAGE.contains(outside), "{outside}");
        }
        assert_eq!(PAGE.matches("fetch(").count(), 1);
        assert!(PAGE.contains("fetch(\"state.json\""));
        assert!(PAGE.contains("name=\"viewport\"") && PAGE.contains("prefers-color-scheme"));
        // Names and reasons come from outside: they are shown as text, never as markup.
        for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!PAGE.contains(markup), "{markup}");
        }
    }
}
