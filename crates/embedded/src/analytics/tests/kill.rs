//! A real process, really killed: it upserts and flushes as fast as it can, and its parent looks
//! at what is left.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use vitrina_ports::faulty::SplitMix64;

const DIR_VARIABLE: &str = "VITRINA_TEST_ANALYTICS_KILL_DIR";
/// Whether it flushes by tables.
const TABLES_VARIABLE: &str = "VITRINA_TEST_ANALYTICS_KILL_TABLES";
const ROWS_EACH: u64 = 100;
const ROUNDS: u64 = 5;

/// The rows of a position: all of one pane, one of them gone.
fn rows(position: Offset) -> Vec<WindowRow> {
    let rows = (0..ROWS_EACH).map(|n| {
        let views = if n == position % ROWS_EACH {
            0
        } else {
            1 + position % 5
        };
        row(
            &format!("{n:03}"),
            n as i64,
            TEN_MINUTES,
            position as u32,
            views,
        )
    });
    rows.collect()
}

/// Runs until it is killed; does nothing unless it is told where.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else {
        return;
    };
    let options = match std::env::var(TABLES_VARIABLE) {
        Ok(_) => options_of_tables(),
        Err(_) => options(),
    };
    let analytics = EmbeddedAnalytics::open(Path::new(&dir), options).unwrap();
    let mut position = analytics.core.position(HERE).unwrap();
    loop {
        let next = position.map_or(0, |at| at + 1);
        analytics
            .core
            .upsert(&upsert(position, next, rows(next)))
            .unwrap();
        position = Some(next);
        if !next.is_multiple_of(3) {
            continue;
        }
        analytics.flush().unwrap();
        println!("{next}");
        std::io::stdout().flush().unwrap();
    }
}

/// What is answered is as it was at `position`, by period and by key.
fn check_is_at(analytics: &EmbeddedAnalytics, position: Offset, round: u64) {
    let mut want = rows(position);
    want.retain(|row| !row.measures.is_empty());
    let page = analytics.core.rows(&query(None, 1_000)).unwrap();
    assert!(page.rows == want, "round {round}, by period");
    for n in 0..ROWS_EACH {
        let id = format!("{n:03}");
        let page = analytics.core.rows(&query(Some(&id), 10)).unwrap();
        let want: Vec<_> = want.iter().filter(|row| *row.key.id == *id).collect();
        assert!(page.rows.iter().eq(want), "round {round}, key {id}");
    }
}

/// Kills it several times; answers the last position that it told of.
fn kill_some(by_tables: bool, check: impl Fn(&EmbeddedAnalytics, Offset, u64)) {
    let dir = tempfile::tempdir().unwrap();
    let seed = 0x0bad_ca5e;
    println!("seed {seed:#x}");
    let mut random = SplitMix64::new(seed);
    let mut told = 0;
    for round in 0..ROUNDS {
        let mut command = Command::new(std::env::current_exe().unwrap());
        if by_tables {
            command.env(TABLES_VARIABLE, "yes");
        }
        let mut child = command
            .args(["--exact", "analytics::tests::kill::child", "--nocapture"])
            .env(DIR_VARIABLE, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut steps = 10 + random.next() % 30;
        for line in lines {
            let Ok(position) = line.unwrap().parse::<Offset>() else {
                continue;
            };
            if steps == 0 {
                child.kill().unwrap();
            }
            steps = steps.saturating_sub(1);
            told = position;
        }
        child.wait().unwrap();

        let analytics = open(&dir).unwrap();
        assert!(!analytics.rebuilt(), "round {round}");
        let found = analytics.core.position(HERE).unwrap().unwrap();
        assert!(found >= told, "{found} < {told}");
        check(&analytics, found, round);
    }
    assert!(told > ROUNDS * 20);
}

#[test]
fn a_killed_process_leaves_a_flush_whole() {
    kill_some(false, check_is_at);
}

/// What was beyond the position is there again once it was read again.
#[test]
fn a_process_killed_between_tables_and_position_catches_up() {
    kill_some(true, |analytics, found, round| {
        let mut position = found;
        for next in found + 1..found + 5 {
            let again = upsert(Some(position), next, rows(next));
            analytics.core.upsert(&again).unwrap();
            position = next;
        }
        check_is_at(analytics, position, round);
        analytics.close().unwrap();
    });
}
