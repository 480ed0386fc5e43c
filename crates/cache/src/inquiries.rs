//! Looks after the sessions that somebody watches, when nobody has heard how they ended.

use std::collections::{HashSet, VecDeque};

use futures_util::stream::{self, StreamExt};
use revocable_core::{EndListeners, EndReason, Ended, ErrorKind, SessionId, SessionStore};

/// Sessions that are looked up between two looks at the feed: a connection may be watched
/// for each of a hundred thousand, and marks and notices must not wait for all of them.
const LOOKUPS_A_STEP: usize = 64;

/// Those that are under way, the first of which is worked at.
#[derive(Debug, Default)]
pub(crate) struct Inquiries(VecDeque<Inquiry>);

/// One of them.
#[derive(Debug)]
struct Inquiry {
    /// Others have ended so many for this reason; or else something may have been missed.
    everything: Option<(u64, EndReason)>,
    /// The last is next. Whatever is watched only later was looked up since.
    left: VecDeque<SessionId>,
    /// What has ended with everything, to be told at once.
    gone: HashSet<SessionId>,
}

impl Inquiries {
    /// Others have ended everything.
    pub(crate) fn everything_ended(
        &mut self,
        listeners: &EndListeners,
        count: u64,
        reason: EndReason,
    ) {
        self.0.push_back(Inquiry {
            everything: Some((count, reason)),
            left: listeners.watched().into(),
            gone: HashSet::new(),
        });
    }

    /// Something may have been missed. Those whose turn has not come since the last time
    /// come first: however short each feed is, each session is looked up.
    pub(crate) fn after_gap(&mut self, listeners: &EndListeners) {
        let watched = listeners.watched();
        let mut new: HashSet<SessionId> = watched.iter().copied().collect();
        let mut left = VecDeque::new();
        for inquiry in &mut self.0 {
            if inquiry.everything.is_none() {
                left.extend(inquiry.left.drain(..).filter(|id| new.remove(id)));
            }
        }
        self.0.retain(|inquiry| inquiry.everything.is_some());
        for id in watched.into_iter().rev().filter(|id| new.remove(id)) {
            left.push_front(id);
        }
        self.0.push_back(Inquiry {
            everything: None,
            left,
            gone: HashSet::new(),
        });
    }

    /// Looks up some. Whether it is of use to go on at once: not where there are no more, and
    /// not where the store did not answer; these come again.
    pub(crate) async fn step(
        &mut self,
        store: &impl SessionStore,
        listeners: &EndListeners,
    ) -> bool {
        let Some(inquiry) = self.0.front_mut() else {
            return false;
        };
        let after = inquiry.left.len().saturating_sub(LOOKUPS_A_STEP);
        let answers: Vec<_> = stream::iter(inquiry.left.split_off(after))
            .map(async |id| (id, store.lookup(id).await))
            .buffer_unordered(LOOKUPS_A_STEP)
            .collect()
            .await;
        let mut answered = true;
        let mut gone = Vec::new();
        for (id, answer) in answers {
            match answer {
                Ok(None) => gone.push(id),
                Ok(Some(_)) => {}
                // It is there, and nobody can use it.
                Err(error) if error.kind() == ErrorKind::Corrupt => {}
                Err(_) => {
                    answered = false;
                    inquiry.left.push_front(id);
                }
            }
        }
        inquiry.found_gone(gone, listeners);
        if inquiry.left.is_empty()
            && let Some(inquiry) = self.0.pop_front()
        {
            inquiry.end(listeners);
        }
        answered && !self.0.is_empty()
    }
}

impl Inquiry {
    fn found_gone(&mut self, ids: Vec<SessionId>, listeners: &EndListeners) {
        if self.everything.is_some() {
            self.gone.extend(ids);
            return;
        }
        let ended = ids.into_iter().map(|id| Ended {
            id,
            user: None,
            reason: EndReason::Unknown,
        });
        listeners.ended(&ended.collect::<Vec<_>>());
    }

    fn end(self, listeners: &EndListeners) {
        if let Some((count, reason)) = self.everything {
            let is_there = |id: SessionId| !self.gone.contains(&id);
            listeners.everything_before_ended(count, reason, is_there);
        }
    }
}
