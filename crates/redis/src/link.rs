//! The way to the server: a connection that is made again when it was lost.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::SentinelClient;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, ServerErrorKind, Value,
};
use revocable_core::{Error, ErrorKind as KindOfError, Result};
use tokio::time::timeout;

use crate::fault::{Failure, unknown_outcome};
use crate::script::Call;

/// Where the server is.
pub(crate) enum Target {
    Server(Client),
    /// Whichever is the master now.
    Sentinel(tokio::sync::Mutex<SentinelClient>),
    Cluster {
        client: ClusterClient,
        /// How its members are talked to: but for host and port, all alike.
        like: Box<ConnectionInfo>,
    },
}

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For the connection, and for an answer.
    pub(crate) timeout: Duration,
    /// After each write, until so many replicas have it.
    pub(crate) replicas: Option<Replicas>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Replicas {
    pub(crate) count: u32,
    pub(crate) timeout: Duration,
}

#[derive(Clone)]
pub(crate) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// A connection that many use at the same time. Whoever finds it lost has the
/// next one make another.
pub(crate) struct Link {
    target: std::sync::Arc<Target>,
    limits: Limits,
    current: Mutex<Current>,
    /// One connects, and the others wait for that.
    connecting: tokio::sync::Mutex<()>,
    made: Instant,
    /// When something was answered, in milliseconds since this was made.
    heard_ms: AtomicU64,
    master: Option<IsMaster>,
}

/// One that was the master and has become a replica may go on with the connections that it has,
/// and answers what changes nothing, as of then. So it is asked something that only a master does.
struct IsMaster {
    question: Cmd,
    /// When it was asked; [`NEVER`] on this connection.
    asked_ms: AtomicU64,
}

/// Between two such questions.
const TRUSTED_MS: u64 = 500;

const NEVER: u64 = u64::MAX;

impl IsMaster {
    async fn ask(&self, now_ms: u64, connection: &mut Connection) -> Result<(), Failure> {
        let asked_ms = self.asked_ms.load(Relaxed);
        let is_due = asked_ms == NEVER || now_ms.saturating_sub(asked_ms) >= TRUSTED_MS;
        if !is_due || matches!(connection, Connection::Cluster(_)) {
            return Ok(());
        }
        self.asked_ms.store(now_ms, Relaxed);
        match connection.send(&self.question).await {
            // One that may not write for another reason is the master all the same.
            Ok(_) | Err(Failure::Refused(_)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

/// After so long without an answer a connection may have been lost, and nobody has noticed.
const SILENCE_MS: u64 = 1_000;

#[derive(Default)]
struct Current {
    /// How many there were before it.
    number: u64,
    connection: Option<Connection>,
}

impl Link {
    pub(crate) fn new(target: std::sync::Arc<Target>, limits: Limits) -> Self {
        Self {
            target,
            limits,
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            made: Instant::now(),
            heard_ms: AtomicU64::new(0),
            master: None,
        }
    }

    /// One for what changes nothing, with a question that only a master answers.
    pub(crate) fn of_master(mut self, question: Cmd) -> Self {
        let asked_ms = AtomicU64::new(NEVER);
        self.master = Some(IsMaster { question, asked_ms });
        self
    }

    /// What the server says to this command, which changes nothing.
    pub(crate) async fn read(&self, command: &Cmd) -> Result<Value> {
        match self.send(command).await {
            Err(Failure::Lost(_) | Failure::Replica(_)) => self.send(command).await,
            outcome => outcome,
        }
        .map_err(Failure::reading)
    }

    /// What a script says that changes nothing.
    pub(crate) async fn ask(&self, call: &Call) -> Result<Value> {
        match self.run(call).await {
            Err(Failure::Lost(_) | Failure::Replica(_)) => self.run(call).await,
            outcome => outcome,
        }
        .map_err(Failure::reading)
    }

    /// What a script says that may be sent twice: carried out twice, it does it
    /// once.
    pub(crate) async fn write(&self, call: &Call) -> Result<Value> {
        match self.run_and_replicate(call).await {
            Ok(value) => Ok(value),
            Err(first @ (Failure::Lost(_) | Failure::Replica(_) | Failure::Late)) => {
                let unknown = first.is_unknown();
                let second = self.run_and_replicate(call).await;
                second.map_err(|second| self.said_last(second.writing(unknown)))
            }
            Err(failure) => Err(self.said_last(failure.writing(false))),
        }
    }

    /// A cluster's connection sends by itself again what it has no answer to. So a refusal need
    /// not be all that has happened, unless the script that knows better has said it.
    fn said_last(&self, error: Error) -> Error {
        match (&*self.target, error.kind()) {
            (Target::Cluster { .. }, KindOfError::Unavailable) => unknown_outcome(error),
            _ => error,
        }
    }

    /// What a script says that must not be carried out twice. So it is sent once, unless it is
    /// known that it was not; on a connection of which nothing was heard for a while only after
    /// a question.
    pub(crate) async fn write_once(&self, call: &Call) -> Result<Value> {
        if self.now_ms().saturating_sub(self.heard_ms.load(Relaxed)) >= SILENCE_MS {
            self.read(&redis::cmd("PING")).await?;
        }
        match self.run_and_replicate(call).await {
            Err(Failure::Replica(_)) => self.run_and_replicate(call).await,
            outcome => outcome,
        }
        .map_err(|failure| failure.writing(false))
    }

    async fn send(&self, command: &Cmd) -> Result<Value, Failure> {
        self.with_connection(async |connection| connection.send(command).await)
            .await
    }

    async fn run(&self, call: &Call) -> Result<Value, Failure> {
        self.with_connection(async |connection| connection.run(call).await)
            .await
    }

    /// On one connection: what a server counts as replicated is what came over
    /// the connection that asks.
    async fn run_and_replicate(&self, call: &Call) -> Result<Value, Failure> {
        let Some(replicas) = self.limits.replicas else {
            return self.run(call).await;
        };
        self.with_connection(async |connection| {
            let value = connection.run(call).await?;
            let ms = u64::try_from(replicas.timeout.as_millis()).unwrap_or(u64::MAX);
            let wait = redis::cmd("WAIT").arg(replicas.count).arg(ms).take();
            let reached = match connection.send(&wait).await {
                Ok(Value::Int(reached)) => reached,
                _ => 0,
            };
            if reached < i64::from(replicas.count) {
                return Err(Failure::NotReplicated);
            }
            Ok(value)
        })
        .await
    }

    async fn with_connection<T>(
        &self,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (number, mut connection) = self.connection().await?;
        let longest = match self.limits.replicas {
            Some(replicas) => self.limits.timeout + replicas.timeout,
            None => self.limits.timeout,
        };
        let working = async {
            if let Some(master) = &self.master {
                master.ask(self.now_ms(), &mut connection).await?;
            }
            work(&mut connection).await
        };
        let outcome = timeout(longest, working)
            .await
            .unwrap_or(Err(Failure::Late));
        if outcome.is_ok() {
            self.heard_ms.store(self.now_ms(), Relaxed);
        }
        // A cluster's connection is many, and mends itself.
        if let (Err(failure), Connection::Server(_)) = (&outcome, &connection)
            && failure.is_connections_end()
        {
            let mut current = self.current();
            if current.number == number {
                current.connection = None;
            }
        }
        outcome
    }

    async fn connection(&self) -> Result<(u64, Connection), Failure> {
        if let Some(there) = self.current().get() {
            return Ok(there);
        }
        let connect = async {
            let _turn = self.connecting.lock().await;
            if let Some(there) = self.current().get() {
                return Ok(there);
            }
            let made = self.target.connect().await?;
            let mut current = self.current();
            current.number += 1;
            current.connection = Some(made.clone());
            if let Some(master) = &self.master {
                master.asked_ms.store(NEVER, Relaxed);
            }
            Ok((current.number, made))
        };
        in_time(self.limits.timeout, connect).await
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn get(&self) -> Option<(u64, Connection)> {
        Some((self.number, self.connection.clone()?))
    }
}

pub(crate) async fn in_time<T>(
    longest: Duration,
    connect: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timeout(longest, connect)
        .await
        .unwrap_or_else(|_| Err(Failure::connecting_took_too_long()))
}

/// The time that is waited is measured here, once for everything.
pub(crate) fn untimed() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
}

impl Target {
    async fn connect(&self) -> Result<Connection, Failure> {
        let config = untimed();
        let connection = match self {
            Self::Server(client) => {
                let made = client.get_multiplexed_async_connection_with_config(&config);
                made.await.map(Connection::Server)
            }
            Self::Sentinel(sentinel) => {
                let mut sentinel = sentinel.lock().await;
                let made = sentinel.get_async_connection_with_config(&config);
                made.await.map(Connection::Server)
            }
            Self::Cluster { client, .. } => {
                client.get_async_connection().await.map(Connection::Cluster)
            }
        };
        connection.map_err(Failure::no_connection)
    }
}

impl Connection {
    pub(crate) async fn run(&mut self, call: &Call) -> Result<Value, Failure> {
        match self.send(&call.by_digest()).await {
            Err(Failure::Refused(error))
                if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) =>
            {
                self.send(&call.in_full()).await
            }
            outcome => outcome,
        }
    }

    pub(crate) async fn send(&mut self, command: &Cmd) -> Result<Value, Failure> {
        let answer = match self {
            Self::Server(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        };
        answer.map_err(Failure::of)
    }
}
