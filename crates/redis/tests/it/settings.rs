//! Servers that must not hold state, and what is said of those that may.

use crate::server::{Server, until};
use crate::subject::{CLUSTER, ONE, options, subject};
use vitrina_ports::suite::{block_on, ok, opened};
use vitrina_ports::{PortError, Retry};
use vitrina_redis::{Level, RedisOptions, RedisState};

async fn refusal(address: String) -> String {
    match RedisState::connect(options(address)).await {
        Ok(_) => panic!("not refused"),
        Err(error) => {
            assert!(matches!(error, PortError::Invalid { .. }), "{error:?}");
            assert_eq!(error.retry(), Retry::Never);
            error.to_string()
        }
    }
}

#[test]
fn a_server_that_evicts_is_refused_and_told_who_must_act() {
    for policy in ["allkeys-lru", "volatile-ttl"] {
        let Some(server) = Server::start(&["--maxmemory-policy", policy]) else {
            return;
        };
        let refused = block_on(refusal(server.address()));
        assert!(refused.contains(policy), "{refused}");
        assert!(refused.contains("whoever runs Redis"), "{refused}");
    }
}

#[test]
fn a_policy_changed_while_we_run_is_found_by_a_checkup() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    block_on(async {
        let state = ok(
            RedisState::connect(options(server.address())).await,
            "connect",
        );
        server.ask::<()>("CONFIG SET maxmemory-policy allkeys-lfu");
        let findings = ok(state.checkup().await, "checkup");
        let worst = findings.iter().max_by_key(|one| one.level).unwrap();
        assert_eq!(worst.level, Level::Fail);
        assert!(worst.found.contains("allkeys-lfu"), "{worst:?}");
    });
}

#[test]
fn a_cluster_that_lost_slots_is_found_by_a_checkup() {
    let Some(server) = Server::start_cluster(&[]) else {
        return;
    };
    block_on(async {
        let address = format!("redis-cluster://127.0.0.1:{}", server.port);
        let state = ok(RedisState::connect(options(address)).await, "connect");
        server.ask::<()>("CLUSTER DELSLOTS 16383");
        until("the cluster knows", || {
            let info: String = server.ask("CLUSTER INFO");
            info.contains("cluster_state:fail")
        });
        let findings = ok(state.checkup().await, "checkup");
        let worst = findings.iter().max_by_key(|one| one.level).unwrap();
        assert_eq!(worst.level, Level::Fail);
        assert!(worst.found.contains("16383 of 16384"), "{worst:?}");
    });
}

#[test]
fn one_server_and_a_cluster_are_not_taken_for_each_other() {
    let Some(cluster) = Server::start(&["--cluster-enabled", "yes"]) else {
        return;
    };
    let refused = block_on(refusal(cluster.address()));
    assert!(refused.contains("redis-cluster://"), "{refused}");
}

#[test]
fn a_replica_is_refused() {
    let Some(master) = Server::start(&[]) else {
        return;
    };
    let of = format!("127.0.0.1 {}", master.port);
    let replica = Server::start(&["--replicaof", &of]).unwrap();
    let refused = block_on(refusal(replica.address()));
    assert!(refused.contains("role slave"), "{refused}");
}

#[test]
fn a_wrong_password_is_not_waited_for_and_not_repeated() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    server.ask::<()>("CONFIG SET requirepass right");
    block_on(async {
        let address = |password| format!("redis://:{password}@127.0.0.1:{}", server.port);
        let refused = refusal(address("wrong")).await;
        assert!(refused.contains("credentials"), "{refused}");
        assert!(!refused.contains("wrong"), "{refused}");
        let server = redis::Client::open(address("right")).unwrap();
        let mut info = redis::cmd("INFO");
        let errors: String = info
            .arg("errorstats")
            .query(&mut server.get_connection().unwrap())
            .unwrap();
        assert!(errors.contains("errorstat_WRONGPASS:count=1\r"), "{errors}");
        let options = options(address("right"));
        assert!(!format!("{options:?}").contains("right"));
        ok(RedisState::connect(options).await, "the right password");
    });
}

#[test]
fn a_checkup_looks_at_every_node() {
    for (variable, least) in [(ONE, 1), (CLUSTER, 6)] {
        let Some(subject) = subject(variable) else {
            return;
        };
        block_on(async {
            let state = opened(&subject).await;
            let findings = ok(state.checkup().await, "checkup");
            let nodes: std::collections::BTreeSet<_> =
                findings.iter().map(|finding| &finding.node).collect();
            assert!(nodes.len() >= least, "{findings:#?}");
            assert!(
                findings.iter().all(|one| one.level < Level::Fail),
                "{findings:#?}"
            );
            let version = findings
                .iter()
                .filter(|one| one.found.contains("noeviction"));
            assert_eq!(version.count(), nodes.len());
        });
    }
}

#[test]
fn an_address_where_nobody_listens_is_unavailable() {
    let options = RedisOptions {
        connect_timeout: std::time::Duration::from_millis(100),
        response_timeout: std::time::Duration::from_millis(100),
        ..RedisOptions::new(format!("redis://127.0.0.1:{}", crate::server::free_port()))
    };
    let error = block_on(RedisState::connect(options)).err().unwrap();
    assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
}
