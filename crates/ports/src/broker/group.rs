//! The consumer group: who is a member, who owns which task, what each was not yet told.
//!
//! Cooperative: a task changes hands one at a time, and only after its owner has released it or
//! was thrown out. Every change of who owns what makes a new generation.

use crate::seat::{Assignment, Membership, TaskId};
use std::collections::BTreeMap;

/// Who owns a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody.
    Nobody,
    /// This member.
    Member(u64),
    /// This member, until it releases it.
    Revoking(u64),
}

/// One member, alive or not: the group learns of a death only when the session expires.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Box<str>,
    pub(super) seat: u64,
    pub(super) slot: u32,
    /// What it is told at its next poll.
    events: Vec<Assignment>,
}

/// The group as its coordinator sees it.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) generation: u64,
    pub(super) owners: BTreeMap<TaskId, Owner>,
    pub(super) members: BTreeMap<u64, Member>,
    joined_count: u64,
}

impl Group {
    /// Takes in a new member, which owns nothing yet.
    pub(super) fn join(&mut self, transactional_id: &str, seat: u64, slot: u32) -> u64 {
        self.generation += 1;
        self.joined_count += 1;
        let member = Member {
            name: format!("{transactional_id}#{}", self.joined_count).into(),
            seat,
            slot,
            events: Vec::new(),
        };
        self.members.insert(self.joined_count, member);
        self.joined_count
    }

    /// What a member is in truth; `None` when it is none any more.
    pub(super) fn membership(&self, member: u64) -> Option<Membership> {
        let known = self.members.get(&member)?;
        Some(Membership {
            member: known.name.clone(),
            generation: self.generation,
        })
    }

    /// What happened to a member since it was last asked.
    pub(super) fn take_events(&mut self, member: u64) -> Vec<Assignment> {
        let known = self.members.get_mut(&member);
        known.map_or(Vec::new(), |known| std::mem::take(&mut known.events))
    }

    /// Whether positions sent under this name are accepted. Who owns the task is not asked.
    pub(super) fn knows(&self, asked: &Membership) -> bool {
        let mut members = self.members.values();
        asked.generation == self.generation && members.any(|known| known.name == asked.member)
    }

    /// Gives a task to a member, which learns it at its next poll.
    pub(super) fn assign(&mut self, task: TaskId, member: u64) {
        self.generation += 1;
        self.owners.insert(task, Owner::Member(member));
        self.tell(member, task, Assignment::Assigned);
    }

    /// Asks a member to release a task.
    pub(super) fn revoke(&mut self, task: TaskId, member: u64) {
        self.generation += 1;
        self.owners.insert(task, Owner::Revoking(member));
        self.tell(member, task, Assignment::Revoked);
    }

    /// Takes back revoked tasks. What this member was not asked for stays where it is.
    pub(super) fn release(&mut self, member: u64, tasks: &[TaskId]) {
        for task in tasks {
            if let Some(owner) = self.owners.get_mut(task)
                && *owner == Owner::Revoking(member)
            {
                *owner = Owner::Nobody;
            }
        }
    }

    /// Throws a member out: it finds out at its next poll.
    pub(super) fn remove(&mut self, member: u64) {
        self.generation += 1;
        self.members.remove(&member);
        for owner in self.owners.values_mut() {
            if matches!(*owner, Owner::Member(m) | Owner::Revoking(m) if m == member) {
                *owner = Owner::Nobody;
            }
        }
    }

    /// Tasks a member owns, those being revoked as well.
    pub(super) fn owned_count(&self, member: u64) -> usize {
        let owners = self.owners.values();
        owners
            .filter(|o| matches!(**o, Owner::Member(m) | Owner::Revoking(m) if m == member))
            .count()
    }

    fn tell(&mut self, member: u64, task: TaskId, kind: fn(Vec<TaskId>) -> Assignment) {
        let Some(known) = self.members.get_mut(&member) else {
            return;
        };
        let event = kind(vec![task]);
        // Of one kind in a row make one event, as a group does that moves many tasks at once.
        match (known.events.last_mut(), &event) {
            (Some(Assignment::Assigned(tasks)), Assignment::Assigned(_))
            | (Some(Assignment::Revoked(tasks)), Assignment::Revoked(_))
                if !tasks.contains(&task) =>
            {
                tasks.push(task);
            }
            _ => known.events.push(event),
        }
    }
}
