//! Waiting for the end of a session.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::Sessions;
use super::hub::Hub;
use crate::ended::EndReason;
use crate::error::Result;
use crate::id::SessionId;
use crate::liveness::Liveness;

/// A future that is ready when its session has ended, with the reason; made by
/// [`Sessions::watch`].
///
/// May be polled again afterwards and gives the same answer. Dropping it ends
/// the watch.
#[must_use = "a watch does nothing unless it is awaited"]
pub struct Watch {
    id: SessionId,
    state: Arc<State>,
    hub: Arc<Hub>,
}

#[derive(Default)]
struct State(Mutex<(Option<EndReason>, Option<Waker>)>);

impl State {
    fn lock(&self) -> MutexGuard<'_, (Option<EndReason>, Option<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, reason: EndReason) {
        let waker = {
            let mut state = self.lock();
            state.0.get_or_insert(reason);
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Who watches which session.
#[derive(Default)]
pub(super) struct Watchers(Mutex<HashMap<SessionId, Vec<Arc<State>>>>);

impl Watchers {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Vec<Arc<State>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn end(&self, id: SessionId, reason: EndReason) {
        // Taken out first: wakers run with no lock held.
        let ended = self.lock().remove(&id);
        for state in ended.into_iter().flatten() {
            state.end(reason);
        }
    }

    pub(super) fn end_all(&self, reason: EndReason) {
        let ended = std::mem::take(&mut *self.lock());
        for state in ended.into_values().flatten() {
            state.end(reason);
        }
    }

    fn add(&self, id: SessionId, state: Arc<State>) {
        self.lock().entry(id).or_default().push(state);
    }

    fn remove(&self, id: SessionId, state: &Arc<State>) {
        let mut watchers = self.lock();
        if let Some(states) = watchers.get_mut(&id) {
            states.retain(|other| !Arc::ptr_eq(other, state));
            if states.is_empty() {
                watchers.remove(&id);
            }
        }
    }

    pub(super) fn ids(&self) -> Vec<SessionId> {
        self.lock().keys().copied().collect()
    }
}

impl Future for Watch {
    type Output = EndReason;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<EndReason> {
        let mut state = self.state.lock();
        match state.0 {
            Some(reason) => Poll::Ready(reason),
            None => {
                match &mut state.1 {
                    Some(waker) => waker.clone_from(context.waker()),
                    waker => *waker = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.watchers.remove(self.id, &self.state);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Sessions {
    /// Watches a session: the future that this returns is ready when the
    /// session has ended, so that a WebSocket or an event stream can be closed
    /// at once. If it has ended already, the future is ready from the start.
    ///
    /// A revocation through this `Sessions` or its clones ends the watch before
    /// it is acknowledged, even if its caller went away; so does one through
    /// anything else that shares a store which
    /// [tells](crate::SessionStore::subscribe). The end by a timeout shows when
    /// a [`sweep`](Sessions::sweep) or a lookup meets it. What another process
    /// does, and timeouts to the second, show in
    /// [`refresh_watches`](Sessions::refresh_watches): call that from a timer.
    ///
    /// # Errors
    ///
    /// Those of a lookup.
    pub async fn watch(&self, id: SessionId) -> Result<Watch> {
        let watch = Watch {
            id,
            state: Arc::default(),
            hub: self.inner.hub.clone(),
        };
        // Registered before the store is asked: whatever ends the session after
        // the answer finds the watch.
        self.inner.hub.watchers.add(id, watch.state.clone());
        let liveness = self.liveness();
        if let Some(reason) = self.end_of(id, &liveness).await? {
            watch.state.end(reason);
        }
        Ok(watch)
    }

    /// Asks the store for each watched session and ends the watches of those
    /// that are gone or expired. Costs one lookup a watched session. Returns
    /// how many are gone.
    ///
    /// # Errors
    ///
    /// The first error of a lookup, after all were asked: such a session is
    /// neither live nor ended as far as anyone knows, and its watch stays.
    pub async fn refresh_watches(&self) -> Result<usize> {
        let liveness = self.liveness();
        let mut gone = 0;
        let mut first_error = None;
        for id in self.inner.hub.watchers.ids() {
            match self.end_of(id, &liveness).await {
                Ok(None) => {}
                Ok(Some(reason)) => {
                    self.inner.hub.found_gone(id, reason);
                    gone += 1;
                }
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(gone), Err)
    }

    async fn end_of(&self, id: SessionId, liveness: &Liveness) -> Result<Option<EndReason>> {
        Ok(match self.record_of(id, liveness).await? {
            None => Some(EndReason::Unknown),
            Some(record) if !liveness.is_live(&*record) => Some(EndReason::Expired),
            Some(_) => None,
        })
    }
}
