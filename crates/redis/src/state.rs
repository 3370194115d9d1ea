//! The port: reads in one command, commits in one script.

use crate::failure::{damaged, unavailable};
use crate::link::Link;
use crate::names::{Keys, Names, POSITION_FIELD, Tokens};
use crate::node::{self, Finding};
use crate::scripts::Scripts;
use crate::waiting::{POLL_MAX, POLL_MIN, Waiting};
use crate::{PORT, RedisOptions};
use bytes::Bytes;
use futures_util::future::join_all;
use redis::{Cmd, Value};
use std::sync::Arc;
use tokio::task::JoinHandle;
use vitrina_ports::log::Offset;
use vitrina_ports::state::{
    Commit, StatePartition, StateStore, Versioned, check_commit, check_keys,
};
use vitrina_ports::{PortError, PortFuture};

/// Changes of one commit. It runs inside Redis while nobody else is served, about 1 µs a change.
pub const COMMIT_CHANGES_MAX: usize = 250_000;
/// Bytes of keys and values of one commit: Redis holds a command twice while a script runs, and
/// drops a client that sends more than 1 GiB.
pub const COMMIT_BYTES_MAX: usize = 256 * 1_024 * 1_024;
/// Pairs of one scan. It runs inside Redis while nobody else is served.
pub const SCAN_PAIRS_MAX: usize = 10_000;

/// State on Redis or on a Redis Cluster. Dropping it ends its connections.
pub struct RedisState {
    shared: Arc<Shared>,
    tokens: Tokens,
    scripts: Scripts,
    asking: JoinHandle<()>,
}

struct Shared {
    link: Link,
    names: Names,
    waiting: Waiting,
}

impl RedisState {
    /// Connects and looks at every node before anything is written. Called inside a runtime of
    /// tokio, which must have its timers and sockets enabled.
    ///
    /// # Errors
    /// `Invalid` for an address, prefix or credentials that are not taken, and for a server that
    /// must not hold state: older than version 7, a replica, one that evicts keys, or a cluster
    /// where one server is meant (or the other way round); `TooLarge`; `Unavailable`.
    pub async fn connect(options: RedisOptions) -> Result<Self, PortError> {
        let names = Names::new(&options.prefix)?;
        let link = Link::open(&options).await?;
        node::refuse_unfit(&link).await?;
        let shared = Arc::new(Shared {
            link,
            names,
            waiting: Waiting::default(),
        });
        Ok(Self {
            asking: tokio::spawn(ask_for_positions(Arc::clone(&shared))),
            shared,
            tokens: Tokens::new(),
            scripts: Scripts::new(),
        })
    }

    /// What is good, doubtful or wrong with the servers and their settings, for a person.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn checkup(&self) -> Result<Vec<Finding>, PortError> {
        node::checkup(&self.shared.link).await
    }

    async fn apply(&self, commit: Commit) -> Result<(), PortError> {
        check_commit(&commit)?;
        check_size(&commit)?;
        let (partition, next) = (commit.partition, commit.next);
        let keys = self.shared.names.keys(partition);
        let token = self.tokens.next();
        let arguments = |command: &mut Cmd| add_commit(command, &keys, &commit, &token);
        let code = &self.scripts.commit;
        match self.shared.link.run(code, arguments).await? {
            Value::Int(1) => {
                self.shared.waiting.tell(partition, next);
                Ok(())
            }
            Value::BulkString(found) => match offset(&found) {
                Some(found) => Err(commit.mismatch(found)),
                None => Err(damaged("position or key index", partition)),
            },
            other => Err(unexpected(&other)),
        }
    }

    async fn page(
        &self,
        partition: StatePartition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Versioned<Vec<(String, Bytes)>>, PortError> {
        if limit > SCAN_PAIRS_MAX {
            return Err(PortError::TooLarge {
                what: "pairs of a scan",
                got: limit,
                limit: SCAN_PAIRS_MAX,
            });
        }
        let keys = self.shared.names.keys(partition);
        let first = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        let arguments = |command: &mut Cmd| {
            let two = command.arg(2).arg(&keys.values).arg(&keys.index);
            two.arg(&first).arg(limit);
        };
        let code = &self.scripts.scan;
        let answer = match self.shared.link.run(code, arguments).await? {
            Value::Array(answer) => answer,
            Value::BulkString(_) => return Err(damaged("key index", partition)),
            other => return Err(unexpected(&other)),
        };
        let mut answer = answer.into_iter();
        let position = position(answer.next(), partition)?;
        let mut values = Vec::with_capacity(answer.len() / 2);
        while let (Some(key), Some(value)) = (answer.next(), answer.next()) {
            let (Value::BulkString(key), Value::BulkString(value)) = (key, value) else {
                return Err(damaged("key index", partition));
            };
            let key = String::from_utf8(key).map_err(|_| damaged("key", partition))?;
            values.push((key, value.into()));
        }
        Ok(Versioned { position, values })
    }
}

impl StateStore for RedisState {
    fn get_many<'a>(
        &'a self,
        partition: StatePartition,
        keys: &'a [String],
    ) -> PortFuture<'a, Versioned<Vec<Option<Bytes>>>> {
        Box::pin(async move {
            check_keys(keys)?;
            self.shared.read(partition, keys).await
        })
    }

    fn commit(&self, commit: Commit) -> PortFuture<'_, ()> {
        Box::pin(self.apply(commit))
    }

    /// `TooLarge` above [`SCAN_PAIRS_MAX`].
    fn scan<'a>(
        &'a self,
        partition: StatePartition,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Versioned<Vec<(String, Bytes)>>> {
        Box::pin(self.page(partition, after, limit))
    }

    /// Fails when the position cannot be read at first; an outage after that is waited through.
    fn reached(&self, partition: StatePartition, wanted: Offset) -> PortFuture<'_, ()> {
        Box::pin(async move {
            // Entered before the position is read, so that no commit falls between the two.
            let mut waiter = self.shared.waiting.enter(partition);
            let now = self.shared.read(partition, &[]).await?.position;
            if now >= wanted || waiter.until(wanted).await {
                return Ok(());
            }
            Err(PortError::Closed { port: PORT })
        })
    }
}

impl Drop for RedisState {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

impl Shared {
    /// The position and values, in one command on one key.
    async fn read(
        &self,
        partition: StatePartition,
        keys: &[String],
    ) -> Result<Versioned<Vec<Option<Bytes>>>, PortError> {
        let at = self.names.keys(partition);
        let mut command = redis::cmd("HMGET");
        command.arg(&at.values).arg(POSITION_FIELD).arg(keys);
        let answer = match self.link.ask(&command).await? {
            Value::Array(answer) if answer.len() == keys.len() + 1 => answer,
            other => return Err(unexpected(&other)),
        };
        let mut answer = answer.into_iter();
        let position = position(answer.next(), partition)?;
        let values = answer.map(|value| match value {
            Value::Nil => Ok(None),
            Value::BulkString(value) => Ok(Some(value.into())),
            other => Err(unexpected(&other)),
        });
        let values = values.collect::<Result<_, _>>()?;
        Ok(Versioned { position, values })
    }
}

/// Asks for the positions that are waited for, for as long as anybody waits.
async fn ask_for_positions(shared: Arc<Shared>) {
    let mut pause = POLL_MIN;
    loop {
        let wanted = shared.waiting.wanted().await;
        tokio::time::sleep(pause).await;
        let asked = wanted.into_iter().map(|partition| {
            let shared = &shared;
            async move {
                // An outage is waited through: the caller of `reached` has its own patience.
                let found = shared.read(partition, &[]).await.ok()?;
                Some(shared.waiting.tell(partition, found.position))
            }
        });
        let has_moved = join_all(asked).await.contains(&Some(true));
        pause = match has_moved || shared.waiting.is_idle() {
            true => POLL_MIN,
            false => (pause * 2).min(POLL_MAX),
        };
    }
}

fn add_commit(command: &mut Cmd, keys: &Keys, commit: &Commit, token: &str) {
    let changes = &commit.changes;
    let set = changes.iter().filter(|change| change.value.is_some());
    command.arg(2).arg(&keys.values).arg(&keys.index);
    command.arg(commit.expected).arg(commit.next).arg(token);
    command.arg(set.count());
    for change in changes {
        if let Some(value) = &change.value {
            command.arg(&change.key).arg(&value[..]);
        }
    }
    for change in changes.iter().filter(|change| change.value.is_none()) {
        command.arg(&change.key);
    }
}

fn check_size(commit: &Commit) -> Result<(), PortError> {
    let bytes_of = |change: &vitrina_ports::state::Change| {
        change.key.len() + change.value.as_ref().map_or(0, Bytes::len)
    };
    let bytes = commit.changes.iter().map(bytes_of).sum();
    #[rustfmt::skip]
    let limits = [
        ("changes of a commit", commit.changes.len(), COMMIT_CHANGES_MAX),
        ("bytes of a commit",   bytes,                COMMIT_BYTES_MAX),
    ];
    for (what, got, limit) in limits {
        if got > limit {
            return Err(PortError::TooLarge { what, got, limit });
        }
    }
    Ok(())
}

/// The position in what is stored in its field: the position, a space, the token of its commit.
fn position(field: Option<Value>, partition: StatePartition) -> Result<Offset, PortError> {
    match field {
        Some(Value::Nil) => Ok(0),
        Some(Value::BulkString(stored)) => stored
            .split(|&byte| byte == b' ')
            .next()
            .and_then(offset)
            .ok_or_else(|| damaged("position", partition)),
        _ => Err(damaged("position", partition)),
    }
}

fn offset(digits: &[u8]) -> Option<Offset> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn unexpected(answer: &Value) -> PortError {
    let kind = match answer {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) => "a string",
        Value::Array(_) => "a list",
        _ => "something else",
    };
    unavailable(format!("an answer of another kind: {kind}"))
}
