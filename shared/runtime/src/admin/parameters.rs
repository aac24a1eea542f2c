//! What a request to the admin listener says beside its path.
//!
//! Job: read named values out of a query, a form or a JSON object. In: bytes of a bounded length.
//! Out: [`Parameters`]: names with texts. Invariant: JSON that is more than one flat object is refused;
//! what has passed [`Parameters::only`] has no name twice and none that is not known.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// Named values. A handler need not know whether they came as a query, a form or as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `name=value&name=value`, as browsers write it; what is no escape stands for itself.
    #[must_use]
    pub fn from_form(text: &[u8]) -> Self {
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let read = |pair: &[u8]| {
            let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            (unescaped(&pair[..equals]), unescaped(pair.get(equals + 1..).unwrap_or_default()))
        };
        Self(pairs.map(read).collect())
    }

    /// Reads one flat JSON object of texts, numbers and booleans.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn from_json(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The value of a name that must be there.
    ///
    /// # Errors
    /// One line that says that it is not.
    pub fn required(&self, name: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| format!("`{name}` is missing"))
    }

    /// Refuses every name but these, and names that stand there twice: a misspelt parameter must not
    /// pass for one that was left out.
    ///
    /// # Errors
    /// One line that names the first.
    pub fn only(&self, known: &[&str]) -> Result<(), String> {
        for (at, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(format!("`{}` is none of: {}", name.escape_debug(), known.join(", ")));
            }
            if self.0[..at].iter().any(|(other, _)| other == name) {
                return Err(format!("`{name}` is there twice"));
            }
        }
        Ok(())
    }
}

fn unescaped(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let escape = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match (escape, first) {
            (Some((high, low)), _) => {
                bytes.push(high << 4 | low);
                rest = &after[2..];
                continue;
            }
            (None, b'+') => bytes.push(b' '),
            (None, other) => bytes.push(*other),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a value that is no text, number or boolean")]
enum Scalar {
    Text(String),
    Number(serde_json::Number),
    Flag(bool),
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Parameters;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object such as {\"name\": \"value\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Scalar>()? {
                    let value = match value {
                        Scalar::Text(text) => text,
                        Scalar::Number(number) => number.to_string(),
                        Scalar::Flag(flag) => flag.to_string(),
                    };
                    pairs.push((name, value));
                }
                Ok(Parameters(pairs))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(of: &[(&str, &str)]) -> Parameters {
        Parameters(of.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn forms_and_queries_are_read_as_browsers_write_them() {
        let cases: [(&str, &[(&str, &str)]); 6] = [
            ("", &[]),
            ("a=1&b=2", &[("a", "1"), ("b", "2")]),
            ("a=x+y%2Fz%3d&&b", &[("a", "x y/z="), ("b", "")]),
            ("a=%zz%4&%41=%", &[("a", "%zz%4"), ("A", "%")]),
            ("=v&a==", &[("", "v"), ("a", "=")]),
            ("a=%ff", &[("a", "\u{fffd}")]),
        ];
        for (text, expected) in cases {
            assert_eq!(Parameters::from_form(text.as_bytes()), pairs(expected), "{text}");
        }
    }

    #[test]
    fn one_flat_json_object_is_read_and_nothing_else() {
        let text = br#"{"pool": "a\u0020b", "weight": 3, "exact": 1.50, "force": true}"#;
        let expected =
            pairs(&[("pool", "a b"), ("weight", "3"), ("exact", "1.5"), ("force", "true")]);
        assert_eq!(Parameters::from_json(text), Ok(expected));
        for wrong in ["", "[]", "1", "{\"a\": {}}", "{\"a\": [1]}", "{\"a\": null}", "{} {}", "{"] {
            assert!(Parameters::from_json(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let deep = "[".repeat(16_000);
        assert!(Parameters::from_json(deep.as_bytes()).is_err());
    }

    #[test]
    fn unknown_and_repeated_names_are_told() {
        let read = Parameters::from_form(b"pool=a&wieght=1");
        assert_eq!(read.only(&["pool", "weight"]), Err("`wieght` is none of: pool, weight".into()));
        assert_eq!(read.required("weight"), Err("`weight` is missing".into()));
        assert_eq!((read.required("pool"), read.get("weight")), (Ok("a"), None));
        let twice = Parameters::from_json(br#"{"pool": "a", "pool": "b"}"#).expect("an object");
        assert_eq!(twice.only(&["pool"]), Err("`pool` is there twice".into()));
    }
}
