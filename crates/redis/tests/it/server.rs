//! Servers of a test's own, on free ports of this machine, killed when they are dropped.

use crate::subject::is_without_services;
use redis::{Connection, FromRedisValue};
use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// After this long a server that does not answer has failed.
const DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    bus: u16,
    dir: TempDir,
    arguments: Vec<String>,
}

/// A port that nobody listens on, low enough to be one.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Looks at a condition until it holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < DEADLINE,
            "{what}: not within {DEADLINE:?}"
        );
        std::thread::sleep(PAUSE);
    }
}

impl Server {
    /// Starts a server that keeps nothing but what `arguments` say; `None` without services.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        if is_without_services() {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let (port, bus) = (free_port(), free_port());
        let arguments: Vec<String> = arguments.iter().map(|&one| one.into()).collect();
        let child = spawn(port, bus, &dir, &arguments);
        let server = Self {
            child,
            port,
            bus,
            dir,
            arguments,
        };
        server.answers();
        Some(server)
    }

    /// Starts a cluster of one node; `None` without services.
    pub(crate) fn start_cluster(arguments: &[&str]) -> Option<Self> {
        let server = Self::start(&[&["--cluster-enabled", "yes"], arguments].concat())?;
        server.ask::<()>("CLUSTER ADDSLOTSRANGE 0 16383");
        until("the cluster is up", || {
            let state: String = server.ask("CLUSTER INFO");
            state.contains("cluster_state:ok")
        });
        Some(server)
    }

    pub(crate) fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// As `CLUSTER MEET` takes it.
    pub(crate) fn meeting_point(&self) -> String {
        format!("127.0.0.1 {} {}", self.port, self.bus)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command, its words apart by spaces.
    pub(crate) fn ask<T: FromRedisValue>(&self, command: &str) -> T {
        self.try_ask(command).unwrap()
    }

    pub(crate) fn try_ask<T: FromRedisValue>(&self, command: &str) -> redis::RedisResult<T> {
        let mut words = command.split(' ');
        let mut built = redis::cmd(words.next().unwrap());
        for word in words {
            built.arg(word);
        }
        built.query(&mut self.connection()?)
    }

    fn connection(&self) -> redis::RedisResult<Connection> {
        redis::Client::open(self.address())?.get_connection_with_timeout(DEADLINE)
    }

    /// Calls of a command since the server started.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let all: String = self.ask("INFO commandstats");
        let start = format!("cmdstat_{command}:calls=");
        let line = all.lines().find_map(|line| line.strip_prefix(&start));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it as a power cut would end the process.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on what it left.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.port, self.bus, &self.dir, &self.arguments);
        self.answers();
    }

    fn answers(&self) {
        until("redis-server answers", || {
            self.try_ask::<String>("PING").is_ok()
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, bus: u16, dir: &TempDir, arguments: &[String]) -> Child {
    let (port, bus) = (port.to_string(), bus.to_string());
    let mut command = Command::new("redis-server");
    command.current_dir(dir.path()).stdout(Stdio::null());
    command.args(["--port", &port, "--cluster-port", &bus]);
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    // A replica need not wait for others that might come.
    command.args(["--repl-diskless-sync-delay", "0"]);
    let child = command.args(arguments).spawn();
    child.unwrap_or_else(|error| {
        panic!("redis-server: {error}; install it, or VITRINA_WITHOUT_SERVICES=1 to test without")
    })
}
