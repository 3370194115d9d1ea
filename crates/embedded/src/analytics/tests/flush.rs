//! What waits in memory: kept by a flush that fails, lost by a kill together with its position,
//! bounded.

use super::super::flush::Besides;
use super::super::waiting::Batches;
use super::*;
use vitrina_ports::Retry;

/// A store whose flushes fail for as long as the flag says so, and how often they were tried.
struct Failing {
    analytics: EmbeddedAnalytics,
    fails: Arc<AtomicBool>,
    tries: Arc<AtomicU64>,
}

fn failing(dir: &TempDir, options: AnalyticsOptions) -> Failing {
    let (tries, fails) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
    let barrier: BeforeFlush = Box::new({
        let (tries, fails) = (Arc::clone(&tries), Arc::clone(&fails));
        move || {
            tries.fetch_add(1, Ordering::Relaxed);
            match fails.load(Ordering::Relaxed) {
                true => Err(PortError::Damaged { what: "log".into() }),
                false => Ok(()),
            }
        }
    });
    let options = AnalyticsOptions {
        before_write: barrier,
        ..options
    };
    Failing {
        analytics: EmbeddedAnalytics::open(dir.path(), options).unwrap(),
        fails,
        tries,
    }
}

/// Position and ids that a kill would leave.
fn on_disk(analytics: &EmbeddedAnalytics) -> (Option<Offset>, Vec<String>) {
    let core = &analytics.core;
    let load = |opened: &Opened| load_positions(&core.kv, opened);
    let position = core.kv.read(load).unwrap()[HERE.at()];
    (position, ids(&core.page(&query(None, 1_000)).unwrap()))
}

fn one(id: &str) -> Vec<WindowRow> {
    vec![row(id, 0, TEN_MINUTES, 0, 1)]
}

#[test]
fn nothing_is_written_before_the_log_is_durable_and_what_waits_is_kept() {
    for options in [options(), options_of_tables()] {
        let dir = tempfile::tempdir().unwrap();
        let store = failing(&dir, options);
        let core = &store.analytics.core;
        core.upsert(&upsert(None, 1, one("a"))).unwrap();
        assert_eq!(store.tries.load(Ordering::Relaxed), 0, "not by an upsert");
        assert!(store.analytics.flush().is_err());
        core.upsert(&upsert(Some(1), 2, one("b"))).unwrap();
        assert!(core.rows(&query(None, 9)).is_err());
        assert!(store.analytics.sync().is_err());
        assert!(core.retain(EventTime(0)).is_err());
        assert_eq!(core.position(HERE).unwrap(), Some(2));
        assert_eq!(on_disk(&store.analytics), (None, strings(&[])));

        store.fails.store(false, Ordering::Relaxed);
        store.analytics.flush().unwrap();
        assert_eq!(on_disk(&store.analytics), (Some(2), strings(&["a", "b"])));
        let tries = store.tries.load(Ordering::Relaxed);
        assert_eq!(left(&store.analytics), (Some(2), strings(&["a", "b"])));
        store.analytics.flush().unwrap();
        let more = store.tries.load(Ordering::Relaxed) - tries;
        assert_eq!(more, 0, "nothing waited");
    }
}

#[test]
fn what_waits_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let store = failing(&dir, options_of_tables());
    let core = &store.analytics.core;
    let rows = |next: u64| {
        let rows = (0..100).map(|n| row(&format!("{next}-{n:03}"), 0, TEN_MINUTES, 0, 1));
        upsert(next.checked_sub(1), next, rows.collect())
    };
    core.upsert(&rows(0)).unwrap();
    for _ in 0..3 {
        let refused = core.upsert(&rows(1)).unwrap_err();
        // Else the sink would give up the record.
        assert_eq!(refused.retry(), Retry::Later, "{refused:?}");
    }
    assert_eq!(core.position(HERE).unwrap(), Some(0));
    store.fails.store(false, Ordering::Relaxed);
    core.upsert(&rows(1)).unwrap();
    assert_eq!(core.position(HERE).unwrap(), Some(1));
    assert_eq!(on_disk(&store.analytics).0, Some(0), "flushed to make room");
    assert_eq!(left(&store.analytics).1.len(), 200);
}

/// Whatever a crash leaves of a large flush: the position is the old one, nothing is half, and
/// reading again makes it whole.
#[test]
fn a_crash_between_tables_and_position_is_read_again() {
    for tables in 0..=2 {
        let dir = tempfile::tempdir().unwrap();
        let analytics = open(&dir).unwrap();
        let core = &analytics.core;
        core.upsert(&upsert(None, 1, one("a"))).unwrap();
        analytics.flush().unwrap();
        let panes = |pane| {
            let rows = (0..3).map(|n| row(&format!("b{n}"), n, TEN_MINUTES, pane, 1));
            rows.collect::<Vec<_>>()
        };
        let crashed = Batches::from(Batch::of(&panes(0), 9));
        let newest = crashed.newest();
        match tables {
            0 => {}
            1 => {
                let pairs = newest.by_period();
                let pairs = pairs.map(|(key, value)| (key, Some(fjall::Slice::from(value))));
                core.kv.ingest(0, PERIODS, pairs).unwrap();
            }
            _ => core.write_tables(&newest, &Besides::default(), 0).unwrap(),
        }
        drop(analytics);
        let after = open(&dir).unwrap();
        assert_eq!(after.core.position(HERE).unwrap(), Some(1), "{tables}");
        // Grouped otherwise than before, as a sink may.
        let again = panes(0);
        let (first, second) = again.split_at(2);
        after
            .core
            .upsert(&upsert(Some(1), 5, first.into()))
            .unwrap();
        after
            .core
            .upsert(&upsert(Some(5), 9, second.into()))
            .unwrap();
        after.core.upsert(&upsert(Some(9), 10, one("c"))).unwrap();
        let want = (Some(10), strings(&["a", "b0", "c", "b1", "b2"]));
        assert_eq!(left(&after), want, "{tables}");
        let by_key = after.core.rows(&query(Some("b1"), 9)).unwrap();
        assert_eq!(by_key.rows, again[1..2], "{tables}");
        // Whatever there is twice goes at once.
        assert_eq!(after.core.retain(EventTime(2)).unwrap(), 4, "{tables}");
        assert_eq!(left(&after), (Some(10), strings(&["b2"])), "{tables}");
        let by_key = after.core.rows(&query(Some("b1"), 9)).unwrap();
        assert_eq!(by_key.rows, [], "{tables}");
        assert_eq!(after.core.retain(EventTime(9)).unwrap(), 1, "{tables}");
        assert_eq!(stored_keys(&after), [0, 0, 1], "{tables}");
    }
}

#[test]
fn a_reopening_keeps_what_waits_unless_something_written_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = failing(&dir, options());
    let (analytics, core) = (&store.analytics, &store.analytics.core);
    store.fails.store(false, Ordering::Relaxed);
    core.upsert(&upsert(None, 1, one("a"))).unwrap();
    analytics.flush().unwrap();
    store.fails.store(true, Ordering::Relaxed);
    core.upsert(&upsert(Some(1), 2, one("b"))).unwrap();
    analytics.flush().unwrap_err();
    core.upsert(&upsert(Some(2), 3, one("c"))).unwrap();
    analytics.reopen().unwrap();
    assert_eq!(core.position(HERE).unwrap(), Some(3));
    store.fails.store(false, Ordering::Relaxed);
    assert_eq!(left(analytics), (Some(3), strings(&["a", "b", "c"])));

    core.upsert(&upsert(Some(3), 4, one("d"))).unwrap();
    std::fs::remove_file(dir.path().join(DIR).join("version")).unwrap();
    analytics.reopen().unwrap();
    assert!(analytics.rebuilt());
    assert_eq!(left(analytics), (None, strings(&[])));
    core.upsert(&upsert(None, 2, one("b"))).unwrap();
    assert_eq!(left(analytics), (Some(2), strings(&["b"])));
}

/// Of all that can happen to a write that failed.
#[test]
fn what_waits_resumes_where_the_database_stands() {
    let at = |here: Option<Offset>| -> Positions {
        let all = Partition::all();
        all.map(|one| here.filter(|_| one == HERE)).collect()
    };
    #[rustfmt::skip]
    let cases = [
        ("not written",          Some(5), Some(9)),
        ("written",              Some(7), Some(9)),
        ("written later",        Some(9), Some(9)),
        ("lost a flush before",  Some(3), Some(3)),
        ("lost all",             None,    None),
        ("of another log",       Some(12), Some(12)),
    ];
    for (name, found, want) in cases {
        let mut waiting = Waiting::new(at(Some(5)));
        waiting.take(HERE, 7, Batch::of(&one("a"), 7));
        waiting.freeze();
        waiting.take(HERE, 9, Batch::of(&one("b"), 9));
        waiting.resume(at(found));
        assert_eq!(waiting.positions(), &at(want), "{name}");
        let is_kept = want == Some(9);
        assert_eq!(waiting.bytes() > 0, is_kept, "{name}");
        assert_eq!(waiting.is_written(), !is_kept, "{name}");
    }
}

/// A disk that is full keeps nobody from reading what is written, nor from forgetting it.
#[test]
fn on_a_full_disk_what_is_written_is_read_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let is_full = Arc::new(AtomicBool::new(false));
    let barrier: BeforeFlush = Box::new({
        let is_full = Arc::clone(&is_full);
        move || match is_full.load(Ordering::Relaxed) {
            true => Err(PortError::Full {
                port: "log",
                free_bytes: 0,
                reserve_bytes: 1,
            }),
            false => Ok(()),
        }
    });
    let options = AnalyticsOptions {
        before_write: barrier,
        ..options()
    };
    let analytics = EmbeddedAnalytics::open(dir.path(), options).unwrap();
    let core = &analytics.core;
    core.upsert(&upsert(None, 1, one("a"))).unwrap();
    analytics.flush().unwrap();
    is_full.store(true, Ordering::Relaxed);
    core.upsert(&upsert(Some(1), 2, one("b"))).unwrap();
    assert_eq!(left(&analytics), (Some(2), strings(&["a"])));
    assert!(analytics.sync().is_err(), "the log must keep what waits");
    assert_eq!(core.retain(EventTime(1)).unwrap(), 1);
    assert_eq!(left(&analytics), (Some(2), strings(&[])));
    is_full.store(false, Ordering::Relaxed);
    assert_eq!(left(&analytics), (Some(2), strings(&["b"])));
    assert_eq!(core.retain(EventTime(1)).unwrap(), 1);
}
