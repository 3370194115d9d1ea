//! The parameters of a query string, each read by name.
//!
//! Unknown parameters and repeated ones are refused: `max_prise=10` must not silently answer
//! with products of any price.

use crate::http::problem::Problem;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use vitrina_types::id::IdError;
use vitrina_types::money::{AMOUNT_UNITS_MAX, Amount};

/// Largest whole number of the API: the last one that every JSON reader tells from the next.
pub const WHOLE_MAX: u64 = (1 << 53) - 1;

/// Parameters not read yet.
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if parts.uri.query().is_none() {
            return Ok(Self(Vec::new()));
        }
        match Query::from_request_parts(parts, state).await {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(rejection) => Err(Problem::bad_request("invalid_query", rejection.body_text())),
        }
    }
}

impl Params {
    /// The text of a parameter.
    ///
    /// # Errors
    /// `400` when it is given twice.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let Some(place) = self.0.iter().position(|pair| pair.0 == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.swap_remove(place);
        if self.0.iter().any(|pair| pair.0 == name) {
            let detail = format!("{name} is given more than once");
            return Err(Problem::bad_field("repeated_parameter", name, detail));
        }
        Ok(Some(value))
    }

    /// All values of a parameter that may be repeated or hold several separated by commas.
    pub fn list(&mut self, name: &'static str) -> Vec<String> {
        let mut values = Vec::new();
        self.0.retain(|(found, value)| {
            if found == name {
                values.extend(value.split(',').map(str::to_owned));
            }
            found != name
        });
        values
    }

    /// All values of a parameter that may be repeated, each a text of 1 to `bytes_max` bytes.
    ///
    /// # Errors
    /// `400` naming the parameter.
    pub fn repeated(
        &mut self,
        name: &'static str,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Box<str>>, Problem> {
        let mut values: Vec<Box<str>> = Vec::new();
        self.0.retain_mut(|(found, value)| {
            if found == name {
                values.push(std::mem::take(value).into());
            }
            found != name
        });
        let fits = |value: &str| (1..=bytes_max).contains(&value.len());
        if values.len() > count_max || !values.iter().all(|value| fits(value)) {
            let detail =
                format!("{name} is given at most {count_max} times, with 1 to {bytes_max} bytes");
            return Err(Problem::bad_field("out_of_range", name, detail));
        }
        Ok(values)
    }

    /// A text of 1 to `bytes_max` bytes.
    ///
    /// # Errors
    /// `400` naming the parameter.
    pub fn bounded_text(
        &mut self,
        name: &'static str,
        bytes_max: usize,
    ) -> Result<Option<String>, Problem> {
        let text = self.text(name)?;
        if text
            .as_ref()
            .is_some_and(|text| text.is_empty() || text.len() > bytes_max)
        {
            let detail = format!("{name} has 1 to {bytes_max} bytes");
            return Err(Problem::bad_field("out_of_range", name, detail));
        }
        Ok(text)
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    /// `400` naming the parameter.
    pub fn number<N>(
        &mut self,
        name: &'static str,
        bounds: RangeInclusive<N>,
    ) -> Result<Option<N>, Problem>
    where
        N: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        // Plain digits only: `+5` is a space and a 5 in a query string.
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|n| digits && bounds.contains(n));
        number.map(Some).ok_or_else(|| {
            let (low, high) = (bounds.start(), bounds.end());
            let detail = format!("{name} is a whole number between {low} and {high}");
            Problem::bad_field("out_of_range", name, detail)
        })
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// `400` naming the parameter.
    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => {
                let detail = format!("{name} is true or false");
                Err(Problem::bad_field("invalid_type", name, detail))
            }
        }
    }

    /// A price: not negative.
    ///
    /// # Errors
    /// `400` naming the parameter.
    pub fn price(&mut self, name: &'static str) -> Result<Option<Amount>, Problem> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let amount = text.parse().ok().and_then(|n| Amount::from_units(n).ok());
        match amount {
            Some(amount) if amount >= Amount::ZERO => Ok(Some(amount)),
            _ => {
                let detail = format!("{name} is a number between 0 and {AMOUNT_UNITS_MAX:e}");
                Err(Problem::bad_field("out_of_range", name, detail))
            }
        }
    }

    /// An id.
    ///
    /// # Errors
    /// `400` naming the parameter.
    pub fn id<T>(
        &mut self,
        name: &'static str,
        new: impl Fn(&str) -> Result<T, IdError>,
    ) -> Result<Option<T>, Problem> {
        let text = self.text(name)?;
        let id = text.as_deref().map(new).transpose();
        id.map_err(|error| Problem::bad_field("invalid_id", name, error.to_string()))
    }

    /// Nothing more is read.
    ///
    /// # Errors
    /// `400` naming a parameter that nobody asked for.
    pub fn end(self) -> Result<(), Problem> {
        let Some((name, _)) = self.0.into_iter().next() else {
            return Ok(());
        };
        let shown: String = name.chars().take(64).collect();
        let detail = format!("there is no parameter \"{shown}\" here");
        Err(Problem::bad_field("unknown_parameter", shown, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Params(owned.collect())
    }

    #[test]
    fn number_cases() {
        #[rustfmt::skip]
        let cases: &[(&str, Option<usize>)] = &[
            ("1", Some(1)), ("200", Some(200)), ("007", Some(7)),
            ("0", None), ("201", None), ("-1", None), ("+5", None), ("1.0", None),
            ("", None), ("ten", None), ("99999999999999999999999", None), ("NaN", None),
        ];
        for (text, want) in cases {
            let got = params(&[("limit", text)]).number("limit", 1..=200usize);
            assert_eq!(got.ok().flatten(), *want, "{text:?}");
        }
    }

    #[test]
    fn price_cases() {
        #[rustfmt::skip]
        let cases: &[(&str, bool)] = &[
            ("0", true), ("12.50", true), ("1e3", true),
            ("-1", false), ("NaN", false), ("inf", false), ("1e12", false), ("", false),
        ];
        for (text, good) in cases {
            assert_eq!(params(&[("p", text)]).price("p").is_ok(), *good, "{text:?}");
        }
    }

    #[test]
    fn what_is_left_over_or_repeated_is_refused() {
        let mut twice = params(&[("limit", "1"), ("limit", "2")]);
        assert_eq!(twice.text("limit").unwrap_err().code, "repeated_parameter");
        let left = params(&[("max_prise", "1")]).end().unwrap_err();
        assert_eq!(left.field.as_deref(), Some("max_prise"));
        let mut listed = params(&[("exclude", "a,b"), ("x", "y"), ("exclude", "c")]);
        assert_eq!(listed.list("exclude"), ["a", "b", "c"]);
        assert!(listed.end().is_err());
    }
}
