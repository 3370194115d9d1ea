//! Numbers and times as people read them.

use vitrina_types::time::EventTime;

/// A count with thousands apart: `12,345`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three significant digits below 100, whole above: `0.42`, `12.3`, `1,234`.
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let size = value.abs();
    let text = match size {
        _ if size >= 99.95 => {
            let sign = if value < 0.0 { "-" } else { "" };
            return format!("{sign}{}", grouped(size.round() as u64));
        }
        _ if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    let trimmed = text.trim_end_matches('0').trim_end_matches('.');
    if trimmed.is_empty() || trimmed == "-0" {
        "0".to_owned()
    } else {
        trimmed.to_owned()
    }
}

/// Bytes in the largest binary unit that leaves a number of at least 1: `12.3 MiB`.
pub fn sized(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1_024.0 {
            return format!("{} {unit}", short(value));
        }
        value /= 1_024.0;
    }
    format!("{} TiB", short(value))
}

/// A span of time in its largest two units: `3 min 20 s`.
pub fn lasted(ms: i64) -> String {
    let s = ms.max(0) / 1_000;
    let (d, h, m) = (s / 86_400, s / 3_600 % 24, s / 60 % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, _) => format!("{m} min {} s", s % 60),
        (0, _, _) => format!("{h} h {m} min"),
        _ => format!("{d} d {h} h"),
    }
}

/// The time of day in UTC: `08:05`.
pub fn clock(at: EventTime) -> String {
    let minutes = at.0.div_euclid(60_000).rem_euclid(1_440);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// How long before `now` something was: `just now`, `3 min ago`; `in 2 min` for what is ahead.
pub fn before(at: EventTime, now: EventTime) -> String {
    let ms = now.since_ms(at);
    let s = ms.abs() / 1_000;
    let span = match s {
        0..2 => return "just now".to_owned(),
        2..60 => format!("{s} s"),
        60..3_600 => format!("{} min", s / 60),
        3_600..172_800 => format!("{} h", s / 3_600),
        _ => format!("{} d", s / 86_400),
    };
    if ms < 0 {
        format!("in {span}")
    } else {
        format!("{span} ago")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let grouped: Vec<_> = [0, 999, 1_000, 1_234_567].map(super::grouped).into();
        assert_eq!(grouped, ["0", "999", "1,000", "1,234,567"]);
        #[rustfmt::skip]
        let cases = [
            (0.0, "0"), (0.004, "0"), (0.42, "0.42"), (7.0, "7"), (9.999, "10"), (12.34, "12.3"),
            (99.96, "100"), (1_234.4, "1,234"), (-250.0, "-250"), (-0.001, "0"), (f64::NAN, "–"),
        ];
        for (value, want) in cases {
            assert_eq!(short(value), want, "{value}");
        }
    }

    #[test]
    fn spans_read_well() {
        assert_eq!(clock(EventTime(1_800_000_299_999)), "08:04");
        assert_eq!(sized(0), "0 B");
        assert_eq!(sized(1_536), "1.5 KiB");
        assert_eq!(lasted(200_000), "3 min 20 s");
        assert_eq!(lasted(90_061_000), "1 d 1 h");
        let now = EventTime(10_000_000);
        assert_eq!(before(now, now), "just now");
        assert_eq!(before(now.plus_ms(-185_000), now), "3 min ago");
        assert_eq!(before(now.plus_ms(120_000), now), "in 2 min");
    }
}
