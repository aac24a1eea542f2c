//! What the values of keys must be.
//!
//! Job: turn a value of the file into a plain one. In: one value. Out: it, or what is
//! wrong with it in words. Invariant: nothing that is out of its bounds gets through.

use toml::de::DeValue;

use super::problem::{listed, shown};
use super::units::{read_size, read_time, write_size};

/// `true` or `false`.
pub fn flag(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("{} is not true or false", describe(value)))
}

/// Text.
pub fn text(value: &DeValue<'_>) -> Result<String, String> {
    Ok(as_text(value)?.to_owned())
}

/// Text that `read` takes.
pub fn text_as<T>(
    read: impl Fn(&str) -> Result<T, String>,
) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| read(as_text(value)?)
}

fn as_text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("{} is not a text in quotes", describe(value)))
}

/// A whole number between two others.
pub fn number<T>(least: T, most: T) -> impl Fn(&DeValue<'_>) -> Result<T, String>
where
    T: Copy + PartialOrd + std::fmt::Display + TryFrom<u64>,
{
    move |value| {
        value
            .as_integer()
            .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| *number >= least && *number <= most)
            .ok_or_else(|| format!("{} is not a number from {least} to {most}", describe(value)))
    }
}

/// Thousandths from a number with a fraction.
pub fn thousandths(value: &DeValue<'_>) -> Result<u32, String> {
    const MOST: f64 = 100.0;
    let number: Option<f64> = match value {
        DeValue::Float(number) => number.as_str().parse().ok(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
        _ => None,
    };
    match number {
        Some(number) if (0.001..=MOST).contains(&number) => Ok((number * 1000.0).round() as u32),
        _ => Err(format!("{} is not a number from 0.001 to {MOST}", describe(value))),
    }
}

/// A time above 0, in milliseconds.
pub fn time(value: &DeValue<'_>) -> Result<u32, String> {
    match time_or_zero(value)? {
        0 => Err("the time must be above 0".to_owned()),
        ms => Ok(ms),
    }
}

/// A time, in milliseconds.
pub fn time_or_zero(value: &DeValue<'_>) -> Result<u32, String> {
    match value {
        DeValue::Integer(number) => read_time(&number.to_string()),
        DeValue::String(text) => read_time(text),
        _ => Err(format!("{} is not a time such as \"4s\"", describe(value))),
    }
}

/// A size between two others, in bytes.
pub fn size(least: u32, most: u32) -> impl Fn(&DeValue<'_>) -> Result<u32, String> {
    move |value| {
        let bytes = match value {
            DeValue::Integer(number) => read_size(&number.to_string())?,
            DeValue::String(text) => read_size(text)?,
            _ => return Err(format!("{} is not a size such as \"16k\"", describe(value))),
        };
        u32::try_from(bytes).ok().filter(|bytes| (least..=most).contains(bytes)).ok_or_else(|| {
            let (least, most) = (least.into(), most.into());
            let (least, most) = (write_size(least), write_size(most));
            format!("{} is not a size from {least} to {most}", describe(value))
        })
    }
}

/// One of some names.
pub fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*choice);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    Err(format!("\"{}\" is none of {}", shown(text), listed(&names)))
}

/// The name of a choice.
pub fn name_of<T: PartialEq>(choices: &[(&'static str, T)], choice: &T) -> &'static str {
    choices.iter().find(|(_, other)| other == choice).map_or("", |(name, _)| *name)
}

/// A value for an error, in one short line.
pub fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", shown(text)),
        DeValue::Integer(number) => shown(&number.to_string()),
        DeValue::Float(number) => shown(&number.to_string()),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
