//! Commits whose answer is lost, and commits that come late.

use crate::proxy::Proxy;
use crate::server::{Server, free_port, until};
use crate::subject::{HERE, commit, options, stands, stands_again, step};
use std::time::Duration;
use vitrina_ports::PortError;
use vitrina_ports::state::StateStore;
use vitrina_ports::suite::{block_on, ok, refused};
use vitrina_redis::{RedisOptions, RedisState};

#[test]
fn a_commit_that_comes_after_another_writer_moved_on_does_nothing() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    block_on(async {
        let proxy = Proxy::start(0, server.port).await;
        let direct = options(server.address());
        let slow = RedisOptions {
            address: format!("redis://127.0.0.1:{}", proxy.port),
            response_timeout: Duration::from_millis(500),
            ..direct.clone()
        };
        let slow = ok(RedisState::connect(slow).await, "connect");
        let other = ok(RedisState::connect(direct).await, "connect");
        ok(step(&slow, 0).await, "commit");
        proxy.hold();
        let late = commit(1, 2, &[("a", "late"), ("late", "late")]);
        let error = refused(slow.commit(late).await, "no answer");
        assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
        let scripts = server.calls("evalsha");
        ok(step(&other, 1).await, "another writer");
        proxy.release();
        until("the late commit came", || {
            server.calls("evalsha") >= scripts + 2
        });
        assert_eq!(ok(stands(&other).await, "stands"), 2);
        let absent = ok(other.get_many(HERE, &["late".into()]).await, "read");
        assert_eq!(absent.values, [None]);
        assert_eq!(stands_again(&slow).await, 2);
    });
}

#[test]
fn one_server_is_never_asked_twice_and_an_unknown_outcome_is_said() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    block_on(async {
        let proxy = Proxy::start(0, server.port).await;
        let address = format!("redis://127.0.0.1:{}", proxy.port);
        let state = ok(RedisState::connect(options(address)).await, "connect");
        ok(step(&state, 0).await, "commit");
        let before = server.calls("evalsha");
        proxy.swallow_one();
        let error = refused(step(&state, 1).await, "the answer is lost");
        assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
        assert_eq!(stands_again(&state).await, 2);
        assert_eq!(server.calls("evalsha"), before + 1);
    });
}

/// A cluster of one node whose clients come through a proxy.
async fn behind_a_proxy() -> Option<(Server, Proxy, RedisOptions)> {
    let announced = free_port();
    let port = announced.to_string();
    #[rustfmt::skip]
    let server = Server::start_cluster(&[
        "--cluster-announce-ip", "127.0.0.1",
        "--cluster-announce-port", &port,
    ])?;
    let proxy = Proxy::start(announced, server.port).await;
    let options = options(format!("redis-cluster://127.0.0.1:{announced}"));
    Some((server, proxy, options))
}

#[test]
fn a_commit_that_a_cluster_client_sends_again_counts_once_and_is_done() {
    block_on(async {
        let Some((server, proxy, options)) = behind_a_proxy().await else {
            return;
        };
        let state = ok(RedisState::connect(options).await, "connect");
        ok(step(&state, 0).await, "commit");
        for position in 1..6 {
            let before = server.calls("evalsha");
            proxy.swallow_one();
            ok(step(&state, position).await, "sent again");
            assert_eq!(server.calls("evalsha"), before + 2, "it was sent again");
            assert_eq!(ok(stands(&state).await, "stands"), position + 1);
        }
    });
}

#[test]
fn a_commit_sent_again_is_not_taken_for_that_of_another_writer() {
    block_on(async {
        let Some((server, proxy, options)) = behind_a_proxy().await else {
            return;
        };
        let state = ok(RedisState::connect(options.clone()).await, "connect");
        let other = ok(RedisState::connect(options).await, "connect");
        ok(step(&state, 0).await, "commit");
        // Both move from 1 to 2; the first one's commit is held until the other's is done.
        ok(step(&other, 1).await, "another writer");
        let before = server.calls("evalsha");
        proxy.swallow_one();
        let error = refused(
            state.commit(commit(1, 2, &[("a", "mine")])).await,
            "another writer has been there",
        );
        assert!(
            matches!(error, PortError::PositionMismatch { found: 2, .. }),
            "{error:?}"
        );
        assert_eq!(server.calls("evalsha"), before + 2, "it was sent again");
        assert_eq!(ok(stands(&state).await, "stands"), 2);
    });
}
