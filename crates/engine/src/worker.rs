//! The stream's threads: each runs both stages for its partitions.

use crate::error::EngineError;
use crate::shared::Shared;
use crate::stage::Stage;
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};
use vitrina_ports::state::Space;
use vitrina_stream::{ProductStage, Task, UserStage};
use vitrina_types::partition::Partition;
use vitrina_types::state::ProductKey;

/// First pause after an error; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// Longest pause after an error.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Both stages for the partitions of one thread.
pub(crate) struct Worker {
    users: Stage<UserStage>,
    products: Stage<ProductStage>,
}

impl Worker {
    /// The worker for every `of`-th partition beginning with `number`.
    pub(crate) fn new(shared: &Arc<Shared>, number: usize, of: usize) -> Self {
        let mine = move || Partition::all().filter(move |p| p.at() % of == number);
        let hot_keys_max = shared.options.hot_keys_max;
        let user = shared.options.user.clone();
        let product = shared.options.product.clone();
        let users = mine().map(|partition| {
            let operator = UserStage {
                options: user.clone(),
            };
            Task::new(operator, partition).with_hot_keys_max(hot_keys_max)
        });
        let products = mine().map(|partition| {
            let operator = ProductStage {
                options: product.clone(),
            };
            Task::new(operator, partition).with_hot_keys_max(hot_keys_max)
        });
        let sees = Arc::clone(shared);
        Self {
            users: Stage::new(Space::Users, users, Box::new(|_, _| {})),
            products: Stage::new(
                Space::Products,
                products,
                Box::new(move |key, value| {
                    if let Some(key) = ProductKey::from_stored(key) {
                        sees.items.apply(&key, value);
                    }
                }),
            ),
        }
    }

    /// Starts both stages from their stored positions.
    pub(crate) async fn assign(&mut self, shared: &Shared) -> Result<(), EngineError> {
        self.users.assign(shared).await?;
        self.products.assign(shared).await
    }

    /// Runs until the engine stops; every error ends in a pause and a new assignment. Until that
    /// has succeeded nothing is processed and nothing committed: after an error the memory may
    /// hold what was never published.
    pub(crate) async fn run(mut self, shared: Arc<Shared>) {
        let (mut pause, mut seen, mut is_sound) = (PAUSE_MIN, 0, true);
        while !*shared.stop.borrow() {
            let done = if is_sound {
                let done = self.step(&shared, &mut seen).await;
                match &done {
                    Ok(()) => pause = PAUSE_MIN,
                    Err(_) => self.doubt(),
                }
                done
            } else {
                self.assign(&shared).await
            };
            is_sound = done.is_ok();
            let Err(error) = done else {
                continue;
            };
            warn!(%error, pause_ms = pause.as_millis() as u64, "stream starts again");
            shared.figures.reassigned.add(1);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shared.stopped() => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        if is_sound && let Err(error) = self.commit(&shared).await {
            // Nothing is lost: what is not committed is applied again at the next start.
            info!(%error, "left the last batch to the next start");
        }
    }

    async fn step(&mut self, shared: &Shared, seen: &mut u64) -> Result<(), EngineError> {
        let mut records = self.users.round(shared).await?;
        records += self.products.round(shared).await?;
        if records > 0 {
            shared.items.announce();
            return Ok(());
        }
        self.commit(shared).await?;
        tokio::select! {
            now = shared.ports.log.changed(*seen) => *seen = now?,
            () = shared.stopped() => {}
        }
        Ok(())
    }

    fn doubt(&mut self) {
        self.users.doubt();
        self.products.doubt();
    }

    async fn commit(&mut self, shared: &Shared) -> Result<(), EngineError> {
        self.users.commit(shared).await?;
        self.products.commit(shared).await?;
        shared.items.announce();
        Ok(())
    }
}
