//! A small simulation: workers without state, every schedule from a seed. It shows that the
//! broker is as strict as it must be: a right worker passes, wrong ones are found out.

use super::*;
use crate::faulty::SplitMix64;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

const TASKS: u16 = 3;
const RECORDS: usize = 4;
const SLOTS: u32 = 3;
/// Enough for any run to end once nothing goes wrong any more.
const TURNS_MAX: usize = 20_000;

/// One turn of so many is a fault, while there are any left.
const FAULT_EVERY: u64 = 15;

/// Turns for which one worker sleeps, as those do that the group goes on without.
const ASLEEP_TURNS: usize = 80;

/// Gives way once at every step.
struct Yielding;

impl Pace for Yielding {
    fn step(&self, _who: u32, _what: &'static str) -> PortFuture<'_, ()> {
        let mut is_second = false;
        Box::pin(std::future::poll_fn(move |_| {
            if std::mem::replace(&mut is_second, true) {
                return Poll::Ready(Ok(()));
            }
            Poll::Pending
        }))
    }
}

/// What may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// Positions are read while somebody may move them.
    NotStable,
    /// Unknown members are accepted, and the membership is taken when positions are sent.
    UnknownAccepted,
    /// Readers see what is not committed.
    Uncommitted,
    /// A revoked task is released in the middle of its batch, with a membership taken afterwards.
    RevokeIgnored,
    /// Another transactional id in each life, and nothing times out.
    RandomId,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Worker {
    seat: BrokerSeat,
    log: BrokerReader,
    wrong: Wrong,
    /// Position of each task; `None` while it has to be read.
    tasks: BTreeMap<TaskId, Option<Offset>>,
}

impl Worker {
    async fn run(mut self) {
        loop {
            if self.round().await.is_err() {
                for position in self.tasks.values_mut() {
                    *position = None;
                }
                while self.seat.reset().await.is_err() {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), PortError> {
        for event in self.seat.poll().await? {
            match event {
                Assignment::Assigned(tasks) => {
                    self.tasks
                        .extend(tasks.into_iter().map(|task| (task, None)));
                }
                Assignment::Revoked(tasks) => {
                    self.tasks.retain(|task, _| !tasks.contains(task));
                    self.seat.release(&tasks).await?;
                }
                Assignment::Lost => self.tasks.clear(),
            }
        }
        Ok(())
    }

    async fn round(&mut self) -> Result<(), PortError> {
        self.look().await?;
        let Some(mut me) = self.seat.membership() else {
            return Ok(());
        };
        for (task, position) in self.tasks.clone() {
            let who = consumer(task.partition.0);
            let from = match position {
                Some(from) => from,
                None => self.seat.committed(&who).await?.unwrap_or(0),
            };
            let end = self.log.bounds(INPUT, task.partition).end;
            let records = self.log.read(INPUT, task.partition, from, 12).await?;
            let next = records.last().map_or(end.max(from), |one| one.offset + 1);
            self.tasks.insert(task, Some(next));
            if next == from {
                continue;
            }
            for one in records {
                let text = format!("{}:{}", task.partition.0, one.bytes.escape_ascii());
                self.seat.send(output(&[&text])).await?;
            }
            if self.wrong == Wrong::RevokeIgnored {
                self.look().await?;
            }
            if matches!(self.wrong, Wrong::RevokeIgnored | Wrong::UnknownAccepted) {
                me = self.seat.membership().unwrap_or_else(unknown_member);
            }
            let moved = Consumed {
                consumer: who,
                expected: position,
                next,
            };
            self.seat.send_positions(vec![moved], &me).await?;
            self.seat.commit().await?;
        }
        Ok(())
    }
}

fn work(broker: &Broker, slot: u32, wrong: Wrong) -> Work {
    let isolation = match wrong {
        Wrong::Uncommitted => Isolation::Uncommitted,
        _ => Isolation::Committed,
    };
    let worker = Worker {
        seat: match wrong {
            Wrong::RandomId => broker.seat_with_random_id(slot),
            _ => broker.seat(slot),
        },
        log: broker.reader(isolation).of(slot),
        wrong,
        tasks: BTreeMap::new(),
    };
    Box::pin(worker.run())
}

/// What must come out of one task, in order.
fn wanted(partition: u16) -> Vec<String> {
    (0..RECORDS).map(|n| format!("{partition}:{n}")).collect()
}

/// No output twice, none out of order, none of what was aborted.
fn check(broker: &Broker) -> Result<bool, String> {
    let all = texts(broker);
    let mut is_complete = true;
    for partition in 0..TASKS {
        let prefix = format!("{partition}:");
        let got: Vec<&String> = all.iter().filter(|t| t.starts_with(&prefix)).collect();
        let want = wanted(partition);
        if got.len() > want.len() || !got.iter().zip(&want).all(|(a, b)| *a == b) {
            return Err(format!("outputs of task {partition} are {got:?}"));
        }
        is_complete &= got.len() == want.len();
    }
    Ok(is_complete)
}

/// One run; answers what the broker looked like in the end.
fn run(seed: u64, wrong: Wrong) -> Result<String, String> {
    let broker = Broker::with_pace(Arc::new(Yielding));
    broker.create_group((0..TASKS).map(task).collect());
    broker.set_require_stable(wrong != Wrong::NotStable);
    broker.set_accepts_unknown_member(wrong == Wrong::UnknownAccepted);
    broker.set_transaction_time_outs(wrong != Wrong::RandomId);
    let mut random = SplitMix64::new(seed);
    let mut workers: Vec<Work> = (0..SLOTS).map(|slot| work(&broker, slot, wrong)).collect();
    let mut source = Box::pin(source(broker.clone()));
    let mut faults_left = 12;
    let mut context = Context::from_waker(Waker::noop());
    let observer = broker.reader(Isolation::Committed);
    let (mut seen, mut is_complete) = (0, false);
    let (mut is_filled, mut asleep) = (false, 0);
    for turn in 0..TURNS_MAX {
        let drawn = random.next();
        if turn.is_multiple_of(ASLEEP_TURNS) {
            asleep = (drawn >> 50) as usize % workers.len();
        }
        let mut slot = (drawn >> 32) as usize % workers.len();
        if slot == asleep {
            slot = (slot + 1) % workers.len();
        }
        let number = slot as u32;
        let is_fault = faults_left > 0 && drawn.is_multiple_of(FAULT_EVERY);
        faults_left -= usize::from(is_fault);
        match drawn / FAULT_EVERY % 8 {
            0 if is_fault => workers[slot] = work(&broker, number, wrong),
            1 if is_fault => broker.next_commit_is_unknown(number, drawn >> 63 == 1),
            0..=2 if !is_filled => is_filled = source.as_mut().poll(&mut context).is_ready(),
            choice if is_fault || choice == 3 => {
                let mut steps = broker.enabled_steps();
                steps.retain(|step| step.is_fault() == is_fault);
                if !steps.is_empty() {
                    broker.take(steps[(drawn >> 16) as usize % steps.len()]);
                }
            }
            _ => {
                let _ = workers[slot].as_mut().poll(&mut context);
            }
        }
        let end = observer.bounds(OUTPUT, P0).end;
        if std::mem::replace(&mut seen, end) != end {
            is_complete = check(&broker).map_err(|error| format!("turn {turn}: {error}"))?;
        }
        if is_complete && is_filled && faults_left == 0 {
            return Ok(broker.dump());
        }
    }
    Err("it does not end".to_owned())
}

/// Inputs in transactions, each after one that is aborted, again when they time out.
async fn source(broker: Broker) {
    let mut seat = broker.seat(SLOTS);
    for number in 0..RECORDS {
        for partition in (0..TASKS).map(Partition) {
            let aborted = vec![append(INPUT, partition, &["never"])];
            // Fenced or not, it is aborted.
            let _ = seat.send(aborted).await;
            seat.reset().await.unwrap();
            loop {
                let text = number.to_string();
                let sent = seat.send(vec![append(INPUT, partition, &[&text])]).await;
                if sent.is_ok() && seat.commit().await.is_ok() {
                    break;
                }
                seat.reset().await.unwrap();
            }
        }
    }
}

#[test]
fn right_workers_publish_every_record_once_whatever_happens() {
    for seed in 0..300 {
        if let Err(error) = run(seed, Wrong::Nothing) {
            panic!("seed {seed}: {error}");
        }
    }
}

#[test]
fn wrong_workers_are_found_out() {
    #[rustfmt::skip]
    let cases: &[Wrong] = &[
        Wrong::NotStable, Wrong::UnknownAccepted, Wrong::Uncommitted, Wrong::RevokeIgnored,
        Wrong::RandomId,
    ];
    for &wrong in cases {
        let found = (0..3_000).find_map(|seed| Some((seed, run(seed, wrong).err()?)));
        assert!(found.is_some(), "{wrong:?} was not found out");
    }
}

#[test]
fn a_seed_repeats_a_run() {
    for seed in 0..20 {
        assert_eq!(
            run(seed, Wrong::Nothing),
            run(seed, Wrong::Nothing),
            "{seed}"
        );
    }
}
