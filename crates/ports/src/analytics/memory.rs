//! Window rows in memory: the twin that adapters are compared with.

use super::{
    AnalyticsStore, RowCursor, RowPage, RowQuery, Upsert, check_partition, check_query,
    check_upsert,
};
use crate::log::Offset;
use crate::{PortError, PortFuture};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use vitrina_types::partition::Partition;
use vitrina_types::row::{Dimension, WindowRow};
use vitrina_types::time::EventTime;

/// An analytics store that forgets everything when it is dropped. A read walks over every row of
/// its dimension.
#[derive(Default)]
pub struct MemoryAnalytics {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    positions: BTreeMap<Partition, Offset>,
    /// The newest pane of each, those without measures too.
    rows: BTreeMap<(Dimension, RowCursor), WindowRow>,
}

impl MemoryAnalytics {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Inner {
    fn upsert(&mut self, upsert: Upsert) -> Result<(), PortError> {
        let found = self.positions.get(&upsert.partition).copied();
        if found != upsert.expected {
            return Err(upsert.mismatch(found));
        }
        for row in upsert.rows {
            let place = (row.key.dimension, RowCursor::of(&row));
            match self.rows.entry(place) {
                Entry::Vacant(free) => {
                    free.insert(row);
                }
                Entry::Occupied(mut held) if held.get().pane < row.pane => {
                    held.insert(row);
                }
                Entry::Occupied(_) => {}
            }
        }
        self.positions.insert(upsert.partition, upsert.next);
        Ok(())
    }

    fn page(&self, query: &RowQuery) -> RowPage {
        let asked_for = self.rows.iter().filter(|((_, place), row)| {
            let is_after = query.after.as_ref().is_none_or(|after| place > after);
            is_after && query.admits(row) && !row.measures.is_empty()
        });
        let mut rows = asked_for.map(|(_, row)| row.clone());
        let page: Vec<WindowRow> = rows.by_ref().take(query.limit.max(1)).collect();
        let next = rows.next().and(page.last()).map(RowCursor::of);
        RowPage { rows: page, next }
    }
}

impl AnalyticsStore for MemoryAnalytics {
    fn upsert(&self, upsert: Upsert) -> PortFuture<'_, ()> {
        Box::pin(async {
            check_upsert(&upsert)?;
            self.inner.lock().upsert(upsert)
        })
    }

    fn position(&self, partition: Partition) -> PortFuture<'_, Option<Offset>> {
        Box::pin(async move {
            check_partition(partition)?;
            Ok(self.inner.lock().positions.get(&partition).copied())
        })
    }

    fn rows(&self, query: RowQuery) -> PortFuture<'_, RowPage> {
        Box::pin(async move {
            check_query(&query)?;
            Ok(self.inner.lock().page(&query))
        })
    }

    fn retain(&self, before: EventTime) -> PortFuture<'_, u64> {
        Box::pin(async move {
            let rows = &mut self.inner.lock().rows;
            let count = rows.len();
            rows.retain(|_, row| row.window.start >= before);
            Ok((count - rows.len()) as u64)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Volatile;
    use std::sync::Arc;

    crate::analytics_store_suite!(Volatile(MemoryAnalytics::new));

    /// A shared store is a store.
    mod shared {
        use super::*;
        crate::analytics_store_suite!(Volatile(|| Arc::new(MemoryAnalytics::new())));
    }
}
