//! What the writer is asked for.

use futures_channel::oneshot;
use revocable_core::{
    Change, CreateOutcome, CreateRequest, EndReason, Ended, Liveness, RevokeAllOutcome,
    RevokeAllRequest, SessionId, UpdateOutcome,
};

use crate::fault::{Fault, Result};

/// Who waits for the outcome, if anybody still does.
pub(crate) type Answer<T> = oneshot::Sender<Result<T>>;

/// A write, with who waits for it.
#[derive(Debug)]
pub(crate) enum Request {
    Create(Box<CreateRequest>, Answer<CreateOutcome>),
    Update(SessionId, Box<Change>, Answer<UpdateOutcome>),
    Revoke(SessionId, EndReason, Answer<Option<Ended>>),
    RevokeAll(RevokeAllRequest, Answer<RevokeAllOutcome>),
    RevokeEverything(EndReason, Answer<u64>),
    /// Removes those of these sessions that are not live.
    Expire(Vec<SessionId>, Liveness, Answer<Vec<Ended>>),
    /// Forgets those of these users' epochs that were taken before.
    Forget(Vec<Vec<u8>>, i64, Answer<u64>),
    Health(Answer<()>),
}

/// A write that is done but not yet on the disk.
pub(super) struct Done {
    pub(super) ended: Vec<Ended>,
    answer: Box<dyn FnOnce(Option<Fault>) + Send>,
}

impl Done {
    pub(super) fn new<T: Send + 'static>(
        answer: Answer<T>,
        outcome: Result<T>,
        ended: Vec<Ended>,
    ) -> Self {
        Self {
            ended,
            answer: Box::new(move |fault| {
                // A dropped future wants no answer.
                let _ = answer.send(fault.map_or(outcome, Err));
            }),
        }
    }

    /// Tells who waits; of the fault, if there was one.
    pub(super) fn answer(self, fault: Option<Fault>) {
        (self.answer)(fault);
    }
}
