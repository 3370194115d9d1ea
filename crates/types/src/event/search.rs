//! `search`: The visitor searched.

use super::draft::{EventDraft, Rejection};
use super::{EventKind, Line, Signal};
use crate::limits::QUERY_BYTES_MAX;
use serde::{Deserialize, Serialize};

/// The visitor searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// What was typed, at most [`QUERY_BYTES_MAX`] bytes.
    pub query: Box<str>,
}

impl EventKind for Search {
    fn read(draft: &mut EventDraft) -> Result<Self, Rejection> {
        let query = draft
            .query
            .take()
            .ok_or_else(|| Rejection::missing("query", "a search needs the text searched for"))?;
        if query.is_empty() || query.len() > QUERY_BYTES_MAX {
            return Err(Rejection::new(
                "out_of_range",
                "query",
                format!("a query has 1 to {QUERY_BYTES_MAX} bytes"),
            ));
        }
        Ok(Self {
            query: query.into(),
        })
    }

    fn signal(&self) -> Signal {
        Signal::None
    }

    fn lines(&self) -> &[Line] {
        &[]
    }
}
