//! The transactional producer of a seat.
//!
//! The law: after [`reset`](Transactions::reset) nothing that was sent before can be committed.
//! A clean transaction is aborted; after any doubt the id is initialised anew, which fences
//! everything before it.

use crate::client::{self, Producer};
use crate::delivery::{self, Delivery, send_all};
use crate::failure::failed;
use crate::log::check_size;
use crate::options::KafkaOptions;
use crate::place::Names;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use rdkafka::topic_partition_list::TopicPartitionList;
use std::sync::Arc;
use std::time::Duration;
use vitrina_ports::PortError;
use vitrina_ports::log::Append;

pub(super) struct Transactions {
    options: KafkaOptions,
    names: Names,
    id: String,
    /// `None` between an error and a reset that succeeded.
    producer: Option<Producer>,
    /// What was sent in the open transaction.
    open: Option<Arc<Delivery>>,
    /// Whether the outcome of something is not known.
    is_doubtful: bool,
}

impl Transactions {
    /// Initialises the id. Blocks.
    pub(super) fn open(options: &KafkaOptions, id: String) -> Result<Self, PortError> {
        let producer = client::transactional(options, &id)?;
        Ok(Self {
            names: Names::new(&options.prefix),
            options: options.clone(),
            id,
            producer: Some(producer),
            open: None,
            is_doubtful: false,
        })
    }

    /// The producer in an open transaction, and what was sent in it.
    fn begun(&mut self) -> Result<(&Producer, &Arc<Delivery>), PortError> {
        let Some(producer) = &self.producer else {
            return Err(PortError::Fenced {
                what: self.id.clone(),
                detail: "its producer was given up, it must be reset".to_owned(),
            });
        };
        if self.open.is_none() {
            producer
                .begin_transaction()
                .map_err(|error| failed(&self.id, &error))?;
        }
        Ok((producer, self.open.get_or_insert_with(|| Delivery::new(1))))
    }

    pub(super) fn send(&mut self, outputs: &[Append]) -> Result<(), PortError> {
        check_size(outputs)?;
        let (names, limit) = (self.names.clone(), self.limit());
        let (producer, delivery) = self.begun()?;
        // One ticket for all: nobody asks for offsets.
        for output in outputs {
            let one = std::slice::from_ref(output);
            send_all(producer, &names, one, delivery, 0, limit)?;
        }
        Ok(())
    }

    /// The code of a refusal is answered too: it may tell that the member is gone.
    pub(super) fn send_positions(
        &mut self,
        positions: &TopicPartitionList,
        as_member: &ConsumerGroupMetadata,
    ) -> Result<(), (PortError, Option<RDKafkaErrorCode>)> {
        let limit = self.limit();
        let id = self.id.clone();
        let (producer, _) = self.begun().map_err(|error| (error, None))?;
        let sent = producer.send_offsets_to_transaction(positions, as_member, limit);
        sent.map_err(|error| (failed(&id, &error), error.rdkafka_error_code()))
    }

    pub(super) fn commit(&mut self) -> Result<(), PortError> {
        let Some(delivery) = self.open.clone() else {
            // Nothing of the seat is open; that it is no longer ours shows at the next send.
            return match &self.producer {
                Some(_) => Ok(()),
                None => self.begun().map(|_| ()),
            };
        };
        let limit = self.limit();
        // Until it has succeeded neither a commit nor an abort may be believed.
        self.is_doubtful = true;
        let (producer, _) = self.begun()?;
        let committed = delivery::commit(producer, &delivery, limit);
        if let Err(error) = committed {
            return Err(self.told(&error, &delivery));
        }
        delivery.wait(limit)?;
        self.open = None;
        self.is_doubtful = false;
        Ok(())
    }

    /// A commit that a record prevented says only that; the record's own error says more.
    fn told(&self, error: &KafkaError, delivery: &Delivery) -> PortError {
        match delivery.wait(Duration::ZERO) {
            Err(record @ PortError::TooLarge { .. }) => record,
            _ => failed(&self.id, error),
        }
    }

    pub(super) fn reset(&mut self) -> Result<(), PortError> {
        if let (Some(producer), false) = (&self.producer, self.is_doubtful) {
            let is_open = self.open.is_some();
            if !is_open || producer.abort_transaction(self.limit()).is_ok() {
                self.open = None;
                return Ok(());
            }
        }
        // The old one first: it must not hear of records while the new one fences it.
        self.producer = None;
        self.open = None;
        self.is_doubtful = true;
        self.producer = Some(client::transactional(&self.options, &self.id)?);
        self.is_doubtful = false;
        Ok(())
    }

    /// Ends what is open, as far as that can be done, because the seat is left.
    pub(super) fn leave(&mut self) {
        if let (Some(producer), Some(_)) = (&self.producer, self.open.take())
            && let Err(error) = producer.abort_transaction(self.limit())
        {
            tracing::debug!(id = self.id, %error, "left a transaction to the next life");
        }
    }

    fn limit(&self) -> Duration {
        self.options.transaction_timeout
    }
}
