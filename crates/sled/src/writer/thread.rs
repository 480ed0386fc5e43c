//! What the writer thread does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use revocable_core::{Change, EndReason, ErrorKind, SessionId};
use sled::Tree;

use super::batch::Batch;
use super::queue::{Queue, Work};
use super::request::{Answer, Done, Request};
use super::writes::{Writes, Written, transact};
use crate::disk::Sync;
use crate::fault::{Fault, Result};
use crate::shared::{Before, COUNT, FLOOR, GENERATION, POSITION, Shared, Trees};

#[cfg(test)]
mod tests;

/// How many keys of an ended generation are removed at a time.
const CLEARED: usize = 1_000;

/// The state of the writer thread.
pub(super) struct Thread {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    disk: Box<dyn Sync>,
    written: Written,
    /// Trees of generations that have ended.
    garbage: Vec<Tree>,
}

impl Thread {
    pub(super) fn new(
        shared: Arc<Shared>,
        queue: Arc<Queue>,
        disk: Box<dyn Sync>,
        written: Written,
        garbage: Vec<Tree>,
    ) -> Self {
        Self {
            shared,
            queue,
            disk,
            written,
            garbage,
        }
    }

    /// Works until the queue is closed and empty, and closes the database.
    pub(super) fn run(mut self) {
        let watch = Arc::clone(&self.shared.watch);
        let queue = Arc::clone(&self.queue);
        loop {
            // A panic is a defect. It must not end the thread: who waits then
            // would wait for ever.
            match catch_unwind(AssertUnwindSafe(|| self.step())) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => {
                    tracing::error!("the writer panicked");
                    let fault = Fault::new(ErrorKind::Unavailable, "the writer panicked");
                    self.shared.poison(&fault);
                }
            }
            watch.done(&queue);
        }
        watch.begin(Vec::new());
        // Closing, the engine syncs its log once more, and panics if the disk
        // fails then. All that was acknowledged is synced already.
        if catch_unwind(AssertUnwindSafe(|| drop(self))).is_err() {
            tracing::error!("the engine panicked while it closed the database");
        }
        watch.done(&queue);
        watch.end();
    }

    /// Does what is next; whether there may be more.
    fn step(&mut self) -> bool {
        let work = self.queue.next(!self.garbage.is_empty());
        self.shared.watch.begin(match &work {
            Work::Batch(requests, _) => requests.iter().map(Request::waiting).collect(),
            Work::Idle | Work::Closed => Vec::new(),
        });
        match work {
            Work::Batch(requests, soon) => self.run_batch(requests, soon),
            Work::Idle => self.clear(),
            Work::Closed => return false,
        }
        true
    }

    fn run_batch(&mut self, requests: Vec<Request>, mut soon: Vec<(SessionId, Vec<Change>)>) {
        let mut part = Vec::new();
        for request in requests {
            match request {
                Request::RevokeEverything(reason, answer) => {
                    self.run_part(std::mem::take(&mut part), std::mem::take(&mut soon));
                    self.revoke_everything(reason, answer);
                }
                request => part.push(request),
            }
        }
        self.run_part(part, soon);
    }

    /// Carries out requests, writes what came of them in one transaction, has
    /// it on the disk, and only then tells anybody.
    fn run_part(&mut self, requests: Vec<Request>, soon: Vec<(SessionId, Vec<Change>)>) {
        if requests.is_empty() && soon.is_empty() {
            return;
        }
        let trees = self.shared.trees();
        let position = self.shared.position();
        let Written { floor, count } = self.written;
        let mut batch = Batch::new(&trees, position, floor);
        let sound = self.shared.check();
        let mut all = Vec::new();
        for request in requests {
            let ran = catch_unwind(AssertUnwindSafe(|| {
                carry_out(&mut batch, &self.queue, request, &sound)
            }));
            match ran {
                Ok(done) => all.push(done),
                // A defect. Nothing of the batch is written; the requests that
                // are dropped here are told that nobody knows.
                Err(_) => {
                    tracing::error!("a request panicked");
                    let fault = Fault::new(
                        ErrorKind::Unavailable,
                        "another request panicked, a defect in the store; nothing was changed",
                    );
                    return tell_all(all, Some(&fault));
                }
            }
        }
        if sound.is_ok() {
            for (id, changes) in &soon {
                if batch.apply_soon(*id, changes).is_err() {
                    tracing::debug!(session = %id, "a touch was dropped");
                }
            }
        }
        let writes = Writes::of(&batch, position, floor);
        let (position, floor) = (batch.position, batch.floor);
        drop(batch);
        match self.commit(&trees, &writes, count, None) {
            Ok(count) => self.advance(position, Written { floor, count }),
            Err(fault) => return tell_all(all, Some(&fault.unknown())),
        }
        for done in &all {
            self.shared.listeners.ended(&done.ended);
        }
        tell_all(all, None);
    }

    /// Writes in one transaction, and waits until it is on the disk. Returns
    /// how many sessions there are then; before it were `count`. Until then
    /// readers see what was there before, and from then on the next trees, if
    /// there are any.
    ///
    /// From an error on, memory and disk may differ, and nothing is answered.
    fn commit(
        &mut self,
        trees: &Trees,
        writes: &Writes,
        count: u64,
        next: Option<Trees>,
    ) -> Result<u64> {
        if writes.is_empty() {
            return Ok(count);
        }
        let committed = (|| {
            let count = {
                // Nobody lists while it is half done. Let go before the sync.
                let mut view = self.shared.write();
                let (count, before) = transact(trees, &self.shared.meta, writes, count)?;
                view.before = before;
                count
            };
            self.shared.database.flush()?;
            let synced = self.disk.sync();
            synced.map_err(|error| Fault::io("sync the database", &error))?;
            let mut view = self.shared.write();
            view.before = Before::default();
            if let Some(next) = next {
                view.trees = next;
            }
            Ok(count)
        })();
        if let Err(fault) = &committed {
            tracing::error!("a write failed half-way: the store answers nothing any more");
            self.shared.poison(fault);
        }
        committed
    }

    /// What is on the disk. A login may begin at the position from now on: if
    /// it did before, and the power was cut, the next revocation would take the
    /// same position, and the login would not be refused.
    fn advance(&mut self, position: u64, written: Written) {
        self.shared.set_position(position);
        self.written = written;
    }

    /// One small write that ends all sessions: the next generation is empty.
    fn revoke_everything(&mut self, reason: EndReason, answer: Answer<u64>) {
        let ended = self.try_revoke_everything();
        if let Ok(count) = ended {
            self.shared.listeners.everything_ended(count, reason);
        }
        let done = Done::new(answer, ended, Vec::new());
        tell_all(vec![done], None);
    }

    fn try_revoke_everything(&mut self) -> Result<u64> {
        self.shared.check()?;
        let old = self.shared.trees();
        let next = old.open_next(&self.shared.database)?;
        let position = self.shared.position().saturating_add(1);
        let writes = Writes {
            meta: vec![
                (GENERATION, next.generation),
                (POSITION, position),
                (FLOOR, position),
                (COUNT, 0),
            ],
            ..Writes::default()
        };
        self.commit(&old, &writes, 0, Some(next))
            .map_err(|fault| fault.unknown())?;
        let ended = self.written.count;
        let written = Written {
            floor: position,
            count: 0,
        };
        self.advance(position, written);
        self.garbage.extend(old.all().map(Clone::clone));
        Ok(ended)
    }

    /// One bounded step of removing what has ended. Nobody waits for it, so
    /// it is not synced, and after a crash it begins again.
    fn clear(&mut self) {
        let Some(tree) = self.garbage.pop() else {
            return;
        };
        if self.shared.trees().has(&tree) {
            // It never comes to this, and everything would be lost.
            tracing::error!("what is current was to be cleared away");
            return;
        }
        let cleared = (|| -> Result<bool> {
            let mut some = false;
            for key in tree.iter().keys().take(CLEARED) {
                tree.remove(key?)?;
                some = true;
            }
            if !some {
                self.shared.database.drop_tree(tree.name())?;
            }
            Ok(some)
        })();
        match cleared {
            Ok(true) => self.garbage.push(tree),
            Ok(false) => {}
            Err(fault) => {
                let error = revocable_core::Error::from(fault);
                tracing::warn!(%error, "what has ended could not be cleared away");
            }
        }
    }
}

/// Stages what the request asks for.
fn carry_out(batch: &mut Batch<'_>, queue: &Queue, request: Request, sound: &Result<()>) -> Done {
    /// Runs a verb, if the store is sound.
    fn done<T: Send + 'static>(
        sound: &Result<()>,
        answer: Answer<T>,
        run: impl FnOnce() -> Result<T>,
        ended: impl FnOnce(&T) -> Vec<revocable_core::Ended>,
    ) -> Done {
        let outcome = sound.clone().and_then(|()| run());
        let ended = outcome.as_ref().map_or_else(|_| Vec::new(), ended);
        Done::new(answer, outcome, ended)
    }
    use revocable_core::CreateOutcome::Created;
    match request {
        Request::Create(request, answer) => done(
            sound,
            answer,
            || batch.create(*request),
            |outcome| match outcome {
                Created { ended } => ended.clone(),
                _ => Vec::new(),
            },
        ),
        Request::Update(id, change, answer) => done(
            sound,
            answer,
            || batch.update(id, &queue.take_soon(id), &change),
            |_| Vec::new(),
        ),
        Request::Revoke(id, reason, answer) => done(
            sound,
            answer,
            || batch.revoke(id, reason),
            |ended| ended.iter().cloned().collect(),
        ),
        Request::RevokeAll(request, answer) => done(
            sound,
            answer,
            || batch.revoke_all(&request),
            |outcome| {
                let ended = outcome.ended.iter().map(|id| revocable_core::Ended {
                    id: *id,
                    user: Some(request.user.clone()),
                    reason: request.reason,
                });
                ended.collect()
            },
        ),
        Request::Expire(ids, liveness, answer) => done(
            sound,
            answer,
            || {
                for id in &ids {
                    // A touch that waits may keep it alive.
                    batch.apply_soon(*id, &queue.take_soon(*id))?;
                }
                batch.expire(&ids, liveness)
            },
            Clone::clone,
        ),
        Request::Forget(users, before_ms, answer) => done(
            sound,
            answer,
            || batch.forget(&users, before_ms),
            |_| Vec::new(),
        ),
        Request::Health(answer) => done(sound, answer, || batch.probe(), |()| Vec::new()),
        Request::RevokeEverything(..) => unreachable!("it is carried out alone"),
    }
}

/// It wakes whoever waits, and that is not our code.
fn tell_all(all: Vec<Done>, fault: Option<&Fault>) {
    for done in all {
        if catch_unwind(AssertUnwindSafe(|| done.answer(fault.cloned()))).is_err() {
            tracing::error!("a waker panicked");
        }
    }
}
