//! What of the log is still to be read: retention leaves it alone.

use crate::requests;
use crate::shared::input_of;
use crate::sinks;
use vitrina_ports::PortError;
use vitrina_ports::analytics::AnalyticsStore;
use vitrina_ports::log::{Consumer, EventLog, Offset};
use vitrina_ports::state::{Space, StatePartition, StateStore};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// Stages of a shop, by the space their state is in.
pub(crate) const STAGES: [Space; 5] = [
    Space::Users,
    Space::Products,
    Space::Slates,
    Space::Rows,
    Space::Shop,
];

/// Where everybody stands who reads the log: the state of every stage, every sink, and the loop
/// that answers questions. Nothing from there on may be removed. As durable as the stores make
/// it: sync them before anything is removed by it.
///
/// # Errors
/// The stores'.
pub async fn unread(
    log: &dyn EventLog,
    state: &dyn StateStore,
    analytics: &dyn AnalyticsStore,
) -> Result<Vec<(Topic, Partition, Offset)>, PortError> {
    let mut positions = Vec::new();
    for space in STAGES {
        for partition in Partition::all() {
            let at = StatePartition { space, partition };
            let position = state.get_many(at, &[]).await?.position;
            positions.push((input_of(space), partition, position));
        }
    }
    for partition in Partition::all() {
        let position = analytics.position(partition).await?;
        positions.push((Topic::WindowRows, partition, position.unwrap_or(0)));
        let consumer = sinks::catalogue_consumer(partition);
        let position = committed(log, &consumer).await?;
        positions.push((Topic::FilteredProducts, partition, position));
    }
    let asked = committed(log, &requests::consumer()).await?;
    positions.push((Topic::ClientRecommendations, Partition(0), asked));
    Ok(positions)
}

async fn committed(log: &dyn EventLog, consumer: &Consumer) -> Result<Offset, PortError> {
    Ok(log.committed(consumer).await?.unwrap_or(0))
}
