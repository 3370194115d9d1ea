//! Spans of time as people write them: `500ms`, `5s`.

use std::time::Duration;

/// Reads a whole number of `ms`, `s` or `m`; `None` when it is none of these.
pub fn read_span(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    let ms = match unit {
        "ms" => number,
        "s" => number.checked_mul(1_000)?,
        "m" => number.checked_mul(60_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_cases() {
        #[rustfmt::skip]
        let cases = [
            ("5s", Some(5_000)), ("0ms", Some(0)), ("500ms", Some(500)), ("2m", Some(120_000)),
            ("5", None), ("s", None), ("-1s", None), ("1.5s", None), ("5 s", None), ("", None),
            ("99999999999999999999s", None), ("18446744073709551615m", None),
        ];
        for (text, want) in cases {
            assert_eq!(read_span(text), want.map(Duration::from_millis), "{text:?}");
        }
    }
}
