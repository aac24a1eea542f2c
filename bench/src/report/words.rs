//! Job: say figures, targets and verdicts in words, the same in all forms of the report.
//! In: parts of rows. Out: short texts.
//! Invariant: a figure has about three digits; what is missing is a dash.

use super::targets::{Measured, Reach, Standing};
use crate::compare::{Row, Spread, Target, Verdict};

/// What stands where nothing was measured or asked for.
pub const NOTHING: &str = "-";

/// Three significant digits or so.
pub fn number(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        size if size < 10.0 => format!("{figure:.2}"),
        size if size < 100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

/// The median, with the spread if there is any.
pub fn spread(figures: Spread) -> String {
    let median = number(figures.median);
    let (min, max) = (number(figures.min), number(figures.max));
    if min == max { median } else { format!("{median} ({min} to {max})") }
}

/// The same, or a dash.
pub fn spread_or_nothing(figures: Option<Spread>) -> String {
    figures.map_or_else(|| NOTHING.to_owned(), spread)
}

/// What must be reached.
pub fn target(target: Target, unit: &str) -> String {
    match target {
        Target::Ratio(most) => format!("ratio {most:.2}"),
        Target::Figure(most) => format!("{most} {unit}"),
        Target::None => NOTHING.to_owned(),
    }
}

/// Whether a row reaches its target.
pub fn verdict(row: &Row) -> String {
    match row.verdict {
        Verdict::Reached => "reached".to_owned(),
        Verdict::ShortBy(percent) => format!("SHORT {}", by(percent)),
        Verdict::Informs => NOTHING.to_owned(),
    }
}

/// How far a run came.
pub fn reach(reach: Reach) -> String {
    match reach {
        Reach::Aim => "aim reached".to_owned(),
        Reach::Must => "must reached, aim not".to_owned(),
        Reach::ShortBy(percent) => format!("FALLS SHORT {}", by(percent)),
        Reach::NotMeasured => "not measured".to_owned(),
    }
}

fn by(percent: f64) -> String {
    if percent.is_infinite() {
        "of none at all".to_owned()
    } else if percent >= 100.0 {
        format!("by far, {:.1} times the target", 1.0 + percent / 100.0)
    } else {
        format!("by {percent:.1} %")
    }
}

/// What was measured for a goal: what is held against the target, and what stands beside it.
pub fn measured(standing: &Standing) -> (String, String) {
    let Some(Measured { figure, row }) = &standing.measured else {
        return (NOTHING.to_owned(), String::new());
    };
    let own = number(row.own.median);
    let unit = &row.unit;
    match (standing.goal.must, row.peer.map(|peer| number(peer.median))) {
        (Target::Ratio(_), Some(peer)) => (spread(*figure), format!("{own} beside {peer} {unit}")),
        (_, Some(peer)) => (format!("{} {unit}", spread(*figure)), format!("peer {peer} {unit}")),
        (_, None) => (format!("{} {unit}", spread(*figure)), String::new()),
    }
}

/// How many goals a run reached.
pub fn count(standings: &[Standing]) -> String {
    let count = |wanted: fn(&Reach) -> bool| {
        standings.iter().filter(|standing| wanted(&standing.reach)).count()
    };
    format!(
        "{} targets: {} with their aim reached, {} with what must be reached, {} short of it, {} not \
         measured",
        standings.len(),
        count(|reach| *reach == Reach::Aim),
        count(|reach| *reach == Reach::Must),
        count(|reach| matches!(reach, Reach::ShortBy(_))),
        count(|reach| *reach == Reach::NotMeasured),
    )
}
