//! What the broker may do of its own accord, one step at a time, for a simulation to choose from.

use super::Broker;
use super::core::Core;
use super::group::Owner;
use super::partition::Ending;
use super::waiting::change;
use crate::seat::TaskId;

/// Something the broker may do next. Members, seats and transactions are numbered in the order
/// they came; `slot` says whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BrokerStep {
    /// Gives a task that nobody owns to a member that is alive.
    Assign {
        /// The task.
        task: TaskId,
        /// Who gets it.
        member: u64,
        /// Whose member that is.
        slot: u32,
    },
    /// Gives a task to its owner once more.
    AssignAgain {
        /// The task.
        task: TaskId,
        /// Who owns it.
        member: u64,
        /// Whose member that is.
        slot: u32,
    },
    /// Rebalances: asks the owner of a task to release it.
    Revoke {
        /// The task.
        task: TaskId,
        /// Who owns it.
        member: u64,
        /// Whose member that is.
        slot: u32,
    },
    /// The session of a member expires: the group goes on without it.
    Expire {
        /// The member.
        member: u64,
        /// Whose member it is.
        slot: u32,
        /// Whether it is alive, only slow.
        is_live: bool,
    },
    /// A seat learns in the background who it is in the group now.
    Learn {
        /// The seat.
        seat: u64,
        /// Whose seat it is.
        slot: u32,
    },
    /// An open transaction times out: it is aborted and its producer fenced.
    TimeOut {
        /// The transaction.
        transaction: u64,
        /// Whose it is.
        slot: u32,
        /// Whether its seat is alive, only slow.
        is_live: bool,
    },
    /// A commit that was answered with an error without effect arrives after all.
    CommitArrives {
        /// The transaction.
        transaction: u64,
        /// Whose it is.
        slot: u32,
    },
}

impl BrokerStep {
    /// Whether it need not happen. Without faults the others run out, and then every task that
    /// can be owned is, and no orphan's transaction is open.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Assign { .. } | Self::Learn { .. } => false,
            Self::AssignAgain { .. } | Self::Revoke { .. } | Self::CommitArrives { .. } => true,
            Self::Expire { is_live, .. } | Self::TimeOut { is_live, .. } => *is_live,
        }
    }
}

impl Broker {
    /// Every step that could be taken now, always in the same order.
    pub fn enabled_steps(&self) -> Vec<BrokerStep> {
        let core = self.shared.core.lock();
        let mut steps = Vec::new();
        core.task_steps(&mut steps);
        core.member_steps(&mut steps);
        core.transaction_steps(&mut steps);
        steps
    }

    /// Takes a step; answers whether it could still be taken.
    pub fn take(&self, step: BrokerStep) -> bool {
        let is_enabled = self.enabled_steps().contains(&step);
        if is_enabled {
            change(&self.shared.core, |core| core.take(step));
        }
        is_enabled
    }

    /// Takes steps that are no faults until there are none, tasks to whom has the fewest; answers
    /// how many were taken.
    pub fn settle(&self) -> usize {
        let mut taken = 0;
        loop {
            let mut steps = self.enabled_steps();
            steps.retain(|step| !step.is_fault());
            let load = |step: &BrokerStep| match step {
                BrokerStep::Assign { member, .. } => {
                    1 + self.shared.core.lock().group.owned_count(*member)
                }
                _ => 0,
            };
            let Some(&step) = steps.iter().min_by_key(|step| load(step)) else {
                return taken;
            };
            self.take(step);
            taken += 1;
        }
    }
}

impl Core {
    fn task_steps(&self, steps: &mut Vec<BrokerStep>) {
        let members = &self.group.members;
        for (&task, &owner) in &self.group.owners {
            match owner {
                Owner::Nobody => {
                    let live = members.iter().filter(|(_, m)| self.is_live(m.seat));
                    steps.extend(live.map(|(&member, known)| BrokerStep::Assign {
                        task,
                        member,
                        slot: known.slot,
                    }));
                }
                Owner::Member(member) => {
                    let known = members.get(&member).filter(|m| self.is_live(m.seat));
                    let Some(slot) = known.map(|known| known.slot) else {
                        continue;
                    };
                    steps.push(BrokerStep::AssignAgain { task, member, slot });
                    steps.push(BrokerStep::Revoke { task, member, slot });
                }
                Owner::Revoking(_) => {}
            }
        }
    }

    fn member_steps(&self, steps: &mut Vec<BrokerStep>) {
        for (&member, known) in &self.group.members {
            steps.push(BrokerStep::Expire {
                member,
                slot: known.slot,
                is_live: self.is_live(known.seat),
            });
        }
        for (&seat, sitting) in &self.seats {
            if sitting.believes != self.real(sitting) {
                let slot = sitting.slot;
                steps.push(BrokerStep::Learn { seat, slot });
            }
        }
    }

    fn transaction_steps(&self, steps: &mut Vec<BrokerStep>) {
        for (&transaction, open) in &self.open {
            let slot = open.slot;
            if self.switches.times_out {
                steps.push(BrokerStep::TimeOut {
                    transaction,
                    slot,
                    is_live: self.is_live(open.seat),
                });
            }
            if open.is_commit_late {
                steps.push(BrokerStep::CommitArrives { transaction, slot });
            }
        }
    }

    pub(super) fn is_live(&self, seat: u64) -> bool {
        self.seats.contains_key(&seat)
    }

    fn take(&mut self, step: BrokerStep) {
        match step {
            BrokerStep::Assign { task, member, .. }
            | BrokerStep::AssignAgain { task, member, .. } => self.group.assign(task, member),
            BrokerStep::Revoke { task, member, .. } => self.group.revoke(task, member),
            BrokerStep::Expire { member, .. } => self.group.remove(member),
            BrokerStep::Learn { seat, .. } => {
                let real = self.seats.get(&seat).and_then(|sitting| self.real(sitting));
                if let Some(sitting) = self.seats.get_mut(&seat) {
                    sitting.believes = real;
                }
            }
            BrokerStep::TimeOut { transaction, .. } => {
                let producer = self.open.get(&transaction).map(|t| t.producer.clone());
                if let Some(producer) = producer {
                    self.fence(&producer);
                }
            }
            BrokerStep::CommitArrives { transaction, .. } => self.end(transaction, Ending::Commit),
        }
    }
}
