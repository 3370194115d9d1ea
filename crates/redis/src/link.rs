//! The connection to one server or to a cluster: every call within its time, none sent twice by
//! us.
//!
//! On one server a call is sent once. The client of a cluster may send it again, when a slot moved
//! or a connection broke; commits carry a token for that.

use crate::address::Address;
use crate::failure::{connect_error, is_unknown_script, late, port_error, unavailable};
use crate::scripts::Code;
use crate::{RedisOptions, address};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, Value};
use std::time::Duration;
use tokio::time::timeout;
use vitrina_ports::PortError;

/// Attempts to connect again, within the time of a call; the next call begins anew.
const RECONNECTS_MAX: u32 = 16;
/// The longest pause between two attempts, in milliseconds.
const RECONNECT_PAUSE_MAX_MS: u64 = 500;
/// The shortest pause between two attempts, in milliseconds.
const RECONNECT_PAUSE_MIN_MS: u64 = 10;
/// A connection that is silent for so long is asked whether it still is one.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Calls that may wait to be written to one connection.
const CALLS_QUEUED_MAX: usize = 1_024;

/// A connection that is cheap to clone; clones share it.
#[derive(Clone)]
pub(crate) struct Link {
    to: To,
    limit: Duration,
}

#[derive(Clone)]
enum To {
    Server(ConnectionManager),
    Cluster(ClusterConnection),
}

impl Link {
    /// Connects, within the time of a connection and of a call.
    ///
    /// # Errors
    /// `Invalid` for the address or the credentials; `Unavailable`.
    pub(crate) async fn open(options: &RedisOptions) -> Result<Self, PortError> {
        let address = address::parse(&options.address)?;
        choose_cryptography();
        let limit = options.connect_timeout + options.response_timeout;
        let connecting = async {
            knock(&address, options).await?;
            match address.is_cluster {
                true => to_cluster(address, options).await,
                false => to_server(address, options).await,
            }
        };
        let to = timeout(limit, connecting).await.map_err(|_| late(limit))?;
        Ok(Self {
            to: to.map_err(|error| connect_error(&error))?,
            limit: options.response_timeout,
        })
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.to, To::Cluster(_))
    }

    /// Sends one command to the node of its key.
    ///
    /// # Errors
    /// `Full`, `Unavailable`.
    pub(crate) async fn ask(&self, command: &Cmd) -> Result<Value, PortError> {
        let answer = timeout(self.limit, self.send(command)).await;
        let answer = answer.map_err(|_| late(self.limit))?;
        answer.map_err(|error| port_error(&error))
    }

    /// Runs a script; `arguments` adds what follows the script itself.
    ///
    /// # Errors
    /// `Full`, `Unavailable`.
    pub(crate) async fn run(
        &self,
        code: &Code,
        arguments: impl Fn(&mut Cmd),
    ) -> Result<Value, PortError> {
        let built = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            arguments(command.arg(script));
            command
        };
        let running = async {
            match self.send(&built("EVALSHA", &code.hash)).await {
                // A server that has restarted or was a replica does not know it, and ran nothing.
                Err(error) if is_unknown_script(&error) => {
                    self.send(&built("EVAL", code.text)).await
                }
                answered => answered,
            }
        };
        let answer = timeout(self.limit, running).await;
        let answer = answer.map_err(|_| late(self.limit))?;
        answer.map_err(|error| port_error(&error))
    }

    /// Sends one command to every node, replicas too, and answers in the order of their names.
    ///
    /// # Errors
    /// `Unavailable` when one of them does not answer.
    pub(crate) async fn ask_all(&self, command: &Cmd) -> Result<Vec<(String, Value)>, PortError> {
        let To::Cluster(cluster) = &self.to else {
            return Ok(vec![("the server".to_owned(), self.ask(command).await?)]);
        };
        let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllNodes, None));
        let mut cluster = cluster.clone();
        let answer = timeout(
            self.limit,
            cluster.route_command(command.clone(), everywhere),
        );
        let answer = answer.await.map_err(|_| late(self.limit))?;
        let Value::Map(answers) = answer.map_err(|error| port_error(&error))? else {
            return Err(unavailable("the nodes gave no answer each".to_owned()));
        };
        let named = answers.into_iter().map(|(node, answer)| {
            let node = redis::from_redis_value(node).map_err(|error| port_error(&error.into()))?;
            Ok((node, answer))
        });
        let mut answers = named.collect::<Result<Vec<(String, Value)>, PortError>>()?;
        answers.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(answers)
    }

    async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        match &self.to {
            To::Server(server) => command.query_async(&mut server.clone()).await,
            To::Cluster(cluster) => command.query_async(&mut cluster.clone()).await,
        }
    }
}

/// Connects to the first node that is there. What follows tries again and again whatever the
/// reason, and a wrong password is none to wait for.
async fn knock(address: &Address, options: &RedisOptions) -> Result<(), RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(options.connect_timeout))
        .set_response_timeout(Some(options.response_timeout));
    let mut result = Ok(());
    for node in &address.nodes {
        let client = Client::open(node.clone())?;
        let opened = client.get_multiplexed_async_connection_with_config(&config);
        match opened.await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::AuthenticationFailed => return Err(error),
            Err(error) => result = Err(error),
        }
    }
    result
}

async fn to_server(address: Address, options: &RedisOptions) -> Result<To, RedisError> {
    let Some(node) = address.nodes.into_iter().next() else {
        return Err(RedisError::from(std::io::Error::other("no address")));
    };
    let client = Client::open(node.set_tcp_settings(tcp(options)))?;
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(options.connect_timeout))
        .set_response_timeout(Some(options.response_timeout))
        .set_number_of_retries(RECONNECTS_MAX as usize)
        .set_min_delay(Duration::from_millis(RECONNECT_PAUSE_MIN_MS))
        .set_max_delay(Duration::from_millis(RECONNECT_PAUSE_MAX_MS))
        .set_pipeline_buffer_size(CALLS_QUEUED_MAX);
    let server = ConnectionManager::new_with_config(client, config).await?;
    Ok(To::Server(server))
}

async fn to_cluster(address: Address, options: &RedisOptions) -> Result<To, RedisError> {
    // Reads go to masters: a replica may be behind its own position.
    let client = ClusterClientBuilder::new(address.nodes)
        .connection_timeout(options.connect_timeout)
        .response_timeout(options.response_timeout)
        .retries(RECONNECTS_MAX)
        .min_retry_wait(RECONNECT_PAUSE_MIN_MS)
        .max_retry_wait(RECONNECT_PAUSE_MAX_MS)
        .tcp_settings(tcp(options))
        .build()?;
    Ok(To::Cluster(client.get_async_connection().await?))
}

fn tcp(options: &RedisOptions) -> TcpSettings {
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE));
    // A machine that is gone closes nothing: without this, its connection would be used for as
    // long as the system sends again, a quarter of an hour.
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(options.response_timeout);
    #[cfg(not(target_os = "linux"))]
    let _ = options;
    settings
}

/// TLS needs a choice when several implementations are linked in. Whoever chose first is right.
fn choose_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
