//! Set: changes of several directives at once.
//! In: pairs of name and value, as CONFIG SET gives them. Out: another configuration, or Redis's
//! error.
//! Invariant: all of the pairs are in the new configuration, or there is none; the same pairs on
//! the same configuration have the same outcome on every core.

use super::Config;
use super::directives::{self, Change, Directive, Refusal};

/// The configuration with these changes. Errors: the whole error reply.
pub fn with_changes(config: &Config, pairs: &[(&[u8], &[u8])]) -> Result<Config, String> {
    let mut rows: Vec<&Directive> = Vec::with_capacity(pairs.len());
    let mut first_failure = None;
    for (name, _) in pairs {
        let shown = String::from_utf8_lossy(name);
        let Some(row) = directives::find(&shown) else {
            // Redis prefers this error to those of the other pairs.
            return Err(format!(
                "ERR Unknown option or number of arguments for CONFIG SET - '{shown}'"
            ));
        };
        let reason = match row.change {
            Change::AtStart => Some("can't set immutable config"),
            Change::Protected => Some("can't set protected config"),
            Change::Anytime => {
                rows.iter().any(|other| std::ptr::eq(*other, row)).then_some("duplicate parameter")
            }
        };
        if let Some(reason) = reason {
            first_failure.get_or_insert_with(|| failed(&shown, reason));
        }
        rows.push(row);
    }
    if let Some(failure) = first_failure {
        return Err(failure);
    }
    let mut changed = config.clone();
    for (row, (_, value)) in rows.iter().zip(pairs) {
        std::str::from_utf8(value)
            .map_err(|_| Refusal::from("the value is not UTF-8"))
            .and_then(|value| row.set_words(&mut changed, &row.split(value)))
            .map_err(|refusal| failed(row.name, &refusal.to_string()))?;
    }
    Ok(changed)
}

fn failed(name: &str, reason: &str) -> String {
    format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Result<Config, String> {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        with_changes(&Config::default(), &pairs)
    }

    #[test]
    fn all_or_nothing_in_redis_words() {
        let changed = set(&[("HZ", "20"), ("timeout", "5"), ("repl-timeout", "9")]).expect("fine");
        assert_eq!((changed.hz, changed.timeout_s), (20, 5));
        let prefix = "ERR CONFIG SET failed (possibly related to argument";
        let cases: [(&[(&str, &str)], &str); 8] = [
            (
                &[("hz", "1"), ("nope", "2")],
                "ERR Unknown option or number of arguments for CONFIG SET - 'nope'",
            ),
            (
                &[("port", "1"), ("nope", "2")],
                "ERR Unknown option or number of arguments for CONFIG SET - 'nope'",
            ),
            (&[("port", "1")], "'port') - can't set immutable config"),
            (&[("dir", "/")], "'dir') - can't set protected config"),
            (&[("hz", "1"), ("Hz", "2")], "'Hz') - duplicate parameter"),
            (
                &[("slave-priority", "1"), ("replica-priority", "2")],
                "'replica-priority') - duplicate parameter",
            ),
            (
                &[("hz", "1"), ("maxclients", "0")],
                "'maxclients') - argument must be between 1 and 4294967295 inclusive",
            ),
            (
                &[("oom-score-adj-values", "1 2")],
                "'oom-score-adj-values') - wrong number of arguments",
            ),
        ];
        for (pairs, expected) in cases {
            let error = set(pairs).expect_err(expected);
            let expected = match expected.strip_prefix('\'') {
                Some(rest) => format!("{prefix} '{rest}"),
                None => expected.into(),
            };
            assert_eq!(error, expected);
        }
        assert!(set(&[("maxmemory", "0"), ("save", ""), ("appendonly", "no")]).is_ok());
        assert!(set(&[("maxmemory", "1")]).expect_err("refused").contains("not evicted yet"));
    }
}
