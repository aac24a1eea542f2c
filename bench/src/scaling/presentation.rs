//! Job: show what the scaling suite has found.
//! In: the runs and what was made of them. Out: rows, notes and plots.
//! Invariant: what was measured and what follows from a model are told apart; the assumptions stand
//! beside the prediction.

use super::analysis::{Analysis, Measured, median};
use super::load::Mix;
use super::measure::{CASES, CLIENTS_PER_SHARD, Series, Way};
use super::prediction::{ASSUMPTIONS, Model};
use super::split::{Figures, Split};
use crate::compare::{Spread, Target};
use crate::report::Findings;
use crate::report::plot::{Axis, Line, Plot, Scale};

/// How far the prediction goes.
const CORES_MAX: usize = 64;
/// Servers that use less of their CPUs are not saturated.
const LEAST_BUSY: f64 = 0.9;

fn shards(count: usize) -> String {
    if count == 1 { "1 shard".to_owned() } else { format!("{count} shards") }
}

/// All of it.
pub fn findings(series: &[Series], server_cpus: usize) -> Findings {
    let mut findings = Findings::default();
    let measured = Measured::new(series);
    for case in CASES {
        let analysed: Vec<Analysis> = [Way::Plain, Way::Ports]
            .iter()
            .filter_map(|way| measured.analyse(case, *way))
            .collect();
        add_costs(&mut findings, series.iter().filter(|series| series.case == case));
        if case.mix == Mix::GetSet {
            for analysis in &analysed {
                add_parts(&mut findings, analysis);
                findings.notes.push(law_note(analysis));
            }
            let of_case = series.iter().filter(|series| series.case == case);
            let warning = idle_warning(of_case, server_cpus);
            findings.plots.extend(cost_plot(&analysed));
            findings.plots.extend(throughput_plot(&analysed, warning.as_deref()));
            findings.notes.extend(warning.map(|text| format!("{}: {text}", case.name())));
        }
    }
    findings.notes.push(price_note(measured));
    findings.notes.extend(series.iter().filter_map(|series| counter_note(series, server_cpus)));
    findings.notes.extend(ASSUMPTIONS.iter().map(|text| format!("Assumption: {text}")));
    findings.commands.extend(series.iter().map(|series| series.command.clone()));
    findings
}

/// What a hop costs, and how far that is to be believed.
fn price_note(measured: Measured<'_>) -> String {
    let price = measured.price(&measured.rounds());
    let (cheaper, pairs) = measured.pairs_with_cheaper_hops();
    let doubt = if cheaper > 0 {
        format!(
            " In {cheaper} of {pairs} pairs of runs requests with hops cost LESS than those without: \
             there something else outweighs them, and the price is too low."
        )
    } else {
        String::new()
    };
    format!(
        "A hop costs {:.2} us per message with its answer, and {:.2} us per command in it.{doubt}",
        price.message_us, price.command_us
    )
}

/// Whether the CPUs had time left, so that the prediction rests on something else than it says.
fn idle_warning<'a>(
    series: impl Iterator<Item = &'a Series>,
    server_cpus: usize,
) -> Option<String> {
    let is_idle = |series: &&Series| {
        let busy = median(series.busy_cpus.iter().copied());
        busy.is_some_and(|busy| busy < LEAST_BUSY * could_be_busy(series, server_cpus))
    };
    let (idle, all) =
        series.fold((0, 0), |(idle, all), series| (idle + usize::from(is_idle(&series)), all + 1));
    (idle > 0).then(|| {
        format!(
            "NOT to be relied on: in {idle} of {all} series the servers did not have their CPUs, or not \
             enough to do, all the time. Passes that find less to do cost more per request, which counts \
             as contention and grows with the cores in the prediction. A quiet machine, a faster CPU for \
             the load or --urgent helps."
        )
    })
}

fn could_be_busy(series: &Series, server_cpus: usize) -> f64 {
    server_cpus.min(series.shards) as f64
}

/// A row for each number of shards; its peer is the same server with one.
fn add_costs<'a>(findings: &mut Findings, series: impl Iterator<Item = &'a Series>) {
    let mut one: Vec<f64> = Vec::new();
    for series in series {
        let costs: Vec<f64> = series.runs.iter().map(|run| run.figures.cpu_us).collect();
        let name = format!("CPU per request, {}, {}", series.case.name(), series.way.name());
        if series.shards == 1 {
            one.clone_from(&costs);
            findings.row(&format!("{name}, 1 shard"), "us", &[], &costs, Target::None);
        } else {
            let name = format!("{name}, {} shards (peer: 1 shard)", series.shards);
            findings.row(&name, "us", &one, &costs, Target::None);
        }
    }
}

fn add_parts(findings: &mut Findings, analysis: &Analysis) {
    for (shards, parts) in analysis.parts.iter().filter(|(shards, _)| *shards > 1) {
        let mut row = |part: &str, figure: fn(&Split) -> f64| {
            let (case, way) = (analysis.case.name(), analysis.way.name());
            let name = format!("of it {part}, {case}, {way}, {shards} shards (peer: local work)");
            let local: Vec<f64> = parts.iter().map(|parts| parts.local_us).collect();
            let figures: Vec<f64> = parts.iter().map(figure).collect();
            findings.row(&name, "us", &local, &figures, Target::None);
        };
        if analysis.way == Way::Plain {
            row("hops", |parts| parts.hop_us);
        }
        row("contention", |parts| parts.contention_us);
    }
}

fn law_note(analysis: &Analysis) -> String {
    let Analysis { fit, whole, model, models, .. } = analysis;
    // The law of all rounds follows from their medians: it may lie outside of what each gives alone.
    let range = |figure: &dyn Fn(&Model) -> f64, digits: usize| {
        let all: Vec<f64> = models.iter().chain([model]).map(figure).collect();
        Spread::of(&all).map_or_else(String::new, |it| {
            format!(" ({:.digits$} to {:.digits$} by single rounds)", it.min, it.max)
        })
    };
    let cores = CORES_MAX as f64;
    let peak = fit.law.peak().map_or_else(
        || "throughput grows without end".to_owned(),
        |peak| format!("the highest throughput is that of {peak:.0} cores"),
    );
    format!(
        "{}, {}: contention by the universal scalability law: sigma {:.4}{}, kappa {:.6}{}; error of \
         the fitted costs {:.1} %; by it alone {peak}. Predicted for {CORES_MAX} cores: {:.2} million \
         requests/s{}. The law fitted to the whole cost, hops included, gives {:.2} (error {:.1} %).",
        analysis.case.name(),
        analysis.way.name(),
        fit.law.sigma,
        range(&|it| it.law.sigma, 4),
        fit.law.kappa,
        range(&|it| it.law.kappa, 6),
        fit.error * 100.0,
        model.throughput(cores) / 1e6,
        range(&|it| it.throughput(cores) / 1e6, 2),
        whole.law.capacity(cores) / model.one_us,
        whole.error * 100.0,
    )
}

/// What the server counted, in the middle of the rounds.
fn counter_note(series: &Series, server_cpus: usize) -> Option<String> {
    let middle =
        |figure: fn(&Figures) -> f64| median(series.runs.iter().map(|it| figure(&it.figures)));
    let (sent, messages) = (middle(|it| it.sent)?, middle(|it| it.messages)?);
    let busy = median(series.busy_cpus.iter().copied())?;
    let could = could_be_busy(series, server_cpus);
    let idles = if busy < LEAST_BUSY * could {
        ", NOT all the time: the load was slower, or others had the CPU"
    } else {
        ""
    };
    Some(format!(
        "{}, {}, {}, of each request: sent to other cores {sent:.3} in {messages:.4} messages \
         ({:.1} commands each), replies in {:.4}; wakes {:.4}; passes {:.4}; sequencer {:.4} uses, \
         {:.5} waits, {:.4} us waited; context switches {:.4} voluntary, {:.4} involuntary. CPUs kept \
         busy {busy:.2} of {could:.0}{idles}.",
        series.case.name(),
        series.way.name(),
        shards(series.shards),
        middle(|it| it.commands_per_message().unwrap_or(0.0))?,
        middle(|it| it.reply_messages)?,
        middle(|it| it.wakes)?,
        middle(|it| it.passes)?,
        middle(|it| it.sequencer_uses)?,
        middle(|it| it.sequencer_waits)?,
        middle(|it| it.sequencer_wait_us)?,
        middle(|it| it.voluntary_switches)?,
        middle(|it| it.involuntary_switches)?,
    ))
}

fn line(name: &str, points: Vec<(f64, f64)>, is_predicted: bool) -> Line {
    Line { name: name.to_owned(), points, is_predicted }
}

/// For each number of shards the middle of a figure over the rounds.
fn points(analysis: &Analysis, figure: impl Fn(&Split) -> f64) -> Vec<(f64, f64)> {
    let middle = |parts: &[Split]| median(parts.iter().map(&figure));
    let point = |(shards, parts): &(usize, Vec<Split>)| Some((*shards as f64, middle(parts)?));
    analysis.parts.iter().filter_map(point).collect()
}

fn whole(parts: &Split) -> f64 {
    parts.local_us + parts.hop_us + parts.contention_us
}

/// The parts of a request's cost over the number of shards.
fn cost_plot(analysed: &[Analysis]) -> Option<Plot> {
    let case = analysed.first()?.case;
    let mut lines = Vec::new();
    for analysis in analysed {
        lines.push(line(&format!("{}: all", analysis.way.name()), points(analysis, whole), false));
    }
    for analysis in analysed {
        let named = |part: &str| format!("{}: {part}", analysis.way.name());
        if analysis.way == Way::Plain {
            lines.push(line("local work", points(analysis, |it| it.local_us), false));
            lines.push(line(&named("hops"), points(analysis, |it| it.hop_us), false));
        }
        lines.push(line(&named("contention"), points(analysis, |it| it.contention_us), false));
    }
    Some(Plot {
        title: format!("CPU per request, {}", case.name()),
        x: Axis::new("shards", Scale::Linear),
        y: Axis::new("CPU time per request in us", Scale::Linear),
        lines,
        caption: format!(
            "Medians of all rounds; {CLIENTS_PER_SHARD} clients per shard. Local work is what a request \
             costs with one shard, hops are its messages and commands sent times their fitted prices, \
             contention is the rest. Shards beyond the CPUs take turns on them."
        ),
    })
}

/// Throughput over cores, measured and predicted.
fn throughput_plot(analysed: &[Analysis], warning: Option<&str>) -> Option<Plot> {
    let first = analysed.first()?;
    let millions = |throughput: f64| throughput / 1e6;
    let cores = || (1..=CORES_MAX).map(|cores| cores as f64);
    let mut lines = Vec::new();
    for analysis in analysed {
        let throughput = |(shards, cost_us): (f64, f64)| (shards, millions(shards * 1e6 / cost_us));
        let measured: Vec<_> = points(analysis, whole).into_iter().map(throughput).collect();
        let most = measured.last()?.0;
        let predicted = cores()
            .filter(|cores| *cores >= most)
            .map(|cores| (cores, millions(analysis.model.throughput(cores))));
        let name = analysis.way.name();
        // One name, and so one colour, for what was measured and what follows from it.
        lines.push(line(name, measured, false));
        lines.push(line(name, predicted.collect(), true));
        if analysis.way == Way::Plain {
            let alone = |cores: f64| analysis.whole.law.capacity(cores) / analysis.model.one_us;
            let alone = cores().map(|cores| (cores, alone(cores))).collect();
            lines.push(line("plain clients, the law alone", alone, true));
        }
    }
    let linear = cores().map(|cores| (cores, cores / first.model.one_us)).collect();
    lines.push(line("N times one core", linear, true));
    Some(Plot {
        title: format!("Predicted throughput, {}", first.case.name()),
        x: Axis::new("cores", Scale::Linear),
        y: Axis::new("million requests per second", Scale::Linear),
        lines,
        caption: format!(
            "{}No machine with so many cores was there: throughput is the number of cores over the CPU \
             time per request, which was measured with up to {} shards on few CPUs (solid). {}",
            warning.map(|text| format!("{text} ")).unwrap_or_default(),
            first.parts.last()?.0,
            ASSUMPTIONS.join(" ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::analysis::tests::measured;
    use super::*;

    #[test]
    fn what_was_not_measured_is_drawn_as_predicted_with_its_assumptions() {
        let series = measured();
        let findings = findings(&series, 1);
        let [costs, throughput, ..] = &findings.plots[..] else { panic!("{:?}", findings.plots) };
        assert_eq!(findings.plots.len(), 4, "two for each single-key load");
        assert!(costs.lines.iter().all(|line| !line.is_predicted));
        for line in &throughput.lines {
            let last = line.points[line.points.len() - 1];
            let expected = if line.is_predicted { 64.0 } else { 8.0 };
            assert!((last.0 - expected).abs() < 1e-9, "{}: {last:?}", line.name);
        }
        for way in [Way::Plain, Way::Ports] {
            let of = |is_predicted: bool| {
                let is_it =
                    |line: &&Line| line.name == way.name() && line.is_predicted == is_predicted;
                throughput.lines.iter().find(is_it).expect("a line")
            };
            let (was, will) = (of(false), of(true));
            let (was, will) = (was.points[3], will.points[0]);
            assert!((was.1 / will.1 - 1.0).abs() < 0.01, "they meet: {was:?} {will:?}");
        }
        for text in ASSUMPTIONS {
            assert!(throughput.caption.contains(text));
            assert!(findings.notes.iter().any(|note| note.contains(text)));
        }
        assert_eq!(findings.commands.len(), series.len());
    }

    #[test]
    fn idle_servers_and_hops_that_cost_nothing_cast_a_doubt_on_the_prediction() {
        let mut series = measured();
        let doubts = |series: &[Series]| {
            let findings = findings(series, 1);
            let is_doubted = |plot: &&Plot| plot.caption.starts_with("NOT to be relied on");
            let hop = findings.notes.iter().find(|note| note.starts_with("A hop costs"));
            let hop = hop.expect("a price").contains("LESS");
            (findings.plots.iter().filter(is_doubted).count(), hop)
        };
        assert_eq!(doubts(&series), (0, false));
        let case = series[0].case;
        let is_it = |it: &&mut Series| it.case == case && it.shards == 8 && it.way == Way::Ports;
        let ports = series.iter_mut().find(is_it).expect("eight shards");
        ports.busy_cpus = vec![0.5; 3];
        for run in &mut ports.runs {
            run.figures.cpu_us *= 3.0;
        }
        assert_eq!(doubts(&series), (1, true));
    }

    #[test]
    fn rows_compare_with_one_shard_of_the_same_round() {
        let findings = findings(&measured(), 1);
        let row = |part: &str| {
            let row = findings.rows.iter().find(|row| row.name.contains(part));
            row.unwrap_or_else(|| panic!("no {part}")).clone()
        };
        let ports = row("CPU per request, GET/SET, pipeline 16, shard ports, 8 shards");
        let ratio = ports.ratio.expect("a peer");
        // One round was three times as slow: the ratio does not mind.
        assert!((ratio.min - 1.14).abs() < 1e-6 && (ratio.max - 1.14).abs() < 1e-6, "{ratio:?}");
        assert!(row("of it hops, GET/SET, pipeline 1, plain clients, 8 shards").own.median > 0.0);
        assert!(
            !findings
                .rows
                .iter()
                .any(|row| row.name.contains("hops") && row.name.contains("ports"))
        );
    }
}
