//! The properties of one broker.

use std::fmt::Write;

/// User and password of who may everything; tests only, and on the loopback only.
pub(super) const ADMIN: (&str, &str) = ("admin", "admin-secret");

/// User and password of who may nothing until an access list says so.
pub(super) const USER: (&str, &str) = ("vitrina", "vitrina-secret");

/// Partitions of a topic whose maker does not say, and of Kafka's own topics: with the usual 50
/// the first transaction waits many seconds for them.
const PARTITIONS: usize = 4;

/// Copies of a partition, where there are as many brokers.
const REPLICAS_MAX: usize = 3;

/// The shortest session a consumer may ask for; short, because tests wait for it.
const SESSION_MS_MIN: u32 = 1_000;

/// A broker that was silent this long is no longer one, and a killed one may not come back before;
/// tests wait for it. Not shorter: a busy machine is silent too.
const BROKER_SESSION_MS: u32 = 6_000;

/// Between two looks for transactions that took too long.
const OVERDUE_TRANSACTIONS_MS: u32 = 1_000;

/// One broker, a controller as well.
pub(super) struct Broker<'a> {
    /// From 1.
    pub(super) id: usize,
    /// The address to listen on.
    pub(super) listen: &'a str,
    /// Ports of all controllers, by broker.
    pub(super) controllers: &'a [u16],
    pub(super) doors: Doors,
    /// Folder of the broker.
    pub(super) folder: &'a str,
}

/// How clients come in.
pub(super) enum Doors {
    /// Without a word.
    Open { port: u16 },
    /// With user and password, on two ports, and by access lists.
    Users {
        plaintext_port: u16,
        tls_port: u16,
        /// PEM file of the key and its certificate.
        keystore: String,
    },
}

impl Broker<'_> {
    /// The text of `server.properties`.
    pub(super) fn properties(&self) -> String {
        let mut out = String::new();
        let mut set = |key: &str, value: &dyn std::fmt::Display| {
            // A String never refuses to be written to.
            let _ = writeln!(out, "{key}={value}");
        };
        set("process.roles", &"broker,controller");
        set("node.id", &self.id);
        set("controller.quorum.voters", &self.voters());
        set("controller.listener.names", &"CONTROLLER");
        self.set_doors(&mut set);
        set("log.dirs", &format_args!("{}/data", self.folder));
        set("auto.create.topics.enable", &false);

        let replicas = self.controllers.len().min(REPLICAS_MAX);
        // All but one, so that one broker may be away.
        let in_sync = replicas.saturating_sub(1).max(1);
        set("num.partitions", &PARTITIONS);
        set("default.replication.factor", &replicas);
        set("min.insync.replicas", &in_sync);
        // The topic of offsets has the minimum of every topic.
        for (topic, has_minimum) in [
            ("offsets.topic", false),
            ("transaction.state.log", true),
            ("share.coordinator.state.topic", true),
        ] {
            set(&format!("{topic}.num.partitions"), &PARTITIONS);
            set(&format!("{topic}.replication.factor"), &replicas);
            if has_minimum {
                set(&format!("{topic}.min.isr"), &in_sync);
            }
        }
        set("broker.session.timeout.ms", &BROKER_SESSION_MS);
        set("group.initial.rebalance.delay.ms", &0);
        set("group.min.session.timeout.ms", &SESSION_MS_MIN);
        set(
            "transaction.abort.timed.out.transaction.cleanup.interval.ms",
            &OVERDUE_TRANSACTIONS_MS,
        );
        out
    }

    fn voters(&self) -> String {
        let voter = |(at, port): (usize, &u16)| format!("{}@127.0.0.1:{port}", at + 1);
        let voters: Vec<String> = self.controllers.iter().enumerate().map(voter).collect();
        voters.join(",")
    }

    fn set_doors(&self, set: &mut dyn FnMut(&str, &dyn std::fmt::Display)) {
        let listen = self.listen;
        let own = self
            .id
            .checked_sub(1)
            .and_then(|at| self.controllers.get(at));
        // A broker is always among its controllers; port 0 would be any.
        let controller = own.copied().unwrap_or(0);
        match &self.doors {
            Doors::Open { port } => {
                let map = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT";
                set("listener.security.protocol.map", &map);
                let listeners =
                    format!("PLAINTEXT://{listen}:{port},CONTROLLER://{listen}:{controller}");
                set("listeners", &listeners);
                let advertised =
                    format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
                set("advertised.listeners", &advertised);
                set("inter.broker.listener.name", &"PLAINTEXT");
            }
            Doors::Users {
                plaintext_port,
                tls_port,
                keystore,
            } => {
                let map =
                    "CONTROLLER:SASL_PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL";
                set("listener.security.protocol.map", &map);
                let listeners = |at: &str| {
                    format!(
                        "SASL_PLAINTEXT://{at}:{plaintext_port},SASL_SSL://{at}:{tls_port},\
                         CONTROLLER://{at}:{controller}"
                    )
                };
                set("listeners", &listeners(listen));
                set("advertised.listeners", &listeners("127.0.0.1"));
                set("inter.broker.listener.name", &"SASL_PLAINTEXT");
                set("ssl.keystore.type", &"PEM");
                set("ssl.keystore.location", keystore);
                set_users(set);
            }
        }
    }
}

/// Who may come, and what they may.
fn set_users(set: &mut dyn FnMut(&str, &dyn std::fmt::Display)) {
    let ((admin, admin_password), (user, user_password)) = (ADMIN, USER);
    let plain = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required \
         username=\"{admin}\" password=\"{admin_password}\" \
         user_{admin}=\"{admin_password}\" user_{user}=\"{user_password}\";"
    );
    // Its users are kept by the cluster; they come with the format of the storage.
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    set("sasl.enabled.mechanisms", &"PLAIN,SCRAM-SHA-256");
    set("sasl.mechanism.inter.broker.protocol", &"PLAIN");
    set("sasl.mechanism.controller.protocol", &"PLAIN");
    for listener in ["controller", "sasl_plaintext", "sasl_ssl"] {
        let name = format!("listener.name.{listener}");
        set(&format!("{name}.plain.sasl.jaas.config"), &plain);
        set(&format!("{name}.scram-sha-256.sasl.jaas.config"), &scram);
    }
    set(
        "authorizer.class.name",
        &"org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    );
    set("super.users", &format_args!("User:{admin}"));
    set("allow.everyone.if.no.acl.found", &false);
}
