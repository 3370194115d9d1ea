//! Users, TLS and access lists, on a broker that has them: `cargo xtask services up kafka-acl`.
//!
//! The default run of tests starts no such broker: without `VITRINA_TEST_KAFKA_ACL` (and `_TLS`,
//! `_CA`) these tests show nothing, and say so. Rights are given by `tests/clients/grant.py`, with
//! the Python that `VITRINA_TEST_PYTHON` names, from the very commands that `acls` prints.

use crate::fixture::{append, consumed, options as plain_options};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vitrina_kafka::{KafkaLog, KafkaOptions, KafkaSeat, Mechanism, Role, SeatOptions};
use vitrina_kafka::{Sasl, Security, Tls, acls};
use vitrina_ports::PortError;
use vitrina_ports::log::{Consumed, Consumer, EventLog};
use vitrina_ports::seat::{Assignment, Seat, TaskId};
use vitrina_ports::suite::{block_on, ok, refused};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// The broker's door without TLS; the same with TLS, and what its certificate is checked with.
const ADDRESS: &str = "VITRINA_TEST_KAFKA_ACL";
const TLS_ADDRESS: &str = "VITRINA_TEST_KAFKA_ACL_TLS";
const CA: &str = "VITRINA_TEST_KAFKA_ACL_CA";
const PYTHON: &str = "VITRINA_TEST_PYTHON";
/// Users of that broker: the one may everything, the other what it is given.
const ADMIN: (&str, &str) = ("admin", "admin-secret");
const USER: (&str, &str) = ("vitrina", "vitrina-secret");
const DEADLINE: Duration = Duration::from_secs(30);
const P0: Partition = Partition(0);

/// What a variable says; without it a line says what is not shown.
fn said(variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok();
    if value.is_none() {
        eprintln!("{variable} is not set: nothing was shown about users and rights");
    }
    value
}

fn sasl((username, password): (&str, &str), mechanism: Mechanism) -> Option<Sasl> {
    Some(Sasl {
        mechanism,
        username: username.to_owned(),
        password: password.to_owned(),
    })
}

fn options(address: &str, who: (&str, &str)) -> KafkaOptions {
    KafkaOptions {
        security: Security {
            tls: None,
            sasl: sasl(who, Mechanism::Plain),
        },
        // All topics at once are much for a small broker.
        request_timeout: DEADLINE,
        ..plain_options(address)
    }
}

#[test]
fn every_door_opens_for_who_knows_the_password() {
    let (Some(open), Some(tls), Some(ca)) = (said(ADDRESS), said(TLS_ADDRESS), said(CA)) else {
        return;
    };
    let ca = Tls {
        ca: Some(ca.into()),
        certificate: None,
    };
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha256] {
        for (address, tls) in [(&open, None), (&tls, Some(ca.clone()))] {
            let name = format!("{mechanism:?}, TLS {}", tls.is_some());
            let mut options = options(address, ADMIN);
            options.security.sasl = sasl(ADMIN, mechanism);
            options.security.tls = tls;
            block_on(async {
                let log = ok(KafkaLog::open(options.clone()).await, &name);
                let two = vec![append(Topic::UserEvents, 0, &["a", "b"])];
                ok(log.append(two).await, &name);
                let read = log.read(Topic::UserEvents, P0, 0, 100);
                assert_eq!(ok(read.await, &name).len(), 2, "{name}");
                drop(log);

                options.request_timeout = Duration::from_secs(3);
                options.security.sasl = sasl(("admin", "guess"), mechanism);
                let error = refused(KafkaLog::open(options).await.map(|_| ()), &name);
                eprintln!("{name}, a wrong password: {error}");
                let text = error.to_string();
                assert!(text.contains("uthentication"), "{text}");
                assert!(!text.contains("guess"), "{text}");
            });
        }
    }
}

#[test]
fn a_certificate_of_nobody_we_know_is_refused() {
    let Some(address) = said(TLS_ADDRESS) else {
        return;
    };
    let mut options = options(&address, ADMIN);
    options.security.tls = Some(Tls::default());
    options.request_timeout = Duration::from_secs(3);
    let error = block_on(async { refused(KafkaLog::open(options).await.map(|_| ()), "open") });
    eprintln!("{error}");
    assert!(error.to_string().contains("SSL"), "{error}");
}

/// Gives rights, or takes them away.
fn grant(python: &str, address: &str, how: &[&str], commands: &[String]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/grant.py");
    let mut child = Command::new(python)
        .arg(script)
        .args(how)
        .args([address, ADMIN.0, ADMIN.1])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for command in commands {
        writeln!(input, "{command}").unwrap();
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

/// Options of the user, who has the rights of `role` and no others; the topics are there, but for
/// whoever makes them.
fn given(role: Role) -> Option<(KafkaOptions, Vec<String>, String)> {
    let (address, python) = (said(ADDRESS)?, said(PYTHON)?);
    let mut options = options(&address, USER);
    options.topics = Topic::ALL.to_vec();
    let rights = acls(&options.prefix, role, "User:vitrina");
    if role != Role::Setup {
        let mut admin = options.clone();
        admin.security.sasl = sasl(ADMIN, Mechanism::Plain);
        block_on(async {
            let log = ok(KafkaLog::open(admin).await, "topics");
            let first = append(Topic::UserEvents, 0, &["first"]);
            ok(log.append(vec![first]).await, "first");
        });
    }
    grant(&python, &address, &[], &rights);
    Some((options, rights, python))
}

fn moved(name: &'static str, next: u64) -> Vec<Consumed> {
    let consumer = Consumer {
        name,
        source: "there".to_owned(),
    };
    vec![Consumed {
        consumer,
        expected: None,
        next,
    }]
}

async fn opened(options: &KafkaOptions) -> KafkaLog {
    ok(KafkaLog::open(options.clone()).await, "open")
}

/// Takes its tasks, and commits an output with a position.
async fn work(options: &KafkaOptions) -> Result<(), PortError> {
    let topic = Topic::UserEvents;
    let mut seat = KafkaSeat::open(options.clone(), SeatOptions::new(0, vec![topic])).await?;
    let until = Instant::now() + DEADLINE;
    let mut has_tasks = false;
    while !has_tasks {
        assert!(Instant::now() < until, "no tasks within {DEADLINE:?}");
        let changes = seat.poll().await?;
        let mut tasks = changes.iter().filter_map(|one| match one {
            Assignment::Assigned(tasks) => Some(tasks),
            _ => None,
        });
        has_tasks = tasks.any(|some| {
            some.contains(&TaskId {
                topic,
                partition: P0,
            })
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let me = seat.membership().unwrap();
    let position = consumed("user-events/0", None, 1);
    seat.send(vec![append(Topic::ProductSignals, 0, &["x"])])
        .await?;
    seat.send_positions(vec![position], &me).await?;
    seat.commit().await?;
    let who = consumed("user-events/0", None, 0).consumer;
    assert_eq!(seat.committed(&who).await?, Some(1));
    Ok(())
}

/// What each role does it may, and what another does it may not.
#[test]
fn the_rights_of_a_role_are_enough() {
    for role in Role::ALL {
        let Some((options, ..)) = given(*role) else {
            return;
        };
        block_on(async {
            let log = opened(&options).await;
            let one = |topic| vec![append(topic, 0, &["one"])];
            let two = |topic| vec![append(topic, 0, &["one", "two"])];
            let foreign = match role {
                Role::Api => {
                    ok(log.append(one(Topic::UserEvents)).await, "append");
                    ok(log.append(two(Topic::DeadLetters)).await, "append");
                    let import = log.publish(two(Topic::UserEvents), moved("import", 7), true);
                    ok(import.await, "import");
                    let read = log.read(Topic::DeadLetters, P0, 0, 100);
                    assert_eq!(ok(read.await, "read").len(), 2);
                    Topic::ProductSignals
                }
                Role::Relay => {
                    let relay = log.publish(two(Topic::ProductSignals), moved("relay", 7), true);
                    ok(relay.await, "relay");
                    let who = &moved("relay", 0)[0].consumer;
                    assert_eq!(ok(log.committed(who).await, "committed"), Some(7));
                    Topic::UserEvents
                }
                Role::Stream => {
                    ok(log.append(two(Topic::UserEvents)).await, "append");
                    let read = log.read(Topic::UserEvents, P0, 0, 100);
                    assert_eq!(ok(read.await, "read").len(), 3);
                    ok(work(&options).await, "work");
                    return;
                }
                // A second time nothing is missing, and there are positions.
                Role::Setup => {
                    let mut admin = options.clone();
                    admin.security.sasl = sasl(ADMIN, Mechanism::Plain);
                    let relay = opened(&admin).await;
                    let relay = relay.publish(Vec::new(), moved("relay", 7), true).await;
                    ok(relay, "a position");
                    drop(opened(&options).await);
                    Topic::UserEvents
                }
                Role::Train | Role::Checkpoint => {
                    let read = log.read(Topic::UserEvents, P0, 0, 100);
                    assert_eq!(ok(read.await, "read").len(), 1);
                    let who = consumed("user-events/0", None, 0).consumer;
                    assert_eq!(ok(log.committed(&who).await, "committed"), None);
                    Topic::UserEvents
                }
            };
            let error = refused(log.append(one(foreign)).await, "foreign");
            eprintln!("{role:?}: {error}");
            assert!(error.to_string().contains("whoever administers"), "{error}");
        });
    }
}

/// Each right that is not there is missed, and the error says whose turn it is.
#[test]
fn a_right_that_is_missing_is_named() {
    // What is taken away, who needs it, and what the error names.
    #[rustfmt::skip]
    let cases: &[(&str, &str)] = &[
        ("positions'",  "positions"),
        ("--group",     "group"),
        ("engine-",     "engine-0"),
        ("product-signals'", "product-signals"),
    ];
    for (taken, named) in cases {
        let Some((options, rights, python)) = given(Role::Stream) else {
            return;
        };
        let taken: Vec<String> = rights
            .into_iter()
            .filter(|one| one.contains(taken))
            .collect();
        assert_eq!(taken.len(), 1, "{taken:?}");
        grant(&python, &options.bootstrap, &["--remove"], &taken);
        let error = block_on(async {
            let done = match KafkaLog::open(options.clone()).await {
                Ok(_log) => work(&options).await,
                Err(error) => Err(error),
            };
            refused(done, named)
        });
        eprintln!("without {taken:?}: {error}");
        let text = error.to_string();
        assert!(text.contains("whoever administers"), "{text}");
        assert!(text.contains(named), "{text}");
    }
}
