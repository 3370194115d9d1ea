//! Wrong variants that only one order of steps shows: written out, since chance seldom finds it.
//! Each script is run by the right protocol too, which must come through it.

use super::input::SIMULATED;
use super::laws::{Seen, Switches, folds, is_quiet, positions};
use super::world::World;
use super::wrong::Wrong;
use vitrina_ports::broker::BrokerStep;
use vitrina_ports::faulty::SplitMix64;
use vitrina_ports::seat::TaskId;
use vitrina_types::topic::Topic;

/// Steps after which a script has gone astray.
const STEPS_MAX: usize = 5_000;
/// The task that changes hands.
const TASK: TaskId = TaskId {
    topic: Topic::UserEvents,
    partition: SIMULATED[0],
};

struct Script {
    world: World,
}

impl Script {
    fn new(wrong: Option<Wrong>) -> Self {
        let mut world = World::new(2, 3, wrong);
        let mut random = SplitMix64::new(1);
        let mut events = Vec::new();
        while events.len() < 4 {
            let event = world.source.event(&mut random);
            if (event.0, event.1) == (TASK.topic, TASK.partition) {
                events.push(event);
            }
        }
        world.arrive(events);
        Self { world }
    }

    /// Lets a worker go on until it stands before a step.
    fn until(&mut self, slot: usize, what: &str) -> Result<(), String> {
        if !self.world.is_alive(slot) {
            self.world.start(slot);
        }
        for _ in 0..STEPS_MAX {
            self.world.step(slot)?;
            if self.world.pace.stands(slot as u32) == Some(what) {
                return Ok(());
            }
        }
        Err(format!("worker {slot} never came to {what:?}"))
    }

    /// Lets a worker take one step.
    fn step(&mut self, slot: usize) -> Result<(), String> {
        self.world.step(slot)
    }

    fn take(&mut self, is_it: impl Fn(&BrokerStep) -> bool) {
        let steps = self.world.broker.enabled_steps();
        let step = steps.into_iter().find(is_it).unwrap();
        assert!(self.world.broker.take(step));
    }

    /// The group goes on without a worker that is alive, and gives its task to the other one.
    fn throw_out(&mut self, slot: u32, heir: u32) {
        let thrown =
            |step: &BrokerStep| matches!(step, BrokerStep::Expire { slot: of, .. } if *of == slot);
        self.take(thrown);
        self.give(heir);
    }

    fn give(&mut self, heir: u32) {
        self.take(|step| {
            matches!(step, BrokerStep::Assign { task, slot, .. } if *task == TASK && *slot == heir)
        });
    }

    /// Everything must be processed now, and the laws hold.
    fn end(&mut self) -> Result<(), String> {
        for _ in 0..STEPS_MAX {
            if is_quiet(&self.world) {
                positions(&self.world, &mut Seen::default())?;
                return folds(&self.world, &Switches::default(), true);
            }
            self.world.broker.settle();
            for slot in 0..self.world.workers.len() {
                if !self.world.is_alive(slot) {
                    self.world.start(slot);
                }
                self.world.step(slot)?;
            }
        }
        Err("law 4: not everything is processed".to_owned())
    }
}

/// A worker has sent its positions and is thrown out before it commits; another one reads O; then
/// the first one's commit arrives, and it dies before it commits its state.
fn a_commit_arrives_after_o_was_read(wrong: Option<Wrong>) -> Result<(), String> {
    let mut script = Script::new(wrong);
    script.until(0, "poll")?;
    script.step(0)?;
    script.give(0);
    script.until(0, "commit")?;
    script.until(1, "poll")?;
    script.step(1)?;
    script.throw_out(0, 1);
    script.until(1, "committed")?;
    script.step(1)?;
    script.step(1)?;
    script.until(0, "commit answered")?;
    script.world.crash(0);
    // The right one knows that all is published, and has no transaction to commit.
    let _ = script.until(1, "commit answered");
    script.end()
}

/// A worker has published and is thrown out before it commits its state; another one reads S and
/// O; then the first one's state arrives, the other one reads what it changed, and just before
/// that one commits, the store loses the first one's commit again.
fn a_tail_is_lost_between_two_commits(wrong: Option<Wrong>) -> Result<(), String> {
    let mut script = Script::new(wrong);
    script.until(0, "poll")?;
    script.step(0)?;
    script.give(0);
    script.until(0, "state commit")?;
    script.until(1, "poll")?;
    script.step(1)?;
    script.throw_out(0, 1);
    script.until(1, "read")?;
    let before = script.world.state.position(super::world::state_of(TASK));
    for _ in 0..STEPS_MAX {
        script.step(0)?;
        if script.world.state.position(super::world::state_of(TASK)) > before {
            break;
        }
    }
    script.world.crash(0);
    // The right one finds out as it reads, and has nothing to commit.
    let _ = script.until(1, "state commit");
    script
        .world
        .state
        .lose_tail(super::world::state_of(TASK), 1);
    script.end()
}

/// The right protocol comes through, the wrong one is caught.
fn check(script: impl Fn(Option<Wrong>) -> Result<(), String>, wrong: Wrong) {
    if let Err(law) = script(None) {
        panic!("the right protocol: {law}");
    }
    let law = script(Some(wrong)).expect_err("the wrong variant was not noticed");
    println!("{wrong:?}: {law}");
    assert!(law.contains("law 1") || law.contains("law 2"), "{law}");
}

#[test]
fn o_not_stable() {
    check(a_commit_arrives_after_o_was_read, Wrong::PublishedNotStable);
}

#[test]
fn position_rechecked_only_before_publishing() {
    check(
        a_tail_is_lost_between_two_commits,
        Wrong::RecheckedBeforePublishOnly,
    );
}
