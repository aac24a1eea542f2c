//! Job: the report for programs.
//! In: an [`Outcome`]. Out: one JSON object, which reads back as the same outcome.
//! Invariant: nothing is left out.

use crate::generator::outcome::Outcome;

/// One object, with a line end.
///
/// # Errors
/// A histogram that cannot be serialised.
pub fn text(outcome: &Outcome) -> Result<String, String> {
    serde_json::to_string_pretty(outcome)
        .map(|text| text + "\n")
        .map_err(|error| format!("cannot write the outcome as JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::outcome::Ended;
    use crate::load_command::output::tests::outcome;

    #[test]
    fn it_reads_back() {
        let mut outcome = outcome();
        outcome.ended = Ended::Failed("reset by peer".to_owned());
        let back: Outcome = serde_json::from_str(&text(&outcome).expect("JSON")).expect("outcome");
        assert_eq!(back.ended, outcome.ended);
        assert_eq!(back.total.latency, outcome.total.latency);
        assert_eq!(back.kinds["GET"].misses, 5);
        assert_eq!(back.seconds, outcome.seconds);
    }
}
