//! The times of the files we read, none of which is RFC 3339.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use vitrina_types::time::EventTime;

/// Reads `YYYY-MM-DD HH:MM:SS UTC`; the zone may be left out, any other is refused.
pub fn utc(text: &str) -> Option<EventTime> {
    let civil = Civil::read(text.strip_suffix(" UTC").unwrap_or(text))?;
    EventTime::from_epoch_ms(civil.utc_ms()).ok()
}

/// The clock on the wall in the United Kingdom.
///
/// The rule is written out (summer time from the last Sunday of March to the last of October, in
/// force since 1996), so that a machine without a zone database reads the same times. An hour
/// that happens twice is read as the first one, an hour that is left out as if the clock had
/// gone on.
#[derive(Debug, Clone)]
pub struct UkClock {
    zone: TimeZone,
    /// The last hour asked for, since neighbouring rows nearly always share it: its start by the
    /// clock, and how far the clock was ahead of UTC then.
    last: Option<(i64, i64)>,
}

const HOUR_MS: i64 = 3_600_000;

impl UkClock {
    /// The clock.
    pub fn new() -> Self {
        // The text is fixed and valid; were it not, UTC is at most an hour off.
        let zone = TimeZone::posix("GMT0BST,M3.5.0/1,M10.5.0").unwrap_or(TimeZone::UTC);
        Self { zone, last: None }
    }

    /// Reads `YYYY-MM-DDTHH:MM:SS`, also with a space.
    pub fn read(&mut self, text: &str) -> Option<EventTime> {
        let civil = Civil::read(text)?;
        let (clock_ms, hour_ms) = (civil.utc_ms(), civil.utc_ms().div_euclid(HOUR_MS) * HOUR_MS);
        let ahead_ms = match self.last {
            Some((hour, ahead)) if hour == hour_ms => ahead,
            _ => {
                let at = civil.to_jiff()?.to_zoned(self.zone.clone()).ok()?;
                let ahead = clock_ms - at.timestamp().as_millisecond();
                self.last = Some((hour_ms, ahead));
                ahead
            }
        };
        EventTime::from_epoch_ms(clock_ms - ahead_ms).ok()
    }
}

impl Default for UkClock {
    fn default() -> Self {
        Self::new()
    }
}

/// Date and time of day without a zone.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    second_of_day: i64,
}

impl Civil {
    /// Reads exactly `YYYY-MM-DD?HH:MM:SS` where `?` is `T` or a space. Written out because it
    /// runs once a row.
    fn read(text: &str) -> Option<Self> {
        let bytes: &[u8; 19] = text.as_bytes().try_into().ok()?;
        let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
        if marks.iter().any(|&(at, mark)| bytes[at] != mark) || !matches!(bytes[10], b'T' | b' ') {
            return None;
        }
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().try_fold(0i64, |sum, byte| {
                byte.is_ascii_digit()
                    .then(|| sum * 10 + i64::from(byte - b'0'))
            })
        };
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let fits = year > 0
            && (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        fits.then_some(Self {
            year,
            month,
            day,
            second_of_day: hour * 3_600 + minute * 60 + second,
        })
    }

    /// Milliseconds since the epoch, were the clock set to UTC.
    ///
    /// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
    fn utc_ms(&self) -> i64 {
        let year = if self.month <= 2 {
            self.year - 1
        } else {
            self.year
        };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        (days * 86_400 + self.second_of_day) * 1_000
    }

    fn to_jiff(&self) -> Option<DateTime> {
        let second = self.second_of_day;
        DateTime::new(
            i16::try_from(self.year).ok()?,
            i8::try_from(self.month).ok()?,
            i8::try_from(self.day).ok()?,
            i8::try_from(second / 3_600).ok()?,
            i8::try_from(second / 60 % 60).ok()?,
            i8::try_from(second % 60).ok()?,
            0,
        )
        .ok()
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_cases() {
        #[rustfmt::skip]
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("rees46",       "2019-10-01 00:00:00 UTC", Some("2019-10-01T00:00:00Z")),
            ("no zone",      "2019-10-01 02:49:59",     Some("2019-10-01T02:49:59Z")),
            ("leap day",     "2020-02-29 12:00:00",     Some("2020-02-29T12:00:00Z")),
            ("no leap day",  "2019-02-29 12:00:00",     None),
            ("year 9999",    "9999-12-30 12:00:00",     Some("9999-12-30T12:00:00Z")),
            ("before 1970",  "1969-12-31 23:59:59",     None),
            ("month 13",     "2019-13-01 00:00:00",     None),
            ("other zone",   "2019-10-01 00:00:00 EST", None),
            ("a word",       "yesterday at ten past ",  None),
            ("empty",        "",                        None),
            ("not ascii",    "2019-10-01 00:00:0é",     None),
        ];
        for (name, text, want) in cases {
            assert_eq!(utc(text).map(|t| t.to_string()).as_deref(), *want, "{name}");
        }
    }

    #[test]
    fn uk_cases() {
        #[rustfmt::skip]
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("winter",            "2010-12-01T08:26:00", Some("2010-12-01T08:26:00Z")),
            ("summer",            "2011-07-29T16:00:00", Some("2011-07-29T15:00:00Z")),
            ("last winter hour",  "2011-03-27T00:59:59", Some("2011-03-27T00:59:59Z")),
            ("first summer hour", "2011-03-27T02:00:00", Some("2011-03-27T01:00:00Z")),
            ("left out",          "2011-03-27T01:30:00", Some("2011-03-27T01:30:00Z")),
            ("twice",             "2011-10-30T01:30:00", Some("2011-10-30T00:30:00Z")),
            ("winter again",      "2011-10-30T02:00:00", Some("2011-10-30T02:00:00Z")),
            ("with a space",      "2010-12-01 08:26:00", Some("2010-12-01T08:26:00Z")),
            ("with a zone",       "2010-12-01T08:26:00Z", None),
        ];
        let mut clock = UkClock::new();
        for (name, text, want) in cases {
            let got = clock.read(text).map(|t| t.to_string());
            assert_eq!(got.as_deref(), *want, "{name}");
        }
    }
}
