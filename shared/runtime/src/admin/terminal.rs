//! A document as text for a terminal.
//!
//! Job: draw tables with sparklines in a given width. In: a [`Document`]. Out: lines. No I/O.
//! Invariant: no line is wider than asked; what names and reasons contain cannot steer the terminal.

use super::document::{Cell, Document, Level, Section, Unit};

/// Seconds of a series that are drawn.
const SPARKS: usize = 12;
/// Between two columns.
const GAP: &str = "  ";
/// The longest text of a cell.
const CELL_WIDTH_MAX: usize = 48;

/// The lines, each with its end. With `colours` they have ANSI escapes.
#[must_use]
pub fn draw(document: &Document, width: usize, colours: bool) -> String {
    let mut lines = vec![vec![
        Piece::new(&document.product, Style::Strong),
        Piece::new(&format!(" {}", document.version), Style::Soft),
    ]];
    let facts = document.facts.iter().map(|fact| {
        // A line of single values has no room for what was before.
        let pieces = match &fact.cell {
            Cell::Series { value, .. } | Cell::Bounded { value, .. } => {
                texts(fact.unit, &Cell::Number(*value))
            }
            cell => texts(fact.unit, cell),
        };
        let text: String = pieces.into_iter().map(|piece| piece.text).collect();
        format!("{} {text}", fact.name)
    });
    lines.push(vec![Piece::new(&facts.collect::<Vec<_>>().join(GAP), Style::Plain)]);
    for section in &document.sections {
        lines.push(Vec::new());
        lines.push(vec![Piece::new(&section.title, Style::Strong)]);
        lines.extend(table(section));
    }
    lines.iter().map(|line| written(line, width, colours)).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Strong,
    Soft,
    Of(Level),
}

#[derive(Clone)]
struct Piece {
    text: String,
    style: Style,
}

impl Piece {
    fn new(text: &str, style: Style) -> Self {
        let clean = |character: char| if character.is_control() { '\u{fffd}' } else { character };
        Self { text: text.chars().map(clean).collect(), style }
    }
}

fn table(section: &Section) -> Vec<Vec<Piece>> {
    let heading = |name: &str| vec![Piece::new(name, Style::Soft)];
    let mut rows: Vec<Vec<Vec<Piece>>> =
        vec![section.columns.iter().map(|column| heading(&column.name)).collect()];
    for row in &section.rows {
        let cells = section.columns.iter().zip(row);
        rows.push(cells.map(|(column, cell)| texts(column.unit, cell)).collect());
    }
    let widths: Vec<usize> = (0..section.columns.len())
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(|cell| width_of(cell)).max())
        .map(Option::unwrap_or_default)
        .collect();
    let line = |row: Vec<Vec<Piece>>| {
        let mut line = Vec::new();
        for (at, cell) in row.into_iter().enumerate() {
            let room = Piece::new(&" ".repeat(widths[at] - width_of(&cell)), Style::Plain);
            let is_text = section.columns[at].unit == Unit::Text;
            if is_text {
                line.extend(cell);
                line.push(room);
            } else {
                line.push(room);
                line.extend(cell);
            }
            line.push(Piece::new(GAP, Style::Plain));
        }
        line
    };
    rows.into_iter().map(line).collect()
}

fn width_of(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| piece.text.chars().count()).sum()
}

fn texts(unit: Unit, cell: &Cell) -> Vec<Piece> {
    let short = |text: &str| match text.char_indices().nth(CELL_WIDTH_MAX) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.to_owned(),
    };
    match cell {
        Cell::Nothing => vec![Piece::new("-", Style::Soft)],
        Cell::Number(number) => vec![Piece::new(&number_text(unit, *number), Style::Plain)],
        Cell::Text(text) => vec![Piece::new(&short(text), Style::Plain)],
        Cell::Status { text, level } => vec![Piece::new(&short(text), Style::Of(*level))],
        Cell::Series { value, series } => spark_pieces(unit, *value, series, 0.0),
        Cell::Bounded { value, series, limit, bound } => {
            let mut pieces = spark_pieces(unit, *value, series, *bound);
            let (limit, bound) = (number_text(unit, *limit), number_text(unit, *bound));
            pieces.push(Piece::new(&format!(" of {limit}, at most {bound}"), Style::Soft));
            pieces
        }
    }
}

fn spark_pieces(unit: Unit, value: f64, series: &[f64], top: f64) -> Vec<Piece> {
    vec![
        Piece::new(&sparks(series, top), Style::Soft),
        Piece::new(&format!(" {:>8}", number_text(unit, value)), Style::Plain),
    ]
}

/// The last seconds from 0 to the largest of them or to `top`, the present at the right.
fn sparks(series: &[f64], top: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let last = &series[series.len().saturating_sub(SPARKS)..];
    let top = last.iter().copied().fold(top, f64::max);
    let bar = |value: &f64| match *value / top {
        share if share > 0.0 => BARS[((share * 8.0).ceil() as usize).clamp(1, 8) - 1],
        _ => ' ',
    };
    format!("{:>SPARKS$}", last.iter().map(bar).collect::<String>())
}

/// A number as people read it: three digits and a unit.
#[must_use]
pub fn number_text(unit: Unit, number: f64) -> String {
    const THOUSANDS: &[&str] = &["", " k", " M", " G", " T"];
    const BYTES: &[&str] = &[" B", " KiB", " MiB", " GiB", " TiB"];
    match unit {
        Unit::Text | Unit::Count => scaled(number, 1000.0, THOUSANDS),
        Unit::PerSecond => format!("{}/s", scaled(number, 1000.0, THOUSANDS)),
        Unit::Bytes => scaled(number, 1024.0, BYTES),
        Unit::BytesPerSecond => format!("{}/s", scaled(number, 1024.0, BYTES)),
        Unit::Microseconds => scaled(number, 1000.0, &[" µs", " ms", " s"]),
        Unit::Percent => format!("{number:.1} %"),
    }
}

fn scaled(mut number: f64, step: f64, names: &[&str]) -> String {
    let mut at = 0;
    while number.abs() >= step && at + 1 < names.len() {
        number /= step;
        at += 1;
    }
    let digits = match number.abs() {
        _ if at == 0 && number.fract() == 0.0 => 0,
        small if small < 9.995 => 2,
        middle if middle < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.digits$}{}", names[at])
}

fn written(line: &[Piece], width: usize, colours: bool) -> String {
    let mut out = String::new();
    let mut left = width;
    for piece in line {
        let text: String = piece.text.chars().take(left).collect();
        left -= text.chars().count();
        let code = match piece.style {
            _ if !colours => None,
            Style::Plain => None,
            Style::Strong => Some("1"),
            Style::Soft => Some("2"),
            Style::Of(Level::Good) => Some("32"),
            Style::Of(Level::Idle) => Some("2"),
            Style::Of(Level::Warning) => Some("33"),
            Style::Of(Level::Bad) => Some("1;31"),
        };
        match code {
            Some(code) if !text.is_empty() => out.push_str(&format!("\x1b[{code}m{text}\x1b[0m")),
            _ => out.push_str(&text),
        }
    }
    let end = out.trim_end_matches(' ').len();
    out.truncate(end);
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::super::document::tests::example;
    use super::*;

    #[test]
    fn a_frame_is_this_text() {
        let expected = "\
ringlet-lb 1.0
Memory 3.00 MiB

Servers
Server  Health                      Requests      p99  Reuse                                     Admitted
a<b     down: refused            ▄█     11/s  1.50 ms      -            ▂▄     11/s of 10/s, at most 22/s
";
        let drawn = draw(&example(), 200, false);
        assert_eq!(drawn, expected);
    }

    #[test]
    fn nothing_steers_the_terminal_and_no_line_is_too_wide() {
        let mut document = example();
        document.sections[0].rows[0][0] = "\x1b[2J\r\n".into();
        let drawn = draw(&document, 20, false);
        assert!(!drawn.contains(['\x1b', '\r']), "{drawn:?}");
        assert!(drawn.lines().all(|line| line.chars().count() <= 20), "{drawn}");
        let coloured = draw(&document, 200, true);
        assert!(coloured.contains("\x1b[1;31mdown: refused\x1b[0m"), "{coloured:?}");
        assert!(!coloured.contains("\x1b[2J"));
    }

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        let cases = [
            (Unit::Count, 0.0, "0"),
            (Unit::Count, 999.0, "999"),
            (Unit::Count, 1234.0, "1.23 k"),
            (Unit::PerSecond, 0.5, "0.50/s"),
            (Unit::PerSecond, 9.996, "10.0/s"),
            (Unit::PerSecond, 123_456.0, "123 k/s"),
            (Unit::Bytes, 1536.0, "1.50 KiB"),
            (Unit::BytesPerSecond, 5e13, "45.5 TiB/s"),
            (Unit::Microseconds, 850.0, "850 µs"),
            (Unit::Microseconds, 12_340_000.0, "12.3 s"),
            (Unit::Percent, 99.95, "100.0 %"),
        ];
        for (unit, number, text) in cases {
            assert_eq!(number_text(unit, number), text, "{unit:?} {number}");
        }
    }
}
