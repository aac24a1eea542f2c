//! Job: fill in what is only known when things run: `{names}` in the texts of a scenario.
//! In: text of the file, values of names. Out: text.
//! Invariant: a name in braces that nobody knows is an error, so a misspelt one is never passed on;
//! other braces (those of nginx, `${variable}`) stay as they are, and `{{name}}` stands for `{name}`.

use ringlet_base::config::{listed, suggestion};

/// What names in braces stand for.
#[derive(Clone, Debug, Default)]
pub struct Names(Vec<(String, String)>);

impl Names {
    /// Adds a name.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// The same names and one more.
    pub fn with(&self, name: &str, value: impl Into<String>) -> Self {
        let mut names = self.clone();
        names.add(name, value);
        names
    }

    /// The text with the values of its names.
    ///
    /// # Errors
    /// A name that is not known, with those that are.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            filled.push_str(&rest[..at]);
            let is_variable = filled.ends_with('$');
            rest = &rest[at..];
            if let Some(name) = doubled_name_at(rest) {
                filled.push_str(&rest[1..name.len() + 3]);
                rest = &rest[name.len() + 4..];
            } else if let Some(name) = name_at(rest).filter(|_| !is_variable) {
                filled.push_str(self.value(name)?);
                rest = &rest[name.len() + 2..];
            } else {
                filled.push('{');
                rest = &rest[1..];
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Many texts.
    ///
    /// # Errors
    /// As [`Names::fill`].
    pub fn fill_all(&self, texts: &[String]) -> Result<Vec<String>, String> {
        texts.iter().map(|text| self.fill(text)).collect()
    }

    fn value(&self, name: &str) -> Result<&str, String> {
        if let Some((_, value)) = self.0.iter().find(|(known, _)| known == name) {
            return Ok(value);
        }
        let known: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        let mut hint = suggestion(name, known.iter().copied());
        if hint.is_empty() {
            hint = format!("; the names here are {}", listed(&known));
        }
        Err(format!("nothing is called {{{name}}}{hint} (and {{{{{name}}}}} is the text itself)"))
    }
}

/// Whether text can stand in braces: a letter, then letters, digits, `-` and `_`.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

/// The name in the braces that begin a text.
fn name_at(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    is_name(name).then_some(name)
}

/// The name in the doubled braces that begin a text.
fn doubled_name_at(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?;
    let name = name_at(inner)?;
    inner[name.len() + 2..].starts_with('}').then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::default().with("address", "127.0.0.1:7").with("port", "7")
    }

    #[test]
    fn names_are_filled_in_and_other_braces_stay() {
        for (text, filled) in [
            ("redis://{address}/0", "redis://127.0.0.1:7/0"),
            ("{port}{port}", "77"),
            ("server { listen {address}; }", "server { listen 127.0.0.1:7; }"),
            ("if ($a ~ \"^.{2}$\") {}", "if ($a ~ \"^.{2}$\") {}"),
            ("${port} $x{port}", "${port} $x7"),
            ("--key-prefix {{tag}}:{port}", "--key-prefix {tag}:7"),
            ("{", "{"),
            ("{{port}", "{7"),
            ("\u{fc}{port}\u{fc}", "\u{fc}7\u{fc}"),
        ] {
            assert_eq!(names().fill(text), Ok(filled.to_owned()), "{text}");
        }
    }

    #[test]
    fn unknown_names_are_told_with_what_there_is() {
        let error = names().fill("x {adress}").expect_err("misspelt");
        assert!(error.contains("{adress}; did you mean `address`?"), "{error}");
        let error = names().fill("{origin}").expect_err("unknown");
        assert!(error.contains("the names here are `address`, `port`"), "{error}");
    }
}
