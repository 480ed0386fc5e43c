//! Sessions that have ended, and who is told.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::id::SessionId;
use crate::user::UserId;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The user logged out.
    LoggedOut,
    /// The user logged out everywhere, or on all other devices.
    LoggedOutEverywhere,
    /// The user's credentials or rights were changed.
    CredentialsChanged,
    /// An administrator ended it.
    Administrator,
    /// A token that had been replaced was presented: stolen or replayed.
    Reuse,
    /// The user logged in once more than the cap allows.
    Cap,
    /// A login with the same browser took its place.
    Replaced,
    /// It was not used for as long as the idle timeout, or reached its
    /// absolute deadline.
    Expired,
    /// A bounded store made room. A silent logout.
    Evicted,
    /// Somewhere else, or before: the reason is not known here.
    Unknown,
}

impl EndReason {
    /// A short name in `snake_case`, for logs and metrics. Never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::LoggedOutEverywhere => "logged_out_everywhere",
            Self::CredentialsChanged => "credentials_changed",
            Self::Administrator => "administrator",
            Self::Reuse => "reuse",
            Self::Cap => "cap",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
            Self::Evicted => "evicted",
            Self::Unknown => "unknown",
        }
    }

    /// The reason of this [name](Self::as_str); [`Unknown`](Self::Unknown) for
    /// one that this version does not know: a newer one may have written it.
    pub fn from_name(name: &str) -> Self {
        const ALL: [EndReason; 9] = [
            EndReason::LoggedOut,
            EndReason::LoggedOutEverywhere,
            EndReason::CredentialsChanged,
            EndReason::Administrator,
            EndReason::Reuse,
            EndReason::Cap,
            EndReason::Replaced,
            EndReason::Expired,
            EndReason::Evicted,
        ];
        ALL.into_iter()
            .find(|reason| reason.as_str() == name)
            .unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A session that is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub id: SessionId,
    /// Whose; `None` if its record was damaged.
    pub user: Option<UserId>,
    /// Why.
    pub reason: EndReason,
}

/// Is told by a store of the sessions that end.
///
/// Called after the removal took effect and before it is acknowledged, once
/// for each session that ended, whoever ended it and whether or not that
/// caller still waits: a request that was cancelled half-way has its watchers
/// and its audit trail all the same.
///
/// It is called on whatever thread did the work, a store's only writer
/// included: it has to return soon and must not wait for the store.
pub trait EndListener: Send + Sync {
    /// These sessions ended.
    fn ended(&self, ended: &[Ended]);

    /// All sessions that there were ended, `count` of them; they are not told
    /// one by one.
    fn everything_ended(&self, count: u64, reason: EndReason);

    /// As `everything_ended`, told by a store in which sessions may have been
    /// created since: those that `is_there` finds are not meant. It may be asked
    /// until this returns, and takes a store's lock.
    fn everything_before_ended(
        &self,
        count: u64,
        reason: EndReason,
        is_there: &dyn Fn(SessionId) -> bool,
    ) {
        let _ = is_there;
        self.everything_ended(count, reason);
    }

    /// The sessions whose end this listener waits for now, for a store that may
    /// have missed what others announced: it looks them up. None unless a
    /// listener says better.
    fn watched(&self) -> Vec<SessionId> {
        Vec::new()
    }
}

/// The listeners of a store: what a store embeds to implement
/// [`subscribe`](crate::SessionStore::subscribe).
#[derive(Default)]
pub struct EndListeners(Mutex<Vec<Weak<dyn EndListener>>>);

impl EndListeners {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more listener, for as long as it lives.
    pub fn add(&self, listener: Weak<dyn EndListener>) {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(listener);
    }

    /// Tells all of sessions that ended. Call it with no lock held. A listener
    /// that panics is reported by a `tracing` event and harms nobody else.
    pub fn ended(&self, ended: &[Ended]) {
        if !ended.is_empty() {
            self.each(|listener| listener.ended(ended));
        }
    }

    /// Tells all that every session ended.
    pub fn everything_ended(&self, count: u64, reason: EndReason) {
        self.each(|listener| listener.everything_ended(count, reason));
    }

    /// Tells all that every session ended but for those that `is_there` finds:
    /// for stores that let go of their locks before they tell.
    pub fn everything_before_ended(
        &self,
        count: u64,
        reason: EndReason,
        is_there: impl Fn(SessionId) -> bool,
    ) {
        self.each(|listener| listener.everything_before_ended(count, reason, &is_there));
    }

    /// The sessions whose end any of them waits for, each once.
    pub fn watched(&self) -> Vec<SessionId> {
        let all = Mutex::new(Vec::new());
        self.each(|listener| {
            let watched = listener.watched();
            all.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(watched);
        });
        let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        all.sort_unstable();
        all.dedup();
        all
    }

    fn each(&self, tell: impl Fn(&dyn EndListener)) {
        let listeners: Vec<Arc<dyn EndListener>> = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        for listener in listeners {
            // The listener is dropped inside too: this may be the last handle
            // of an application.
            let told = catch_unwind(AssertUnwindSafe(|| {
                tell(&*listener);
                drop(listener);
            }));
            if told.is_err() {
                tracing::error!("a listener of ended sessions panicked");
            }
        }
    }
}

impl fmt::Debug for EndListeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndListeners")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Bucket;

    struct Panics;
    impl EndListener for Panics {
        fn ended(&self, _: &[Ended]) {
            panic!("a listener with a defect");
        }
        fn everything_ended(&self, _: u64, _: EndReason) {}
    }

    #[test]
    fn reasons_are_found_by_their_names() {
        // As many as `as_str` has arms; one that is left out comes back unknown.
        for name in [
            "logged_out",
            "logged_out_everywhere",
            "credentials_changed",
            "administrator",
            "reuse",
            "cap",
            "replaced",
            "expired",
            "evicted",
            "unknown",
        ] {
            assert_eq!(EndReason::from_name(name).as_str(), name);
        }
        assert_eq!(EndReason::from_name("of_tomorrow"), EndReason::Unknown);
    }

    #[derive(Default)]
    struct Counts(Mutex<usize>);
    impl EndListener for Counts {
        fn ended(&self, ended: &[Ended]) {
            *self.0.lock().unwrap() += ended.len();
        }
        fn everything_ended(&self, _: u64, _: EndReason) {}
    }

    #[test]
    fn a_panicking_listener_does_not_silence_the_next() {
        let listeners = EndListeners::new();
        let panics: Arc<dyn EndListener> = Arc::new(Panics);
        let counts = Arc::new(Counts::default());
        let also_counts: Arc<dyn EndListener> = counts.clone();
        listeners.add(Arc::downgrade(&panics));
        listeners.add(Arc::downgrade(&also_counts));
        let user = UserId::new("alice").unwrap();
        listeners.ended(&[Ended {
            id: SessionId::new(0, Bucket::of(&user), [0; 8]),
            user: Some(user),
            reason: EndReason::LoggedOut,
        }]);
        assert_eq!(*counts.0.lock().unwrap(), 1);
    }
}
