//! Two workers copy records, die in the middle of transactions, and come back while their earlier
//! lives still try: every record arrives once, in order.

use crate::fixture::{append, options_or_return};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vitrina_kafka::{KafkaLog, KafkaOptions, KafkaSeat, SeatOptions};
use vitrina_ports::PortError;
use vitrina_ports::log::{Append, Consumed, Consumer, EventLog, Offset, Records};
use vitrina_ports::seat::{Assignment, Seat, TaskId};
use vitrina_ports::suite::{block_on, ok, refused};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

const INPUT: Topic = Topic::UserEvents;
const OUTPUT: Topic = Topic::ProductSignals;
/// Records in each partition.
const RECORDS: usize = 120;
/// Bytes of a batch: a few records.
const BATCH_BYTES: usize = 16;
/// Lives of each worker; the last one goes on to the end.
const LIVES: usize = 4;
/// Commits after which a life dies in its next transaction.
const COMMITS: usize = 5;
const DEADLINE: Duration = Duration::from_secs(90);
/// After this long a dead life, whose thread lives on, is out of the group.
const STUCK: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// What became of a batch.
enum Batch {
    Idle,
    Committed,
    /// Everything was sent, and nothing committed.
    Died,
}

struct Copier {
    seat: KafkaSeat,
    log: Arc<KafkaLog>,
    /// The next offset of each task; `None` until it is read.
    positions: BTreeMap<TaskId, Option<Offset>>,
}

impl Copier {
    async fn open(options: &KafkaOptions, log: &Arc<KafkaLog>, slot: u32) -> Self {
        let options_of_seat = SeatOptions {
            stuck_after: STUCK,
            ..SeatOptions::new(slot, vec![INPUT])
        };
        let seat = KafkaSeat::open(options.clone(), options_of_seat);
        Self {
            seat: ok(seat.await, "seat"),
            log: Arc::clone(log),
            positions: BTreeMap::new(),
        }
    }

    /// Reads the positions that are not known.
    async fn begin(&mut self) -> Result<(), PortError> {
        for (task, position) in &mut self.positions {
            if position.is_none() {
                let committed = self.seat.committed(&consumer(*task)).await?;
                *position = Some(committed.unwrap_or(0));
            }
        }
        Ok(())
    }

    /// After any error: end what is open, believe no position.
    async fn begin_again(&mut self) -> Result<(), PortError> {
        for position in self.positions.values_mut() {
            *position = None;
        }
        self.seat.reset().await
    }

    async fn reassign(&mut self) -> Result<(), PortError> {
        for change in self.seat.poll().await? {
            match change {
                Assignment::Assigned(tasks) => {
                    self.positions
                        .extend(tasks.into_iter().map(|task| (task, None)));
                }
                Assignment::Revoked(tasks) => {
                    self.positions.retain(|task, _| !tasks.contains(task));
                    self.seat.release(&tasks).await?;
                }
                Assignment::Lost => self.positions.clear(),
            }
        }
        Ok(())
    }

    async fn batch(&mut self, dies: bool) -> Result<Batch, PortError> {
        self.reassign().await?;
        self.begin().await?;
        let Some(me) = self.seat.membership() else {
            return Ok(Batch::Idle);
        };
        let (mut outputs, mut consumed) = (Vec::new(), Vec::new());
        for (&task, &position) in &self.positions {
            let end = self.log.bounds(INPUT, task.partition).end;
            let position = position.unwrap_or(end);
            if position >= end {
                continue;
            }
            let read = self.log.read(INPUT, task.partition, position, BATCH_BYTES);
            let mut records = Records::default();
            let mut next = end;
            for record in read.await? {
                records.push(&record.bytes);
                next = record.offset + 1;
            }
            outputs.push(Append {
                topic: OUTPUT,
                partition: task.partition,
                records,
            });
            consumed.push(Consumed {
                consumer: consumer(task),
                expected: None,
                next,
            });
        }
        if consumed.is_empty() {
            return Ok(Batch::Idle);
        }
        let reached: Vec<_> = consumed.iter().map(|one| Some(one.next)).collect();
        let tasks: Vec<TaskId> = outputs.iter().map(task_of).collect();
        self.seat.send(outputs).await?;
        self.seat.send_positions(consumed, &me).await?;
        if dies {
            return Ok(Batch::Died);
        }
        self.seat.commit().await?;
        self.positions.extend(tasks.into_iter().zip(reached));
        Ok(Batch::Committed)
    }
}

fn task_of(append: &Append) -> TaskId {
    TaskId {
        topic: INPUT,
        partition: append.partition,
    }
}

fn consumer(task: TaskId) -> Consumer {
    Consumer {
        name: "copy",
        source: format!("{}/{}", task.topic, task.partition.0),
    }
}

async fn texts(log: &KafkaLog, partition: Partition) -> Vec<String> {
    let (mut next, mut all) = (0, Vec::new());
    loop {
        let records = ok(log.read(OUTPUT, partition, next, 4_096).await, "read");
        let Some(last) = records.last() else {
            return all;
        };
        next = last.offset + 1;
        let some = records.iter();
        all.extend(some.map(|one| String::from_utf8_lossy(&one.bytes).into_owned()));
    }
}

/// One worker through all its lives, until everything is copied. Answers how often an earlier life
/// was refused.
async fn work(options: KafkaOptions, log: Arc<KafkaLog>, slot: u32) -> usize {
    let until = Instant::now() + DEADLINE;
    let (mut refusals, mut zombie) = (0, None::<Copier>);
    for life in 1..=LIVES {
        let mut copier = Copier::open(&options, &log, slot).await;
        let mut commits = 0;
        loop {
            assert!(
                Instant::now() < until,
                "worker {slot} in life {life}: {commits} commits"
            );
            let dies = life < LIVES && commits >= COMMITS;
            match copier.batch(dies).await {
                Ok(Batch::Committed) => commits += 1,
                Ok(Batch::Died) => break,
                Ok(Batch::Idle) if is_done(&options, &log).await => return refusals,
                Ok(Batch::Idle) => tokio::time::sleep(PAUSE).await,
                // What cannot be begun again now can be later.
                Err(error) => {
                    eprintln!("worker {slot} in life {life}: {error}");
                    drop(copier.begin_again().await);
                }
            }
            if commits > 0
                && let Some(mut earlier) = zombie.take()
            {
                refused(earlier.seat.commit().await, "commit of an earlier life");
                refusals += 1;
            }
        }
        zombie = Some(copier);
    }
    refusals
}

async fn is_done(options: &KafkaOptions, log: &KafkaLog) -> bool {
    for partition in (0..options.partitions).map(Partition) {
        if texts(log, partition).await.len() < RECORDS {
            return false;
        }
    }
    true
}

#[test]
fn workers_that_die_and_come_back_copy_every_record_once() {
    let options = options_or_return!();
    block_on(async {
        let log = Arc::new(ok(KafkaLog::open(options.clone()).await, "open"));
        let text = |partition, number| format!("{partition}.{number}");
        let of = |partition| (0..RECORDS).map(move |number| text(partition, number));
        let inputs = (0..options.partitions).map(|partition| {
            let texts: Vec<String> = of(partition).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            append(INPUT, partition, &texts)
        });
        ok(log.append(inputs.collect()).await, "append");

        let mut workers = tokio::task::JoinSet::new();
        for slot in 0..2 {
            workers.spawn(work(options.clone(), Arc::clone(&log), slot));
        }
        let refusals: usize = workers.join_all().await.into_iter().sum();
        assert!(refusals > 0, "nobody died");
        for partition in 0..options.partitions {
            let copied = texts(&log, Partition(partition)).await;
            assert!(
                copied.iter().eq(of(partition).collect::<Vec<_>>().iter()),
                "{copied:?}"
            );
        }
    });
}
