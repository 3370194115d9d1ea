//! Transactions: positions, fencing, unknown outcomes, orphans.

use super::*;
use crate::suite::still_waits;

#[derive(Debug, Clone, Copy)]
enum Overtaken {
    By(fn(&Broker) -> BrokerSeat),
    Step(fn(&BrokerStep) -> bool),
}

/// A newer epoch ends the open transaction and refuses every call of the older one.
#[test]
fn whoever_was_overtaken_is_fenced_until_it_resets() {
    #[rustfmt::skip]
    let cases: &[(&str, Overtaken)] = &[
        ("a new life of the slot", Overtaken::By(|broker| broker.seat(1))),
        ("a time-out",             Overtaken::Step(is_time_out)),
    ];
    for &(name, overtaken) in cases {
        for call in ["send", "send positions", "commit"] {
            block_on(async {
                let broker = Broker::new();
                let (mut seat, me) = joined(&broker, 1).await;
                seat.send(output(&["never"])).await.unwrap();
                seat.send_positions(consumed(5), &me).await.unwrap();
                let newer = match overtaken {
                    Overtaken::By(overtake) => Some(overtake(&broker)),
                    Overtaken::Step(is_wanted) => {
                        take(&broker, is_wanted);
                        None
                    }
                };
                assert!(!broker.has_open_transaction(), "{name}");
                let done = match call {
                    "send" => seat.send(output(&["never"])).await,
                    "commit" => seat.commit().await,
                    _ => seat.send_positions(consumed(6), &me).await,
                };
                assert!(is_fenced(&done), "{name}, {call}: {done:?}");
                assert!(!broker.has_open_transaction(), "{name}, {call}");
                drop(newer);
                seat.reset().await.unwrap();
                seat.send(output(&["after"])).await.unwrap();
                seat.commit().await.unwrap();
                assert_eq!(texts(&broker), ["after"], "{name}, {call}");
                assert_eq!(broker.committed_position(&consumer(0)), None);
            });
        }
    }
}

/// What failed cannot be committed by somebody who did not look.
#[test]
fn after_a_call_that_failed_the_transaction_must_be_reset() {
    block_on(async {
        let broker = Broker::new();
        let (mut seat, me) = joined(&broker, 1).await;
        let wrong = Membership {
            generation: me.generation + 1,
            ..me.clone()
        };
        seat.send(output(&["never"])).await.unwrap();
        let sent = seat.send_positions(consumed(1), &wrong).await;
        assert!(is_fenced(&sent), "{sent:?}");
        assert!(is_fenced(&seat.commit().await));
        assert!(is_fenced(&seat.send(output(&["never"])).await));
        assert!(broker.has_open_transaction());
        seat.reset().await.unwrap();
        seat.commit().await.unwrap();
        assert!(texts(&broker).is_empty());
    });
}

#[test]
fn an_unknown_outcome_is_either() {
    #[rustfmt::skip]
    let cases: &[(&str, bool, bool, &[&str])] = &[
        // took effect, arrives late, what is there in the end
        ("committed",      true,  false, &["sent", "next"]),
        ("not arrived",    false, false, &["next"]),
        ("arrives late",   false, true,  &["sent", "next"]),
    ];
    for &(name, took_effect, arrives, want) in cases {
        block_on(async {
            let broker = Broker::new();
            let (mut seat, me) = joined(&broker, 1).await;
            broker.next_commit_is_unknown(1, took_effect);
            broker.next_commit_is_unknown(7, !took_effect);
            seat.commit().await.unwrap();
            seat.send(output(&["sent"])).await.unwrap();
            seat.send_positions(consumed(5), &me).await.unwrap();
            let done = seat.commit().await;
            let is_unavailable = matches!(done, Err(PortError::Unavailable { .. }));
            assert!(is_unavailable, "{name}: {done:?}");
            assert_eq!(broker.has_open_transaction(), !took_effect, "{name}");
            if arrives {
                let is_late = |step: &BrokerStep| matches!(step, BrokerStep::CommitArrives { .. });
                take(&broker, is_late);
            }
            assert!(is_fenced(&seat.commit().await), "{name}: reset first");
            seat.reset().await.unwrap();
            assert!(!broker.has_open_transaction(), "{name}");
            let position = seat.committed(&consumer(0)).await.unwrap();
            assert_eq!(position, (want.len() == 2).then_some(5), "{name}");
            seat.send(output(&["next"])).await.unwrap();
            seat.commit().await.unwrap();
            assert_eq!(texts(&broker), want, "{name}");
        });
    }
}

/// A position that an open transaction may move is none, whoever asks, and whoever ends it.
#[test]
fn committed_waits_for_the_transaction_that_may_move_it() {
    #[rustfmt::skip]
    let cases: &[(&str, Option<Offset>)] = &[
        ("commit",   Some(5)),
        ("reset",    Some(1)),
        ("time-out", Some(1)),
        ("new life", Some(1)),
    ];
    for &(name, want) in cases {
        block_on(async {
            let broker = Broker::new();
            let (mut holder, me) = joined(&broker, 1).await;
            holder.send_positions(consumed(1), &me).await.unwrap();
            holder.commit().await.unwrap();
            holder.send_positions(consumed(5), &me).await.unwrap();

            let mut other = broker.seat(2);
            let elsewhere = consumer(9);
            assert_eq!(other.committed(&elsewhere).await.unwrap(), None);
            let asked = consumer(0);
            let mut waits = other.committed(&asked);
            assert!(still_waits(&mut waits), "{name}");
            let log = broker.reader(Isolation::Committed);
            assert_eq!(log.committed(&asked).await.unwrap(), Some(1), "{name}");
            match name {
                "commit" => holder.commit().await.unwrap(),
                "reset" => holder.reset().await.unwrap(),
                "new life" => drop(broker.seat(1)),
                _ => take(&broker, is_time_out),
            }
            assert_eq!(waits.await.unwrap(), want, "{name}");
        });
    }
}

#[test]
fn a_waiter_is_woken_by_the_end_of_the_transaction() {
    block_on(async {
        let broker = Broker::new();
        let (mut holder, me) = joined(&broker, 1).await;
        holder.send_positions(consumed(5), &me).await.unwrap();
        let other = broker.clone();
        let waits = tokio::spawn(async move {
            let mut seat = other.seat(2);
            seat.committed(&consumer(0)).await.unwrap()
        });
        tokio::task::yield_now().await;
        holder.commit().await.unwrap();
        let found = crate::suite::within_deadline(waits, "committed").await;
        assert_eq!(found.unwrap(), Some(5));
    });
}

/// The wrong variant that starts from a position somebody moves a moment later.
#[test]
fn without_require_stable_nobody_waits() {
    block_on(async {
        let broker = Broker::new();
        broker.set_require_stable(false);
        let (mut holder, me) = joined(&broker, 1).await;
        holder.send_positions(consumed(5), &me).await.unwrap();
        let mut other = broker.seat(2);
        assert_eq!(other.committed(&consumer(0)).await.unwrap(), None);
    });
}

#[derive(Debug, Clone, Copy)]
struct Left {
    has_random_id: bool,
    times_out: bool,
    comes_back: bool,
    has_survivor: bool,
}

/// Somebody must be able to end what a crashed worker left open, or readers wait for ever.
#[test]
fn an_orphan_is_ended_by_its_slot_a_survivor_or_a_time_out() {
    let left = |has_random_id, times_out, comes_back, has_survivor| Left {
        has_random_id,
        times_out,
        comes_back,
        has_survivor,
    };
    #[rustfmt::skip]
    let cases: &[(&str, Left, bool)] = &[
        ("comes back",                  left(false, false, true,  false), true),
        ("a survivor",                  left(false, false, false, true),  true),
        ("a time-out",                  left(false, true,  false, false), true),
        ("nobody",                      left(false, false, false, false), false),
        ("random id, comes back",       left(true,  false, true,  false), false),
        ("random id, a survivor",       left(true,  false, true,  true),  false),
        ("random id, but a time-out",   left(true,  true,  true,  false), true),
    ];
    for &(name, left, is_ended) in cases {
        block_on(async {
            let broker = Broker::new();
            broker.set_transaction_time_outs(left.times_out);
            let sits = |slot| match left.has_random_id {
                true => broker.seat_with_random_id(slot),
                false => broker.seat(slot),
            };
            let mut crashed = sits(1);
            crashed.poll().await.unwrap();
            crashed.send(output(&["orphan"])).await.unwrap();
            drop(crashed);
            let mut survivor = sits(2);
            survivor.poll().await.unwrap();
            assert_eq!(broker.end_orphans(2), 0, "{name}: still a member");
            take(&broker, is_expire_of(1));
            let back = left.comes_back.then(|| sits(1));
            if left.has_survivor {
                assert_eq!(broker.end_orphans(9), 0, "{name}: no member");
                assert_eq!(broker.end_orphans(2) == 1, is_ended, "{name}");
            }
            broker.settle();
            assert_eq!(!broker.has_open_transaction(), is_ended, "{name}");
            let log = broker.reader(Isolation::Committed);
            log.append(output(&["later"])).await.unwrap();
            assert_eq!(texts(&broker) == ["later"], is_ended, "{name}");
            drop(back);
        });
    }
}

/// A survivor leaves alone who is a member, and fences who was thrown out and does not know it.
#[test]
fn a_survivor_fences_the_absent_only() {
    block_on(async {
        let broker = Broker::new();
        let (mut slow, _) = joined(&broker, 1).await;
        let (_survivor, _) = joined(&broker, 2).await;
        slow.send(output(&["never"])).await.unwrap();
        assert_eq!(broker.end_orphans(2), 0);
        take(&broker, is_expire_of(1));
        assert_eq!(broker.end_orphans(2), 1);
        assert!(is_fenced(&slow.commit().await));
        assert!(texts(&broker).is_empty());
    });
}

#[test]
fn lost_positions_are_lost_and_the_dump_tells_everything() {
    block_on(async {
        let broker = Broker::new();
        broker.create_group(vec![task(0)]);
        let (mut seat, me) = joined(&broker, 1).await;
        seat.send(output(&["a"])).await.unwrap();
        seat.send_positions(consumed(5), &me).await.unwrap();
        seat.commit().await.unwrap();
        seat.send(output(&["b"])).await.unwrap();
        let dump = broker.dump();
        #[rustfmt::skip]
        let parts = [
            "product-signals/0: stable 2, end 3", "0 t1 1 bytes a", "1 t1 Commit", "2 t2 1 bytes b",
            "stage on user-events/0: 5", "open t2", "producer engine-1", "generation 1",
            "task user-events/0: Nobody",
        ];
        for part in parts {
            assert!(dump.contains(part), "{part} in\n{dump}");
        }
        broker.lose_committed_offsets();
        assert_eq!(seat.committed(&consumer(0)).await.unwrap(), None);
    });
}
