//! Stores that another process has.

use bytes::Bytes;
use vitrina_ports::analytics::{AnalyticsStore, RowPage, RowQuery, Upsert};
use vitrina_ports::catalogue::{Catalogue, Entry, Kind, OutboxChange, Outcome, Write};
use vitrina_ports::log::Offset;
use vitrina_ports::slates::{SlateStore, StoredSlate};
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::partition::Partition;
use vitrina_types::time::{EventTime, IngestTime};

/// A catalogue, window rows and slates that are not here: every call says where they are.
pub(super) struct Elsewhere;

fn refuse<'a, T: Send + 'a>(port: &'static str) -> PortFuture<'a, T> {
    Box::pin(async move {
        let detail = "another process keeps it: the one with the role relay; ask that one";
        Err(PortError::Unavailable {
            port,
            detail: detail.to_owned(),
        })
    })
}

const CATALOGUE: &str = "catalogue";
const SLATES: &str = "store of slates";
const ANALYTICS: &str = "store of window rows";

impl Catalogue for Elsewhere {
    fn get<'a>(&'a self, _kind: Kind, _id: &'a str) -> PortFuture<'a, Option<Entry>> {
        refuse(CATALOGUE)
    }

    fn list<'a>(
        &'a self,
        _kind: Kind,
        _after: Option<&'a str>,
        _limit: usize,
    ) -> PortFuture<'a, Vec<Entry>> {
        refuse(CATALOGUE)
    }

    fn write(&self, _writes: Vec<Write>) -> PortFuture<'_, Vec<Outcome>> {
        refuse(CATALOGUE)
    }

    fn outbox(&self, _from: u64, _limit: usize) -> PortFuture<'_, Vec<OutboxChange>> {
        refuse(CATALOGUE)
    }

    fn trim_outbox(&self, _before: u64) -> PortFuture<'_, ()> {
        refuse(CATALOGUE)
    }

    fn outbox_reached(&self, _from: u64) -> PortFuture<'_, ()> {
        refuse(CATALOGUE)
    }
}

impl SlateStore for Elsewhere {
    /// A slate that nobody keeps costs an explanation, nothing else.
    fn put_many(&self, _slates: Vec<StoredSlate>) -> PortFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn get<'a>(&'a self, _id: &'a str, _now: IngestTime) -> PortFuture<'a, Option<Bytes>> {
        refuse(SLATES)
    }

    fn purge(&self, _now: IngestTime, _limit: usize) -> PortFuture<'_, usize> {
        Box::pin(async { Ok(0) })
    }
}

impl AnalyticsStore for Elsewhere {
    fn upsert(&self, _upsert: Upsert) -> PortFuture<'_, ()> {
        refuse(ANALYTICS)
    }

    fn position(&self, _partition: Partition) -> PortFuture<'_, Option<Offset>> {
        refuse(ANALYTICS)
    }

    fn rows(&self, _query: RowQuery) -> PortFuture<'_, RowPage> {
        refuse(ANALYTICS)
    }

    fn retain(&self, _before: EventTime) -> PortFuture<'_, u64> {
        Box::pin(async { Ok(0) })
    }
}
