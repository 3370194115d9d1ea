//! A cluster whose nodes change places, or whose slots move, while somebody commits.

use crate::server::{Server, until};
use crate::subject::{options, stands, stands_again, step};
use rustix::process::Signal;
use std::sync::atomic::{AtomicU64, Ordering};
use vitrina_ports::PortError;
use vitrina_ports::suite::{block_on, ok, within_deadline};
use vitrina_redis::{RedisOptions, RedisState};

/// A master with all slots and its replica.
fn master_and_replica() -> Option<(Server, Server, RedisOptions)> {
    #[rustfmt::skip]
    let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
    let (master, replica) = (Server::start(&arguments)?, Server::start(&arguments)?);
    master.ask::<()>("CLUSTER ADDSLOTSRANGE 0 16383");
    let id: String = master.ask("CLUSTER MYID");
    replica.ask::<()>(&format!("CLUSTER MEET {}", master.meeting_point()));
    until("the replica knows its master", || {
        replica
            .try_ask::<()>(&format!("CLUSTER REPLICATE {id}"))
            .is_ok()
    });
    until("the replica follows", || {
        replica
            .ask::<String>("INFO replication")
            .contains("master_link_status:up")
            && replica
                .ask::<String>("CLUSTER INFO")
                .contains("cluster_state:ok")
            && master
                .ask::<String>("CLUSTER INFO")
                .contains("cluster_state:ok")
            && master.ask::<String>("CLUSTER NODES").contains("slave")
    });
    let options = options(format!(
        "redis-cluster://127.0.0.1:{},127.0.0.1:{}",
        master.port, replica.port
    ));
    Some((master, replica, options))
}

fn is_master(server: &Server) -> bool {
    server
        .ask::<String>("INFO replication")
        .contains("role:master")
}

/// Commits as a worker does, reading the position again when it is not sure, until `last`;
/// `acknowledged` is where it knows that it stands. Answers how much was lost at once at most.
async fn work(state: &RedisState, last: u64, acknowledged: &AtomicU64) -> u64 {
    let mut position = stands_again(state).await;
    let mut lost = 0;
    while position < last {
        match step(state, position).await {
            Ok(()) => {
                position += 1;
                acknowledged.store(position, Ordering::SeqCst);
            }
            Err(PortError::Unavailable { .. } | PortError::PositionMismatch { .. }) => {
                let found = stands_again(state).await;
                lost = lost.max(position.saturating_sub(found));
                position = found;
            }
            Err(other) => panic!("{other:?}"),
        }
        tokio::task::yield_now().await;
    }
    lost
}

async fn has_come(acknowledged: &AtomicU64, to: u64) {
    let waiting = async {
        while acknowledged.load(Ordering::SeqCst) < to {
            tokio::task::yield_now().await;
        }
    };
    within_deadline(waiting, "commits go on").await;
}

#[test]
fn a_fail_over_in_order_loses_no_commit() {
    let Some((master, replica, options)) = master_and_replica() else {
        return;
    };
    block_on(async {
        let state = ok(RedisState::connect(options).await, "connect");
        let acknowledged = AtomicU64::new(0);
        let changing = async {
            has_come(&acknowledged, 20).await;
            replica.ask::<()>("CLUSTER FAILOVER");
            within_deadline(
                async {
                    while !is_master(&replica) || is_master(&master) {
                        tokio::task::yield_now().await;
                    }
                },
                "the replica takes over",
            )
            .await;
            let before = acknowledged.load(Ordering::SeqCst);
            let now = ok(stands(&state).await, "stands");
            assert!(now >= before, "{now} after {before} were acknowledged");
        };
        let (lost, ()) = tokio::join!(work(&state, 2_000, &acknowledged), changing);
        assert_eq!(lost, 0);
        assert_eq!(ok(stands(&state).await, "stands"), 2_000);
    });
}

#[test]
fn a_fail_over_by_force_takes_position_and_values_back_together() {
    let Some((mut master, replica, options)) = master_and_replica() else {
        return;
    };
    block_on(async {
        let state = ok(RedisState::connect(options).await, "connect");
        let acknowledged = AtomicU64::new(0);
        let changing = async {
            has_come(&acknowledged, 200).await;
            // The replica stands still, and its connection is cut: what comes now, it never sees.
            replica.signal(Signal::STOP);
            master.ask::<()>("CLIENT KILL TYPE replica");
            let cut_off = acknowledged.load(Ordering::SeqCst);
            has_come(&acknowledged, cut_off + 20).await;
            master.kill();
            replica.signal(Signal::CONT);
            replica.ask::<()>("CLUSTER FAILOVER TAKEOVER");
        };
        let (lost, ()) = tokio::join!(work(&state, 1_000, &acknowledged), changing);
        // One commit may have been on its way to the replica when it was cut off.
        assert!(lost >= 20 - 1, "{lost}");
        assert_eq!(ok(stands(&state).await, "stands"), 1_000);
        assert!(is_master(&replica));
    });
}

/// Two masters, the second without slots.
fn two_masters() -> Option<(Server, Server, RedisOptions)> {
    let one = Server::start_cluster(&[])?;
    let other = Server::start(&["--cluster-enabled", "yes"])?;
    other.ask::<()>(&format!("CLUSTER MEET {}", one.meeting_point()));
    until("the masters know each other", || {
        let know = |server: &Server| {
            let nodes: String = server.ask("CLUSTER NODES");
            let state: String = server.ask("CLUSTER INFO");
            nodes.matches("connected").count() == 2
                && !nodes.contains("handshake")
                && state.contains("cluster_state:ok")
        };
        know(&one) && know(&other)
    });
    let options = options(format!("redis-cluster://127.0.0.1:{}", one.port));
    Some((one, other, options))
}

#[test]
fn a_slot_that_moves_to_another_node_takes_everything_along() {
    let Some((one, other, options)) = two_masters() else {
        return;
    };
    block_on(async {
        let values = format!("{{{}users/3}}", options.prefix);
        let slot: u64 = one.ask(&format!("CLUSTER KEYSLOT {values}"));
        let (from, to): (String, String) = (one.ask("CLUSTER MYID"), other.ask("CLUSTER MYID"));
        let state = ok(RedisState::connect(options).await, "connect");
        let acknowledged = AtomicU64::new(0);
        let moving = async {
            has_come(&acknowledged, 50).await;
            other.ask::<()>(&format!("CLUSTER SETSLOT {slot} IMPORTING {from}"));
            one.ask::<()>(&format!("CLUSTER SETSLOT {slot} MIGRATING {to}"));
            let migrate = |key: &str| {
                // The empty word is the key's place: the keys follow.
                let target = format!("127.0.0.1 {}  0 5000", other.port);
                one.ask::<()>(&format!("MIGRATE {target} KEYS {key}"));
            };
            migrate(&values);
            let before = acknowledged.load(Ordering::SeqCst);
            let half_way = ok(stands(&state).await, "half-way");
            assert!(
                half_way >= before,
                "{half_way} after {before} were acknowledged"
            );
            migrate(&format!("{values}:keys"));
            let half_way = ok(stands(&state).await, "moved, and not yet told");
            assert!(
                half_way >= before,
                "{half_way} after {before} were acknowledged"
            );
            for server in [&other, &one] {
                server.ask::<()>(&format!("CLUSTER SETSLOT {slot} NODE {to}"));
            }
        };
        let (lost, ()) = tokio::join!(work(&state, 1_000, &acknowledged), moving);
        assert_eq!(lost, 0);
        assert_eq!(ok(stands(&state).await, "stands"), 1_000);
        assert!(other.calls("evalsha") > 0, "nothing came to the new node");
    });
}
