//! The right protocol holds in every schedule; every wrong one is noticed.

use super::schedule::{Kind, Tally, run};
use super::wrong::Wrong;
use crate::flaw::Flaw;
use std::sync::atomic::{AtomicU64, Ordering};

/// Schedules in the test command; `VITRINA_SIMULATION_SCHEDULES` asks for another number.
const SCHEDULES: u64 = 2_000;
/// One in so many schedules more is one in which much more goes wrong.
const FOCUSED_PART: u64 = 4;
/// Schedules in which a wrong variant must be noticed at least once.
const WRONG_SCHEDULES: u64 = 6_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs the schedules of `seeds` on every core.
///
/// # Errors
/// The first law that was broken.
fn run_all(seeds: std::ops::Range<u64>, kind: Kind) -> Result<Tally, String> {
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let run_some = || {
        let mut all = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(all);
            }
            match run(seed, kind) {
                Ok(tally) => {
                    all.records += tally.records;
                    all.faults += tally.faults;
                    all.upgrades += tally.upgrades;
                }
                Err(law) => {
                    // The others stop too.
                    next.store(seeds.end, Ordering::Relaxed);
                    return Err(law);
                }
            }
        }
    };
    let ended: Vec<Result<Tally, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run_some)).collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.collect()
    });
    let mut all = Tally::default();
    for tally in ended {
        let tally = tally?;
        all.records += tally.records;
        all.faults += tally.faults;
        all.upgrades += tally.upgrades;
    }
    Ok(all)
}

/// The laws hold in so many schedules of a kind.
fn hold(name: &str, schedules: u64, kind: Kind) {
    match run_all(0..schedules, kind) {
        Ok(tally) => println!(
            "{name}: {schedules} schedules (seeds 0..{schedules}), {} records processed, {} faults, \
             {} upgrades; every law held",
            tally.records, tally.faults, tally.upgrades
        ),
        Err(law) => panic!(
            "{law}\nagain: VITRINA_SIMULATION_SEED=<seed>{} cargo test -p vitrina-engine --lib \
             simulation::tests::one_seed",
            if kind.is_focused {
                " VITRINA_SIMULATION_FOCUSED=1"
            } else {
                ""
            }
        ),
    }
}

#[test]
fn the_laws_hold_in_every_schedule() {
    let schedules = from_environment("VITRINA_SIMULATION_SCHEDULES").unwrap_or(SCHEDULES);
    hold("simulation", schedules, Kind::default());
}

#[test]
fn one_seed() {
    let seed = from_environment("VITRINA_SIMULATION_SEED").unwrap_or(0);
    let kind = Kind {
        is_focused: std::env::var("VITRINA_SIMULATION_FOCUSED").is_ok(),
        ..Kind::default()
    };
    if let Err(law) = run(seed, kind) {
        panic!("{law}");
    }
}

/// A worker that finds no O but state refuses to start, and nothing is wrong until somebody acts.
#[test]
fn lost_positions_are_refused() {
    let kind = Kind {
        loses_positions: true,
        ..Kind::default()
    };
    let refusals = (0..200).filter(|&seed| match run(seed, kind) {
        Ok(_) => false,
        Err(why) if why.contains("the log knows no position") => true,
        Err(law) => panic!("{law}"),
    });
    assert!(refusals.count() > 0, "no worker met the lost positions");
}

#[test]
fn the_laws_hold_where_everything_goes_wrong_at_once() {
    let kind = Kind {
        is_focused: true,
        ..Kind::default()
    };
    let schedules = from_environment("VITRINA_SIMULATION_SCHEDULES").unwrap_or(SCHEDULES);
    hold("everything at once", schedules / FOCUSED_PART, kind);
}

fn is_noticed(wrong: Wrong) {
    let kind = Kind {
        wrong: Some(wrong),
        loses_positions: wrong == Wrong::PublishedLost,
        is_focused: false,
    };
    // Some only show where much goes wrong at once.
    let focused = Kind {
        is_focused: true,
        ..kind
    };
    let noticed = run_all(0..WRONG_SCHEDULES, kind);
    let Err(law) = noticed.and_then(|_| run_all(0..WRONG_SCHEDULES, focused)) else {
        panic!("{wrong:?} was not noticed");
    };
    println!("{wrong:?}: {}", law.lines().next().unwrap_or_default());
}

macro_rules! noticed {
    ($($name:ident: $wrong:expr;)+) => {$(
        #[test]
        fn $name() {
            is_noticed($wrong);
        }
    )+};
}

noticed! {
    no_compare_and_set: Wrong::NoCompareAndSet;
    state_before_outputs: Wrong::Engine(Flaw::StateFirst);
    memory_in_doubt_committed_on_revoke: Wrong::Engine(Flaw::DoubtCommitted);
    position_outside_the_commit: Wrong::PositionOutsideCommit;
    offset_one_low: Wrong::PublishedOneLow;
    offset_one_high: Wrong::PublishedOneHigh;
    reads_without_their_position: Wrong::ReadsWithoutPosition;
    no_recheck_when_idle: Wrong::Engine(Flaw::NoIdleCheck);
    o_read_before_s: Wrong::Engine(Flaw::PublishedReadFirst);
    o_lost_and_the_worker_goes_on: Wrong::PublishedLost;
    start_at_o: Wrong::Engine(Flaw::StartAtPublished);
    suppression_by_batch: Wrong::Engine(Flaw::SuppressByBatch);
    no_suppression: Wrong::Engine(Flaw::NoSuppression);
    empty_batch_without_a_transaction: Wrong::Engine(Flaw::NoTransactionWhenEmpty);
    revoke_ignored_with_fresh_membership: Wrong::Engine(Flaw::RevokeIgnored);
    loss_ignored_with_fresh_membership: Wrong::Engine(Flaw::LossIgnored);
    unknown_member_accepted: Wrong::Engine(Flaw::UnknownMember);
    memory_kept_across_reassignment: Wrong::Engine(Flaw::MemoryKept);
    unknown_outcome_taken_as_committed: Wrong::Engine(Flaw::UnknownIsCommitted);
    unknown_outcome_taken_as_aborted: Wrong::Engine(Flaw::UnknownIsAborted);
    readers_at_read_uncommitted: Wrong::ReadUncommitted;
    random_transactional_id_without_a_time_out: Wrong::RandomTransactionalId;
    a_worker_that_never_returns_without_a_time_out: Wrong::NeverReturns;
    a_clock_in_an_operator: Wrong::ClockInOperator;
    a_watermark_taken_over_the_partitions_of_a_worker: Wrong::WatermarkOverWorker;
    a_key_kept_in_memory_only: Wrong::KeyInMemoryOnly;
    retention_beyond_the_checkpoint: Wrong::RetentionBeyondCheckpoint;
}
