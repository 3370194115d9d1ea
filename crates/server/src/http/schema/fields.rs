//! The fields of a JSON object, each read by name.
//!
//! A refusal always names the field at fault, which a derived reader cannot do; `null` reads as
//! absent, and a field nobody asked for is refused.

use crate::http::extract::WHOLE_MAX;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;
use vitrina_types::event::Rejection;
use vitrina_types::id::IdError;
use vitrina_types::money::{AMOUNT_UNITS_MAX, Amount};
use vitrina_types::time::{EventTime, TimeError};

/// 9999-12-30T22:00:00Z: the last time that every zone can write as RFC 3339, in epoch
/// milliseconds.
pub const TIME_MS_MAX: i64 = 253_402_207_200_000;

/// Fields not read yet.
pub struct Fields {
    map: Map<String, Value>,
    /// Put before names in refusals: `filter.`
    prefix: &'static str,
}

impl Fields {
    /// The fields of an object.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(value: Value) -> Result<Self, Rejection> {
        match value {
            Value::Object(map) => Ok(Self { map, prefix: "" }),
            _ => Err(Rejection::new(
                "not_an_object",
                "",
                "a JSON object is expected",
            )),
        }
    }

    fn refuse(&self, code: &'static str, field: &str, detail: String) -> Rejection {
        Rejection {
            code: code.into(),
            field: format!("{}{field}", self.prefix).into(),
            detail,
        }
    }

    fn wrong_type(&self, field: &str, shape: &str) -> Rejection {
        self.refuse("invalid_type", field, format!("{field} must be {shape}"))
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.map.remove(field).filter(|value| !value.is_null())
    }

    /// A string of any length.
    ///
    /// # Errors
    /// When it is no string.
    pub fn string(&mut self, field: &'static str) -> Result<Option<String>, Rejection> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong_type(field, "a string")),
        }
    }

    /// A string of at most `bytes_max` bytes; an empty one reads as absent.
    ///
    /// # Errors
    /// A refusal that names the field.
    pub fn text(
        &mut self,
        field: &'static str,
        bytes_max: usize,
    ) -> Result<Option<Box<str>>, Rejection> {
        let text = self.string(field)?.filter(|text| !text.is_empty());
        match text {
            Some(text) if text.len() > bytes_max => {
                let detail = format!("{field} has {} bytes, the limit is {bytes_max}", text.len());
                Err(self.refuse("too_long", field, detail))
            }
            text => Ok(text.map(Into::into)),
        }
    }

    /// An id.
    ///
    /// # Errors
    /// A refusal that names the field.
    pub fn id<T>(
        &mut self,
        field: &'static str,
        new: impl Fn(&str) -> Result<T, IdError>,
    ) -> Result<Option<T>, Rejection> {
        let text = self.string(field)?;
        let id = text.as_deref().map(new).transpose();
        id.map_err(|error| self.refuse("invalid_id", field, error.to_string()))
    }

    /// A list of ids, empty when absent.
    ///
    /// # Errors
    /// A refusal that names the field.
    pub fn ids<T>(
        &mut self,
        field: &'static str,
        count_max: usize,
        new: impl Fn(&str) -> Result<T, IdError>,
    ) -> Result<Vec<T>, Rejection> {
        let texts = self.strings(field, count_max)?;
        let ids: Result<Vec<T>, IdError> = texts.iter().map(|text| new(text)).collect();
        ids.map_err(|error| self.refuse("invalid_id", field, error.to_string()))
    }

    /// A list of strings, empty when absent.
    ///
    /// # Errors
    /// A refusal that names the field.
    pub fn strings(
        &mut self,
        field: &'static str,
        count_max: usize,
    ) -> Result<Vec<String>, Rejection> {
        let values = match self.take(field) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values,
            Some(_) => return Err(self.wrong_type(field, "an array of strings")),
        };
        if values.len() > count_max {
            let detail = format!(
                "{field} has {} items, the limit is {count_max}",
                values.len()
            );
            return Err(self.refuse("too_many_items", field, detail));
        }
        let texts = values.into_iter().map(|value| match value {
            Value::String(text) => Some(text),
            _ => None,
        });
        let texts: Option<Vec<String>> = texts.collect();
        texts.ok_or_else(|| self.wrong_type(field, "an array of strings"))
    }

    /// A list of strings of 1 to `bytes_max` bytes.
    ///
    /// # Errors
    /// A refusal that names the field.
    pub fn texts(
        &mut self,
        field: &'static str,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Box<str>>, Rejection> {
        let texts = self.strings(field, count_max)?;
        if texts.iter().any(|t| t.is_empty() || t.len() > bytes_max) {
            let detail = format!("each of {field} has 1 to {bytes_max} bytes");
            return Err(self.refuse("out_of_range", field, detail));
        }
        Ok(texts.into_iter().map(Into::into).collect())
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    /// A refusal that names the field.
    pub fn number(
        &mut self,
        field: &'static str,
        bounds: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Rejection> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        if !value.is_number() {
            return Err(self.wrong_type(field, "a whole number"));
        }
        let number = whole(&value).filter(|number| bounds.contains(number));
        number.map(Some).ok_or_else(|| {
            let (low, high) = (bounds.start(), bounds.end());
            let detail = format!("{field} is a whole number between {low} and {high}");
            self.refuse("out_of_range", field, detail)
        })
    }

    /// A list of whole numbers; `None` when absent.
    ///
    /// # Errors
    /// A refusal that names the field.
    pub fn numbers(
        &mut self,
        field: &'static str,
        count_max: usize,
    ) -> Result<Option<Vec<u64>>, Rejection> {
        let values = match self.take(field) {
            None => return Ok(None),
            Some(Value::Array(values)) => values,
            Some(_) => return Err(self.wrong_type(field, "an array of whole numbers")),
        };
        if !(1..=count_max).contains(&values.len()) {
            let detail = format!("{field} has 1 to {count_max} items");
            return Err(self.refuse("out_of_range", field, detail));
        }
        let numbers: Option<Vec<u64>> = values.iter().map(whole).collect();
        let numbers = numbers.ok_or_else(|| self.wrong_type(field, "an array of whole numbers"));
        numbers.map(Some)
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// A refusal that names the field.
    pub fn flag(&mut self, field: &'static str) -> Result<Option<bool>, Rejection> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.wrong_type(field, "true or false")),
        }
    }

    /// A price: not negative.
    ///
    /// # Errors
    /// A refusal that names the field.
    pub fn price(&mut self, field: &'static str) -> Result<Option<Amount>, Rejection> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        let Some(units) = value.as_f64() else {
            return Err(self.wrong_type(field, "a number"));
        };
        match Amount::from_units(units) {
            Ok(amount) if amount >= Amount::ZERO => Ok(Some(amount)),
            _ => {
                let detail = format!("{field} is a number between 0 and {AMOUNT_UNITS_MAX:e}");
                Err(self.refuse("out_of_range", field, detail))
            }
        }
    }

    /// A time.
    ///
    /// # Errors
    /// A refusal that names the field.
    pub fn time(&mut self, field: &'static str) -> Result<Option<EventTime>, Rejection> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        // 5.0 is a whole number too, to JSON.
        let value = match whole(&value) {
            Some(epoch_ms) if value.is_f64() => Value::from(epoch_ms),
            _ => value,
        };
        let time: Result<EventTime, _> = serde_json::from_value(value);
        match time {
            Ok(time) if time.0 <= TIME_MS_MAX => Ok(Some(time)),
            Ok(_) => Err(self.refuse("invalid_time", field, TimeError.to_string())),
            Err(error) => Err(self.refuse("invalid_time", field, error.to_string())),
        }
    }

    /// An object of strings.
    ///
    /// # Errors
    /// A refusal that names the field.
    pub fn pairs(&mut self, field: &'static str) -> Result<Vec<(String, String)>, Rejection> {
        let map = match self.take(field) {
            None => return Ok(Vec::new()),
            Some(Value::Object(map)) => map,
            Some(_) => return Err(self.wrong_type(field, "an object of strings")),
        };
        let pairs = map.into_iter().map(|(key, value)| match value {
            Value::String(text) => Some((key, text)),
            _ => None,
        });
        let pairs: Option<Vec<_>> = pairs.collect();
        pairs.ok_or_else(|| self.wrong_type(field, "an object of strings"))
    }

    /// The fields of an object inside this one; none when it is absent. `prefix` is put before
    /// their names.
    ///
    /// # Errors
    /// When it is no object.
    pub fn object(&mut self, field: &'static str, prefix: &'static str) -> Result<Self, Rejection> {
        let map = match self.take(field) {
            None => Map::new(),
            Some(Value::Object(map)) => map,
            Some(_) => return Err(self.wrong_type(field, "an object")),
        };
        Ok(Self { map, prefix })
    }

    /// Nothing more is read.
    ///
    /// # Errors
    /// A refusal that names a field nobody asked for.
    pub fn end(&self) -> Result<(), Rejection> {
        let Some((name, _)) = self.map.iter().next() else {
            return Ok(());
        };
        let shown: String = name.chars().take(64).collect();
        let detail = format!("there is no field \"{shown}\" here");
        Err(self.refuse("unknown_field", &shown, detail))
    }
}

/// A whole number, however it is written: to JSON `5.0` is one too.
fn whole(value: &Value) -> Option<u64> {
    let float = || {
        value
            .as_f64()
            .filter(|f| f.fract() == 0.0 && (0.0..=WHOLE_MAX as f64).contains(f))
    };
    value.as_u64().or_else(|| float().map(|f| f as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    type Reader = fn(&mut Fields) -> Result<(), Rejection>;

    #[test]
    fn refusals_name_the_field() {
        #[rustfmt::skip]
        let cases: &[(&str, Value, Reader, Option<(&str, &str)>)] = &[
            ("absent",      json!({}),               |f| f.price("x").map(drop),              None),
            ("null",        json!({"x": null}),      |f| f.price("x").map(drop),              None),
            ("price",       json!({"x": 1.5}),       |f| f.price("x").map(drop),              None),
            ("negative",    json!({"x": -1}),        |f| f.price("x").map(drop),              Some(("out_of_range", "x"))),
            ("huge",        json!({"x": 1e300}),     |f| f.price("x").map(drop),              Some(("out_of_range", "x"))),
            ("text price",  json!({"x": "1"}),       |f| f.price("x").map(drop),              Some(("invalid_type", "x"))),
            ("float",       json!({"x": 1.5}),       |f| f.number("x", 0..=9).map(drop),      Some(("out_of_range", "x"))),
            ("whole float", json!({"x": 5.0}),       |f| f.number("x", 0..=9).map(drop),      None),
            ("too many",    json!({"x": ["a","b"]}), |f| f.strings("x", 1).map(drop),         Some(("too_many_items", "x"))),
            ("numbers",     json!({"x": [1, 2.0]}),  |f| f.numbers("x", 2).map(drop),         None),
            ("no numbers",  json!({"x": []}),        |f| f.numbers("x", 2).map(drop),         Some(("out_of_range", "x"))),
            ("not whole",   json!({"x": [-1]}),      |f| f.numbers("x", 2).map(drop),         Some(("invalid_type", "x"))),
            ("mixed",       json!({"x": ["a", 1]}),  |f| f.strings("x", 9).map(drop),         Some(("invalid_type", "x"))),
            ("too long",    json!({"x": "abc"}),     |f| f.text("x", 2).map(drop),            Some(("too_long", "x"))),
            ("time",        json!({"x": "soon"}),    |f| f.time("x").map(drop),               Some(("invalid_time", "x"))),
            ("unknown",     json!({"y": 1}),         |f| f.end(),                             Some(("unknown_field", "y"))),
            ("inside",      json!({"x": {"y": 1}}),  |f| f.object("x", "x.")?.end(),          Some(("unknown_field", "x.y"))),
            ("no object",   json!({"x": 1}),         |f| f.object("x", "x.").map(drop),       Some(("invalid_type", "x"))),
        ];
        for (name, value, read, want) in cases {
            let got = read(&mut Fields::of(value.clone()).unwrap()).err();
            let got = got.as_ref().map(|r| (&*r.code, &*r.field));
            assert_eq!(got, *want, "{name}");
        }
        assert!(Fields::of(json!([])).is_err());
    }
}
