//! Records, markers, what readers see, retention.

use super::*;
use crate::log::Bounds;
use crate::suite::{Durable, still_waits};

/// Without transactions the broker is an event log like any other.
mod committed {
    use super::*;
    fn subject() -> impl crate::suite::Subject<Port = BrokerReader> {
        let broker = Broker::new();
        let open = move || Ok(broker.reader(Isolation::Committed));
        Durable(open, |_: &BrokerReader| Ok(()))
    }
    crate::event_log_suite!(subject());
}

mod uncommitted {
    use super::*;
    fn subject() -> impl crate::suite::Subject<Port = BrokerReader> {
        let broker = Broker::new();
        let open = move || Ok(broker.reader(Isolation::Uncommitted));
        Durable(open, |_: &BrokerReader| Ok(()))
    }
    crate::event_log_suite!(subject());
}

async fn read(broker: &Broker, isolation: Isolation, from: Offset) -> Vec<(Offset, String)> {
    let records = broker.reader(isolation).read(OUTPUT, P0, from, 1_000).await;
    let records = records.unwrap().into_iter();
    records
        .map(|one| {
            let text = String::from_utf8_lossy(&one.bytes).into_owned();
            (one.offset, text)
        })
        .collect()
}

fn bounds(broker: &Broker, isolation: Isolation) -> (Offset, Offset) {
    let Bounds { start, end } = broker.reader(isolation).bounds(OUTPUT, P0);
    (start, end)
}

fn owned(records: &[(Offset, &str)]) -> Vec<(Offset, String)> {
    let records = records.iter();
    records.map(|&(at, text)| (at, text.to_owned())).collect()
}

#[test]
fn readers_stop_at_the_first_open_record_and_pass_over_what_was_aborted() {
    block_on(async {
        use Isolation::{Committed, Uncommitted};
        let broker = Broker::new();
        let log = broker.reader(Committed);
        let (mut one, mut two) = (broker.seat(1), broker.seat(2));
        log.append(output(&["plain"])).await.unwrap();
        one.send(output(&["one"])).await.unwrap();
        two.send(output(&["two"])).await.unwrap();
        log.append(output(&["behind"])).await.unwrap();
        assert_eq!(bounds(&broker, Committed), (0, 1));
        assert_eq!(bounds(&broker, Uncommitted), (0, 4));
        assert_eq!(read(&broker, Committed, 0).await, owned(&[(0, "plain")]));
        assert_eq!(read(&broker, Uncommitted, 0).await.len(), 4);

        // The marker takes offset 4, but the first transaction is open still.
        two.commit().await.unwrap();
        assert_eq!(bounds(&broker, Committed), (0, 1));
        assert_eq!(bounds(&broker, Uncommitted), (0, 5));
        one.reset().await.unwrap();
        assert_eq!(bounds(&broker, Committed), (0, 6));
        let want = owned(&[(0, "plain"), (2, "two"), (3, "behind")]);
        assert_eq!(read(&broker, Committed, 0).await, want);
        assert_eq!(outputs(&broker), want);
        // Who reads uncommitted sees what never was, but no markers.
        let all = owned(&[(0, "plain"), (1, "one"), (2, "two"), (3, "behind")]);
        assert_eq!(read(&broker, Uncommitted, 0).await, all);
    });
}

/// An empty answer before the end means that the reader may skip to it.
#[test]
fn a_read_that_answers_nothing_has_nothing_below_the_end_before_it() {
    block_on(async {
        let broker = Broker::new();
        let log = broker.reader(Isolation::Committed);
        let mut seat = broker.seat(1);
        for round in 0..50 {
            seat.send(output(&["aborted"])).await.unwrap();
            if round == 20 {
                seat.commit().await.unwrap();
            } else {
                seat.reset().await.unwrap();
            }
        }
        let (mut position, mut reads, mut found) = (0, 0, Vec::new());
        while log.bounds(OUTPUT, P0).end > position {
            let end = log.bounds(OUTPUT, P0).end;
            // However small the limit: it counts only what is answered.
            let records = log.read(OUTPUT, P0, position, 1).await.unwrap();
            position = records.last().map_or(end, |last| last.offset + 1);
            found.extend(records.iter().map(|one| one.offset));
            reads += 1;
        }
        assert_eq!((position, reads), (100, 2));
        assert_eq!(found, [40]);
    });
}

#[test]
fn what_expired_is_refused_and_what_is_not_stable_does_not_expire() {
    block_on(async {
        let broker = Broker::new();
        let log = broker.reader(Isolation::Committed);
        log.append(output(&["a", "b", "c"])).await.unwrap();
        let mut seat = broker.seat(1);
        seat.send(output(&["open"])).await.unwrap();
        broker.expire(OUTPUT, P0, 2);
        assert_eq!(bounds(&broker, Isolation::Committed), (2, 3));
        let early = log.read(OUTPUT, P0, 1, 100).await;
        let is_expired = matches!(
            early,
            Err(PortError::Expired {
                wanted: 1,
                start: 2,
                ..
            })
        );
        assert!(is_expired, "{early:?}");
        assert_eq!(outputs(&broker), owned(&[(2, "c")]));
        broker.expire(OUTPUT, P0, 100);
        assert_eq!(bounds(&broker, Isolation::Committed), (3, 3));
        seat.commit().await.unwrap();
        assert_eq!(outputs(&broker), owned(&[(3, "open")]));
        broker.expire(OUTPUT, P0, 100);
        assert_eq!(bounds(&broker, Isolation::Committed), (5, 5));
        broker.expire(OUTPUT, Partition(9), 100);
    });
}

#[test]
fn changed_wakes_when_a_transaction_ends_not_when_it_writes() {
    block_on(async {
        let broker = Broker::new();
        let log = broker.reader(Isolation::Committed);
        let observer = broker.reader(Isolation::Uncommitted);
        let mut seat = broker.seat(1);
        let mut changed = log.changed(0);
        seat.send(output(&["a"])).await.unwrap();
        assert!(still_waits(&mut changed));
        assert_eq!(observer.changed(0).await.unwrap(), 1);
        seat.commit().await.unwrap();
        let seen = changed.await.unwrap();
        let mut again = log.changed(seen);
        assert!(still_waits(&mut again));
        drop(again);
        seat.send(output(&["b"])).await.unwrap();
        seat.reset().await.unwrap();
        let after = log.changed(seen).await.unwrap();
        assert!(
            after > seen,
            "an end that moved by an abort is news as well"
        );
    });
}

#[test]
fn a_marker_is_written_to_touched_partitions_only() {
    block_on(async {
        let broker = Broker::new();
        let (mut seat, me) = joined(&broker, 1).await;
        let sent = vec![
            append(OUTPUT, Partition(1), &["a"]),
            append(OUTPUT, Partition(2), &[]),
        ];
        seat.send(sent).await.unwrap();
        seat.send_positions(consumed(1), &me).await.unwrap();
        seat.commit().await.unwrap();
        let log = broker.reader(Isolation::Uncommitted);
        let ends = [0, 1, 2].map(|p| log.bounds(OUTPUT, Partition(p)).end);
        assert_eq!(ends, [0, 2, 0]);
    });
}
