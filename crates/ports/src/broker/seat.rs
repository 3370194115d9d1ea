//! A seat at the broker: a member of its group with a transactional producer.

use super::Shared;
use super::core::{Identity, check_size, fenced};
use super::waiting::{change, until};
use crate::log::{Append, Consumed, Consumer, Offset};
use crate::seat::{Assignment, Membership, Seat, TaskId};
use crate::{PortError, PortFuture};
use std::sync::Arc;

/// A seat at a [`Broker`](super::Broker). Opened, it has initialised its transactional id; it
/// joins the group at its first poll. Dropped, it has crashed: the group finds out when its
/// session expires, and its transaction stays open.
///
/// [`Consumed::expected`] is not compared: the broker does not know it. After a call of the
/// transaction that failed or was abandoned, the next ones are refused until
/// [`reset`](Seat::reset).
pub struct BrokerSeat {
    shared: Arc<Shared>,
    who: Identity,
    transaction: Option<u64>,
    /// A call of this transaction has begun and not succeeded.
    is_spoilt: bool,
}

impl BrokerSeat {
    pub(super) fn new(shared: Arc<Shared>, slot: u32, is_stable: bool) -> Self {
        let who = change(&shared.core, |core| core.sit(slot, is_stable));
        Self {
            shared,
            who,
            transaction: None,
            is_spoilt: false,
        }
    }

    /// The name under which its transactions are known.
    pub fn transactional_id(&self) -> &str {
        &self.who.transactional_id
    }

    /// The place of the engine it belongs to.
    pub fn slot(&self) -> u32 {
        self.who.slot
    }

    fn step(&self, what: &'static str) -> PortFuture<'_, ()> {
        self.shared.pace.step(self.who.slot, what)
    }

    /// Begins a call of the transaction, which spoils it until the call has succeeded.
    fn spoil(&mut self) -> Result<(), PortError> {
        if std::mem::replace(&mut self.is_spoilt, true) {
            let detail = "an earlier call of the transaction failed, it must be reset".to_owned();
            return Err(fenced(&self.who.transactional_id, detail));
        }
        Ok(())
    }
}

impl Drop for BrokerSeat {
    fn drop(&mut self) {
        self.shared.core.lock().seats.remove(&self.who.seat);
    }
}

impl Seat for BrokerSeat {
    fn poll(&mut self) -> PortFuture<'_, Vec<Assignment>> {
        Box::pin(async move {
            self.step("poll").await?;
            Ok(change(&self.shared.core, |core| core.poll(self.who.seat)))
        })
    }

    fn release<'a>(&'a mut self, tasks: &'a [TaskId]) -> PortFuture<'a, ()> {
        Box::pin(async move {
            self.step("release").await?;
            change(&self.shared.core, |core| {
                let sitting = core.seats.get(&self.who.seat);
                if let Some(member) = sitting.and_then(|sitting| sitting.member) {
                    core.group.release(member, tasks);
                }
            });
            Ok(())
        })
    }

    fn membership(&self) -> Option<Membership> {
        let core = self.shared.core.lock();
        core.seats.get(&self.who.seat)?.believes.clone()
    }

    fn send(&mut self, outputs: Vec<Append>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.spoil()?;
            self.step("send").await?;
            check_size(&outputs)?;
            change(&self.shared.core, |core| {
                let number = core.begun(&self.who, self.transaction)?;
                self.transaction = Some(number);
                core.append(&outputs, Some(number));
                Ok::<_, PortError>(())
            })?;
            self.is_spoilt = false;
            Ok(())
        })
    }

    fn send_positions<'a>(
        &'a mut self,
        consumed: Vec<Consumed>,
        as_member: &'a Membership,
    ) -> PortFuture<'a, ()> {
        Box::pin(async move {
            self.spoil()?;
            self.step("send positions").await?;
            change(&self.shared.core, |core| {
                let number = core.begun(&self.who, self.transaction)?;
                // Refused positions leave the transaction open, for `reset` to abort.
                self.transaction = Some(number);
                core.add_positions(number, consumed, as_member)
            })?;
            self.is_spoilt = false;
            Ok(())
        })
    }

    fn commit(&mut self) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.spoil()?;
            self.step("commit").await?;
            if let Some(number) = self.transaction {
                change(&self.shared.core, |core| core.commit(&self.who, number))?;
                self.transaction = None;
                self.step("commit answered").await?;
            }
            self.is_spoilt = false;
            Ok(())
        })
    }

    fn reset(&mut self) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.step("reset").await?;
            let epoch = change(&self.shared.core, |core| {
                core.fence(&self.who.transactional_id)
            });
            self.who.epoch = epoch;
            self.transaction = None;
            self.is_spoilt = false;
            Ok(())
        })
    }

    fn committed<'a>(&'a mut self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        Box::pin(async move {
            self.step("committed").await?;
            Ok(until(&self.shared.core, |core| core.stable(consumer)).await)
        })
    }
}
