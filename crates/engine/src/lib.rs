//! The loops that give the core time: ingest, stream, relay, answer, upkeep.
//!
//! The engine knows ports, never adapters: the embedded stores run the very loops that a
//! distributed deployment runs. [`Engine`] is the whole face; everything else is its inside.

mod answer;
mod backoff;
mod card;
mod checkpoint;
mod dead_letters;
mod elsewhere;
mod error;
mod explain;
mod figures;
mod flaw;
mod follow;
mod followed;
mod ids;
mod impressions;
mod ingest;
mod items;
mod late;
pub mod lines;
mod newest;
mod options;
mod position;
mod products;
mod relay;
mod requests;
mod roles;
mod rows;
mod shared;
mod shop;
#[cfg(test)]
mod simulation;
mod sinks;
mod stage;
mod start;
mod status;
mod topology;
mod traces;
mod unread;
mod upkeep;
mod verify;
mod worker;

pub use answer::{Answer, AnswerItem, RecommendRequest, ServedFrom, Viewed, Visitor};
pub use card::{Card, Ranked};
pub use checkpoint::{
    CheckpointFigures, CheckpointFloor, CheckpointId, CheckpointIdError, CheckpointList,
    CheckpointOptions, CheckpointStatus, CheckpointStores, Checkpointer, DamagedCheckpoint, Floor,
    Manifest, ObjectPoint, PartitionPoint, RestoreReport, drain, list as list_checkpoints,
    newest_positions, restore as restore_checkpoint,
};
pub use dead_letters::{REPLAYS_PER_CALL_MAX, Replay, ReplayChoice, is_whole};
pub use error::EngineError;
pub use explain::{SlatePlace, SlateRecord};
pub use figures::{BUCKETS_US, Count, Figures, Quantiles, Rate, Timing};
pub use followed::SinkStatus;
pub use ids::{ID_CHARS, Ids};
pub use ingest::{RawEvent, Receipt, RejectedEvent};
pub use late::Late;
pub use options::{Clock, EngineOptions, NoUpkeep, Ports, Storage, Upkeep, Waiting};
pub use position::{PositionToken, PositionTokenError, TOKEN_BYTES_MAX};
pub use products::{Kept, Written};
pub use requests::REQUESTS_PER_CALL_MAX;
pub use roles::Roles;
pub use rows::{FUNNEL_SPAN_MAX_MS, RowSum, RowSums, RowsAsked, SUMS_PER_PAGE_MAX, SumCursor};
pub use status::{Lag, PartitionStatus, StageStatus, Status};
pub use topology::{INPUTS, solo_seats};
pub use unread::unread;
pub use verify::{Verification, verify};

use parking_lot::Mutex;
use shared::Shared;
use std::sync::Arc;
use std::thread::JoinHandle;
use vitrina_ports::catalogue::Expect;
use vitrina_ports::log::Offset;
use vitrina_types::ban::{Ban, BanTarget};
use vitrina_types::decayed::Window;
use vitrina_types::id::{ProductId, SlateId};
use vitrina_types::product::Product;
use vitrina_types::state::UserState;

/// The engine of one process.
pub struct Engine {
    shared: Arc<Shared>,
    impressions: impressions::Queue,
    threads: Mutex<Vec<JoinHandle<()>>>,
    chores: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

impl Engine {
    /// Starts the loops of its roles from the stored positions; ready for everything when it
    /// resolves. Call it on a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// `CannotStart` when the stores contradict each other, with what to do; a port's error.
    pub async fn start(
        ports: Ports,
        options: EngineOptions,
        clock: Clock,
    ) -> Result<Arc<Self>, EngineError> {
        let shared = Arc::new(Shared::new(ports, options, clock));
        let mut tails = Vec::new();
        if shared.options.roles.answers {
            tails = items::load(&shared).await?;
        }
        let threads = start::stream(&shared).await?;
        elsewhere::look(&shared).await?;
        let (queue, writer) = impressions::queue();
        let chores = start::chores(&shared, tails, writer);
        Ok(Arc::new(Self {
            shared,
            impressions: queue,
            threads: Mutex::new(threads),
            chores: Mutex::new(chores),
        }))
    }

    /// Takes checkpoints from time to time, as the options say, on a thread of its own. Call it
    /// once, after the start.
    ///
    /// # Errors
    /// `CannotStart` when there is no thread for it.
    pub fn take_checkpoints(&self, stores: CheckpointStores) -> Result<(), EngineError> {
        let shared = &self.shared;
        let (ports, options) = (shared.ports.clone(), shared.options.clone());
        let (clock, figures) = (Arc::clone(&shared.clock), &shared.figures.checkpoints);
        let figures = Arc::clone(figures);
        let checkpointer = Checkpointer::counting(ports, options, clock, stores, figures);
        let stop = shared.stop.subscribe();
        let thread = thread_of("checkpoints".to_owned(), checkpointer.run(stop))?;
        self.threads.lock().push(thread);
        Ok(())
    }

    /// Stops all loops and writes state to disk. Nothing accepted is lost without it either; the
    /// next start is quicker after it.
    pub async fn shutdown(&self) {
        self.shared.stop.send_replace(true);
        let chores = std::mem::take(&mut *self.chores.lock());
        for chore in chores {
            if let Err(error) = chore.await {
                tracing::warn!(%error, "a loop ended badly");
            }
        }
        let threads = std::mem::take(&mut *self.threads.lock());
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a stream thread panicked");
                }
            }
        });
        if joined.await.is_err() {
            tracing::error!("stream threads were not awaited");
        }
        if let Err(error) = upkeep::flush_now(&self.shared).await {
            tracing::warn!(%error, "state was not written; the next start replays it");
        }
    }

    /// Takes events in; durable when it resolves. `source` names the way they came, for dead
    /// letters.
    ///
    /// # Errors
    /// `Overloaded`, or the log's error; nothing was accepted then.
    pub async fn ingest(
        &self,
        events: Vec<RawEvent>,
        source: &str,
    ) -> Result<Receipt, EngineError> {
        ingest::ingest(&self.shared, events, source).await
    }

    /// How far the import of `source` (a file's fingerprint) has come.
    ///
    /// # Errors
    /// The log's.
    pub async fn import_position(&self, source: &str) -> Result<Option<Offset>, EngineError> {
        ingest::import_position(&self.shared, source).await
    }

    /// Takes in old data, exactly once: events and the position `next` of their source are one
    /// write. Waits while the stream is far behind.
    ///
    /// # Errors
    /// `PositionMismatch` when the source does not stand at `expected`; the log's error.
    pub async fn import(
        &self,
        source: &str,
        expected: Option<Offset>,
        next: Offset,
        events: Vec<RawEvent>,
    ) -> Result<Receipt, EngineError> {
        ingest::import(&self.shared, source, expected, next, events).await
    }

    /// Puts together a slate. Waits twice: for the visitor's state, and for that of the
    /// candidates, which this node holds in memory.
    ///
    /// # Errors
    /// The state store's.
    pub async fn recommend(&self, request: RecommendRequest) -> Result<Answer, EngineError> {
        answer::recommend(&self.shared, &self.impressions, request).await
    }

    /// What a visitor met last, newest first, each product once.
    ///
    /// # Errors
    /// The state store's.
    pub async fn recently_viewed(
        &self,
        visitor: &Visitor,
        limit: usize,
    ) -> Result<Vec<Viewed>, EngineError> {
        answer::recently_viewed(&self.shared, visitor, limit).await
    }

    /// What is popular: over a window exactly, else by decayed interest.
    pub fn popular(
        &self,
        window: Option<Window>,
        category: Option<&str>,
        limit: usize,
    ) -> Vec<Ranked> {
        card::popular(&self.shared, window, category, limit)
    }

    /// How a product is shown; `None` for one nobody ever heard of.
    pub fn card(&self, product: &ProductId) -> Option<Card> {
        card::by_id(&self.shared.items.read(), product)
    }

    /// What a slate was and why.
    ///
    /// # Errors
    /// The slate store's.
    pub async fn explain(&self, slate: &SlateId) -> Result<Option<SlateRecord>, EngineError> {
        explain::explain(&self.shared, slate).await
    }

    /// The newest slates, newest first.
    pub fn recent_slates(&self, limit: usize) -> Vec<SlateRecord> {
        explain::recent(&self.shared, limit)
    }

    /// All state of a visitor.
    ///
    /// # Errors
    /// The state store's.
    pub async fn visitor(&self, visitor: &Visitor) -> Result<Option<UserState>, EngineError> {
        answer::visitor(&self.shared, visitor).await
    }

    /// Visitors with state, registered or not. Reads all keys: not for every second.
    ///
    /// # Errors
    /// The state store's.
    pub async fn count_visitors(&self) -> Result<u64, EngineError> {
        answer::count_visitors(&self.shared).await
    }

    /// Writes products, each with what it expects to find; with `wait`, until answers see them.
    ///
    /// # Errors
    /// The catalogue's; nothing was written then.
    pub async fn put_products(
        &self,
        products: Vec<(Product, Expect)>,
        wait: bool,
    ) -> Result<Vec<Written>, EngineError> {
        products::put_products(&self.shared, products, wait).await
    }

    /// The product with this id.
    ///
    /// # Errors
    /// The catalogue's.
    pub async fn product(&self, id: &ProductId) -> Result<Option<Kept<Product>>, EngineError> {
        products::product(&self.shared, id).await
    }

    /// Products with ids after `after`, in id order.
    ///
    /// # Errors
    /// The catalogue's.
    pub async fn products(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Kept<Product>>, EngineError> {
        products::products(&self.shared, after, limit).await
    }

    /// Deletes a product and waits until answers see it.
    ///
    /// # Errors
    /// The catalogue's.
    pub async fn delete_product(
        &self,
        id: &ProductId,
        expect: Expect,
    ) -> Result<Written, EngineError> {
        products::delete_product(&self.shared, id, expect).await
    }

    /// Sets a ban and waits until answers see it.
    ///
    /// # Errors
    /// `TooMany` for one brand or pattern more than may be banned; the catalogue's.
    pub async fn set_ban(&self, ban: &Ban) -> Result<Written, EngineError> {
        products::set_ban(&self.shared, ban).await
    }

    /// Lifts a ban and waits until answers see it.
    ///
    /// # Errors
    /// `NotFound` when there is no such ban; the catalogue's.
    pub async fn lift_ban(&self, target: &BanTarget) -> Result<Written, EngineError> {
        products::lift_ban(&self.shared, target).await
    }

    /// Bans with ids after `after`, in id order.
    ///
    /// # Errors
    /// The catalogue's.
    pub async fn bans(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Kept<Ban>>, EngineError> {
        products::bans(&self.shared, after, limit).await
    }

    /// Everything at a glance.
    pub fn status(&self) -> Status {
        status::status(&self.shared)
    }

    /// Every partition of every stage.
    pub async fn partitions(&self) -> Vec<PartitionStatus> {
        status::partitions(&self.shared).await
    }

    /// What the engine counts about itself.
    pub fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// Seconds on the scale of the recent figures.
    pub fn second(&self) -> u64 {
        self.shared.second()
    }

    /// An id that was never used.
    pub fn fresh_id(&self) -> String {
        self.shared.ids.fresh(self.shared.now())
    }

    /// The time, by the engine's clock.
    pub fn now(&self) -> vitrina_types::time::IngestTime {
        self.shared.now()
    }

    /// Resolves when everything accepted so far has been applied.
    pub async fn settled(&self) {
        self.shared.settled().await;
    }

    /// Writes state to disk now.
    ///
    /// # Errors
    /// The stores'.
    pub async fn flush(&self) -> Result<(), EngineError> {
        upkeep::flush_now(&self.shared).await
    }
}

/// A thread with a runtime of its own: CPU work never sits on the workers that answer.
fn thread_of(
    name: String,
    work: impl Future<Output = ()> + Send + 'static,
) -> Result<JoinHandle<()>, EngineError> {
    let cannot = |error: std::io::Error| EngineError::CannotStart {
        reason: format!("no thread for {name}: {error}"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(cannot)?;
    std::thread::Builder::new()
        .name(name.clone())
        .spawn(move || runtime.block_on(work))
        .map_err(cannot)
}
