//! Times: when it happened, when we took it in. Both are milliseconds since the epoch, UTC.
//!
//! In JSON a time is written as RFC 3339 and read as RFC 3339 with a zone or as epoch
//! milliseconds; in stored forms it is a plain integer.

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A text or number is no time we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time with a zone, nor epoch milliseconds between 1970 and 9999")]
pub struct TimeError;

/// 9999-12-30T22:00:00Z: the last second that can be written as RFC 3339 in every zone.
const MS_MAX: i64 = 253_402_207_200_000;

macro_rules! time {
    ($($(#[$doc:meta])* $Name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $Name(pub i64);

        impl $Name {
            /// Reads RFC 3339 with a zone.
            ///
            /// # Errors
            /// [`TimeError`] when the text is anything else or before 1970.
            pub fn parse(text: &str) -> Result<Self, TimeError> {
                let parsed: jiff::Timestamp = text.parse().map_err(|_| TimeError)?;
                Self::from_epoch_ms(parsed.as_millisecond())
            }

            /// Takes milliseconds since the epoch.
            ///
            /// # Errors
            /// [`TimeError`] before 1970 or after 9999.
            pub fn from_epoch_ms(ms: i64) -> Result<Self, TimeError> {
                (0..=MS_MAX).contains(&ms).then_some(Self(ms)).ok_or(TimeError)
            }

            /// This time `ms` later; saturating.
            #[must_use]
            pub fn plus_ms(self, ms: i64) -> Self {
                Self(self.0.saturating_add(ms))
            }

            /// Milliseconds from `earlier` to this time, negative when it is later.
            pub fn since_ms(self, earlier: Self) -> i64 {
                self.0.saturating_sub(earlier.0)
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match jiff::Timestamp::from_millisecond(self.0) {
                    Ok(time) => write!(f, "{time}"),
                    Err(_) => write!(f, "{} ms", self.0),
                }
            }
        }

        impl Serialize for $Name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_i64(self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $Name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    deserializer.deserialize_any(TimeVisitor).map(Self)
                } else {
                    i64::deserialize(deserializer).map(Self)
                }
            }
        }
    )+};
}

time! {
    /// When it happened, by the shop's clock.
    EventTime,
    /// When we took it in, by ours.
    IngestTime,
}

impl IngestTime {
    /// The same instant read as an event time: for an event that came without one.
    pub fn as_event_time(self) -> EventTime {
        EventTime(self.0)
    }
}

/// No event earlier than this is expected any more: the promise a watermark makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Watermark(pub i64);

impl Watermark {
    /// Before the first event.
    pub const NONE: Self = Self(i64::MIN);

    /// Whether everything before `end` has come, as far as the watermark promises.
    pub fn passed(self, end: EventTime) -> bool {
        self.0 >= end.0
    }

    /// This watermark `ms` earlier; [`Self::NONE`] stays what it is.
    #[must_use]
    pub fn minus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_sub(ms))
    }
}

/// How far a task has come in each of its two lanes of event time.
///
/// Old data being loaded never moves the live watermark and is never late; it has a watermark of
/// its own, which only decides when rows of the past are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What happens now.
    pub live: Watermark,
    /// Old data being loaded; `None` while none is.
    pub backfill: Option<Watermark>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            live: Watermark::NONE,
            backfill: None,
        }
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an RFC 3339 time with a zone, or epoch milliseconds")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
        EventTime::parse(text).map(|t| t.0).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, ms: i64) -> Result<i64, E> {
        EventTime::from_epoch_ms(ms).map(|t| t.0).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, ms: u64) -> Result<i64, E> {
        self.visit_i64(i64::try_from(ms).map_err(|_| E::custom(TimeError))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_cases() {
        #[rustfmt::skip]
        let cases: &[(&str, &str, Option<i64>)] = &[
            ("utc",          "\"2019-10-01T00:00:00Z\"",        Some(1_569_888_000_000)),
            ("offset",       "\"2019-10-01T03:00:00+03:00\"",   Some(1_569_888_000_000)),
            ("fraction",     "\"2019-10-01T00:00:00.250Z\"",    Some(1_569_888_000_250)),
            ("epoch ms",     "1569888000000",                   Some(1_569_888_000_000)),
            ("no zone",      "\"2019-10-01T00:00:00\"",         None),
            ("words",        "\"yesterday\"",                   None),
            ("before 1970",  "-1",                              None),
            ("too far",      "18446744073709551615",            None),
            ("a float",      "1.5",                             None),
            ("a bool",       "true",                            None),
        ];
        for (name, json, want) in cases {
            let got = serde_json::from_str::<EventTime>(json).ok().map(|t| t.0);
            assert_eq!(got, *want, "{name}");
        }
    }

    #[test]
    fn json_is_rfc_3339() {
        let json = serde_json::to_string(&EventTime(1_569_888_000_250)).unwrap();
        assert_eq!(json, "\"2019-10-01T00:00:00.25Z\"");
    }
}
