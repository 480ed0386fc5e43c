//! Where events and ended sessions arrive, and from where observers and
//! watchers are told.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::event::{Event, Observer};
use super::watch::Watchers;
use crate::ended::{EndListener, EndReason, Ended};
use crate::id::SessionId;

pub(super) struct Hub {
    observers: Vec<Box<dyn Observer>>,
    pub(super) watchers: Watchers,
}

impl Hub {
    pub(super) fn new(observers: Vec<Box<dyn Observer>>) -> Self {
        Self {
            observers,
            watchers: Watchers::default(),
        }
    }

    pub(super) fn emit(&self, event: &Event<'_>) {
        event.trace();
        for observer in &self.observers {
            // An observer's defect must not fail the operation that it hears
            // of, which has already taken effect.
            if catch_unwind(AssertUnwindSafe(|| observer.observe(event))).is_err() {
                tracing::error!(target: "revocable", "an observer panicked");
            }
        }
    }

    /// A session was found to be gone, and who ended it told others.
    pub(super) fn found_gone(&self, id: SessionId, reason: EndReason) {
        self.watchers.end(id, reason);
    }
}

impl EndListener for Hub {
    fn ended(&self, ended: &[Ended]) {
        // Watchers first: a connection is closed even if an audit log is slow.
        for ended in ended {
            self.watchers.end(ended.id, ended.reason);
        }
        for ended in ended {
            self.emit(&Event::Ended(ended));
        }
    }

    fn everything_ended(&self, count: u64, reason: EndReason) {
        self.watchers.end_all(reason);
        self.emit(&Event::EverythingEnded { count, reason });
    }

    fn everything_before_ended(
        &self,
        count: u64,
        reason: EndReason,
        is_there: &dyn Fn(SessionId) -> bool,
    ) {
        // A session that is watched from now on was looked up since. With no
        // lock held: the store has its own.
        for id in self.watchers.ids() {
            if !is_there(id) {
                self.watchers.end(id, reason);
            }
        }
        self.emit(&Event::EverythingEnded { count, reason });
    }

    fn watched(&self) -> Vec<SessionId> {
        self.watchers.ids()
    }
}
