//! The way to the server: connections from a pool.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use revocable_core::Result;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::fault::Failure;
use crate::statements::Statement;

/// How often a statement is sent that the server rolls back because of others.
const ATTEMPTS: usize = 8;

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
}

pub(crate) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Link {
    pub(crate) fn new(pool: Pool, limits: Limits) -> Self {
        Self { pool, limits }
    }

    /// The rows of a statement that changes nothing.
    pub(crate) async fn read(
        &self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>> {
        match self.send(statement, parameters).await {
            // Another connection may be whole.
            Err(Failure::Lost(_)) => self.send(statement, parameters).await,
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
        let asked = self.ask(&client, statement, parameters);
        let outcome = match timeout(self.limits.answer(), asked).await {
            Ok(answer) => answer.map_err(Failure::of),
            Err(_) => Err(Failure::Late),
        };
        if outcome.as_ref().is_err_and(Failure::is_connections_end) {
            // Ends it, and what is prepared on it.
            drop(Object::take(client));
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
