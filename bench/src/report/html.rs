//! Job: the report as one page that needs nothing else.
//! In: the whole report. Out: HTML.
//! Invariant: no resource from outside and no script: what is seen is in the file. Texts are escaped by
//! the template.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::baseline::{Change, Changes};
use super::targets::{Reach, Standing};
use super::words::{self, spread_or_nothing};
use super::{Report, Suite, Whole, draw, gauge, markdown};
use crate::compare::{Row, Spread};
use crate::machine::Machine;

const STYLE: &str = include_str!("style.css");

/// The page.
pub fn page(whole: &Whole) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "What Ringlet costs" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "What Ringlet costs" }
                    p.lead {
                        "Ringlet beside its peers in one run on one machine. "
                        strong { (words::count(&whole.targets)) } "."
                    }
                    nav {
                        a href="#targets" { "Targets" }
                        @if whole.changes.is_some() { a href="#baseline" { "Since the baseline" } }
                        a href="#machine" { "Machine" }
                        @for suite in &whole.suites {
                            a href={ "#" (suite.name) } { (suite.report.title) }
                        }
                    }
                }
                main {
                    (targets(&whole.targets))
                    @if let Some(changes) = &whole.changes { (since(changes)) }
                    (machines(&whole.suites))
                    @for suite in &whole.suites { (section(&suite.name, &suite.report)) }
                }
            }
        }
    };
    page.into_string()
}

/// A cell that says on narrow screens, where there is no head, what it holds.
fn cell(head: &str, class: &str, content: &Markup) -> Markup {
    html! { td class=(class) data-head=(head) { (content) } }
}

fn text(head: &str, class: &str, content: &str) -> Markup {
    cell(head, class, &html! { (content) })
}

fn targets(standings: &[Standing]) -> Markup {
    html! {
        section #targets {
            h2 { "Targets" }
            p.hint {
                "Lower is better. Each bar is what was measured, with the spread over the rounds; the "
                "solid tick is what must be reached, the dashed one what is aimed at. Where several "
                "measurements stand for one target, the worst counts."
            }
            table {
                thead { tr {
                    th { "work" } th { "peer" } th.figure { "must reach" } th.figure { "aim" }
                    th { "measured" } th { "verdict" }
                } }
                tbody {
                    @for standing in standings {
                        @let goal = &standing.goal;
                        tr {
                            (text("", "name", goal.work))
                            (text("peer", "", goal.peer))
                            (text("must reach", "figure", &words::target(goal.must, goal.unit)))
                            (text("aim", "figure", &words::target(goal.aim, goal.unit)))
                            (cell("measured", "", &html! {
                                (measured(standing))
                            }))
                            (verdict(standing.reach, &words::reach(standing.reach)))
                        }
                    }
                }
            }
        }
    }
}

fn verdict(reach: Reach, words: &str) -> Markup {
    let class = format!("verdict {}", gauge::class(reach));
    cell("verdict", &class, &html! { span { (gauge::symbol(reach)) (words) } })
}

fn measured(standing: &Standing) -> Markup {
    let (figure, beside) = words::measured(standing);
    html! {
        (gauge::of_standing(standing))
        span.measured { (figure) @if !beside.is_empty() { br; span.spread { (beside) } } }
    }
}

/// The median, and below it the spread.
fn figures(figures: Option<Spread>) -> Markup {
    let words = spread_or_nothing(figures);
    let (median, spread) = words.split_once(' ').unwrap_or((&words, ""));
    html! { span.measured { (median) " " span.spread { (spread.trim_matches(['(', ')'])) } } }
}

fn since(changes: &Changes) -> Markup {
    let list = |title: &str, class: &str, changes: &[Change]| {
        html! {
            h3 { (changes.len()) " " (title) }
            @if !changes.is_empty() {
                ul { @for change in changes { li class=(class) { (markdown::difference(change)) } } }
            }
        }
    };
    html! {
        section #baseline {
            h2 { "Since the baseline" }
            @for line in &changes.machine { p.verdict.short { "Another machine or way to measure: " (line) } }
            (list("got worse", "verdict short", &changes.worse))
            (list("got better", "verdict aim", &changes.better))
            p.hint { (changes.equal) " are equal: the difference is small, or may be noise." }
            @for (what, rows) in [("New", &changes.new), ("Gone", &changes.gone)] {
                @if !rows.is_empty() {
                    details { summary { (what) ": " (rows.len()) } ul { @for row in rows { li { (row) } } } }
                }
            }
        }
    }
}

/// The machine of the first suite, and what is different at the others.
fn machines(suites: &[Suite]) -> Markup {
    let first = suites.first().map(|suite| suite.report.machine.clone()).unwrap_or_default();
    let hardware = first.hardware();
    let others: Vec<(&str, &Machine)> = suites
        .iter()
        .map(|suite| (suite.name.as_str(), &suite.report.machine))
        .filter(|(_, machine)| machine.hardware() != hardware)
        .collect();
    html! {
        section #machine {
            h2 { "Machine" }
            dl {
                @for (what, value) in &hardware { dt { (what) } dd { (value) } }
                dt { "load before" }
                dd {
                    @for (at, suite) in suites.iter().enumerate() {
                        @if at > 0 { "; " }
                        (suite.name) " " (suite.report.machine.load_before)
                    }
                }
            }
            @for (name, machine) in others {
                p.verdict.short { (name) " ran on another machine: " (machine.line()) }
            }
        }
    }
}

fn section(name: &str, report: &Report) -> Markup {
    html! {
        section id=(name) {
            h2 { (report.title) }
            ul.setting { @for line in &report.setting { li { (line) } } }
            @if !report.rows.is_empty() {
                p.hint { (markdown::READING) }
                (rows(&report.rows))
            }
            @if !report.plots.is_empty() {
                div.plots { @for plot in &report.plots { (draw::figure(plot)) } }
            }
            @if !report.notes.is_empty() {
                h3 { "Notes" }
                ul.notes { @for note in &report.notes { li { (note) } } }
            }
            @if !report.commands.is_empty() {
                details {
                    summary { "Commands that repeat it (" (report.commands.len()) ")" }
                    pre { @for command in &report.commands { code { (command) } "\n" } }
                }
            }
        }
    }
}

fn rows(rows: &[Row]) -> Markup {
    html! {
        table {
            thead { tr {
                th { "what" } th { "unit" } th.figure { "peer" } th.figure { "measured" }
                th { "ratio" } th.figure { "target" } th { "verdict" } th.figure { "rounds" }
            } }
            tbody {
                @for row in rows {
                    tr {
                        (text("", "name", &row.name))
                        (text("unit", "", &row.unit))
                        (cell("peer", "figure", &figures(row.peer)))
                        (cell("measured", "figure", &figures(Some(row.own))))
                        (cell("ratio", "", &html! {
                            (gauge::of_row(row)) (figures(row.ratio))
                        }))
                        (text("target", "figure", &words::target(row.target, &row.unit)))
                        (verdict(gauge::reach_of(row), &words::verdict(row)))
                        (text("rounds", "figure", &row.rounds.to_string()))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Target;
    use crate::report::targets::{self, SERVER_PLAIN};

    #[test]
    fn texts_are_escaped_and_nothing_comes_from_outside() {
        let row =
            Row::new("<b>GET</b>", "us", &[10.0], &[9.0], Target::Ratio(0.92)).expect("figures");
        let rows = vec![Row { goal: Some(SERVER_PLAIN.id.to_owned()), ..row }];
        let report = Report {
            title: "A & B".to_owned(),
            rows,
            notes: vec!["see https://example.org".to_owned()],
            commands: vec!["run '<x>'".to_owned()],
            ..Report::default()
        };
        let suites = vec![Suite { name: "server".to_owned(), report }];
        let targets = targets::standings(suites.iter().flat_map(|suite| &suite.report.rows));
        let page = page(&Whole { targets, changes: Some(Changes::default()), suites });
        for part in
            ["&lt;b&gt;GET&lt;/b&gt;", "A &amp; B", "run '&lt;x&gt;'", "must reached, aim not"]
        {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
        for outside in ["<script", "<link", "src=", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside} is in {page}");
        }
    }
}
