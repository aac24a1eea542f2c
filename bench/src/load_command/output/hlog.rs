//! Job: the run second by second as an interval log, which HistogramLogProcessor and its like read.
//! In: intervals while the run goes, the probe's figures at its end. Out: one V2 histogram per line, in
//! nanoseconds.
//! Invariant: lines without tag are the measured seconds, so that a tool which knows no tags sees what was
//! measured; the warm-up has the tag `warm-up`, and the bystander's requests of the whole run are one line
//! with the tag `probe`. A log that cannot be written does not stop the run: the first error is kept.

use std::io::Write;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriter, IntervalLogWriterBuilder, Tag};

use crate::generator::outcome::{Interval, Latencies, Outcome};

/// The column of maxima is in milliseconds, as in the logs of the Java tools.
const MAX_DIVISOR: f64 = 1e6;

/// A log that is written.
pub struct Log<'a, W: Write> {
    writer: IntervalLogWriter<'a, 'a, W, V2DeflateSerializer>,
    /// The end of the warm-up.
    warm_up: Duration,
    error: Option<String>,
}

impl<'a, W: Write> Log<'a, W> {
    /// Writes the head of a log of a run that starts at `start`.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn begin(
        output: &'a mut W,
        serializer: &'a mut V2DeflateSerializer,
        command: &str,
        start: SystemTime,
    ) -> Result<Self, String> {
        let writer = IntervalLogWriterBuilder::new()
            .add_comment("[Histogram log format version 1.3]")
            .add_comment(&format!("[{command}]"))
            .with_start_time(start)
            .with_base_time(start)
            .with_max_value_divisor(MAX_DIVISOR)
            .begin_log_with(output, serializer)
            .map_err(|error| error.to_string())?;
        Ok(Self { writer, warm_up: Duration::ZERO, error: None })
    }

    /// Writes a second.
    pub fn second(&mut self, interval: &Interval) {
        let tag = interval.is_warm_up.then_some("warm-up");
        let start = Duration::try_from_secs_f64(interval.start_s).unwrap_or_default();
        let length = Duration::try_from_secs_f64(interval.length_s).unwrap_or_default();
        if interval.is_warm_up {
            self.warm_up = start + length;
        }
        self.line(&interval.figures.latency, start, length, tag);
    }

    /// Writes what is only known at the end.
    ///
    /// # Errors
    /// The first that came, now or before.
    pub fn finish(mut self, outcome: &Outcome) -> Result<(), String> {
        if let Some(probe) = &outcome.probe {
            let length = Duration::try_from_secs_f64(outcome.elapsed_s).unwrap_or_default();
            self.line(&probe.latency, self.warm_up, length, Some("probe"));
        }
        self.error.map_or(Ok(()), Err)
    }

    fn line(&mut self, latency: &Latencies, start: Duration, length: Duration, tag: Option<&str>) {
        if self.error.is_some() {
            return;
        }
        let tag = tag.and_then(Tag::new);
        if let Err(error) = self.writer.write_histogram(&latency.0, start, length, tag) {
            self.error = Some(error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::generator::outcome::Figures;
    use crate::load_command::output::tests::{latencies, outcome};

    fn interval(second: u64, is_warm_up: bool, values_us: &[u64]) -> Interval {
        let latency = latencies(values_us.iter().copied());
        Interval {
            second,
            is_warm_up,
            start_s: second as f64 / 2.0,
            length_s: 0.5,
            figures: Figures { latency, ..Figures::default() },
            outstanding: 0,
        }
    }

    #[test]
    fn the_log_reads_back() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let (mut bytes, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
        let intervals =
            [interval(0, true, &[900]), interval(1, false, &[10, 20]), interval(2, false, &[])];
        let mut outcome = outcome();
        outcome.probe = Some(Figures { latency: latencies([77]), ..Figures::default() });
        let mut log = Log::begin(&mut bytes, &mut serializer, "a\nb", start).expect("a head");
        for interval in &intervals {
            log.second(interval);
        }
        log.finish(&outcome).expect("a log");

        let text = String::from_utf8(bytes).expect("text");
        assert!(text.starts_with("#[Histogram log format version 1.3]\n#[a\n#b]\n"), "{text}");
        let mut times = Vec::new();
        let mut lines = Vec::new();
        for entry in IntervalLogIterator::new(text.as_bytes()) {
            match entry.expect("a line that parses") {
                LogEntry::StartTime(time) | LogEntry::BaseTime(time) => times.push(time.as_secs()),
                LogEntry::Interval(line) => {
                    let bytes = STANDARD.decode(line.encoded_histogram()).expect("base64");
                    let histogram = Deserializer::new().deserialize(&mut bytes.as_slice());
                    lines.push((
                        line.tag().map(|tag| tag.as_str().to_owned()),
                        line.start_timestamp().as_secs_f64(),
                        line.duration(),
                        Latencies(histogram.expect("a histogram")),
                        line.max(),
                    ));
                }
            }
        }
        assert_eq!(times, [1_800_000_000; 2], "start and base");
        assert_eq!(lines.len(), 4);
        for (line, interval) in lines.iter().zip(&intervals) {
            assert_eq!(line.0.as_deref(), interval.is_warm_up.then_some("warm-up"));
            assert_eq!((line.1, line.2), (interval.start_s, Duration::from_millis(500)));
            assert_eq!(line.3, interval.figures.latency);
        }
        assert!((lines[0].4 - 0.9).abs() < 0.002, "milliseconds: {}", lines[0].4);
        assert_eq!(lines[3].0.as_deref(), Some("probe"));
        assert_eq!((lines[3].1, lines[3].2), (0.5, Duration::from_secs(1)));
        assert_eq!(lines[3].3, latencies([77]));
    }

    /// A disk that is full after so many bytes.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 < bytes.len() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_said_at_the_end() {
        let (mut disk, mut serializer) = (Full(220), V2DeflateSerializer::new());
        let mut log =
            Log::begin(&mut disk, &mut serializer, "a", SystemTime::now()).expect("a head");
        log.second(&interval(0, false, &[10]));
        log.second(&interval(1, false, &[10]));
        let error = log.finish(&outcome()).expect_err("a full disk");
        assert!(error.contains("no storage space"), "{error}");
    }
}
