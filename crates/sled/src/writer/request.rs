//! What the writer is asked for.

use std::fmt;
use std::sync::Arc;

use futures_channel::oneshot;
use parking_lot::Mutex;
use revocable_core::{
    Change, CreateOutcome, CreateRequest, EndReason, Ended, Liveness, RevokeAllOutcome,
    RevokeAllRequest, SessionId, UpdateOutcome,
};

use crate::fault::{Fault, Result};

/// Who waits for the outcome, if anybody still does. The writer tells them, or,
/// if it hangs, who watches it: whoever is first.
pub(crate) struct Answer<T>(Arc<Slot<T>>);

type Slot<T> = Mutex<Option<oneshot::Sender<Result<T>>>>;

impl<T: Send + 'static> Answer<T> {
    pub(super) fn new() -> (Self, oneshot::Receiver<Result<T>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    fn waiting(&self) -> Arc<dyn Waiting> {
        let slot: Arc<Slot<T>> = Arc::clone(&self.0);
        slot
    }

    fn give(&self, outcome: Result<T>) {
        give(&self.0, outcome);
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

/// Somebody who waits, for whatever it is.
pub(crate) trait Waiting: Send + Sync {
    fn tell(&self, fault: Fault);
}

impl<T: Send> Waiting for Slot<T> {
    fn tell(&self, fault: Fault) {
        give(self, Err(fault));
    }
}

fn give<T>(slot: &Slot<T>, outcome: Result<T>) {
    // Not held while somebody is woken, which is not our code.
    let sender = slot.lock().take();
    if let Some(sender) = sender {
        // A dropped future wants no answer.
        let _ = sender.send(outcome);
    }
}

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

impl Request {
    pub(crate) fn waiting(&self) -> Arc<dyn Waiting> {
        match self {
            Self::Create(_, answer) => answer.waiting(),
            Self::Update(_, _, answer) => answer.waiting(),
            Self::Revoke(_, _, answer) => answer.waiting(),
            Self::RevokeAll(_, answer) => answer.waiting(),
            Self::RevokeEverything(_, answer) => answer.waiting(),
            Self::Expire(_, _, answer) => answer.waiting(),
            Self::Forget(_, _, answer) => answer.waiting(),
            Self::Health(answer) => answer.waiting(),
        }
    }
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
            answer: Box::new(move |fault| answer.give(fault.map_or(outcome, Err))),
        }
    }

    /// Tells who waits; of the fault, if there was one.
    pub(super) fn answer(self, fault: Option<Fault>) {
        (self.answer)(fault);
    }
}
