//! Versions of records as entity tags: `ETag: "7"`, `If-Match: "7"`.

use crate::http::problem::Problem;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use vitrina_ports::catalogue::Expect;

/// What `If-Match` asks for; `None` when it is not there.
///
/// # Errors
/// `400` when it is neither `*` nor one version in quotes.
pub fn if_match(headers: &HeaderMap) -> Result<Option<Expect>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Some(Expect::Present));
    }
    let quoted = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let version = quoted.and_then(|digits| digits.parse().ok());
    version.map(|v| Some(Expect::Version(v))).ok_or_else(|| {
        let detail = "If-Match is * or the ETag of one version, like \"7\"";
        Problem::bad_field("invalid_header", "If-Match", detail)
    })
}

/// Whether `If-None-Match: *` asks for a record that is not there yet.
///
/// # Errors
/// `400` when it is anything but `*`.
pub fn none_match_any(headers: &HeaderMap) -> Result<bool, Problem> {
    match headers.get(IF_NONE_MATCH) {
        None => Ok(false),
        Some(value) if value.as_bytes().trim_ascii() == b"*" => Ok(true),
        Some(_) => {
            let detail = "If-None-Match is * here: write only what is not there yet";
            Err(Problem::bad_field(
                "invalid_header",
                "If-None-Match",
                detail,
            ))
        }
    }
}

/// `412`: the record is not the one the caller knows.
pub fn refused_version(found: Option<u64>) -> Problem {
    let detail = match found {
        Some(version) => format!("the record has version {version}"),
        None => "there is no such record".to_owned(),
    };
    Problem::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_cases() {
        #[rustfmt::skip]
        let cases: &[(&str, Option<Expect>)] = &[
            ("\"7\"",      Some(Expect::Version(7))),
            ("*",          Some(Expect::Present)),
            ("7",          None),
            ("W/\"7\"",    None),
            ("\"7\",\"8\"", None),
            ("\"-1\"",     None),
            ("",           None),
        ];
        for (text, want) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, text.parse().unwrap());
            assert_eq!(if_match(&headers).ok().flatten(), *want, "{text}");
        }
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
    }
}
