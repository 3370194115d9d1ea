//! Servers that refuse to write: without room, and without replicas.

use crate::server::Server;
use crate::subject::{HERE, commit, options, stands, step};
use vitrina_ports::PortError;
use vitrina_ports::state::StateStore;
use vitrina_ports::suite::{block_on, ok, refused};
use vitrina_redis::{Level, RedisState};

#[test]
fn a_commit_without_room_is_refused_and_leaves_nothing() {
    let Some(server) = Server::start(&["--maxmemory", "6mb"]) else {
        return;
    };
    block_on(async {
        let state = ok(
            RedisState::connect(options(server.address())).await,
            "connect",
        );
        let value = "v".repeat(100_000);
        let mut position = 0;
        let keys = loop {
            let keys = [format!("a{position}"), format!("z{position}")];
            let pairs = [(keys[0].as_str(), value.as_str()), (&keys[1], &value)];
            match state.commit(commit(position, position + 1, &pairs)).await {
                Ok(()) => position += 1,
                Err(PortError::Full { .. }) => break keys,
                Err(other) => panic!("{other}"),
            }
            assert!(position < 60, "6 MiB were never full");
        };
        assert!(position > 0);
        let found = ok(state.get_many(HERE, &keys).await, "read when full");
        assert_eq!(
            (found.position, &found.values[..]),
            (position, &[None, None][..])
        );
        let scanned = ok(state.scan(HERE, None, 1_000).await, "scan when full");
        assert_eq!(scanned.values.len() as u64, 2 * position);
        let findings = ok(state.checkup().await, "checkup");
        let memory = findings.iter().find(|one| one.found.contains("6 MiB"));
        assert!(memory.unwrap().level > Level::Ok, "{findings:#?}");

        server.ask::<()>("CONFIG SET maxmemory 60mb");
        let pairs = [(keys[0].as_str(), "1"), (&keys[1], "1")];
        let again = state.commit(commit(position, position + 1, &pairs)).await;
        ok(again, "with room");
    });
}

#[test]
fn a_commit_that_too_few_replicas_would_see_is_refused_and_leaves_nothing() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    block_on(async {
        let connected = RedisState::connect(options(server.address())).await;
        let state = ok(connected, "connect");
        ok(step(&state, 0).await, "commit");
        server.ask::<()>("CONFIG SET min-replicas-to-write 1");
        let error = refused(step(&state, 1).await, "no replica");
        assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains("NOREPLICAS"), "{error}");
        assert_eq!(ok(stands(&state).await, "stands"), 1);
        server.ask::<()>("CONFIG SET min-replicas-to-write 0");
        ok(step(&state, 1).await, "commit");
    });
}
