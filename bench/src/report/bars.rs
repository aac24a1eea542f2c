//! Job: draw bars: one group under each name, one bar for each line.
//! In: a plot whose x axis has names. Out: SVG as high as it needs to be.
//! Invariant: a bar's length is its value's share of the greatest, and its value stands behind it.

use maud::{Markup, html};

use super::draw::{COLOURS, WIDTH, rounded};
use super::plot::Plot;
use super::scale::short;

const NAME_HEIGHT: f64 = 17.0;
const BAR_HEIGHT: f64 = 15.0;
const GROUP_GAP: f64 = 9.0;
/// Room for a value behind the longest bar.
const VALUE_WIDTH: f64 = 74.0;
/// Longer names are cut, as letters have no room beyond the picture.
const NAME_LETTERS: usize = 74;

/// The bars; `None` if there is none.
pub fn picture(plot: &Plot) -> Option<Markup> {
    let shown = |value: &f64| value.is_finite() && *value >= 0.0;
    let values = || plot.lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value);
    let greatest = values().filter(shown).reduce(f64::max)?;
    let length = |value: f64| value / greatest.max(f64::MIN_POSITIVE) * (WIDTH - VALUE_WIDTH);
    let group_height = NAME_HEIGHT + BAR_HEIGHT * plot.lines.len() as f64 + GROUP_GAP;
    let height = rounded(group_height * plot.x.names.len() as f64);
    Some(html! {
        svg.picture viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(plot.title) {
            @for (group, name) in plot.x.names.iter().enumerate() {
                @let top = group as f64 * group_height;
                text.label x="0" y=(rounded(top + 12.0)) { (cut(name)) }
                @for (at, line) in plot.lines.iter().enumerate() {
                    @let y = top + NAME_HEIGHT + at as f64 * BAR_HEIGHT;
                    @for value in values_at(&line.points, group).filter(shown) {
                        rect class=(format!("fill s{}", at % COLOURS)) x="0" y=(rounded(y)) rx="2"
                            width=(rounded(length(value)).max(1.0)) height=(BAR_HEIGHT - 3.0) {
                            title { (line.name) ": " (short(value)) " " (plot.y.label) }
                        }
                        text.tick x=(rounded(length(value) + 5.0)) y=(rounded(y + 10.5)) {
                            (three_digits(value)) " " (plot.y.label)
                        }
                    }
                }
            }
        }
    })
}

fn values_at(points: &[(f64, f64)], group: usize) -> impl Iterator<Item = f64> {
    points.iter().filter(move |(x, _)| *x == group as f64).map(|(_, value)| *value)
}

fn three_digits(value: f64) -> String {
    super::words::number(value)
}

fn cut(name: &str) -> String {
    if name.chars().count() <= NAME_LETTERS {
        return name.to_owned();
    }
    name.chars().take(NAME_LETTERS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::super::plot::beside;
    use super::*;
    use crate::compare::{Row, Target};

    #[test]
    fn bars_are_as_long_as_their_values() {
        let rows: Vec<Row> = [("GET", 10.0, 5.0), ("SET", 20.0, f64::NAN)]
            .into_iter()
            .filter_map(|(name, peer, own)| Row::new(name, "us", &[peer], &[own], Target::None))
            .collect();
        let text = picture(&beside("CPU", &rows)).expect("bars").into_string();
        let widths: Vec<f64> = text
            .split("width=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next()?.parse().ok())
            .collect();
        assert_eq!(widths, [193.0, 96.5, 386.0]);
        assert!(text.contains("5.00 us") && !text.contains("NaN"), "{text}");
    }

    #[test]
    fn more_bars_than_colours_begin_them_again() {
        let mut plot =
            beside("CPU", &[Row::new("GET", "us", &[1.0], &[1.0], Target::None).expect("figures")]);
        let line = plot.lines[0].clone();
        plot.lines = vec![line; COLOURS + 2];
        let text = picture(&plot).expect("bars").into_string();
        assert_eq!(text.matches("class=\"fill s1\"").count(), 2, "{text}");
        assert!(!text.contains(&format!("s{COLOURS}")), "{text}");
    }

    #[test]
    fn no_bars_are_none() {
        assert!(picture(&beside("CPU", &[])).is_none());
    }
}
