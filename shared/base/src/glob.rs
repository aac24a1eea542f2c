//! Job: match a string against a Redis glob pattern (`KEYS`, `SCAN MATCH`, `PSUBSCRIBE`, `CONFIG
//! GET`).
//! In: a pattern and a text, both arbitrary bytes. Out: whether the whole text matches.
//! Invariant: at most pattern length times text length steps, however many stars there are; no
//! recursion.
//!
//! The oddities of Redis are kept, because clients can see them: a class that is not closed ends
//! with the pattern, `[^` alone matches any byte, a range may swallow the closing bracket (`[a-]`),
//! a lone `\` at the end is itself, and a pattern of stars does not match the empty text (only an
//! empty pattern does).

/// What one step of a pattern, other than a star, did with one byte of text.
struct Step {
    matched: bool,
    /// Index in the pattern after the step.
    next: usize,
}

/// Whether `text` as a whole matches `pattern`.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    run(pattern, text, false)
}

/// As [`matches()`], with ASCII letters compared without regard to case.
#[must_use]
pub fn matches_ignoring_case(pattern: &[u8], text: &[u8]) -> bool {
    run(pattern, text, true)
}

/// Whether the pattern matches every text but the empty one, so that callers need not look at the
/// text.
#[must_use]
pub fn matches_everything(pattern: &[u8]) -> bool {
    pattern == b"*"
}

fn run(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut at, mut position) = (0, 0);
    // Where to go on when a step fails: after the last star, one byte of text further than last
    // time. An earlier star need not be tried again: what the last one can skip includes what the
    // earlier one could.
    let mut retry: Option<(usize, usize)> = None;
    while position < text.len() {
        if at < pattern.len() {
            if pattern[at] == b'*' {
                at += 1;
                retry = Some((at, position));
                if at == pattern.len() {
                    return true;
                }
                continue;
            }
            let step = step(pattern, at, text[position], ignore_case);
            if step.matched {
                at = step.next;
                position += 1;
                continue;
            }
        }
        let Some((after_star, from)) = retry else { return false };
        at = after_star;
        position = from + 1;
        retry = Some((after_star, position));
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

fn step(pattern: &[u8], at: usize, byte: u8, ignore_case: bool) -> Step {
    match pattern[at] {
        b'?' => Step { matched: true, next: at + 1 },
        b'[' => class(pattern, at + 1, byte, ignore_case),
        b'\\' if at + 1 < pattern.len() => {
            Step { matched: equal(pattern[at + 1], byte, ignore_case), next: at + 2 }
        }
        literal => Step { matched: equal(literal, byte, ignore_case), next: at + 1 },
    }
}

/// A bracketed class whose content begins at `at`.
fn class(pattern: &[u8], mut at: usize, byte: u8, ignore_case: bool) -> Step {
    let negated = pattern.get(at) == Some(&b'^');
    at += usize::from(negated);
    let mut found = false;
    loop {
        match pattern[at..] {
            [] => break,
            // An escaped byte is compared as it is, even where case is ignored, as in Redis.
            [b'\\', escaped, ..] => {
                found |= escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [first, b'-', last, ..] => {
                let (mut low, mut high) = (first.min(last), first.max(last));
                let mut byte = byte;
                if ignore_case {
                    low = low.to_ascii_lowercase();
                    high = high.to_ascii_lowercase();
                    byte = byte.to_ascii_lowercase();
                }
                found |= (low..=high).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= equal(literal, byte, ignore_case);
                at += 1;
            }
        }
    }
    Step { matched: found != negated, next: at }
}

fn equal(left: u8, right: u8, ignore_case: bool) -> bool {
    left == right || (ignore_case && left.eq_ignore_ascii_case(&right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn table_of_patterns() {
        // Taken from the answers of redis-server 7.0.15 to KEYS.
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", false),
            ("**", "", false),
            ("", "a", false),
            ("*", "a", true),
            ("a*", "a", true),
            ("a**", "a", true),
            ("*a", "a", true),
            ("*a", "ba", true),
            ("*a*", "a", true),
            ("*b*c", "abxbc", true),
            ("*b*c", "abxb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[abc]", "b", true),
            ("[^abc]", "b", false),
            ("[^abc]", "d", true),
            ("[a-c]", "b", true),
            ("[c-a]", "b", true),
            ("[a-]", "^", true),
            ("[a", "a", true),
            ("[", "a", false),
            ("[^", "a", true),
            ("[]a]", "a", false),
            ("[\\]]", "]", true),
            ("[\\", "\\", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("\\", "\\", true),
            ("a\\", "a\\", true),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
        ] {
            let actual = matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(actual, expected, "pattern {pattern:?} text {text:?}");
        }
    }

    /// Lines of a pattern and, for each of the texts below, whether redis-server 7.0.15 matches it.
    const ANSWERS: &str = include_str!("../tests/glob.txt");

    const TEXTS: [&str; 20] = [
        "", "a", "b", "ab", "ba", "aab", "abab", "]", "^", "-", "\\", "a]", "[a", "a-b", "^a", "*",
        "b*a", "bbbbaaab", "a\\b", "AB",
    ];

    #[test]
    fn agrees_with_redis() {
        let mut count = 0;
        for line in ANSWERS.lines() {
            let (pattern, answers) = line.split_once(' ').expect("two fields");
            assert_eq!(answers.len(), TEXTS.len());
            for (text, answer) in TEXTS.iter().zip(answers.bytes()) {
                let matched = matches(pattern.as_bytes(), text.as_bytes());
                assert_eq!(matched, answer == b'1', "pattern {pattern:?} text {text:?}");
            }
            count += 1;
        }
        assert!(count > 300, "{count}");
    }

    #[test]
    fn case_is_ignored_on_request() {
        assert!(!matches(b"MAX*", b"maxmemory"));
        assert!(matches_ignoring_case(b"MAX*", b"maxmemory"));
        assert!(matches_ignoring_case(b"[A-C]x", b"bX"));
        assert!(matches_ignoring_case(b"\\Ab", b"aB"));
        assert!(!matches_ignoring_case(b"[\\A]", b"a"));
    }

    #[test]
    fn many_stars_cost_no_exponential_time() {
        let pattern = b"a*".repeat(2000);
        let mut text = vec![b'a'; 20_000];
        text.push(b'b');
        assert!(matches(&pattern, &text));
        let mut failing = pattern;
        failing.push(b'c');
        assert!(!matches(&failing, &text));
    }

    /// The rule as it is told in words: a star tries every length from the shortest.
    fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
        let Some((&byte, &first)) = text.first().zip(pattern.first()) else {
            return text.is_empty() && pattern.is_empty();
        };
        if first == b'*' {
            let rest = &pattern[pattern.iter().take_while(|&&byte| byte == b'*').count()..];
            return rest.is_empty()
                || (0..text.len()).any(|skip| by_definition(rest, &text[skip..]));
        }
        let step = step(pattern, 0, byte, false);
        if !step.matched {
            return false;
        }
        let rest = &pattern[step.next.min(pattern.len())..];
        if text.len() == 1 {
            return rest.iter().all(|&byte| byte == b'*');
        }
        by_definition(rest, &text[1..])
    }

    #[test]
    fn agrees_with_the_definition_on_random_input() {
        let seed = 0x9e37;
        let mut random = Random::new(seed);
        for _ in 0..200_000 {
            let pattern: Vec<u8> =
                (0..random.below(9)).map(|_| b"ab*?[]^-\\*ab"[random.below(12) as usize]).collect();
            let text: Vec<u8> =
                (0..random.below(7)).map(|_| b"ab]^-\\"[random.below(6) as usize]).collect();
            assert_eq!(
                matches(&pattern, &text),
                by_definition(&pattern, &text),
                "seed {seed}: pattern {:?} text {:?}",
                String::from_utf8_lossy(&pattern),
                String::from_utf8_lossy(&text)
            );
        }
    }
}
