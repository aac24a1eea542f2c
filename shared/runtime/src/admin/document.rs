//! What a product tells of itself, in one shape for all of them.
//!
//! Job: hold the tables that the status page and `top` show. In: a product fills one per request. Out:
//! JSON, and read back from it. Invariant: whoever shows it needs to know no product: a column says
//! what its cells mean, a cell says what deserves attention.

use serde::{Deserialize, Serialize};

/// All that is shown at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The name of the program.
    pub product: String,
    /// Its version.
    pub version: String,
    /// Single values, such as the time since the start.
    pub facts: Vec<Fact>,
    /// Tables.
    pub sections: Vec<Section>,
}

/// One value with its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// What it counts.
    pub unit: Unit,
    /// The value.
    pub cell: Cell,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// A cell for each column in each row.
    pub rows: Vec<Vec<Cell>>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// What its numbers count.
    pub unit: Unit,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// None: the cells are texts.
    Text,
    /// Things.
    Count,
    /// Things per second.
    PerSecond,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Microseconds.
    Microseconds,
    /// Hundredths.
    Percent,
}

/// What stands in a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A text that is good or bad news.
    Status {
        /// The text.
        text: String,
        /// What kind of news.
        level: Level,
    },
    /// A series with what it is held to. It stands before `Series`, whose names it has too.
    Bounded {
        /// The present number.
        value: f64,
        /// As in `Series`.
        series: Vec<f64>,
        /// What it should come to in the long run.
        limit: f64,
        /// What it is never above.
        bound: f64,
    },
    /// A number with those before it.
    Series {
        /// The present number.
        value: f64,
        /// One for each second, the oldest first; the last one is the present.
        series: Vec<f64>,
    },
    /// Nothing is known.
    Nothing,
}

/// What kind of news something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// Wanted by an administrator, or not known yet.
    Idle,
    /// To be looked at.
    Warning,
    /// It fails.
    Bad,
}

impl Document {
    /// The JSON text.
    ///
    /// # Errors
    /// Never in fact: all of it can be written as JSON. Numbers that are none become `null`.
    pub fn to_json(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }

    /// Reads the JSON text.
    ///
    /// # Errors
    /// One line that says what is wrong with it.
    pub fn from_json(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }
}

impl Fact {
    /// A value with its name.
    #[must_use]
    pub fn new(name: &str, unit: Unit, cell: impl Into<Cell>) -> Self {
        Self { name: name.to_owned(), unit, cell: cell.into() }
    }
}

impl Section {
    /// A table without rows.
    #[must_use]
    pub fn new(title: &str, columns: &[(&str, Unit)]) -> Self {
        let column = |(name, unit): &(&str, Unit)| Column { name: (*name).to_owned(), unit: *unit };
        Self {
            title: title.to_owned(),
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(number as f64)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A time as people read it: its two largest units.
#[must_use]
pub fn time_text(seconds: i64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match () {
        () if days > 0 => format!("{days} d {hours} h"),
        () if hours > 0 => format!("{hours} h {minutes} min"),
        () if minutes > 0 => format!("{minutes} min {rest} s"),
        () => format!("{rest} s"),
    }
}

/// How many seconds of a series are kept.
pub const SERIES_SECONDS: usize = 60;

/// The last numbers of a series, one for each second.
#[derive(Debug, Clone, Default)]
pub struct Series(std::collections::VecDeque<f64>);

impl Series {
    /// The number of the second that has just ended.
    pub fn push(&mut self, value: f64) {
        if self.0.len() == SERIES_SECONDS {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// All that is kept, added up.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.0.iter().sum()
    }

    /// The cell that shows it.
    #[must_use]
    pub fn cell(&self) -> Cell {
        match self.0.back() {
            Some(value) => Cell::Series { value: *value, series: self.0.iter().copied().collect() },
            None => Cell::Nothing,
        }
    }

    /// The cell that shows it beside what it is held to.
    #[must_use]
    pub fn bounded_cell(&self, limit: f64, bound: f64) -> Cell {
        match self.cell() {
            Cell::Series { value, series } => Cell::Bounded { value, series, limit, bound },
            other => other,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One with a cell of every kind.
    pub fn example() -> Document {
        let columns = [
            ("Server", Unit::Text),
            ("Health", Unit::Text),
            ("Requests", Unit::PerSecond),
            ("p99", Unit::Microseconds),
            ("Reuse", Unit::Percent),
            ("Admitted", Unit::PerSecond),
        ];
        let mut servers = Section::new("Servers", &columns);
        let mut series = Series::default();
        for value in [0.0, 5.5, 11.0] {
            series.push(value);
        }
        servers.rows.push(vec![
            "a<b".into(),
            Cell::Status { text: "down: refused".into(), level: Level::Bad },
            series.cell(),
            1500.0.into(),
            Cell::Nothing,
            series.bounded_cell(10.0, 22.0),
        ]);
        Document {
            product: "ringlet-lb".into(),
            version: "1.0".into(),
            facts: vec![Fact::new("Memory", Unit::Bytes, 3_u64 << 20)],
            sections: vec![servers],
        }
    }

    #[test]
    fn the_json_is_this_and_is_read_back() {
        let text = r#"{"product":"ringlet-lb","version":"1.0",
            "facts":[{"name":"Memory","unit":"bytes","cell":3145728.0}],
            "sections":[{"title":"Servers","columns":[{"name":"Server","unit":"text"},
            {"name":"Health","unit":"text"},{"name":"Requests","unit":"per_second"},
            {"name":"p99","unit":"microseconds"},{"name":"Reuse","unit":"percent"},
            {"name":"Admitted","unit":"per_second"}],
            "rows":[["a<b",{"text":"down: refused","level":"bad"},
            {"value":11.0,"series":[0.0,5.5,11.0]},1500.0,null,
            {"value":11.0,"series":[0.0,5.5,11.0],"limit":10.0,"bound":22.0}]]}]}"#;
        let text: String = text.lines().map(str::trim_start).collect();
        let written = example().to_json().expect("a document is JSON");
        assert_eq!(String::from_utf8_lossy(&written), text);
        assert_eq!(Document::from_json(&written), Ok(example()));
        assert!(Document::from_json(b"{\"product\": 1}").is_err());
    }

    #[test]
    fn a_series_forgets_what_is_old() {
        let mut series = Series::default();
        assert_eq!(series.cell(), Cell::Nothing);
        for second in 0..SERIES_SECONDS + 5 {
            series.push(second as f64);
        }
        let total = series.sum();
        let Cell::Series { value, series } = series.cell() else { panic!("a series") };
        assert_eq!(series.iter().sum::<f64>(), total);
        assert_eq!((series.len(), series[0]), (SERIES_SECONDS, 5.0));
        assert_eq!(value, (SERIES_SECONDS + 4) as f64);
    }
}
