//! The way to the server: connections from a pool.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use revocable_core::Result;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::fault::{Failure, unavailable};
use crate::statements::{IS_BEHIND, Statement};

/// How often a statement is sent that the server rolls back because of others.
const ATTEMPTS: usize = 8;

/// So many times as long as for an answer a connection keeps its place in the pool: then it is
/// given up, since there may be another primary.
const LONGEST_BUSY: u32 = 16;

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For a connection, and for what the server does with a statement.
    pub(crate) timeout: Duration,
    /// Whether each client keeps its statements prepared on its connection.
    pub(crate) prepares: bool,
}

impl Limits {
    /// For an answer: the server gives up before that, and then it is known that
    /// nothing was changed.
    fn answer(&self) -> Duration {
        self.timeout + self.timeout / 4
    }
}

/// Connections that are made again when they are lost.
pub(crate) struct Link {
    pool: Pool,
    limits: Limits,
    runtime: Handle,
}

pub(crate) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Link {
    pub(crate) fn new(pool: Pool, limits: Limits, runtime: Handle) -> Self {
        Self {
            pool,
            limits,
            runtime,
        }
    }

    /// The rows of a statement that changes nothing, from the primary.
    pub(crate) async fn read(
        &self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>> {
        match self.send(statement, parameters).await {
            // Another connection may be whole, or lead to the primary.
            Err(Failure::Lost(_) | Failure::Replica(_) | Failure::LeftOpen(_)) => {
                self.send(statement, parameters).await
            }
            outcome => outcome,
        }
        .map_err(Failure::reading)
    }

    /// The rows of a statement that changes something: once, or it is not known.
    pub(crate) async fn write(
        &self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>> {
        self.send(statement, parameters)
            .await
            .map_err(Failure::writing)
    }

    async fn send(
        &self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let mut attempt = 1;
        loop {
            match self.once(statement, parameters).await {
                Err(Failure::Again(_)) if attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn once(
        &self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let client = timeout(self.limits.timeout, self.pool.get())
            .await
            .map_err(|_| Failure::connecting_took_too_long())?
            .map_err(Failure::no_connection)?;
        let mut busy = Busy {
            client: Some(client),
            runtime: &self.runtime,
            longest: LONGEST_BUSY * self.limits.timeout,
        };
        let Some(client) = &busy.client else {
            return Err(Failure::Late);
        };
        let asked = self.ask(client, statement, parameters);
        let answer = timeout(self.limits.answer(), asked)
            .await
            .map_err(|_| Failure::Late)?;
        let outcome = answer.map_err(Failure::of).and_then(of_the_primary);
        let client = busy.client.take();
        if outcome.as_ref().is_err_and(Failure::is_connections_end) {
            // Ends it, and what is prepared on it.
            drop(client.map(Object::take));
        }
        outcome
    }

    async fn ask(
        &self,
        client: &Object,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        if self.limits.prepares {
            let prepared = client
                .prepare_typed_cached(&statement.text, statement.types)
                .await?;
            return client.query(&prepared, parameters).await;
        }
        let typed: Vec<_> = parameters
            .iter()
            .copied()
            .zip(statement.types.iter().cloned())
            .collect();
        client.query_typed(&statement.text, &typed).await
    }
}

/// The rows, unless they say that they may be of the past.
fn of_the_primary(rows: Vec<Row>) -> Result<Vec<Row>, Failure> {
    let says_so = |row: &Row| {
        let last = row.len().checked_sub(1)?;
        let tells = row.columns()[last].name() == IS_BEHIND;
        tells.then(|| row.try_get(last).unwrap_or(true))
    };
    if rows.first().and_then(says_so) == Some(true) {
        let message = "the connection leads to a replica or a server that takes no writes, or is in \
                       a transaction that somebody left open: what was revoked last is not seen";
        return Err(Failure::Replica(unavailable(message)));
    }
    Ok(rows)
}

/// A connection on which an answer is waited for.
///
/// Whoever waits may go, or give up. The server may still be at it, and whoever came next
/// would wait behind it; and if it were left alone, a server that hangs would get new
/// connections for as long as it is asked. So it keeps its place in the pool until the
/// answer is there or it is lost, or for long enough that those are few.
struct Busy<'a> {
    client: Option<Object>,
    runtime: &'a Handle,
    longest: Duration,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let longest = self.longest;
            self.runtime.spawn(async move {
                // Answered after all that was sent before.
                if timeout(longest, client.batch_execute("")).await.is_err() {
                    drop(Object::take(client));
                }
            });
        }
    }
}
