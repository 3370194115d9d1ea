//! Late events, for whoever asks what was not counted and why.

use crate::Engine;
use crate::error::EngineError;
use crate::newest::newest;
use vitrina_ports::log::Offset;
use vitrina_stream::{Operator, UserStage};
use vitrina_types::row::LateEvent;
use vitrina_types::topic::Topic;

/// Something that came after its window was closed.
#[derive(Debug, Clone, PartialEq)]
pub struct Late {
    /// Its number in `late-events`.
    pub number: Offset,
    /// What it was.
    pub event: LateEvent,
    /// How long after its window was closed it came, in ms of event time, by the grace that is
    /// configured now.
    pub late_ms: i64,
}

impl Engine {
    /// The newest late events before `before`, newest first.
    ///
    /// # Errors
    /// The log's.
    pub async fn late_events(
        &self,
        before: Option<Offset>,
        limit: usize,
    ) -> Result<Vec<Late>, EngineError> {
        let found = newest::<LateEvent>(&self.shared, Topic::LateEvents, before, limit).await?;
        let options = &self.shared.options;
        let late = found.into_iter().map(|(number, event)| {
            let grace_ms = if *event.operator == *UserStage::NAME {
                options.user.grace_ms
            } else {
                options.product.rows.grace_ms
            };
            Late {
                number,
                late_ms: event.late_ms(grace_ms),
                event,
            }
        });
        Ok(late.collect())
    }
}
