//! A request on its way through the writer.

use std::fmt;

use futures_channel::oneshot;
use revocable_core::{EndReason, Ended, Epoch, SessionId};
use rusqlite::{Connection, Params};

use crate::fault::{Fault, Result};
use crate::row::{self, Found};

/// One kind of write. It may run more than once: what it did before was rolled
/// back then.
pub(crate) trait Verb: Send + 'static {
    /// Whether it may take the file beyond the limit that the application set:
    /// what removes rows, for which the engine may need a page first.
    const MAY_EXCEED_LIMIT: bool = false;

    /// Whether it only tries to write, and nothing of it is to stay.
    const IS_TRIAL: bool = false;

    type Output: Send + 'static;

    /// Does its work inside a transaction that somebody else commits.
    fn run(&self, tx: &Tx<'_>) -> Result<Self::Output>;

    /// Which sessions it ended, once it is committed.
    fn ends(&self, _: &Self::Output) -> Ends {
        Ends::Sessions(Vec::new())
    }
}

/// What the listeners have to be told.
#[derive(Debug)]
pub(crate) enum Ends {
    Sessions(Vec<Ended>),
    Everything {
        count: u64,
        reason: EndReason,
        epoch: Epoch,
    },
}

/// The transaction that a verb runs in.
#[derive(Debug)]
pub(crate) struct Tx<'a> {
    pub(crate) connection: &'a Connection,
    /// Reads each session first, if there is something that the engine cannot
    /// read: it refuses to write in a transaction in which it met damage.
    pub(crate) scout: Option<&'a Connection>,
}

impl Tx<'_> {
    /// Runs a statement that writes; the number of rows it wrote.
    pub(crate) fn write(&self, sql: &str, params: impl Params) -> Result<usize> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map_err(|error| Fault::from(error).while_writing())
    }

    /// Runs a statement that writes, and returns the first column of the rows
    /// that it wrote.
    pub(crate) fn write_returning<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        params: impl Params,
    ) -> Result<Vec<T>> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement
                    .query_map(params, |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()
            })
            .map_err(|error| Fault::from(error).while_writing())
    }

    /// What is under this ID; damaged too if the engine cannot read it and a
    /// scout goes ahead.
    pub(crate) fn find(&self, id: SessionId) -> Result<Option<Found>> {
        if let Some(scout) = self.scout
            && let Err(fault) = row::find(scout, id)
        {
            return if fault.is_structural() {
                Ok(Some(Found::Damaged(None)))
            } else {
                Err(fault)
            };
        }
        row::find(self.connection, id)
    }
}

/// A verb, its outcome when there is one, and who waits for it.
pub(super) struct Task<V: Verb> {
    verb: V,
    outcome: Option<Result<V::Output>>,
    answer: oneshot::Sender<Result<V::Output>>,
}

impl<V: Verb> Task<V> {
    pub(super) fn new(verb: V) -> (Self, oneshot::Receiver<Result<V::Output>>) {
        let (answer, answered) = oneshot::channel();
        let task = Self {
            verb,
            outcome: None,
            answer,
        };
        (task, answered)
    }
}

/// A task, whatever its verb.
pub(super) trait Queued: Send {
    /// [`Verb::MAY_EXCEED_LIMIT`].
    fn may_exceed_limit(&self) -> bool;
    /// [`Verb::IS_TRIAL`].
    fn is_trial(&self) -> bool;
    /// Runs the verb and keeps what came out.
    fn run(&mut self, tx: &Tx<'_>) -> Result<()>;
    /// Takes an error for the outcome.
    fn fail(&mut self, fault: Fault);
    /// What the verb ended, if it came to an end.
    fn ends(&self) -> Ends;
    /// Tells who waits, if anybody does.
    fn answer(self: Box<Self>);
}

impl<V: Verb> Queued for Task<V> {
    fn may_exceed_limit(&self) -> bool {
        V::MAY_EXCEED_LIMIT
    }

    fn is_trial(&self) -> bool {
        V::IS_TRIAL
    }

    fn run(&mut self, tx: &Tx<'_>) -> Result<()> {
        self.outcome = None;
        self.outcome = Some(Ok(self.verb.run(tx)?));
        Ok(())
    }

    fn fail(&mut self, fault: Fault) {
        self.outcome = Some(Err(fault));
    }

    fn ends(&self) -> Ends {
        match &self.outcome {
            Some(Ok(output)) => self.verb.ends(output),
            _ => Ends::Sessions(Vec::new()),
        }
    }

    fn answer(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            // A dropped future wants no answer.
            let _ = self.answer.send(outcome);
        }
    }
}

impl fmt::Debug for dyn Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queued")
    }
}
