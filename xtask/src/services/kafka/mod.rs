//! Apache Kafka without ZooKeeper: one broker, three, or one that asks who is there.
//!
//! The jars come from `tools/kafka/pom.xml` by Maven, once. Every broker is a controller too.

mod certificate;
mod properties;
mod wire;

use super::kind::Kind;
use super::packages::Program;
use super::site::{Engine, Node, Site, text};
use crate::cargo;
use anyhow::{Context, Result, bail, ensure};
use properties::{Broker, Doors};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Of every cluster: 16 bytes in base64, by chance legible ones.
const CLUSTER_ID: &str = "dml0cmluYS1zZXJ2aWNlcw";

/// The folder of the jars, beside those of the services.
const LIBS: &str = "kafka-libs";

/// The Kafka of the image, the same as `tools/kafka/pom.xml` has.
const IMAGE: &str = "apache/kafka:4.1.1";

/// Where the image keeps its programs.
const IMAGE_PROGRAMS: &str = "/opt/kafka/bin";

/// A Kafka of so many brokers.
pub(super) struct Kafka {
    name: &'static str,
    variable: &'static str,
    broker_count: usize,
    is_secured: bool,
}

/// One broker that lets everybody in.
pub(super) const SINGLE: Kafka = Kafka {
    name: "kafka",
    variable: "VITRINA_TEST_KAFKA",
    broker_count: 1,
    is_secured: false,
};

/// Three brokers: every partition three times, written when two have it.
pub(super) const CLUSTER: Kafka = Kafka {
    name: "kafka3",
    variable: "VITRINA_TEST_KAFKA3",
    broker_count: 3,
    is_secured: false,
};

/// One broker with users, access lists and TLS. User `admin` may everything, user `vitrina`
/// what `admin` gives it; passwords are [`properties::ADMIN`] and [`properties::USER`]. Both may
/// come by PLAIN and by SCRAM-SHA-256.
pub(super) const SECURED: Kafka = Kafka {
    name: "kafka-acl",
    variable: "VITRINA_TEST_KAFKA_ACL",
    broker_count: 1,
    is_secured: true,
};

impl Kafka {
    /// Ports that each broker listens on, the one for controllers last.
    fn ports_each(&self) -> usize {
        if self.is_secured { 3 } else { 2 }
    }

    fn port(site: &Site, at: usize) -> Result<u16> {
        let port = site.ports.get(at);
        port.copied().context("a broker without a port")
    }

    fn properties(&self, site: &Site, broker: usize) -> Result<String> {
        let each = self.ports_each();
        let first = broker * each;
        let mut controllers = Vec::new();
        for other in 0..self.broker_count {
            controllers.push(Self::port(site, other * each + each - 1)?);
        }
        let port = Self::port(site, first)?;
        let doors = if self.is_secured {
            Doors::Users {
                plaintext_port: port,
                tls_port: Self::port(site, first + 1)?,
                keystore: text(&site.folder.join(certificate::KEYSTORE)),
            }
        } else {
            Doors::Open { port }
        };
        let broker = Broker {
            id: broker + 1,
            listen: site.listen(),
            controllers: &controllers,
            doors,
            folder: &text(&site.node_folder(&name_of(broker))),
        };
        Ok(broker.properties())
    }

    /// Addresses that clients begin with.
    fn addresses(&self, site: &Site) -> Vec<String> {
        let first = |broker| site.address(broker * self.ports_each());
        (0..self.broker_count).map(first).collect()
    }

    /// Makes the storage of brokers that have none yet. Both programs leave other storage alone.
    fn format_native(&self, site: &Site) -> Result<()> {
        let mut running = Vec::new();
        for broker in 0..self.broker_count {
            let folder = site.node_folder(&name_of(broker));
            if folder.join("data/meta.properties").is_file() {
                continue;
            }
            let mut command = java(site);
            command
                .arg("kafka.tools.StorageTool")
                .args(self.format_arguments(&folder.join("server.properties")))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let child = command.spawn().context("could not start java")?;
            running.push((cargo::describe(&command), child));
        }
        for (line, child) in running {
            let done = child.wait_with_output()?;
            if !done.status.success() {
                let said = String::from_utf8_lossy(&done.stdout);
                let complaints = String::from_utf8_lossy(&done.stderr);
                bail!("{line} failed: {}\n{}", said.trim(), complaints.trim());
            }
        }
        Ok(())
    }

    fn format_arguments(&self, properties: &Path) -> Vec<String> {
        // Voters are in the properties; with them, format takes no option for controllers.
        let mut arguments: Vec<String> = ["format", "--ignore-formatted", "--cluster-id"]
            .map(str::to_owned)
            .into();
        arguments.extend([
            CLUSTER_ID.to_owned(),
            "--config".to_owned(),
            text(properties),
        ]);
        if self.is_secured {
            for (user, password) in [properties::ADMIN, properties::USER] {
                let login = format!("SCRAM-SHA-256=[name={user},password={password}]");
                arguments.extend(["--add-scram".to_owned(), login]);
            }
        }
        arguments
    }
}

fn name_of(broker: usize) -> String {
    format!("broker-{}", broker + 1)
}

impl Kind for Kafka {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_default(&self) -> bool {
        !self.is_secured
    }

    fn programs(&self) -> &'static [Program] {
        const JAVA: Program = Program {
            command: "java",
            package: "default-jre-headless",
        };
        const MAVEN: Program = Program {
            command: "mvn",
            package: "maven",
        };
        const OPENSSL: Program = Program {
            command: "openssl",
            package: "openssl",
        };
        if self.is_secured {
            &[JAVA, MAVEN, OPENSSL]
        } else {
            &[JAVA, MAVEN]
        }
    }

    fn image(&self) -> &'static str {
        IMAGE
    }

    fn port_count(&self) -> usize {
        self.broker_count * self.ports_each()
    }

    fn variables(&self, site: &Site) -> Vec<(&'static str, String)> {
        let mut variables = vec![(self.variable, self.addresses(site).join(","))];
        if self.is_secured {
            let certificate = text(&site.folder.join(certificate::CERTIFICATE));
            variables.push(("VITRINA_TEST_KAFKA_ACL_TLS", site.address(1)));
            variables.push(("VITRINA_TEST_KAFKA_ACL_CA", certificate));
        }
        variables
    }

    fn prepare(&self, site: &Site) -> Result<()> {
        if self.is_secured {
            certificate::make(&site.folder)?;
        }
        for broker in 0..self.broker_count {
            let folder = site.make_node_folder(&name_of(broker))?;
            let properties = self.properties(site, broker)?;
            std::fs::write(folder.join("server.properties"), properties)?;
        }
        match site.engine {
            Engine::Native => {
                fetch(&site.root, &libs(site))?;
                self.format_native(site)
            }
            // A container formats before it starts.
            Engine::Docker => Ok(()),
        }
    }

    fn nodes(&self, site: &Site) -> Result<Vec<Node>> {
        let node = |broker| {
            let name = name_of(broker);
            let properties = site.node_folder(&name).join("server.properties");
            let argv = match site.engine {
                Engine::Native => native_argv(site, &properties),
                Engine::Docker => self.container_argv(&properties),
            };
            Node {
                name,
                argv,
                account: None,
            }
        };
        Ok((0..self.broker_count).map(node).collect())
    }

    fn check(&self, site: &Site) -> Result<()> {
        let login = self.is_secured.then_some(properties::ADMIN);
        for address in self.addresses(site) {
            let brokers = wire::brokers(&address, login)?;
            ensure!(
                brokers == self.broker_count,
                "{address} knows {brokers} brokers of {}",
                self.broker_count
            );
        }
        if self.is_secured {
            certificate::check(&site.folder, &site.address(1))?;
        }
        Ok(())
    }
}

impl Kafka {
    /// What a container runs: formats, then becomes the broker.
    fn container_argv(&self, properties: &Path) -> Vec<String> {
        let quote = |word: &String| format!("'{word}'");
        let format: Vec<String> = self
            .format_arguments(properties)
            .iter()
            .map(quote)
            .collect();
        let script = format!(
            "{IMAGE_PROGRAMS}/kafka-storage.sh {} && exec {IMAGE_PROGRAMS}/kafka-server-start.sh '{}'",
            format.join(" "),
            text(properties)
        );
        vec!["sh".to_owned(), "-c".to_owned(), script]
    }
}

/// A Java virtual machine with Kafka's jars, small and quick to start.
fn java_argv(site: &Site) -> Vec<String> {
    let logging = site.root.join("tools/kafka/log4j2.xml");
    vec![
        "java".to_owned(),
        "-Xms64m".to_owned(),
        "-Xmx512m".to_owned(),
        "-XX:+UseSerialGC".to_owned(),
        // The first compiler only: a broker of tests does not live long enough for the second.
        "-XX:TieredStopAtLevel=1".to_owned(),
        format!("-Dlog4j2.configurationFile={}", text(&logging)),
        "-cp".to_owned(),
        text(&libs(site).join("*")),
    ]
}

fn java(site: &Site) -> Command {
    let argv = java_argv(site);
    let mut command = Command::new("java");
    command.args(argv.get(1..).unwrap_or_default());
    command
}

fn native_argv(site: &Site, properties: &Path) -> Vec<String> {
    let mut argv = java_argv(site);
    argv.extend(["kafka.Kafka".to_owned(), text(properties)]);
    argv
}

fn libs(site: &Site) -> PathBuf {
    site.shared().join(LIBS)
}

/// Fetches the jars unless those of this very pom are there.
fn fetch(root: &Path, libs: &Path) -> Result<()> {
    let pom = root.join("tools/kafka/pom.xml");
    let wanted = std::fs::read_to_string(&pom).context("tools/kafka/pom.xml")?;
    let fetched = libs.join("fetched.xml");
    if std::fs::read_to_string(&fetched).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    if libs.is_dir() {
        // Two versions of a jar on one class path are worse than none.
        std::fs::remove_dir_all(libs)?;
    }
    let mut maven = Command::new("mvn");
    maven
        .args(["--quiet", "--batch-mode", "-Dstyle.color=never", "--file"])
        .arg(&pom)
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", libs.display()))
        .stdin(Stdio::null());
    cargo::run(&mut maven).context("the jars of Kafka could not be fetched")?;
    // Written last: an interrupted fetch is not mistaken for a whole one.
    std::fs::write(&fetched, wanted)?;
    Ok(())
}

#[cfg(test)]
mod tests;
