//! Money: a decimal amount and a currency.
//!
//! Amounts are fixed-point with four decimals, so that sums are exact and do not depend on the
//! order of addition.

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// An amount of money in ten-thousandths of the currency's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Amount(i64);

/// Ten-thousandths in one unit.
const SCALE: f64 = 10_000.0;
/// Largest amount in units, either sign.
pub const AMOUNT_UNITS_MAX: f64 = 1e11;

/// A number is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a finite amount between -1e11 and 1e11")]
pub struct AmountError;

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The nearest amount to `units`, in units of the currency.
    ///
    /// # Errors
    /// [`AmountError`] when `units` is NaN, infinite or beyond [`AMOUNT_UNITS_MAX`].
    pub fn from_units(units: f64) -> Result<Self, AmountError> {
        if !units.is_finite() || units.abs() > AMOUNT_UNITS_MAX {
            return Err(AmountError);
        }
        Ok(Self((units * SCALE).round() as i64))
    }

    /// The amount in units of the currency; exact up to 2^53 ten-thousandths.
    pub fn units(self) -> f64 {
        self.0 as f64 / SCALE
    }

    /// The amount in ten-thousandths of the unit.
    pub fn ten_thousandths(self) -> i64 {
        self.0
    }

    /// This amount `count` times; saturating.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(i64::from(count)))
    }

    /// The same amount with the other sign; saturating.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// The sum of two amounts; saturating.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Amount {
    /// At least two decimals, at most four.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 100 == 0 {
            write!(f, "{:.2}", self.units())
        } else {
            write!(f, "{:.4}", self.units())
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_f64(self.units())
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(AmountVisitor)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number, or one as a string")
    }

    fn visit_f64<E: de::Error>(self, units: f64) -> Result<Amount, E> {
        Amount::from_units(units).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, units: i64) -> Result<Amount, E> {
        self.visit_f64(units as f64)
    }

    fn visit_u64<E: de::Error>(self, units: u64) -> Result<Amount, E> {
        self.visit_f64(units as f64)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
        self.visit_f64(text.trim().parse().map_err(|_| E::custom(AmountError))?)
    }
}

/// An ISO 4217 currency code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

/// A text is no currency code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a currency code of three letters (ISO 4217)")]
pub struct CurrencyError;

impl Currency {
    /// United States dollar.
    pub const USD: Self = Self(*b"USD");
    /// Pound sterling.
    pub const GBP: Self = Self(*b"GBP");

    /// Reads a code in either case.
    ///
    /// # Errors
    /// [`CurrencyError`] when it is not three ASCII letters.
    pub fn new(code: &str) -> Result<Self, CurrencyError> {
        let bytes: [u8; 3] = code.as_bytes().try_into().map_err(|_| CurrencyError)?;
        if !bytes.iter().all(u8::is_ascii_alphabetic) {
            return Err(CurrencyError);
        }
        Ok(Self(bytes.map(|b| b.to_ascii_uppercase())))
    }

    /// The code in capitals.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;
    fn try_from(code: String) -> Result<Self, CurrencyError> {
        Self::new(&code)
    }
}

// Neither is derived: serde's `into` and `try_from` would make a string first.
impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(CurrencyVisitor)
    }
}

struct CurrencyVisitor;

impl Visitor<'_> for CurrencyVisitor {
    type Value = Currency;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, code: &str) -> Result<Currency, E> {
        Currency::new(code).map_err(E::custom)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amount_cases() {
        #[rustfmt::skip]
        let cases: &[(&str, &str, Option<i64>)] = &[
            ("cents",       "35.79",    Some(357_900)),
            ("whole",       "7",        Some(70_000)),
            ("string",      "\"9.99\"", Some(99_900)),
            ("negative",    "-1.5",     Some(-15_000)),
            ("too large",   "1e12",     None),
            ("words",       "\"free\"", None),
            ("null",        "null",     None),
            ("nan string",  "\"NaN\"",  None),
        ];
        for (name, json, want) in cases {
            let got = serde_json::from_str::<Amount>(json).ok().map(|a| a.0);
            assert_eq!(got, *want, "{name}");
        }
    }

    #[test]
    fn currency_cases() {
        assert_eq!(Currency::new("usd"), Ok(Currency::USD));
        assert_eq!(Currency::new("US"), Err(CurrencyError));
        assert_eq!(Currency::new("рубль"), Err(CurrencyError));
    }
}
