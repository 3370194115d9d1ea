//! The simulated state store: tails, floors, commits that arrive late.

use super::*;
use crate::state::{Change, Commit, Space, StatePartition, StateStore};
use crate::suite::{Volatile, still_waits};

fn opened() -> SimHandle {
    SimState::new().handle(0, Arc::new(FreePace))
}

crate::state_store_suite!(Volatile(opened));

const HERE: StatePartition = StatePartition {
    space: Space::Users,
    partition: Partition(1),
};
const THERE: StatePartition = StatePartition {
    space: Space::Users,
    partition: Partition(2),
};

fn step_to(partition: StatePartition, expected: Offset, next: Offset) -> Commit {
    // Odd positions have a value, even ones do not: taking back must restore both.
    let value = (next % 2 == 1).then(|| Bytes::from(next.to_string()));
    let change = |key: &str, value| Change {
        key: key.to_owned(),
        value,
    };
    let all = Some(Bytes::from(next.to_string()));
    Commit {
        partition,
        expected,
        next,
        changes: vec![change("odd", value), change("all", all)],
    }
}

async fn filled(positions: u64) -> (SimState, SimHandle) {
    let state = SimState::new();
    let handle = state.handle(1, Arc::new(FreePace));
    for next in 1..=positions {
        for partition in [HERE, THERE] {
            let commit = step_to(partition, next - 1, next);
            handle.commit(commit).await.unwrap();
        }
    }
    (state, handle)
}

async fn found(handle: &SimHandle, partition: StatePartition) -> (Offset, [Option<Bytes>; 2]) {
    let keys = ["odd".to_owned(), "all".to_owned()];
    let read = handle.get_many(partition, &keys).await.unwrap();
    (
        read.position,
        [read.values[0].clone(), read.values[1].clone()],
    )
}

#[test]
fn a_lost_tail_steps_back_to_an_earlier_commit_of_one_partition() {
    #[rustfmt::skip]
    let cases: &[(&str, Offset, usize, Offset)] = &[
        // floor, commits lost, position after
        ("none",          0, 0,  5),
        ("one",           0, 1,  4),
        ("some",          0, 3,  2),
        ("all",           0, 9,  0),
        ("to the floor",  3, 9,  3),
        ("at the floor",  5, 9,  5),
    ];
    for &(name, floor, lost, want) in cases {
        block_on(async {
            let (state, handle) = filled(5).await;
            state.set_floor(HERE, floor);
            state.set_floor(HERE, 0);
            assert_eq!(state.commits_at_risk(HERE) as u64, 5 - floor, "{name}");
            assert_eq!(state.lose_tail(HERE, lost), want, "{name}");
            let (position, values) = found(&handle, HERE).await;
            let (_, fresh) = filled(want).await;
            assert_eq!((position, values), found(&fresh, HERE).await, "{name}");
            assert_eq!(state.position(THERE), 5, "{name}");
            // It goes on from there, and what comes new can be lost again.
            let commit = step_to(HERE, want, want + 1);
            handle.commit(commit).await.unwrap();
            assert_eq!(state.lose_tail(HERE, 1), want, "{name}");
        });
    }
}

#[test]
fn a_delayed_commit_arrives_later_and_is_compared_then() {
    #[rustfmt::skip]
    let cases: &[(&str, bool, bool, bool, Offset)] = &[
        // another was first, the store compares, it is accepted, position after
        ("nobody came between",     false, true,  true,  4),
        ("somebody came between",   true,  true,  false, 9),
        ("somebody, not compared",  true,  false, true,  4),
    ];
    for &(name, is_overtaken, compares, is_accepted, want) in cases {
        block_on(async {
            let (state, handle) = filled(3).await;
            state.set_compares(compares);
            state.delay_next_commit(1);
            let other = state.handle(2, Arc::new(FreePace));
            let answer = handle.commit(step_to(HERE, 3, 4)).await;
            assert!(
                matches!(answer, Err(PortError::Unavailable { .. })),
                "{name}: {answer:?}"
            );
            assert_eq!((state.position(HERE), state.delayed_count()), (3, 1));
            if is_overtaken {
                other.commit(step_to(HERE, 3, 9)).await.unwrap();
            }
            let arrived = state.deliver_delayed().unwrap();
            assert_eq!(arrived.is_ok(), is_accepted, "{name}: {arrived:?}");
            assert_eq!(state.position(HERE), want, "{name}");
            assert!(state.deliver_delayed().is_none());
        });
    }
}

#[test]
fn a_delayed_commit_may_be_lost() {
    block_on(async {
        let (state, handle) = filled(1).await;
        state.delay_next_commit(1);
        assert!(handle.commit(step_to(HERE, 1, 2)).await.is_err());
        assert!(state.lose_delayed());
        assert!(!state.lose_delayed());
        assert_eq!(state.position(HERE), 1);
        handle.commit(step_to(HERE, 1, 2)).await.unwrap();
    });
}

#[test]
fn reached_waits_also_for_a_commit_that_was_delayed() {
    block_on(async {
        let (state, handle) = filled(1).await;
        let mut reached = handle.reached(HERE, 2);
        assert!(still_waits(&mut reached));
        state.delay_next_commit(1);
        assert!(handle.commit(step_to(HERE, 1, 2)).await.is_err());
        assert!(still_waits(&mut reached));
        state.deliver_delayed().unwrap().unwrap();
        reached.await.unwrap();
        assert_eq!(state.dump().len(), 2);
    });
}
