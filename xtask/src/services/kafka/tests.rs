//! What is written for brokers, word for word.

use super::*;

fn site(kafka: &Kafka, engine: Engine) -> Site {
    Site {
        root: "/w".into(),
        folder: Path::new("/w/target/services").join(kafka.name),
        ports: (1..).take(kafka.port_count()).collect(),
        engine,
    }
}

const SINGLE_PROPERTIES: &str = "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:2
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2
advertised.listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2
inter.broker.listener.name=PLAINTEXT
log.dirs=/w/target/services/kafka/broker-1/data
auto.create.topics.enable=false
num.partitions=4
default.replication.factor=1
min.insync.replicas=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=6000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
";

#[test]
fn properties_of_the_single_broker() {
    let text = SINGLE
        .properties(&site(&SINGLE, Engine::Native), 0)
        .unwrap();
    assert_eq!(text, SINGLE_PROPERTIES);
}

/// Asserts that a text has all these lines.
fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            text.lines().any(|have| have == *line),
            "no {line} in\n{text}"
        );
    }
}

#[test]
fn three_brokers_keep_three_copies_and_write_to_two() {
    let text = CLUSTER
        .properties(&site(&CLUSTER, Engine::Native), 2)
        .unwrap();
    assert_lines(
        &text,
        &[
            "node.id=3",
            "controller.quorum.voters=1@127.0.0.1:2,2@127.0.0.1:4,3@127.0.0.1:6",
            "listeners=PLAINTEXT://127.0.0.1:5,CONTROLLER://127.0.0.1:6",
            "log.dirs=/w/target/services/kafka3/broker-3/data",
            "default.replication.factor=3",
            "min.insync.replicas=2",
            "offsets.topic.replication.factor=3",
            "transaction.state.log.replication.factor=3",
            "transaction.state.log.min.isr=2",
            "share.coordinator.state.topic.min.isr=2",
        ],
    );
}

#[test]
fn nobody_comes_in_unknown_where_there_are_users() {
    let site = site(&SECURED, Engine::Native);
    let text = SECURED.properties(&site, 0).unwrap();
    assert_lines(
        &text,
        &[
            "listeners=SASL_PLAINTEXT://127.0.0.1:1,SASL_SSL://127.0.0.1:2,CONTROLLER://127.0.0.1:3",
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users=User:admin",
            "allow.everyone.if.no.acl.found=false",
            "ssl.keystore.location=/w/target/services/kafka-acl/keystore.pem",
        ],
    );
    assert!(!text.contains(":PLAINTEXT"), "{text}");
    let format = SECURED.format_arguments(Path::new("p")).join(" ");
    assert!(
        format.contains("--add-scram SCRAM-SHA-256=[name=vitrina,password="),
        "{format}"
    );
}

#[test]
fn in_a_container_everything_is_listened_on_and_the_loopback_is_told() {
    let site = site(&SINGLE, Engine::Docker);
    let text = SINGLE.properties(&site, 0).unwrap();
    assert_lines(
        &text,
        &[
            "listeners=PLAINTEXT://0.0.0.0:1,CONTROLLER://0.0.0.0:2",
            "advertised.listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2",
        ],
    );
    let [node] = SINGLE.nodes(&site).unwrap().try_into().unwrap();
    assert_eq!(
        node.argv,
        [
            "sh",
            "-c",
            "/opt/kafka/bin/kafka-storage.sh 'format' '--ignore-formatted' '--cluster-id' \
             'dml0cmluYS1zZXJ2aWNlcw' '--config' \
             '/w/target/services/kafka/broker-1/server.properties' && exec \
             /opt/kafka/bin/kafka-server-start.sh \
             '/w/target/services/kafka/broker-1/server.properties'",
        ]
    );
}

#[test]
fn variables_name_every_broker() {
    let cluster = CLUSTER.variables(&site(&CLUSTER, Engine::Native));
    let want = "127.0.0.1:1,127.0.0.1:3,127.0.0.1:5".to_owned();
    assert_eq!(cluster, [("VITRINA_TEST_KAFKA3", want)]);
    let secured = SECURED.variables(&site(&SECURED, Engine::Native));
    let names: Vec<&str> = secured.iter().map(|(name, _)| *name).collect();
    #[rustfmt::skip]
    let want = ["VITRINA_TEST_KAFKA_ACL", "VITRINA_TEST_KAFKA_ACL_TLS", "VITRINA_TEST_KAFKA_ACL_CA"];
    assert_eq!(names, want);
}

/// The image and the jars are one version.
#[test]
fn the_image_is_what_the_pom_fetches() {
    let pom = crate::cargo::workspace_root().join("tools/kafka/pom.xml");
    let pom = std::fs::read_to_string(pom).unwrap();
    let version = IMAGE.strip_prefix("apache/kafka:").unwrap();
    assert!(
        pom.contains(&format!("<kafka.version>{version}</kafka.version>")),
        "{pom}"
    );
}
