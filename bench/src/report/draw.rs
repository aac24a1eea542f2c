//! Job: draw a plot as SVG that stands inside a page.
//! In: a [`Plot`]. Out: a figure with title, picture, legend and caption.
//! Invariant: colours are classes of the page's style sheet, so they follow its theme; every mark lies
//! inside the view box; points without a place leave a gap; an empty plot says that it is empty.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::bars;
use super::plot::{Line, Plot, Scale};
use super::scale::{Ruler, short};

/// Units of the view box: letters of 12 units are still 10 pixels high on a phone.
pub const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 46.0;
/// Names of up to so many letters, of so many lines, stand at the lines' ends.
const DIRECT_LETTERS: usize = 18;
const DIRECT_LINES: usize = 6;
const LETTER_WIDTH: f64 = 6.4;
const LETTER_HEIGHT: f64 = 14.0;
/// Points of a line with up to so many are marked.
const MARKED_POINTS: usize = 20;
/// Colours that the style sheet has.
pub const COLOURS: usize = 8;

/// The whole figure.
pub fn figure(plot: &Plot) -> Markup {
    let colours = colours(&plot.lines);
    let is_bars = plot.x.scale == Scale::Names;
    let has_legend = is_bars || (plot.lines.len() > 1 && !is_direct(plot));
    let picture = if is_bars { bars::picture(plot) } else { curves(plot, &colours) };
    html! {
        figure.plot {
            figcaption { (plot.title) }
            @if has_legend { (legend(plot, &colours, is_bars)) }
            @match picture {
                Some(picture) => (picture),
                None => p.empty { "Nothing was measured that could be drawn." },
            }
            p.caption { (plot.caption) }
        }
    }
}

fn legend(plot: &Plot, colours: &[usize], is_bars: bool) -> Markup {
    html! {
        ul.legend {
            @for (line, &colour) in plot.lines.iter().zip(colours) {
                li {
                    svg.swatch viewBox="0 0 26 10" aria-hidden="true" {
                        @if is_bars {
                            rect class=(format!("fill s{}", colour % COLOURS)) x="7" width="12" height="10" {}
                        } @else {
                            path class=(stroke(line, colour)) d="M1,5 L25,5" {}
                        }
                    }
                    (line.name)
                    @if line.is_predicted { " (predicted)" }
                }
            }
        }
    }
}

/// A number for each line; lines of one name, measured and predicted, share it.
fn colours(lines: &[Line]) -> Vec<usize> {
    let mut names: Vec<&str> = Vec::new();
    let colour = |line| {
        let Line { name, .. }: &Line = line;
        names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        })
    };
    lines.iter().map(colour).collect()
}

/// Names stand at the ends of the lines, where they need no looking up, if there is room; what is
/// dashed takes a legend that says why.
fn is_direct(plot: &Plot) -> bool {
    let is_short = |line: &Line| line.name.chars().count() <= DIRECT_LETTERS && !line.is_predicted;
    (2..=DIRECT_LINES).contains(&plot.lines.len()) && plot.lines.iter().all(is_short)
}

/// The classes of a line: after the last colour they begin again, with another pattern of dashes.
fn stroke(line: &Line, colour: usize) -> String {
    let pattern = if line.is_predicted {
        "predicted".to_owned()
    } else {
        format!("d{}", colour / COLOURS % 3)
    };
    format!("line s{} {pattern}", colour % COLOURS)
}

/// Where the values of a plot lie in the view box.
struct Canvas {
    x: Ruler,
    y: Ruler,
    /// The right end of the x axis.
    right: f64,
}

impl Canvas {
    fn x(&self, share: f64) -> f64 {
        LEFT + share * (self.right - LEFT)
    }

    fn at(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        Some((self.x(self.x.share(x)?), height_of(self.y.share(y)?)))
    }
}

fn height_of(share: f64) -> f64 {
    HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
}

/// Lines over two axes; `None` if nothing has a place on them.
fn curves(plot: &Plot, colours: &[usize]) -> Option<Markup> {
    let points = || plot.lines.iter().flat_map(|line| &line.points);
    let drawn = points().filter(|(x, y)| x.is_finite() && y.is_finite());
    let (x, y): (Vec<f64>, Vec<f64>) = drawn.copied().unzip();
    let longest = plot.lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
    let is_direct = is_direct(plot);
    let margin = if is_direct { longest as f64 * LETTER_WIDTH + 14.0 } else { RIGHT };
    let canvas = Canvas {
        x: Ruler::over(plot.x.scale, &x, false)?,
        y: Ruler::over(plot.y.scale, &y, true)?,
        right: WIDTH - margin.max(RIGHT),
    };
    let ends = if is_direct { ends(plot, colours, &canvas) } else { Vec::new() };
    let (bottom, middle) = (HEIGHT - BOTTOM, (LEFT + canvas.right) / 2.0);
    Some(html! {
        svg.picture viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(plot.title) {
            @for (share, label) in canvas.y.ticks() {
                @let y = rounded(height_of(share));
                path.grid d=(format!("M{LEFT},{y} H{}", rounded(canvas.right))) {}
                text.tick x=(LEFT - 7.0) y=(y + 4.0) text-anchor="end" { (label) }
            }
            @for (share, label) in canvas.x.ticks() {
                @let x = rounded(canvas.x(share));
                path.grid d=(format!("M{x},{TOP} V{bottom}")) {}
                text.tick x=(x) y=(bottom + 17.0) text-anchor="middle" { (label) }
            }
            path.axis d=(format!("M{LEFT},{TOP} V{bottom} H{}", rounded(canvas.right))) {}
            text.label x="4" y="14" { (plot.y.label) }
            text.label x=(rounded(middle)) y=(HEIGHT - 8.0) text-anchor="middle" { (plot.x.label) }
            @for (line, &colour) in plot.lines.iter().zip(colours) {
                (curve(line, colour, &canvas))
            }
            @for end in &ends {
                @let class = format!("end s{}", end.colour % COLOURS);
                text class=(class) x=(rounded(canvas.right + 8.0)) y=(rounded(end.at + 4.0)) { (end.name) }
            }
        }
    })
}

fn curve(line: &Line, colour: usize, canvas: &Canvas) -> Markup {
    let (mut path, mut is_open) = (String::new(), false);
    let mut marks = Vec::new();
    for &point in &line.points {
        let Some((x, y)) = canvas.at(point) else {
            is_open = false;
            continue;
        };
        let command = if is_open { 'L' } else { 'M' };
        let _ = write!(path, "{command}{:.1},{:.1} ", x, y);
        is_open = true;
        marks.push((x, y, point));
    }
    html! {
        @if marks.len() > 1 {
            path class=(stroke(line, colour)) d=(path.trim_end()) { title { (line.name) } }
        }
        @let radius = if marks.len() == 1 { 5 } else { 3 };
        @if marks.len() <= MARKED_POINTS && !line.is_predicted {
            @for (x, y, (at, value)) in marks {
                circle class=(format!("mark s{}", colour % COLOURS)) cx=(rounded(x)) cy=(rounded(y)) r=(radius) {
                    title { (line.name) ": " (short(value)) " at " (short(at)) }
                }
            }
        }
    }
}

/// A name at the end of a line.
struct End<'a> {
    name: &'a str,
    colour: usize,
    at: f64,
}

/// One name for each colour, as near to its line's end as the others allow.
fn ends<'a>(plot: &'a Plot, colours: &[usize], canvas: &Canvas) -> Vec<End<'a>> {
    let mut ends: Vec<End<'a>> = Vec::new();
    for (line, &colour) in plot.lines.iter().zip(colours) {
        let last = line.points.iter().rev().find_map(|&point| canvas.at(point));
        let Some((_, at)) = last else { continue };
        ends.retain(|end| end.colour != colour);
        ends.push(End { name: &line.name, colour, at });
    }
    ends.sort_by(|one, other| one.at.total_cmp(&other.at));
    // Downwards each makes room for the next; then upwards from the axis.
    let mut free = TOP;
    for end in &mut ends {
        end.at = end.at.max(free);
        free = end.at + LETTER_HEIGHT;
    }
    let mut free = HEIGHT - BOTTOM;
    for end in ends.iter_mut().rev() {
        end.at = end.at.min(free);
        free = end.at - LETTER_HEIGHT;
    }
    ends
}

/// Tenths of a unit are finer than any screen.
pub fn rounded(units: f64) -> f64 {
    (units * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::super::plot::Axis;
    use super::*;

    fn plot(scale: Scale, lines: &[(&str, &[(f64, f64)])]) -> Plot {
        let line = |(name, points): &(&str, &[(f64, f64)])| Line {
            name: (*name).to_owned(),
            points: points.to_vec(),
            is_predicted: false,
        };
        Plot {
            title: "<title>".to_owned(),
            x: Axis::new("x in s", scale),
            y: Axis::new("y in ms", Scale::Log),
            lines: lines.iter().map(line).collect(),
            caption: "measured".to_owned(),
        }
    }

    fn drawn(plot: &Plot) -> String {
        figure(plot).into_string()
    }

    #[test]
    fn a_curve_has_its_points_its_units_and_its_name() {
        let points: &[(f64, f64)] = &[(0.0, 1.0), (0.9, 2.0), (0.99, 9.0), (1.0, 30.0)];
        let text = drawn(&plot(Scale::Percentile, &[("Redis", points), ("Ringlet", points)]));
        assert_eq!(
            text.matches("class=\"line ").count(),
            2,
            "the names at their ends need no legend"
        );
        for part in ["99 %", "x in s", "y in ms", "Redis", "Ringlet", "&lt;title&gt;", "measured"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }

    #[test]
    fn what_has_no_place_leaves_a_gap() {
        let points = &[
            (0.0, 1.0),
            (1.0, 2.0),
            (2.0, f64::NAN),
            (3.0, 2.0),
            (f64::INFINITY, 1.0),
            (5.0, 0.0),
        ];
        let text = drawn(&plot(Scale::Linear, &[("one", points)]));
        let path = text.split("class=\"line").nth(1).expect("a line");
        assert_eq!(
            path.split("</path>").next().map(|path| path.matches('M').count()),
            Some(2),
            "{path}"
        );
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }

    #[test]
    fn nothing_to_draw_is_said_and_one_point_is_a_mark() {
        for lines in [&[][..], &[("one", &[][..])], &[("one", &[(1.0, f64::NAN)][..])]] {
            let text = drawn(&plot(Scale::Linear, lines));
            assert!(text.contains("class=\"empty\"") && !text.contains("picture"), "{text}");
        }
        let text = drawn(&plot(Scale::Linear, &[("one", &[(1.0, 2.0)])]));
        assert!(text.contains("<circle") && text.contains("one: 2 at 1"), "{text}");
    }

    #[test]
    fn names_at_the_ends_of_lines_do_not_cover_each_other() {
        let lines: Vec<(&str, &[(f64, f64)])> = ["a", "b", "c", "d"]
            .into_iter()
            .map(|name| (name, &[(0.0, 1.0), (1.0, 1.0)][..]))
            .collect();
        let plot = plot(Scale::Linear, &lines);
        let canvas = Canvas {
            x: Ruler::over(Scale::Linear, &[0.0, 1.0], false).expect("values"),
            y: Ruler::over(Scale::Log, &[1.0], true).expect("values"),
            right: 300.0,
        };
        let ends = ends(&plot, &colours(&plot.lines), &canvas);
        assert!(ends.windows(2).all(|pair| pair[1].at - pair[0].at >= LETTER_HEIGHT - 1e-9));
        assert!(ends.iter().all(|end| (TOP..=HEIGHT - BOTTOM).contains(&end.at)));
    }
}
