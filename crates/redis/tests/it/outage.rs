//! Servers that restart, stop and come back, and connections that break.

use crate::proxy::Proxy;
use crate::server::Server;
use crate::subject::{options, stands, stands_again, step};
use rustix::process::Signal;
use std::time::Duration;
use vitrina_ports::PortError;
use vitrina_ports::suite::{block_on, ok, refused, within_deadline};
use vitrina_redis::{RedisOptions, RedisState};

/// The answer of a server that stands still is waited for so long.
const SHORT: Duration = Duration::from_millis(300);

async fn steps(state: &RedisState, from: u64, to: u64) {
    for position in from..to {
        ok(step(state, position).await, "commit");
    }
}

async fn is_refused_at(state: &RedisState, expected: u64, stands_at: u64) {
    match refused(step(state, expected).await, "a position that was lost") {
        PortError::PositionMismatch { found, .. } => assert_eq!(found, stands_at),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_restart_that_loses_a_tail_takes_position_and_values_back_together() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    block_on(async {
        let state = ok(
            RedisState::connect(options(server.address())).await,
            "connect",
        );
        steps(&state, 0, 5).await;
        server.ask::<()>("SAVE");
        steps(&state, 5, 8).await;
        server.kill();
        server.start_again();
        assert_eq!(stands_again(&state).await, 5);
        is_refused_at(&state, 8, 5).await;
        steps(&state, 5, 9).await;
        assert_eq!(ok(stands(&state).await, "stands"), 9);
    });
}

#[test]
fn a_restart_on_an_append_only_file_cut_inside_a_commit_stands_before_it() {
    let Some(mut server) = Server::start(&["--appendonly", "yes", "--appendfsync", "no"]) else {
        return;
    };
    block_on(async {
        let state = ok(
            RedisState::connect(options(server.address())).await,
            "connect",
        );
        steps(&state, 0, 8).await;
        server.kill();
        let file = server.path("appendonlydir/appendonly.aof.1.incr.aof");
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_len(file.metadata().unwrap().len() - 40).unwrap();
        server.start_again();
        assert_eq!(stands_again(&state).await, 7);
        steps(&state, 7, 9).await;
    });
}

#[test]
fn a_server_that_lost_everything_stands_at_zero() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    block_on(async {
        let state = ok(
            RedisState::connect(options(server.address())).await,
            "connect",
        );
        steps(&state, 0, 3).await;
        server.kill();
        let error = refused(step(&state, 3).await, "nobody there");
        assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
        server.start_again();
        assert_eq!(stands_again(&state).await, 0);
        is_refused_at(&state, 3, 0).await;
    });
}

/// A server that answers nothing, its connections open: neither a commit nor a read takes longer
/// than its limit, and afterwards the position is before or after that commit.
async fn stands_still(server: &Server, patient: RedisOptions) {
    let short = RedisOptions {
        response_timeout: SHORT,
        ..patient.clone()
    };
    let state = ok(RedisState::connect(patient).await, "connect");
    steps(&state, 0, 2).await;
    let hasty = ok(RedisState::connect(short).await, "connect");
    server.signal(Signal::STOP);
    let committed = within_deadline(step(&hasty, 2), "commit").await;
    let read = within_deadline(stands(&hasty), "read").await;
    server.signal(Signal::CONT);
    for error in [refused(committed, "commit"), refused(read, "read")] {
        assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
    }
    let position = stands_again(&hasty).await;
    assert!([2, 3].contains(&position), "{position}");
    steps(&state, stands_again(&state).await, 6).await;
    assert_eq!(ok(stands(&hasty).await, "stands"), 6);
}

#[test]
fn a_server_that_stands_still_is_unavailable_and_comes_back() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    block_on(stands_still(&server, options(server.address())));
}

#[test]
fn a_cluster_that_stands_still_is_unavailable_and_comes_back() {
    let Some(server) = Server::start_cluster(&[]) else {
        return;
    };
    let address = format!("redis-cluster://127.0.0.1:{}", server.port);
    block_on(stands_still(&server, options(address)));
}

#[test]
fn a_waiter_waits_through_an_outage() {
    let Some(mut server) = Server::start(&["--appendonly", "yes"]) else {
        return;
    };
    block_on(async {
        let options = options(server.address());
        let state = ok(RedisState::connect(options.clone()).await, "connect");
        let other = ok(RedisState::connect(options).await, "connect");
        steps(&other, 0, 2).await;
        let waiting = tokio::spawn(async move {
            let reached = vitrina_ports::state::StateStore::reached;
            reached(&state, crate::subject::HERE, 3).await
        });
        // It waits once the server has been asked for a position by somebody beside us.
        let before = server.calls("hmget");
        crate::server::until("it waits", || server.calls("hmget") > before + 1);
        server.kill();
        server.start_again();
        assert_eq!(stands_again(&other).await, 2);
        ok(step(&other, 2).await, "commit");
        let woken = within_deadline(waiting, "woken").await.unwrap();
        ok(woken, "reached");
    });
}

#[test]
fn a_connection_that_is_cut_is_made_again() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    block_on(async {
        let proxy = Proxy::start(0, server.port).await;
        let address = format!("redis://127.0.0.1:{}", proxy.port);
        let state = ok(RedisState::connect(options(address)).await, "connect");
        let mut position = 0;
        for _ in 0..5 {
            ok(step(&state, position).await, "commit");
            proxy.cut();
            position = stands_again(&state).await;
        }
        assert_eq!(position, 5);
    });
}
