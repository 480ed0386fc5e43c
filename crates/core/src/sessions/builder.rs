//! How a [`Sessions`] is configured.

use std::fmt;
use std::sync::{Arc, Mutex};

use rand_core::TryCryptoRng;

use super::event::Observer;
use super::hub::Hub;
use super::{Inner, Sessions};
use crate::clock::{Clock, SystemClock};
use crate::ended::EndListener;
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::policy::Policy;
use crate::store::SessionStore;

/// Configures a [`Sessions`]; made by [`Sessions::builder`].
///
/// Everything but the store has a default: [`Policy::default`], the operating
/// system's clock and entropy, no observers.
#[must_use = "a builder does nothing until `build`"]
pub struct SessionsBuilder {
    store: Arc<dyn SessionStore>,
    policy: Result<Policy>,
    clock: Box<dyn Clock>,
    entropy: Entropy,
    observers: Vec<Box<dyn Observer>>,
}

impl SessionsBuilder {
    pub(super) fn new(store: impl SessionStore) -> Self {
        Self {
            store: Arc::new(store),
            policy: Ok(Policy::default()),
            clock: Box::new(SystemClock::new()),
            entropy: Entropy::System,
            observers: Vec::new(),
        }
    }

    /// The policy: a [`Policy`], or a [`PolicyBuilder`](crate::PolicyBuilder)
    /// such as the presets are.
    pub fn policy<P>(mut self, policy: P) -> Self
    where
        P: TryInto<Policy>,
        P::Error: Into<Error>,
    {
        self.policy = policy.try_into().map_err(Into::into);
        self
    }

    /// Where time comes from.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Where secrets come from, for tests. The generator must be
    /// cryptographically secure and must never repeat itself.
    pub fn rng(mut self, rng: impl TryCryptoRng + Send + 'static) -> Self {
        self.entropy = Entropy::injected(rng);
        self
    }

    /// Who hears of what happens; may be called more than once.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// The configured sessions.
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the policy
    /// contradicts itself.
    pub fn build(self) -> Result<Sessions> {
        let policy = self.policy?;
        let hub = Arc::new(Hub::new(self.observers));
        let listener: Arc<dyn EndListener> = hub.clone();
        let store_tells = self.store.subscribe(Arc::downgrade(&listener));
        Ok(Sessions {
            inner: Arc::new(Inner {
                store: self.store,
                policy,
                clock: self.clock,
                entropy: self.entropy,
                hub,
                store_tells,
                sweep_cursor: Mutex::new(None),
            }),
        })
    }
}

impl fmt::Debug for SessionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsBuilder")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
