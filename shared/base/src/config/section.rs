//! Reading one table of the file.
//!
//! Job: give out the values of a table by key, and tell every problem with the line it stands in.
//! In: a parsed document. Out: values, and problems in the `Document`. Invariant: a key that
//! nobody asked for is a problem, so the keys that the readers ask for are all the keys there are.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, listed, suggestion};

/// A value with its place.
pub type Value<'d> = Spanned<DeValue<'d>>;

/// So many problems are told; who has more has another one.
const PROBLEMS_MAX: usize = 100;

/// The text that is read, and what was found wrong with it.
pub(super) struct Document<'d> {
    text: &'d str,
    problems: RefCell<Vec<Problem>>,
}

impl<'d> Document<'d> {
    /// A document without problems so far.
    pub(super) fn new(text: &'d str) -> Self {
        Self { text, problems: RefCell::default() }
    }

    /// The line that holds the byte at `offset`.
    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }

    /// Tells a problem: `subject place, line N` and the detail with its punctuation.
    fn report(&self, offset: usize, subject: &str, place: &str, detail: &str) {
        if self.problems.borrow().len() >= PROBLEMS_MAX {
            return;
        }
        let line = self.line(offset);
        let text = format!("{subject} {place}, line {line}{detail}");
        self.problems.borrow_mut().push(Problem { line: Some(line), text });
    }

    /// All problems.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// One table.
pub struct Section<'d> {
    document: &'d Document<'d>,
    table: &'d DeTable<'d>,
    path: String,
    is_element: bool,
    offset: usize,
    known: RefCell<Vec<&'static str>>,
}

impl<'d> Section<'d> {
    /// The table that is the whole document.
    pub(super) fn root(document: &'d Document<'d>, table: &'d DeTable<'d>) -> Self {
        Self::new(document, table, String::new(), 0)
    }

    fn new(
        document: &'d Document<'d>,
        table: &'d DeTable<'d>,
        path: String,
        offset: usize,
    ) -> Self {
        Self { document, table, path, is_element: false, offset, known: RefCell::default() }
    }

    /// The same document with another table at `offset`, of a key of this one.
    pub fn below<'b>(&'b self, key: &str, table: &'b DeTable<'b>, offset: usize) -> Section<'b> {
        let path =
            if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Section::new(self.document, table, path, offset)
    }

    /// How problems name it.
    fn place(&self) -> String {
        match (self.path.as_str(), self.is_element) {
            ("", _) => "at the top".to_owned(),
            (path, true) => format!("in [[{path}]]"),
            (path, false) => format!("in [{path}]"),
        }
    }

    /// The value of a key, which is a known one from now on.
    pub fn value(&self, key: &'static str) -> Option<&'d Value<'d>> {
        if !self.known.borrow().contains(&key) {
            self.known.borrow_mut().push(key);
        }
        self.table.get(key)
    }

    /// Whether a key is given.
    pub fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// The value of a key as `read` understands it, or `None` if it is not given or wrong.
    pub fn get<T>(
        &self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        self.understand(key, self.value(key)?, read)
    }

    /// Puts the value of a key in the place of `target`, if it is given and right.
    pub fn set<T>(
        &self,
        key: &'static str,
        target: &mut T,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) {
        if let Some(value) = self.get(key, read) {
            *target = value;
        }
    }

    /// The values of a key that takes one or a list of them.
    pub fn list<T>(
        &self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let value = self.value(key)?;
        Some(items(value).iter().filter_map(|item| self.understand(key, item, &read)).collect())
    }

    /// The same for a list that must not be empty.
    pub fn filled_list<T>(
        &self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        if self.value(key).is_some_and(|value| items(value).is_empty()) {
            self.wrong(key, "is empty");
        }
        self.list(key, read)
    }

    /// A value below `key` as `read` understands it, or `None` if it is wrong.
    pub fn understand<T>(
        &self,
        key: &str,
        value: &Value<'_>,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        read(value.get_ref()).map_err(|error| self.wrong_at(value.span().start, key, &error)).ok()
    }

    /// The table of a key.
    pub fn table(&self, key: &'static str) -> Option<Section<'_>> {
        let value = self.value(key)?;
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(key, "is not a table");
            return None;
        };
        Some(self.below(key, table, value.span().start))
    }

    /// The tables of a key that takes a list of them.
    pub fn tables(&self, key: &'static str) -> Vec<Section<'_>> {
        let mut found = Vec::new();
        for item in self.value(key).map_or(&[][..], items) {
            match item.get_ref().as_table() {
                Some(table) => {
                    let mut section = self.below(key, table, item.span().start);
                    section.is_element = true;
                    found.push(section);
                }
                None => self.wrong_at(item.span().start, key, "is not a table"),
            }
        }
        found
    }

    /// All keys with their values, for tables whose keys are the user's own names.
    pub fn entries(&self) -> impl Iterator<Item = (&'d str, &'d Value<'d>)> {
        self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), value))
    }

    /// Tells a problem with the value of a key.
    pub fn wrong(&self, key: &str, detail: &str) {
        let offset = self.table.get_key_value(key).map_or(self.offset, |(key, _)| key.span().start);
        self.wrong_at(offset, key, detail);
    }

    /// The same for a value that stands elsewhere than its key.
    pub fn wrong_at(&self, offset: usize, key: &str, detail: &str) {
        let detail = format!(": {detail}");
        self.document.report(offset, &format!("`{key}`"), &self.place(), &detail);
    }

    /// Tells a problem with the whole table.
    pub fn wrong_table(&self, subject: &str, detail: &str) {
        self.document.report(self.offset, subject, &self.place(), detail);
    }

    /// Tells a key that must be there and is not.
    pub fn missing(&self, key: &str) {
        self.wrong_table(&format!("no `{key}`"), "");
    }

    /// Reports what nobody asked for. `explain` may say why a key has no meaning here.
    pub fn finish_with(self, explain: impl Fn(&str) -> Option<String>) {
        let known = self.known.borrow();
        for (key, _) in self.table.iter() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let mut detail = match explain(name) {
                Some(why) => format!("; {why}"),
                None => suggestion(name, known.iter().copied()),
            };
            if detail.is_empty() {
                detail = format!("; the keys here are {}", listed(&known));
            }
            let subject = format!("unknown key `{}`", name.escape_debug());
            self.document.report(key.span().start, &subject, &self.place(), &detail);
        }
    }

    /// Reports what nobody asked for.
    pub fn finish(self) {
        self.finish_with(|_| None);
    }
}

/// A value, or the values of a list.
pub fn items<'v, 'd>(value: &'v Value<'d>) -> &'v [Value<'d>] {
    match value.get_ref() {
        DeValue::Array(array) => array.as_ref(),
        _ => std::slice::from_ref(value),
    }
}
