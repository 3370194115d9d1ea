//! Tests that every [`Catalogue`] must pass. An adapter calls them with one line,
//! [`catalogue_suite!`](crate::catalogue_suite).

use super::{
    BODY_BYTES_MAX, Catalogue, Entry, Expect, ID_BYTES_MAX, Kind, OutboxChange, Outcome,
    WRITES_MAX, Write,
};
use crate::Retry;
use crate::suite::{Subject, ok, opened, refused, reopened, still_waits, within_deadline};
use bytes::Bytes;
use std::sync::Arc;

/// Runs the whole suite on a [`Subject`] that opens a [`Catalogue`].
#[macro_export]
macro_rules! catalogue_suite {
    ($subject:expr) => {
        $crate::suite_tests!(
            catalogue,
            $subject,
            [
                an_empty_catalogue_has_nothing,
                a_write_is_decided_by_what_is_there,
                versions_go_on_after_a_delete,
                later_writes_of_a_batch_see_earlier_ones,
                a_refused_write_does_not_stop_the_others,
                kinds_are_apart,
                a_list_is_in_id_order_and_goes_on_after_an_id,
                the_outbox_follows_the_writes_without_gaps,
                a_trimmed_outbox_keeps_counting,
                outbox_reached_wakes_on_a_change,
                one_of_many_writers_of_one_version_wins,
                limits_are_refused,
                what_was_written_is_there_after_reopening,
            ]
        );
    };
}

fn put(id: &str, expect: Expect, body: &str) -> Write {
    Write {
        kind: Kind::Product,
        id: id.into(),
        expect,
        body: Some(Bytes::copy_from_slice(body.as_bytes())),
    }
}

fn delete(id: &str, expect: Expect) -> Write {
    Write {
        body: None,
        ..put(id, expect, "")
    }
}

fn written(version: u64, created: bool) -> Outcome {
    Outcome::Written { version, created }
}

async fn write(catalogue: &impl Catalogue, writes: Vec<Write>) -> Vec<Outcome> {
    ok(catalogue.write(writes).await, "write")
}

async fn get(catalogue: &impl Catalogue, id: &str) -> Option<(u64, Bytes)> {
    let entry = ok(catalogue.get(Kind::Product, id).await, "get")?;
    assert_eq!(entry.id, id);
    Some((entry.version, entry.body))
}

async fn outbox(catalogue: &impl Catalogue, from: u64, limit: usize) -> Vec<OutboxChange> {
    ok(catalogue.outbox(from, limit).await, "outbox")
}

/// No record, no change.
pub async fn an_empty_catalogue_has_nothing<S: Subject<Port: Catalogue>>(subject: &S) {
    let catalogue = opened(subject).await;
    assert_eq!(get(&catalogue, "a").await, None);
    for kind in Kind::ALL {
        let listed = ok(catalogue.list(kind, None, 10).await, "list");
        assert!(listed.is_empty(), "{kind:?}");
    }
    assert!(outbox(&catalogue, 0, 10).await.is_empty());
    assert!(write(&catalogue, Vec::new()).await.is_empty());
}

/// The table of expectations: what is expected, against what is there.
pub async fn a_write_is_decided_by_what_is_there<S: Subject<Port: Catalogue>>(subject: &S) {
    let catalogue = opened(subject).await;
    let nothing = Outcome::Conflict { found: None };
    let two = Outcome::Conflict { found: Some(2) };
    #[rustfmt::skip]
    let cases = [
        // expect,             put where nothing is, put on version 2,  delete nothing, delete version 2
        (Expect::Any,          written(1, true),     written(3, false), nothing,        written(3, false)),
        (Expect::Absent,       written(1, true),     two,               nothing,        two),
        (Expect::Present,      nothing,              written(3, false), nothing,        written(3, false)),
        (Expect::Version(2),   nothing,              written(3, false), nothing,        written(3, false)),
        (Expect::Version(1),   nothing,              two,               nothing,        two),
        (Expect::Version(0),   nothing,              two,               nothing,        two),
    ];
    for (case, (expect, put_new, put_two, delete_none, delete_two)) in cases.iter().enumerate() {
        let [new, old, none, gone] = ["new", "old", "none", "gone"].map(|id| format!("{id}{case}"));
        for id in [&old, &gone] {
            let twice = vec![put(id, Expect::Any, "1"), put(id, Expect::Any, "2")];
            write(&catalogue, twice).await;
        }
        let before = outbox(&catalogue, 0, 1_000).await.len();
        let outcomes = write(
            &catalogue,
            vec![
                put(&new, *expect, "new"),
                put(&old, *expect, "new"),
                delete(&none, *expect),
                delete(&gone, *expect),
            ],
        );
        let outcomes = outcomes.await;
        let want = [*put_new, *put_two, *delete_none, *delete_two];
        assert_eq!(outcomes, want, "{expect:?}");
        let accepted = want.iter().filter(|o| matches!(o, Outcome::Written { .. }));
        let after = outbox(&catalogue, 0, 1_000).await.len();
        assert_eq!(after - before, accepted.count(), "{expect:?}");
        let body = if *put_two == two { "2" } else { "new" };
        let found = get(&catalogue, &old).await.map(|(_, body)| body);
        assert_eq!(found, Some(Bytes::copy_from_slice(body.as_bytes())));
        let is_left = get(&catalogue, &gone).await.is_some();
        assert_eq!(is_left, *delete_two == two, "{expect:?}");
        assert_eq!(get(&catalogue, &none).await, None, "{expect:?}");
    }
}

/// Versions of one id never repeat.
pub async fn versions_go_on_after_a_delete<S: Subject<Port: Catalogue>>(subject: &S) {
    let mut catalogue = opened(subject).await;
    let cases = [
        (put("a", Expect::Absent, "1"), written(1, true)),
        (delete("a", Expect::Version(1)), written(2, false)),
        (delete("a", Expect::Any), Outcome::Conflict { found: None }),
        (put("a", Expect::Absent, "3"), written(3, true)),
        (put("a", Expect::Version(3), "4"), written(4, false)),
        (delete("a", Expect::Present), written(5, false)),
    ];
    for (one, want) in cases {
        assert_eq!(write(&catalogue, vec![one.clone()]).await, [want]);
        let left = get(&catalogue, "a").await;
        if let Outcome::Written { version, .. } = want {
            assert_eq!(left, one.body.map(|body| (version, body)));
        }
        catalogue = reopened(subject, catalogue).await;
    }
}

/// A batch is applied in its order.
pub async fn later_writes_of_a_batch_see_earlier_ones<S: Subject<Port: Catalogue>>(subject: &S) {
    let catalogue = opened(subject).await;
    let outcomes = write(
        &catalogue,
        vec![
            put("a", Expect::Absent, "1"),
            put("a", Expect::Version(1), "2"),
            delete("a", Expect::Version(2)),
            delete("a", Expect::Any),
            put("a", Expect::Absent, "4"),
            put("a", Expect::Absent, "5"),
        ],
    );
    let want = [
        written(1, true),
        written(2, false),
        written(3, false),
        Outcome::Conflict { found: None },
        written(4, true),
        Outcome::Conflict { found: Some(4) },
    ];
    assert_eq!(outcomes.await, want);
    assert_eq!(get(&catalogue, "a").await, Some((4, Bytes::from("4"))));
    let changes = outbox(&catalogue, 0, 10).await;
    let versions: Vec<u64> = changes.iter().map(|change| change.version).collect();
    assert_eq!(versions, [1, 2, 3, 4]);
}

/// Each write is accepted or refused on its own.
pub async fn a_refused_write_does_not_stop_the_others<S: Subject<Port: Catalogue>>(subject: &S) {
    let catalogue = opened(subject).await;
    let writes = vec![
        put("a", Expect::Any, "a"),
        put("b", Expect::Present, "b"),
        put("c", Expect::Any, "c"),
    ];
    let refused = Outcome::Conflict { found: None };
    let want = [written(1, true), refused, written(1, true)];
    assert_eq!(write(&catalogue, writes).await, want);
    assert_eq!(get(&catalogue, "b").await, None);
    let changes = outbox(&catalogue, 0, 10).await;
    let ids: Vec<&str> = changes.iter().map(|change| change.id.as_str()).collect();
    assert_eq!(ids, ["a", "c"]);
}

/// One id in two kinds is two records.
pub async fn kinds_are_apart<S: Subject<Port: Catalogue>>(subject: &S) {
    let catalogue = opened(subject).await;
    let writes = Kind::ALL.map(|kind| Write {
        kind,
        ..put("same", Expect::Absent, kind.name())
    });
    let outcomes = write(&catalogue, writes.to_vec()).await;
    assert_eq!(outcomes, [written(1, true); 4]);
    for kind in Kind::ALL {
        let entry = ok(catalogue.get(kind, "same").await, "get");
        let body = Bytes::from(kind.name());
        let want = Entry {
            id: "same".into(),
            version: 1,
            body,
        };
        assert_eq!(entry, Some(want.clone()));
        let listed = ok(catalogue.list(kind, None, 10).await, "list");
        assert_eq!(listed, [want]);
    }
}

/// Pages of any size join to all live records in id order, bytewise.
pub async fn a_list_is_in_id_order_and_goes_on_after_an_id<S: Subject<Port: Catalogue>>(
    subject: &S,
) {
    let catalogue = opened(subject).await;
    let mut ids: Vec<String> = (0..40).map(|n| format!("id-{}", n * 7 % 40)).collect();
    ids.extend(["i", "id", "z", "товар"].map(String::from));
    let writes = ids.iter().map(|id| put(id, Expect::Any, id));
    write(&catalogue, writes.collect()).await;
    let gone = ids.split_off(30);
    let deletes = gone.iter().map(|id| delete(id, Expect::Any));
    write(&catalogue, deletes.collect()).await;
    ids.sort_unstable();
    for limit in [1, 9, 30, 100] {
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().map(String::as_str);
            let page = ok(catalogue.list(Kind::Product, after, limit).await, "list");
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            for entry in page {
                assert_eq!(entry.body, entry.id);
                found.push(entry.id);
            }
        }
        assert_eq!(found, ids, "limit {limit}");
    }
}

/// Sequences 0, 1, 2, …; each change says what was written.
pub async fn the_outbox_follows_the_writes_without_gaps<S: Subject<Port: Catalogue>>(subject: &S) {
    let catalogue = opened(subject).await;
    let mut want = Vec::new();
    for round in 0..10_u64 {
        let id = format!("id-{}", round % 3);
        let (is_delete, is_new) = (round % 3 == 2 && round > 3, round < 3);
        let body = (!is_delete).then(|| Bytes::from(round.to_string()));
        let expect = if is_new { Expect::Absent } else { Expect::Any };
        let one = Write {
            body: body.clone(),
            ..put(&id, expect, "")
        };
        for outcome in write(&catalogue, vec![one]).await {
            let Outcome::Written { version, created } = outcome else {
                continue;
            };
            want.push(OutboxChange {
                sequence: want.len() as u64,
                kind: Kind::Product,
                id: id.clone(),
                version,
                created,
                body: body.clone(),
            });
        }
    }
    assert!(want.iter().any(|change| change.body.is_none()), "a delete");
    assert_eq!(outbox(&catalogue, 0, 100).await, want);
    assert_eq!(outbox(&catalogue, 2, 3).await, want[2..5]);
    let end = want.len() as u64;
    assert!(outbox(&catalogue, end, 3).await.is_empty());
}

/// Forgetting changes does not start the count again, whatever is trimmed.
pub async fn a_trimmed_outbox_keeps_counting<S: Subject<Port: Catalogue>>(subject: &S) {
    let mut catalogue = opened(subject).await;
    for round in 0..5 {
        let id = round.to_string();
        write(&catalogue, vec![put(&id, Expect::Any, &id)]).await;
    }
    for (before, want) in [(3, vec![3, 4]), (1, vec![3, 4]), (5, vec![]), (99, vec![])] {
        ok(catalogue.trim_outbox(before).await, "trim");
        let left = outbox(&catalogue, 0, 10).await;
        let left: Vec<u64> = left.iter().map(|change| change.sequence).collect();
        assert_eq!(left, want, "before {before}");
    }
    catalogue = reopened(subject, catalogue).await;
    write(&catalogue, vec![put("more", Expect::Any, "more")]).await;
    let left = outbox(&catalogue, 0, 10).await;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].sequence, left[0].id.as_str()), (5, "more"));
    assert_eq!(get(&catalogue, "0").await, Some((1, Bytes::from("0"))));
}

/// A waiter resolves when its change is there, not before; at once when it was there already.
pub async fn outbox_reached_wakes_on_a_change<S: Subject<Port: Catalogue>>(subject: &S) {
    let mut catalogue = opened(subject).await;
    let mut second = catalogue.outbox_reached(1);
    assert!(still_waits(&mut second));
    let refused = put("a", Expect::Present, "refused");
    write(&catalogue, vec![refused]).await;
    write(&catalogue, vec![put("a", Expect::Any, "first")]).await;
    assert!(still_waits(&mut second), "woken too early");
    write(&catalogue, vec![put("a", Expect::Any, "second")]).await;
    ok(within_deadline(second, "woken").await, "outbox_reached");
    catalogue = reopened(subject, catalogue).await;
    let already = within_deadline(catalogue.outbox_reached(1), "at once").await;
    ok(already, "outbox_reached");
    let mut third = catalogue.outbox_reached(2);
    assert!(still_waits(&mut third));
    write(&catalogue, vec![delete("a", Expect::Any)]).await;
    ok(within_deadline(third, "woken").await, "outbox_reached");
}

/// Comparing and writing is one step.
pub async fn one_of_many_writers_of_one_version_wins<S: Subject<Port: Catalogue>>(subject: &S) {
    let catalogue = Arc::new(opened(subject).await);
    write(&*catalogue, vec![put("a", Expect::Absent, "first")]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let catalogue = Arc::clone(&catalogue);
        tasks.spawn(async move {
            let own = format!("own-{task}");
            let writes = vec![
                put("a", Expect::Version(1), "next"),
                put(&own, Expect::Absent, "own"),
            ];
            let outcomes = write(&*catalogue, writes).await;
            assert_eq!(outcomes[1], written(1, true));
            outcomes[0] == written(2, false)
        });
    }
    let wins = tasks.join_all().await.into_iter().filter(|&won| won);
    assert_eq!(wins.count(), 1);
    let changes = outbox(&*catalogue, 0, 100).await;
    let sequences: Vec<u64> = changes.iter().map(|change| change.sequence).collect();
    assert_eq!(sequences, (0..10).collect::<Vec<u64>>());
}

/// Over a limit nothing of the call is written; at the limit all is well.
pub async fn limits_are_refused<S: Subject<Port: Catalogue>>(subject: &S) {
    let catalogue = opened(subject).await;
    let (id, body) = ("i".repeat(ID_BYTES_MAX), "b".repeat(BODY_BYTES_MAX));
    let small = put("small", Expect::Any, "small");
    let cases = [
        vec![small.clone(), put(&format!("{id}i"), Expect::Any, "")],
        vec![small.clone(), put("a", Expect::Any, &format!("{body}b"))],
        vec![small.clone(); WRITES_MAX + 1],
    ];
    for writes in cases {
        let error = refused(catalogue.write(writes).await, "limit");
        assert_eq!(error.retry(), Retry::Never, "{error:?}");
    }
    assert_eq!(get(&catalogue, "small").await, None);
    write(&catalogue, vec![put(&id, Expect::Any, &body)]).await;
    assert_eq!(get(&catalogue, &id).await, Some((1, Bytes::from(body))));
}

/// Records, versions and the outbox are as acknowledged.
pub async fn what_was_written_is_there_after_reopening<S: Subject<Port: Catalogue>>(subject: &S) {
    let mut catalogue = opened(subject).await;
    for round in 0..3_u64 {
        let (id, body) = (format!("id-{round}"), round.to_string());
        let writes = vec![
            put(&id, Expect::Absent, &body),
            put("same", Expect::Any, &body),
        ];
        write(&catalogue, writes).await;
        let before = outbox(&catalogue, 0, 100).await;
        assert_eq!(before.len() as u64, round * 2 + 2);
        catalogue = reopened(subject, catalogue).await;
        assert_eq!(outbox(&catalogue, 0, 100).await, before);
        let same = get(&catalogue, "same").await;
        assert_eq!(same, Some((round + 1, Bytes::from(body))));
        let listed = ok(catalogue.list(Kind::Product, None, 100).await, "list");
        assert_eq!(listed.len() as u64, round + 2);
    }
}
