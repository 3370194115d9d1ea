//! Which stages there are, and the tasks of one worker among several.

use crate::options::EngineOptions;
use crate::shared::Shared;
use crate::stage::{AnyStage, OnChange, Stage};
use std::sync::Arc;
use vitrina_ports::seat::Seats;
use vitrina_ports::seat::solo::SoloSeats;
use vitrina_ports::state::Space;
use vitrina_stream::{Operator, ProductStage, RowStage, ShopStage, SlateStage, Task, UserStage};
use vitrina_types::state::{ProductKey, ProductValue};
use vitrina_types::topic::Topic;

/// Input topics of the stages of a shop: what a group shares out.
pub const INPUTS: [Topic; 5] = [
    Topic::UserEvents,
    Topic::ProductSignals,
    Topic::SlateSignals,
    Topic::RowSignals,
    Topic::ShopProducts,
];

/// The seats of a process that works the whole stream of a shop alone.
pub fn solo_seats() -> Arc<dyn Seats> {
    Arc::new(SoloSeats::new(&INPUTS))
}

/// Keeps each visitor's profile.
pub(crate) fn user_stage(options: &EngineOptions) -> UserStage {
    UserStage {
        options: options.user.clone(),
    }
}

/// Keeps what is known of each product.
pub(crate) fn product_stage(options: &EngineOptions) -> ProductStage {
    ProductStage {
        options: options.product.clone(),
    }
}

/// Attributes what visitors did to the slates they saw.
pub(crate) fn slate_stage(options: &EngineOptions) -> SlateStage {
    SlateStage {
        options: options.slate.clone(),
    }
}

/// Makes window rows of what the stages before it tell.
pub(crate) fn row_stage(options: &EngineOptions) -> RowStage {
    RowStage {
        options: options.product.rows.clone(),
    }
}

/// A stage whose changes nobody looks at.
pub(crate) fn stage<O: Operator + Clone>(
    shared: &Shared,
    space: Space,
    operator: O,
) -> Box<dyn AnyStage> {
    let hot_keys_max = shared.options.hot_keys_max;
    let make =
        move |partition| Task::new(operator.clone(), partition).with_hot_keys_max(hot_keys_max);
    Box::new(Stage::new(space, Box::new(make), Box::new(|_, _| {})))
}

/// The stages of a shop, in the order records flow through them. An item side that nobody else
/// changes is told what the product stage changes; any other one reads it from state.
pub(crate) fn stages(shared: &Arc<Shared>) -> Vec<Box<dyn AnyStage>> {
    if !shared.options.roles.answers || shared.follows_signals() {
        return stages_with(shared, Box::new(|_, _| {}));
    }
    let sees = Arc::clone(shared);
    stages_with(
        shared,
        Box::new(move |key, value| {
            if let Some(key) = ProductKey::from_stored(key) {
                sees.items.apply(&key, value);
            }
        }),
    )
}

/// The same stages; `on_product` sees every change of the product stage.
pub(crate) fn stages_with(
    shared: &Shared,
    on_product: OnChange<ProductValue>,
) -> Vec<Box<dyn AnyStage>> {
    let options = &shared.options;
    let hot_keys_max = options.hot_keys_max;
    let operator = product_stage(options);
    let make =
        move |partition| Task::new(operator.clone(), partition).with_hot_keys_max(hot_keys_max);
    let products = Stage::new(Space::Products, Box::new(make), on_product);
    vec![
        stage(shared, Space::Users, user_stage(options)),
        Box::new(products),
        stage(shared, Space::Slates, slate_stage(options)),
        stage(shared, Space::Rows, row_stage(options)),
        stage(shared, Space::Shop, ShopStage),
    ]
}
