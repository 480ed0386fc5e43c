//! Follows what is announced in a store that several machines share.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use getrandom::SysRng;
use getrandom::rand_core::TryRng;
use revocable_core::{EndListeners, Error, ErrorKind, Feed, Mark, Notice, Result, SessionStore};

use crate::entries::Entries;
use crate::inquiries::Inquiries;
use crate::lease::{Instants, Lease};

/// Marks sent a term: two may go astray, or take most of a term, and the lease
/// goes on.
const MARKS_A_TERM: u32 = 3;

/// Between two marks at the least, however short the term.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// Between two marks, and between two attempts to subscribe, at the most.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Notices that are heard between two looks at what else there is to do.
const NOTICES_A_STEP: usize = 1024;

/// What is known of others by what they announced.
#[derive(Debug)]
pub(crate) struct Announced {
    pub(crate) lease: Lease,
    /// Are told of what others ended.
    pub(crate) listeners: EndListeners,
}

/// What a cache is made of, as long as there is one.
pub(crate) struct Keeper<S> {
    store: Weak<S>,
    entries: Weak<Entries>,
    announced: Weak<Announced>,
}

struct Parts<S> {
    store: Arc<S>,
    entries: Arc<Entries>,
    announced: Arc<Announced>,
}

/// Why a feed is left.
enum End {
    /// The cache is no more.
    Dropped,
    /// Something may have been missed.
    Gap(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Gap(error)
    }
}

impl<S: SessionStore> Keeper<S> {
    pub(crate) fn new(store: &Arc<S>, entries: &Arc<Entries>, announced: &Arc<Announced>) -> Self {
        Self {
            store: Arc::downgrade(store),
            entries: Arc::downgrade(entries),
            announced: Arc::downgrade(announced),
        }
    }

    fn parts(&self) -> Result<Parts<S>, End> {
        let parts = || {
            Some(Parts {
                store: self.store.upgrade()?,
                entries: self.entries.upgrade()?,
                announced: self.announced.upgrade()?,
            })
        };
        parts().ok_or(End::Dropped)
    }

    /// Follows until the cache is dropped.
    pub(crate) async fn run<F>(self, sleep: impl Fn(Duration) -> F)
    where
        F: Future<Output = ()>,
    {
        let mut pause = SHORTEST_PAUSE;
        let mut inquiries = Inquiries::default();
        loop {
            let mut stood = false;
            match self.follow(&mut inquiries, &mut stood).await {
                End::Dropped => return,
                End::Gap(error) => {
                    tracing::warn!(
                        %error,
                        "revocations may have been missed: sessions are read from the store",
                    );
                }
            }
            let Ok(parts) = self.parts() else { return };
            // The term is not over, but that something may be missing is known.
            parts.announced.lease.take();
            drop(parts);
            if stood {
                pause = SHORTEST_PAUSE;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Follows one feed to its end. Says whether it brought back a mark.
    async fn follow(&self, inquiries: &mut Inquiries, stood: &mut bool) -> End {
        match self.try_follow(inquiries, stood).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn try_follow(
        &self,
        inquiries: &mut Inquiries,
        stood: &mut bool,
    ) -> Result<Infallible, End> {
        let Parts { store, .. } = self.parts()?;
        let mut feed = store.follow().await?;
        drop(store);
        {
            let parts = self.parts()?;
            // What was loaded before there was this subscription may have been revoked
            // before it, and nobody told.
            parts.entries.forget_everything();
            inquiries.after_gap(&parts.announced.listeners);
        }
        let mut marks = Marks::default();
        loop {
            let mut wait = {
                let parts = self.parts()?;
                let lease = &parts.announced.lease;
                let wait = marks.send_if_due(&mut *feed, lease).await?;
                let listeners = &parts.announced.listeners;
                match inquiries.step(&*parts.store, listeners).await {
                    true => Duration::ZERO,
                    false => wait,
                }
            };
            // All that are there: while sessions are looked up they come in.
            for _ in 0..NOTICES_A_STEP {
                let Some(notice) = feed.next(wait).await? else {
                    break;
                };
                wait = Duration::ZERO;
                if let Notice::Mark(mark) = notice {
                    if let Some(sent) = marks.returned(mark) {
                        self.parts()?.announced.lease.give(sent);
                        *stood = true;
                    }
                } else {
                    hear(notice, &self.parts()?, inquiries);
                }
            }
        }
    }
}

fn hear<S>(notice: Notice, parts: &Parts<S>, inquiries: &mut Inquiries) {
    let listeners = &parts.announced.listeners;
    match notice {
        Notice::Ended { ended, own } => {
            for ended in &ended {
                parts.entries.forget(ended.id);
            }
            if !own {
                listeners.ended(&ended);
            }
        }
        Notice::Changed(id) => parts.entries.forget(id),
        Notice::EverythingEnded { count, reason, own } => {
            parts.entries.forget_everything();
            if !own {
                inquiries.everything_ended(listeners, count, reason);
            }
        }
        // What a newer version of the trait tells of may be anything.
        _ => parts.entries.forget_everything(),
    }
}

/// The marks that are under way.
#[derive(Debug, Default)]
struct Marks {
    /// Each with the time at which it was sent, the oldest first.
    sent: Vec<(Mark, Instants)>,
    next_at: Option<Instants>,
}

impl Marks {
    /// Sends a mark if it is time; how long until the next.
    async fn send_if_due(&mut self, feed: &mut dyn Feed, lease: &Lease) -> Result<Duration> {
        let between = (lease.term() / MARKS_A_TERM).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let now = lease.now();
        if let Some(sent) = self.next_at {
            let gone = now.since(sent);
            if gone < between {
                return Ok(between - gone);
            }
        }
        // The channel carries nothing, or what it carries comes too late to be
        // of use.
        if self.sent.len() >= 2 * MARKS_A_TERM as usize {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the store's announcements do not come through",
            ));
        }
        let mut mark = Mark::default();
        SysRng.try_fill_bytes(&mut mark).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the entropy source failed")
                .with_source(error.to_string())
        })?;
        // Before it is sent: see `lease`.
        self.sent.push((mark, now));
        self.next_at = Some(now);
        feed.mark(mark).await?;
        Ok(between)
    }

    /// When this mark was sent. Those before it are not waited for any more.
    fn returned(&mut self, mark: Mark) -> Option<Instants> {
        let at = self.sent.iter().position(|(sent, _)| *sent == mark)?;
        let (_, sent) = self.sent.drain(..=at).next_back()?;
        Some(sent)
    }
}
