//! Job: what each kind of work may cost, and how far a run came: the table of targets.
//! In: the rows of all suites that ran. Out: one [`Standing`] per goal.
//! Invariant: every goal is in the table whether it was measured or not; where several rows stand for
//! one goal, the worst counts.

use serde::Serialize;

use crate::compare::{Row, Spread, Target};

/// One line of the table of targets. Lower is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Goal {
    /// How rows name it.
    pub id: &'static str,
    /// What is done.
    pub work: &'static str,
    /// Whom the ratio is to, or what the peer needs.
    pub peer: &'static str,
    /// The unit of the figures.
    pub unit: &'static str,
    /// What must be reached.
    pub must: Target,
    /// What is aimed at.
    pub aim: Target,
}

/// What a row is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// What it must reach.
    pub target: Target,
    /// The goal that it stands for.
    pub goal: Option<&'static str>,
}

impl From<Target> for Wanted {
    fn from(target: Target) -> Self {
        Self { target, goal: None }
    }
}

impl Goal {
    const fn ratio(
        id: &'static str,
        work: &'static str,
        peer: &'static str,
        must: f64,
        aim: f64,
    ) -> Self {
        Self { id, work, peer, unit: "us", must: Target::Ratio(must), aim: Target::Ratio(aim) }
    }

    /// What a row that stands for this goal is held against.
    pub const fn must(&self) -> Wanted {
        Wanted { target: self.must, goal: Some(self.id) }
    }

    /// How far the rows that stand for it came.
    fn standing<'a>(&self, rows: impl Iterator<Item = &'a Row>) -> Standing {
        let of_this = rows.filter(|row| row.goal.as_deref() == Some(self.id));
        let measured = of_this.filter_map(|row| Some((self.figure(row)?, row)));
        let worst = measured.max_by(|(one, _), (other, _)| one.median.total_cmp(&other.median));
        let reach = match worst {
            None => Reach::NotMeasured,
            Some((figure, _)) if figure.median <= most(self.aim) => Reach::Aim,
            Some((figure, _)) if figure.median <= most(self.must) => Reach::Must,
            Some((figure, _)) => Reach::ShortBy((figure.median / most(self.must) - 1.0) * 100.0),
        };
        let measured = worst.map(|(figure, row)| Measured { figure, row: row.clone() });
        Standing { goal: *self, measured, reach }
    }

    /// The figure of the row that is held against the target.
    fn figure(&self, row: &Row) -> Option<Spread> {
        match self.must {
            Target::Ratio(_) => row.ratio,
            Target::Figure(_) | Target::None => Some(row.own),
        }
    }
}

fn most(target: Target) -> f64 {
    match target {
        Target::Ratio(most) | Target::Figure(most) => most,
        Target::None => f64::INFINITY,
    }
}

const REDIS: &str = "redis-server 7.0.15";
const HAPROXY: &str = "HAProxy 2.6";

/// GET and SET, one shard.
pub const SERVER_PLAIN: Goal =
    Goal::ratio("server-plain", "GET/SET, 50 clients, no pipeline, 1 shard", REDIS, 0.92, 0.82);
/// GET and SET, pipelined, one shard.
pub const SERVER_PIPELINED: Goal =
    Goal::ratio("server-pipelined", "GET/SET, 50 clients, pipeline 16, 1 shard", REDIS, 0.60, 0.45);
/// GET and SET, two shards.
pub const SERVER_PLAIN_TWO: Goal = Goal::ratio(
    "server-plain-2-shards",
    "GET/SET, no pipeline, 2 shards, plain client",
    REDIS,
    1.20,
    1.00,
);
/// GET and SET, pipelined, two shards.
pub const SERVER_PIPELINED_TWO: Goal = Goal::ratio(
    "server-pipelined-2-shards",
    "GET/SET, pipeline 16, 2 shards, plain client",
    REDIS,
    0.85,
    0.60,
);
/// Memory of a small key.
pub const SERVER_MEMORY: Goal = Goal {
    id: "server-memory-per-key",
    work: "memory per key, 16 B key + 16 B value, 2 M keys",
    peer: "redis-server (121 B)",
    unit: "bytes",
    must: Target::Figure(72.0),
    aim: Target::Figure(56.0),
};
/// The longest pause while a table grows.
pub const SERVER_PAUSE: Goal = Goal {
    id: "server-insert-pause",
    work: "longest pause while 5 M keys are inserted",
    peer: "-",
    unit: "ms",
    must: Target::Figure(2.0),
    aim: Target::Figure(0.5),
};
/// Small responses through the balancer.
pub const LB_SMALL: Goal = Goal::ratio(
    "lb-http-small",
    "HTTP/1 keep-alive, 64 B body, 2 backends",
    "HAProxy 2.6 (about 25 us)",
    0.80,
    0.65,
);
/// Large responses through the balancer.
pub const LB_LARGE: Goal =
    Goal::ratio("lb-http-large", "HTTP/1 keep-alive, 16 KB body", HAPROXY, 0.85, 0.65);
/// Bytes through the balancer.
pub const LB_TCP: Goal = Goal::ratio("lb-tcp", "TCP relay", "HAProxy 2.6 tcp", 0.80, 0.65);
/// One decision of the library.
pub const LIMITER_HOT_KEY: Goal = Goal {
    id: "limiter-hot-key",
    work: "limiter decision in process, hot key",
    peer: "-",
    unit: "ns",
    must: Target::Figure(100.0),
    aim: Target::Figure(40.0),
};
/// One decision over RESP.
pub const LIMITER_RESP: Goal = Goal::ratio(
    "limiter-resp",
    "limiter over RESP, pipeline 16",
    "redis-server, EVALSHA of a GCRA script",
    0.25,
    0.15,
);

/// All, in the order of the table.
pub const GOALS: [Goal; 11] = [
    SERVER_PLAIN,
    SERVER_PIPELINED,
    SERVER_PLAIN_TWO,
    SERVER_PIPELINED_TWO,
    SERVER_MEMORY,
    SERVER_PAUSE,
    LB_SMALL,
    LB_LARGE,
    LB_TCP,
    LIMITER_HOT_KEY,
    LIMITER_RESP,
];

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// What is aimed at.
    Aim,
    /// What must be reached, not more.
    Must,
    /// The figure is this many percent above what must be reached.
    ShortBy(f64),
    /// No row of this run stands for the goal.
    NotMeasured,
}

/// The worst row of a goal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// What is held against the target: its ratio or its own figure.
    pub figure: Spread,
    /// The row.
    pub row: Row,
}

/// A goal, and how far a run came.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// What is wanted.
    #[serde(flatten)]
    pub goal: Goal,
    /// What was measured.
    pub measured: Option<Measured>,
    /// How far that is.
    pub reach: Reach,
}

/// How far `rows` came, goal by goal.
pub fn standings<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> Vec<Standing> {
    GOALS.iter().map(|goal| goal.standing(rows.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(goal: &Goal, own: f64) -> Row {
        let row = Row::new("x", "us", &[10.0], &[own], goal.must).expect("figures");
        Row { goal: Some(goal.id.to_owned()), ..row }
    }

    fn reach(goal: &Goal, rows: &[Row]) -> Reach {
        let standings = standings(rows.iter());
        standings.iter().find(|s| s.goal.id == goal.id).expect("every goal is there").reach
    }

    #[test]
    fn the_worst_row_of_a_goal_counts() {
        let rows = |figures: [f64; 2]| figures.map(|figure| row(&SERVER_PLAIN, figure));
        assert_eq!(reach(&SERVER_PLAIN, &rows([8.0, 7.0])), Reach::Aim);
        assert_eq!(reach(&SERVER_PLAIN, &rows([7.0, 9.0])), Reach::Must);
        let Reach::ShortBy(percent) = reach(&SERVER_PLAIN, &rows([11.5, 7.0])) else {
            panic!("1.15 is above 0.92")
        };
        assert!((percent - 25.0).abs() < 1e-9);
    }

    #[test]
    fn what_was_not_measured_says_so() {
        assert_eq!(reach(&LB_TCP, &[row(&SERVER_PLAIN, 8.0)]), Reach::NotMeasured);
        // A ratio without a peer is none.
        let alone = Row::new("x", "us", &[], &[1.0], LB_TCP.must).expect("figures");
        let alone = Row { goal: Some(LB_TCP.id.to_owned()), ..alone };
        assert_eq!(reach(&LB_TCP, &[alone]), Reach::NotMeasured);
        assert_eq!(standings([].iter()).len(), GOALS.len());
    }

    #[test]
    fn ids_differ_and_aims_lie_below_what_must_be_reached() {
        for (index, goal) in GOALS.iter().enumerate() {
            assert!(GOALS[..index].iter().all(|other| other.id != goal.id), "{}", goal.id);
            assert!(most(goal.aim) < most(goal.must), "{}", goal.id);
        }
    }
}
