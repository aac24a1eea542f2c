//! Job: a small bar inside a table's cell: a figure beside what it is held against.
//! In: a row or a standing. Out: SVG, or nothing where there is nothing to compare.
//! Invariant: the bar, its spread and the ticks have one scale, from 0; lower is better.

use maud::{Markup, html};

use super::draw::rounded;
use super::targets::{Reach, Standing};
use crate::compare::{Row, Spread, Target, Verdict};

const WIDTH: f64 = 120.0;
/// What the axis has beyond the last tick.
const ROOM: f64 = 1.25;
/// A figure so many times the tick is cut: the ticks must stay apart.
const TIMES_MAX: f64 = 4.0;

/// The bar of a goal: what must be reached is the solid tick, the aim the dashed one.
pub fn of_standing(standing: &Standing) -> Markup {
    let Some(measured) = &standing.measured else { return html! {} };
    let goal = &standing.goal;
    gauge(measured.figure, most(goal.must), most(goal.aim), standing.reach)
}

/// The bar of a row's ratio: the peer is the dashed tick.
pub fn of_row(row: &Row) -> Markup {
    let Some(ratio) = row.ratio else { return html! {} };
    let must = if matches!(row.target, Target::Ratio(_)) { most(row.target) } else { None };
    gauge(ratio, must, Some(1.0), reach_of(row))
}

/// How far a row came by itself.
pub fn reach_of(row: &Row) -> Reach {
    match row.verdict {
        Verdict::Reached => Reach::Must,
        Verdict::ShortBy(percent) => Reach::ShortBy(percent),
        Verdict::Informs => Reach::NotMeasured,
    }
}

/// The style sheet's class, by which bars and verdicts have their colours.
pub fn class(reach: Reach) -> &'static str {
    match reach {
        Reach::Aim => "aim",
        Reach::Must => "must",
        Reach::ShortBy(_) => "short",
        Reach::NotMeasured => "unknown",
    }
}

/// Says without colour what the class says with it.
pub fn symbol(reach: Reach) -> &'static str {
    match reach {
        Reach::Aim => "✓✓ ",
        Reach::Must => "✓ ",
        Reach::ShortBy(_) => "✗ ",
        Reach::NotMeasured => "",
    }
}

fn most(target: Target) -> Option<f64> {
    match target {
        Target::Ratio(most) | Target::Figure(most) => Some(most),
        Target::None => None,
    }
}

fn gauge(figure: Spread, must: Option<f64>, dashed: Option<f64>, reach: Reach) -> Markup {
    let last = must.unwrap_or(0.0).max(dashed.unwrap_or(0.0));
    let end = (last * ROOM).max(figure.max.min(last * TIMES_MAX));
    let is_drawable =
        end > 0.0 && [figure.min, figure.median, figure.max].iter().all(|f| f.is_finite());
    if !is_drawable {
        return html! {};
    }
    let x = |value: f64| rounded((value / end).clamp(0.0, 1.0) * (WIDTH - 2.0) + 1.0);
    html! {
        svg.gauge viewBox=(format!("0 0 {WIDTH} 18")) aria-hidden="true" {
            path.track d=(format!("M1,9 H{}", WIDTH - 1.0)) {}
            rect class=(format!("bar {}", class(reach))) x="1" y="5" width=(rounded(x(figure.median) - 1.0).max(1.0)) height="8" rx="1.5" {}
            path.spread d=(format!("M{},9 H{}", x(figure.min), x(figure.max))) {}
            @if let Some(must) = must { path.tick d=(format!("M{},1 V17", x(must))) {} }
            @if let Some(at) = dashed { path.tick.dashed d=(format!("M{},1 V17", x(at))) {} }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_compared_has_no_bar() {
        let bar = |peer: &[f64], own: f64| {
            let row = Row::new("x", "us", peer, &[own], Target::Ratio(0.8)).expect("figures");
            of_row(&row).into_string()
        };
        assert_eq!(bar(&[], 1.0), "");
        assert_eq!(bar(&[1.0], f64::NAN), "");
        assert!(bar(&[1.0], 0.5).contains("bar must"));
        // Far beyond the ticks it ends at the right end.
        assert!(bar(&[1.0], 500.0).contains("width=\"118\""), "{}", bar(&[1.0], 500.0));
    }
}
