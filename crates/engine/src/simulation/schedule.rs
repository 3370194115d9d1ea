//! One schedule: a seed decides what happens, step by step.

use super::laws::{Seen, Switches, folds, is_quiet, positions, standing};
use super::world::{World, state_of, tasks};
use super::wrong::Wrong;
use vitrina_ports::broker::BrokerStep;
use vitrina_ports::faulty::SplitMix64;
use vitrina_ports::seat::TaskId;

/// Choices while things go wrong.
const CHOICES: u64 = 700;
/// Rounds of every worker in which everything must be processed once faults stop.
const CALM_ROUNDS: usize = 6_000;

/// How often each thing that may go wrong is allowed to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub(super) crashes: u32,
    pub(super) pauses: u32,
    /// Revokes, expired sessions, tasks given twice, time-outs.
    pub(super) broker: u32,
    pub(super) lost_tails: u32,
    pub(super) unknown_commits: u32,
    pub(super) delayed_commits: u32,
    pub(super) retentions: u32,
    pub(super) lost_positions: u32,
}

impl Budget {
    /// What a seed allows.
    fn of(random: &mut SplitMix64) -> Self {
        let mut upto = |most: u64| (random.next() % (most + 1)) as u32;
        Self {
            crashes: upto(3),
            pauses: upto(3),
            broker: upto(5),
            lost_tails: upto(3),
            unknown_commits: upto(3),
            delayed_commits: upto(2),
            retentions: upto(2),
            lost_positions: 0,
        }
    }
}

impl Budget {
    /// How many things it still allows.
    fn left(&self) -> u32 {
        [
            self.crashes,
            self.pauses,
            self.broker,
            self.lost_tails,
            self.unknown_commits,
            self.delayed_commits,
            self.retentions,
            self.lost_positions,
        ]
        .iter()
        .sum()
    }
}

/// What happened in schedules.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Records processed, by all stages.
    pub(super) records: u64,
    /// Things that went wrong.
    pub(super) faults: u64,
    /// Switches of options in the middle.
    pub(super) upgrades: u64,
}

/// Takes one from a budget; answers whether there was one.
fn spend(left: &mut u32) -> bool {
    let has = *left > 0;
    *left -= u32::from(has);
    has
}

/// A schedule under way.
struct Schedule {
    world: World,
    kind: Kind,
    random: SplitMix64,
    budget: Budget,
    seen: Seen,
    switches: Switches,
    /// The newest choices, for a failing seed.
    trace: Vec<String>,
    tally: Tally,
}

/// Choices kept of a failing seed.
const TRACE_MAX: usize = 60;

/// What kind of schedules are run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kind {
    /// In which way the protocol is wrong.
    pub(super) wrong: Option<Wrong>,
    /// Whether the group forgets its positions once: then a right worker refuses to start.
    pub(super) loses_positions: bool,
    /// Whether workers are thrown out, commits come late and tails are lost more often: some
    /// wrong variants show only where one of them happens just when another worker starts.
    pub(super) is_focused: bool,
}

/// Runs one schedule.
///
/// # Errors
/// The law that was broken, with the last choices and what the broker holds.
pub(super) fn run(seed: u64, kind: Kind) -> Result<Tally, String> {
    let mut random = SplitMix64::new(seed);
    let mut workers = 1 + (random.next() % 3) as usize;
    let mut budget = Budget::of(&mut random);
    budget.lost_positions = u32::from(kind.loses_positions);
    if kind.is_focused {
        (budget.lost_tails, budget.broker) = (30, 30);
    }
    if kind.is_focused || kind.wrong == Some(Wrong::NeverReturns) {
        // Somebody has to be left.
        workers = workers.max(2);
    }
    // Nearly every key is read from the store, or nearly none.
    let hot_keys_max = [3, 1_000][random.next() as usize % 2];
    let mut schedule = Schedule {
        world: World::new(workers, hot_keys_max, kind.wrong),
        kind,
        random,
        budget,
        seen: Seen::default(),
        switches: Switches::default(),
        trace: Vec::new(),
        tally: Tally::default(),
    };
    let done = schedule.run();
    done.map(|()| schedule.tally).map_err(|law| {
        let trace = schedule.trace.join("\n  ");
        format!(
            "seed {seed}: {law}\n  {trace}\n{}",
            schedule.world.broker.dump()
        )
    })
}

impl Schedule {
    fn run(&mut self) -> Result<(), String> {
        self.stormy()?;
        if self.random.next().is_multiple_of(4) {
            self.calm()?;
            self.upgrade();
            self.stormy()?;
        }
        self.calm()?;
        let positions = self.world.known.iter();
        let processed = positions.map(|known| self.world.state.position(known.state));
        self.tally.records = processed.sum();
        folds(&self.world, &self.switches, true)
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.trace.len() >= 2 * TRACE_MAX {
            self.trace.drain(..TRACE_MAX);
        }
        self.trace.push(what());
    }

    /// Things happen and go wrong.
    fn stormy(&mut self) -> Result<(), String> {
        let allowed = self.budget.left();
        for choice in 0..CHOICES {
            self.choose()?;
            positions(&self.world, &mut self.seen)?;
            if choice % 250 == 249 {
                folds(&self.world, &self.switches, false)?;
            }
        }
        self.tally.faults += u64::from(allowed - self.budget.left().min(allowed));
        Ok(())
    }

    fn choose(&mut self) -> Result<(), String> {
        match self.random.next() % 100 {
            0..=2 => {
                let event = self.world.source.event(&mut self.random);
                self.world.arrive(vec![event]);
            }
            3 => {
                let ahead_ms = (self.random.next() % 20) as i64 * 60_000;
                let ticks = self.world.source.ticks(ahead_ms);
                self.world.arrive(ticks);
            }
            4 if self.random.next().is_multiple_of(4) => {
                let ban = self.world.source.ban(&mut self.random);
                self.world.arrive(vec![ban]);
            }
            5..=9 => self.broker_step(),
            10..=13 => self.fault(),
            14 => self.survivor(),
            15..=20 if self.kind.is_focused => self.focused(),
            _ => return self.work(),
        }
        Ok(())
    }

    /// One worker takes a step.
    fn work(&mut self) -> Result<(), String> {
        let slot = self.random.next() as usize % self.world.workers.len();
        let worker = &mut self.world.workers[slot];
        if worker.is_gone {
            return Ok(());
        }
        if worker.paused > 0 {
            worker.paused -= 1;
            return Ok(());
        }
        if !self.world.is_alive(slot) {
            self.note(|| format!("start {slot}"));
            self.world.start(slot);
        }
        self.world.step(slot)
    }

    /// The broker does something of its own accord.
    fn broker_step(&mut self) {
        let mut steps = self.world.broker.enabled_steps();
        if self.budget.broker == 0 {
            steps.retain(|step| !step.is_fault());
        }
        if steps.is_empty() {
            return;
        }
        let step = steps[self.random.next() as usize % steps.len()];
        // Half of them are let be: a revoke is always possible, and would be all that happens.
        if step.is_fault()
            && (self.random.next().is_multiple_of(2) || !spend(&mut self.budget.broker))
        {
            return;
        }
        self.note(|| format!("{step:?}"));
        self.world.broker.take(step);
    }

    /// What the rarer wrong variants show in: a worker is thrown out, or a commit comes late, or a
    /// tail is lost, just when another one starts.
    fn focused(&mut self) {
        let mut steps = self.world.broker.enabled_steps();
        steps.retain(|step| {
            matches!(
                step,
                BrokerStep::Expire { is_live: true, .. } | BrokerStep::CommitArrives { .. }
            )
        });
        match self.random.next() % 4 {
            0 if !steps.is_empty() => {
                let step = steps[self.random.next() as usize % steps.len()];
                self.note(|| format!("{step:?}"));
                self.world.broker.take(step);
            }
            1 => {
                let slot = self.random.next() % self.world.workers.len() as u64;
                self.world.broker.next_commit_is_unknown(slot as u32, false);
            }
            2 => self.lose_tail(),
            _ => {}
        }
    }

    fn fault(&mut self) {
        let slot = self.random.next() as usize % self.world.workers.len();
        match self.random.next() % 8 {
            0 if self.world.is_alive(slot) && spend(&mut self.budget.crashes) => {
                self.note(|| format!("crash {slot}"));
                self.world.crash(slot);
                self.world.workers[slot].paused = (self.random.next() % 80) as u32;
                let never_returns = self.world.wrong == Some(Wrong::NeverReturns);
                self.world.workers[slot].is_gone = never_returns && slot == 0;
            }
            1 if spend(&mut self.budget.pauses) => {
                self.note(|| format!("pause {slot}"));
                self.world.workers[slot].paused = 20 + (self.random.next() % 200) as u32;
            }
            2 if self.budget.lost_tails > 0 => self.lose_tail(),
            3 if spend(&mut self.budget.unknown_commits) => {
                let took_effect = self.random.next().is_multiple_of(2);
                self.note(|| format!("next commit of {slot} is unknown, {took_effect}"));
                let broker = &self.world.broker;
                broker.next_commit_is_unknown(slot as u32, took_effect);
            }
            4 if spend(&mut self.budget.delayed_commits) => {
                self.note(|| format!("next state commit of {slot} is delayed"));
                self.world.state.delay_next_commit(slot as u32);
            }
            5 => self.deliver(),
            6 if self.budget.retentions > 0 => self.retain(),
            7 if self.budget.lost_positions > 0 => self.lose_positions(),
            _ => {}
        }
    }

    /// The group forgets every O. Where a task has no state either, nobody can tell that from a
    /// beginning, so it happens only where there is some, and state is not lost besides.
    fn lose_positions(&mut self) {
        let world = &self.world;
        let tells = world.known.iter().all(|known| {
            let o = world.broker.committed_position(&known.consumer);
            o.is_none() || world.state.position(known.state) > 0
        });
        if tells && spend(&mut self.budget.lost_positions) {
            self.note(|| "the group forgets its positions".to_owned());
            self.budget.lost_tails = 0;
            self.world.positions_lost = true;
            self.world.broker.lose_committed_offsets();
        }
    }

    /// A commit of state that nobody waits for any more arrives, or never does.
    fn deliver(&mut self) {
        if self.world.state.delayed_count() == 0 {
            return;
        }
        if self.random.next().is_multiple_of(4) {
            self.world.state.lose_delayed();
        } else {
            self.note(|| "a delayed state commit arrives".to_owned());
            self.world.state.deliver_delayed();
        }
    }

    fn any_task(&mut self) -> TaskId {
        let tasks = tasks();
        tasks[self.random.next() as usize % tasks.len()]
    }

    fn lose_tail(&mut self) {
        let task = self.any_task();
        let at_risk = self.world.state.commits_at_risk(state_of(task));
        if at_risk > 0 && spend(&mut self.budget.lost_tails) {
            let commits = 1 + self.random.next() as usize % at_risk;
            let now = self.world.state.lose_tail(state_of(task), commits);
            self.note(|| format!("{task:?} loses {commits} commits of state, to {now}"));
        }
    }

    /// A checkpoint, and retention up to it. The wrong one keeps no checkpoint.
    fn retain(&mut self) {
        let task = self.any_task();
        let s = self.world.state.position(state_of(task));
        if s > 0 && spend(&mut self.budget.retentions) {
            self.note(|| format!("{task:?} is kept from {s} on"));
            if self.world.wrong != Some(Wrong::RetentionBeyondCheckpoint) {
                self.world.state.set_floor(state_of(task), s);
            }
            self.world.expire(task, s);
        }
    }

    /// A worker that is there ends what one that is not left open.
    fn survivor(&mut self) {
        let alone = matches!(
            self.world.wrong,
            Some(Wrong::NeverReturns | Wrong::RandomTransactionalId)
        );
        let slot = self.random.next() as usize % self.world.workers.len();
        if !alone && self.world.is_alive(slot) && self.world.broker.end_orphans(slot as u32) > 0 {
            self.note(|| format!("{slot} ends what others left open"));
        }
    }

    /// Nothing goes wrong any more: everything must be processed.
    fn calm(&mut self) -> Result<(), String> {
        self.note(|| "calm".to_owned());
        for slot in 0..self.world.workers.len() {
            self.world.workers[slot].paused = 0;
        }
        for round in 0..CALM_ROUNDS {
            // What was on its way when the storm ended, or was bound to be.
            while self.world.state.delayed_count() > 0 {
                self.world.state.deliver_delayed();
            }
            if round % 8 == 0 && is_quiet(&self.world) {
                positions(&self.world, &mut self.seen)?;
                return folds(&self.world, &self.switches, true);
            }
            self.world.broker.settle();
            for slot in 0..self.world.workers.len() {
                if self.world.workers[slot].is_gone {
                    continue;
                }
                if !self.world.is_alive(slot) {
                    self.world.start(slot);
                }
                self.survivor();
                self.world.step(slot)?;
            }
            positions(&self.world, &mut self.seen)?;
        }
        let standing = standing(&self.world);
        Err(format!(
            "law 4: faults have stopped, but not everything is processed: {standing}"
        ))
    }

    /// New options from here on: S = O everywhere, and a checkpoint stands there.
    fn upgrade(&mut self) {
        self.note(|| "upgrade".to_owned());
        self.tally.upgrades += 1;
        for slot in 0..self.world.workers.len() {
            self.world.crash(slot);
        }
        for task in tasks() {
            let s = self.world.state.position(state_of(task));
            self.world.state.set_floor(state_of(task), s);
            self.switches.at.insert(task, s);
        }
        self.switches.before = Some(self.world.options.clone());
        self.world.options.product.interest_half_life_ms /= 2.0;
        self.world.options.user.session_gap_ms /= 2;
        self.budget = Budget::of(&mut self.random);
    }
}
