//! Callers that stop, or die, between any two steps.

use super::*;
use crate::state::{Commit, Space, StatePartition, StateStore};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Lets so many steps pass, then fails the next one, or never answers it.
struct StopAfter {
    left: Mutex<usize>,
    fails: bool,
    seen: Mutex<Vec<&'static str>>,
}

impl StopAfter {
    fn new(steps: usize, fails: bool) -> Arc<Self> {
        Arc::new(Self {
            left: Mutex::new(steps),
            fails,
            seen: Mutex::default(),
        })
    }
}

impl Pace for StopAfter {
    fn step(&self, _who: u32, what: &'static str) -> PortFuture<'_, ()> {
        self.seen.lock().push(what);
        let mut left = self.left.lock();
        match left.checked_sub(1) {
            Some(fewer) => {
                *left = fewer;
                Box::pin(std::future::ready(Ok(())))
            }
            // Only one step fails: what comes after it goes on.
            None if self.fails => {
                *left = usize::MAX;
                let detail = "made to fail".to_owned();
                let port = "pace";
                Box::pin(std::future::ready(Err(PortError::Unavailable {
                    port,
                    detail,
                })))
            }
            None => Box::pin(std::future::pending()),
        }
    }
}

fn polled_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).as_mut().poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Steps of [`one_batch`]: six calls, and one more before the answer to the commit.
const STEPS: usize = 7;

/// One transaction that goes on from the committed position, as a worker makes it.
async fn one_batch(seat: &mut BrokerSeat) -> Result<(), PortError> {
    seat.poll().await?;
    let Some(me) = seat.membership() else {
        return Ok(());
    };
    let from = seat.committed(&consumer(0)).await?.unwrap_or(0);
    seat.send(output(&[&from.to_string(), "and"])).await?;
    seat.send_positions(consumed(from + 1), &me).await?;
    seat.send(output(&["more"])).await?;
    seat.commit().await
}

/// Wherever a worker dies, its next life finds outputs and position together or neither, and
/// nothing open.
#[test]
fn a_crash_between_any_two_steps_leaves_all_or_nothing() {
    for steps in 0..=STEPS {
        for fails in [false, true] {
            let name = format!("{steps} steps, fails {fails}");
            let pace = StopAfter::new(steps, fails);
            let broker = Broker::with_pace(pace.clone());
            broker.create_group(vec![task(0)]);
            let mut seat = broker.seat(1);
            let mut is_done = false;
            let done = polled_once(async {
                while !is_done {
                    match one_batch(&mut seat).await {
                        Ok(()) => is_done = true,
                        Err(_) => seat.reset().await?,
                    }
                }
                Ok::<_, PortError>(())
            });
            assert_eq!(done.is_none(), steps < STEPS && !fails, "{name}: {done:?}");
            drop(seat);
            *pace.left.lock() = usize::MAX;
            let mut again = broker.seat(1);
            assert!(!broker.has_open_transaction(), "{name}");
            let position = broker.committed_position(&consumer(0)).unwrap_or(0);
            let mut want = Vec::new();
            for at in 0..position {
                want.extend([at.to_string(), "and".to_owned(), "more".to_owned()]);
            }
            assert_eq!(texts(&broker), want, "{name}");
            broker.settle();
            polled_once(one_batch(&mut again)).unwrap().unwrap();
            assert_eq!(texts(&broker).len(), want.len() + 3, "{name}");
        }
    }
}

/// A call that was given up half way spoils its transaction, as one that failed does.
#[test]
fn a_send_that_was_abandoned_cannot_be_committed_without() {
    let pace = StopAfter::new(0, false);
    let broker = Broker::with_pace(pace.clone());
    let mut seat = broker.seat(1);
    assert!(polled_once(seat.send(output(&["lost"]))).is_none());
    *pace.left.lock() = usize::MAX;
    let committed = polled_once(seat.commit()).unwrap();
    assert!(is_fenced(&committed), "{committed:?}");
    polled_once(seat.reset()).unwrap().unwrap();
    polled_once(seat.commit()).unwrap().unwrap();
}

#[test]
fn every_call_is_a_step_in_the_name_of_its_slot() {
    let pace = StopAfter::new(usize::MAX, false);
    let broker = Broker::with_pace(pace.clone());
    let log = broker.reader(Isolation::Committed).of(3);
    let state = SimState::new().handle(3, pace.clone());
    let mut seat = broker.seat(3);
    let nobody = unknown_member();
    let asked = consumer(0);
    let partition = StatePartition {
        space: Space::Users,
        partition: P0,
    };
    let commit = Commit {
        partition,
        expected: 0,
        next: 1,
        changes: Vec::new(),
    };
    fn went<T>(call: PortFuture<'_, T>) {
        let _ = polled_once(call);
    }
    #[rustfmt::skip]
    let cases: Vec<(&str, Box<dyn FnOnce(&mut BrokerSeat) + '_>)> = vec![
        ("poll",                    Box::new(|seat| went(seat.poll()))),
        ("release",                 Box::new(|seat| went(seat.release(&[])))),
        ("send",                    Box::new(|seat| went(seat.send(output(&["a"]))))),
        ("commit, commit answered", Box::new(|seat| went(seat.commit()))),
        ("send positions",          Box::new(|seat| went(seat.send_positions(consumed(1), &nobody)))),
        ("reset",                   Box::new(|seat| went(seat.reset()))),
        ("committed",               Box::new(|seat| went(seat.committed(&asked)))),
        ("append, append answered", Box::new(|_| went(log.append(output(&["a"]))))),
        ("publish, publish answered", Box::new(|_| went(log.publish(output(&["a"]), vec![], true)))),
        ("read",                    Box::new(|_| went(log.read(OUTPUT, P0, 0, 10)))),
        ("committed, not stable",   Box::new(|_| went(log.committed(&asked)))),
        ("changed",                 Box::new(|_| went(log.changed(0)))),
        ("state read",              Box::new(|_| went(state.get_many(partition, &[])))),
        ("state commit, state commit answered", Box::new(|_| went(state.commit(commit)))),
        ("state scan",              Box::new(|_| went(state.scan(partition, None, 1)))),
        ("state reached",           Box::new(|_| went(state.reached(partition, 0)))),
    ];
    for (want, call) in cases {
        call(&mut seat);
        let seen = std::mem::take(&mut *pace.seen.lock());
        assert_eq!(seen.join(", "), want);
    }
}
