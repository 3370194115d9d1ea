//! Records as readers of the port get them.
//!
//! Any client may put JSON onto `user-events`. Who reads it here gets what intake would have
//! written, made of the record alone, so that it is the same at every read. What is no event stays
//! as it is: the stage makes a dead letter of it, which says why.

use crate::place::{Place, Source};
use bytes::Bytes;
use rdkafka::message::Message;
use vitrina_types::event::foreign::{self, Foreign};
use vitrina_types::partition::Partition;
use vitrina_types::record::{UserEnvelope, UserRecord};
use vitrina_types::stored;
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// The bytes of a record in `place`, in their stored form.
pub(super) fn stored_form(place: Place, message: &impl Message) -> Bytes {
    let payload = message.payload().unwrap_or_default();
    if place.source == Source::Log(Topic::UserEvents) && foreign::is_foreign(payload) {
        // Without a time, which only a topic that keeps the clients' times has, all of it is of
        // 1970: too far ahead, and a dead letter.
        let ingest_time = IngestTime(message.timestamp().to_millis().unwrap_or_default());
        let (topic, partition) = (Topic::UserEvents, place.partition);
        let record = Foreign {
            bytes: payload,
            key: message.key(),
            ingest_time,
            place: &format!("{topic}/{partition}@{}", message.offset()),
        };
        if let Ok(event) = foreign::read(&record) {
            let home = Partition::of(event.subject.partition_id());
            let record = match home == Partition(partition) {
                true => UserRecord::Event(Box::new(event)),
                // Its client spreads keys in another way than we do.
                false => UserRecord::Astray(Box::new(event)),
            };
            let envelope = UserEnvelope {
                ingest_time,
                backfill: false,
                record,
            };
            return stored::encode(&envelope).into();
        }
    }
    Bytes::copy_from_slice(payload)
}
