//! Job: what suites write, as a run of all of them would.
//! In: nothing. Out: JSON documents.
//! Invariant: every kind of plot is among them, and a row for most lines of the table of targets.

use serde_json::{Value, json};

/// A row of figures in which ratios and verdict follow from the medians.
fn row(
    name: &str,
    goal: Option<&str>,
    unit: &str,
    peer: Option<f64>,
    own: f64,
    target: Value,
) -> Value {
    let spread =
        |median: f64| json!({"median": median, "min": median * 0.97, "max": median * 1.04});
    let ratio = peer.map(|peer| own / peer);
    let (figure, most) = match (&target["ratio"], &target["figure"]) {
        (most, Value::Null) => (ratio, most.as_f64()),
        (_, most) => (Some(own), most.as_f64()),
    };
    let verdict = match figure.zip(most) {
        None => json!("informs"),
        Some((figure, most)) if figure <= most => json!("reached"),
        Some((figure, most)) => json!({"short_by": (figure / most - 1.0) * 100.0}),
    };
    let mut row = json!({
        "name": name, "unit": unit, "peer": peer.map(spread), "own": spread(own),
        "ratio": ratio.map(spread), "target": target, "verdict": verdict, "rounds": 5
    });
    if let Some(goal) = goal {
        row["goal"] = json!(goal);
    }
    row
}

fn plot(title: &str, x: (&str, &str), y: (&str, &str), lines: Vec<Value>, caption: &str) -> Value {
    json!({
        "title": title, "x": {"label": x.0, "scale": x.1}, "y": {"label": y.0, "scale": y.1},
        "lines": lines, "caption": caption
    })
}

fn line(name: &str, points: impl Iterator<Item = (f64, f64)>) -> Value {
    json!({"name": name, "points": points.collect::<Vec<_>>()})
}

/// Latencies that grow with the percentile as those of servers do.
fn tail(name: &str, median: f64, growth: f64) -> Value {
    let shares = (0..60).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 12.0)).chain([1.0]);
    line(
        name,
        shares.map(|share| {
            let nines = -(1.0 - share).max(1e-6).log10();
            (share, median * (0.4 + 0.5 * nines + growth * nines.powi(4) / 60.0))
        }),
    )
}

fn over_time(name: &str, mean: f64, dip_at: u32) -> Value {
    line(
        name,
        (0..60).map(|second| {
            let wave = 1.0 + 0.03 * (f64::from(second) * 0.9 + mean).sin();
            (f64::from(second), mean * wave * if second == dip_at { 0.55 } else { 1.0 })
        }),
    )
}

fn report(title: &str, rows: Vec<Value>, plots: Vec<Value>, commands: &[&str]) -> Value {
    json!({
        "title": title,
        "machine": {
            "cpu": "Example(R) Processor 8481C @ 2.70GHz", "cpus": 2, "memory_mib": 7946,
            "kernel": "6.1.0-18-amd64", "virtualisation": "virtual machine", "governor": null,
            "load_before": "0.08 0.11 0.20"
        },
        "setting": [
            "under test: ringlet-server 0.1.0",
            "peer: Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64",
            "servers on CPU 0, load on CPU 1", "duration 171 s"
        ],
        "rows": rows,
        "notes": ["Latency: open loop, half GET and half SET over 50 connections at random (exponential) \
                   gaps, 50 % of what Redis reached in a closed loop; counted from the intended time of \
                   sending. The generator itself was late by 3 us at p50 and 21 us at p99."],
        "plots": plots,
        "commands": commands
    })
}

/// The data server's suite.
pub fn server() -> Value {
    let ratio = |most: f64| json!({"ratio": most});
    let cpu = |kind: &str, goal, peer, own, most: f64| {
        row(&format!("CPU per {kind}"), Some(goal), "us", Some(peer), own, ratio(most))
    };
    let rows = vec![
        cpu("GET, 50 clients, pipeline 1, 1 shard", "server-plain", 12.1, 9.6, 0.92),
        cpu("SET, 50 clients, pipeline 1, 1 shard", "server-plain", 12.6, 10.7, 0.92),
        cpu("GET, 50 clients, pipeline 1, 2 shards", "server-plain-2-shards", 12.1, 14.1, 1.2),
        cpu("GET, 50 clients, pipeline 16, 1 shard", "server-pipelined", 1.62, 0.71, 0.6),
        cpu(
            "GET, 50 clients, pipeline 16, 2 shards",
            "server-pipelined-2-shards",
            1.62,
            1.49,
            0.85,
        ),
        row("latency p99 at 41000 requests/s, 1 shard", None, "us", Some(214.0), 171.0, ratio(1.0)),
        row(
            "resident memory per key, 2000000 keys of 16+16 bytes",
            Some("server-memory-per-key"),
            "bytes",
            Some(120.9),
            54.2,
            json!({"figure": 72.0}),
        ),
        row(
            "longest gap while 5000000 keys are inserted, 1 shard",
            Some("server-insert-pause"),
            "ms",
            Some(411.0),
            6.13,
            json!({"figure": 2.0}),
        ),
        row("idle server, 1 shard, over 5 s", None, "% of a CPU", Some(0.4), 0.0, "none".into()),
    ];
    let systems = [
        ("redis-server", 0.09, 1.1),
        ("Ringlet, 1 shard", 0.07, 0.6),
        ("Ringlet, 2 shards", 0.08, 0.8),
    ];
    let bars = |name: &str, figures: [f64; 3]| line(name, (0..3).map(f64::from).zip(figures));
    let mut beside = plot(
        "CPU per request",
        ("", "names"),
        ("us", "linear"),
        vec![bars("peer", [12.1, 12.6, 1.62]), bars("measured", [9.6, 10.7, 0.71])],
        "Medians of the rounds; the table has their spread.",
    );
    beside["x"]["names"] = json!([
        "CPU per GET, 50 clients, pipeline 1, 1 shard",
        "CPU per SET, 50 clients, pipeline 1, 1 shard",
        "CPU per GET, 50 clients, pipeline 16, 1 shard"
    ]);
    let plots = vec![
        plot(
            "Latency at 41 000 requests/s",
            ("percentile", "percentile"),
            ("latency in ms", "log"),
            systems.iter().map(|(name, median, growth)| tail(name, *median, *growth)).collect(),
            "Open loop at random gaps, counted from the intended time of sending; all rounds merged.",
        ),
        beside,
        plot(
            "Throughput over time",
            ("time in s", "linear"),
            ("requests per second", "linear"),
            systems
                .iter()
                .zip([81_000.0, 94_000.0, 88_000.0])
                .zip([23, 70, 41])
                .map(|(((name, ..), mean), dip_at)| over_time(name, mean, dip_at))
                .collect(),
            "Closed loop, 50 connections, one second each.",
        ),
        plot(
            "p99 over time",
            ("time in s", "linear"),
            ("p99 in ms", "log"),
            (0..10)
                .map(|number| {
                    over_time(
                        &format!("server number {number} of ten"),
                        0.2 * 1.5_f64.powi(number),
                        5,
                    )
                })
                .collect(),
            "Ten systems: as many as a picture can hold.",
        ),
    ];
    report(
        "ringlet-server beside redis-server",
        rows,
        plots,
        &[
            "taskset -c 1 ringlet-bench load redis://127.0.0.1:40001 --rate 41000 --connections 50 --time 4s --format json",
            "taskset -c 1 ringlet-bench load redis://127.0.0.1:40001 --command 'GET __key__' --pipeline 16 --time 4s",
        ],
    )
}

/// The suite that says how cost grows with cores: a prediction, a single point, a gap.
pub fn scaling() -> Value {
    let curve = |cores: f64, contention: f64, crosstalk: f64| {
        90_000.0 * cores / (1.0 + contention * (cores - 1.0) + crosstalk * cores * (cores - 1.0))
    };
    let powers = |range: std::ops::RangeInclusive<i32>| range.map(|power| 2_f64.powi(power));
    let at = |name: &str, range, contention, crosstalk| {
        line(name, powers(range).map(|cores| (cores, curve(cores, contention, crosstalk))))
    };
    let mut lines = vec![
        at("plain clients", 0..=3, 0.03, 0.0006),
        at("shard ports", 0..=3, 0.004, 0.00002),
        at("plain clients", 3..=6, 0.03, 0.0006),
        at("shard ports", 3..=6, 0.004, 0.00002),
    ];
    for line in &mut lines[2..] {
        line["is_predicted"] = json!(true);
    }
    let mut gap = over_time("Ringlet", 300.0, 70);
    gap["points"][30] = json!([30.0, null]);
    report(
        "The cost of a request by the number of shards",
        Vec::new(),
        vec![
            plot(
                "Throughput to 64 cores",
                ("cores", "log"),
                ("requests per second", "linear"),
                lines,
                "Measured up to 8 shards on two CPUs; beyond, the universal scalability law (dashed).",
            ),
            plot(
                "One run",
                ("cores", "linear"),
                ("us", "linear"),
                vec![line("Ringlet", [(2.0, 11.0)].into_iter())],
                "One point.",
            ),
            plot(
                "With a second without replies",
                ("time in s", "linear"),
                ("us", "linear"),
                vec![gap],
                "Nothing is drawn where nothing came.",
            ),
        ],
        &[],
    )
}
