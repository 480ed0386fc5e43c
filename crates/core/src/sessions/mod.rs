//! The session manager: what applications hold.

mod builder;
mod data;
mod event;
mod hub;
mod login;
mod lookup;
mod presented;
mod renew;
mod revoke;
mod session;
mod sweep;
mod watch;

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::clock::{Clock, to_ms};
use crate::entropy::Entropy;
use crate::error::{Error, ErrorKind, Result};
use crate::liveness::Liveness;
use crate::policy::Policy;
use crate::record::Record;
use crate::store::{SessionStore, SweepCursor};

pub use builder::SessionsBuilder;
pub use data::DataUpdate;
pub use event::{Event, Observer};
use hub::Hub;
pub use login::{LoginAttempt, NewSession};
pub use lookup::{Lookup, Rejection};
pub use presented::PresentedToken;
pub use renew::Renewed;
pub use revoke::SessionPage;
pub use session::{AuthenticationTooOld, Session};
pub use sweep::{SweepBudget, SweepReport};
pub use watch::Watch;

/// The sessions of an application: makes tokens, looks them up, applies the
/// [`Policy`], ends sessions and tells what happened.
///
/// Cheap to clone; all clones are one. Needs no async runtime and starts no
/// task or thread. Every method may be called from many tasks at once and its
/// future may be dropped at any time: a write that was begun then happens whole
/// or not at all.
///
/// A method that returns an error has not said anything about a session. Answer
/// it with a failure (HTTP 503), never with "logged out" and never with "let in".
///
/// ```
/// # pollster::block_on(async {
/// # use revocable_core::{Sessions, SessionStore};
/// # async fn example(store: impl SessionStore) -> revocable_core::Result<()> {
/// let sessions = Sessions::builder(store).build()?;
///
/// let (token, session) = sessions.create("alice").await?; // after the password was checked
/// let cookie = token.expose(); // 64 characters, for the Set-Cookie header
///
/// let session = sessions.lookup(&*cookie).await?; // on each request
/// if let Some(session) = session {
///     sessions.revoke(session.id()).await?; // log out
/// }
/// sessions.revoke_all_for_user("alice").await?; // log out everywhere
/// # Ok(())
/// # }
/// # });
/// ```
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn SessionStore>,
    policy: Policy,
    clock: Box<dyn Clock>,
    entropy: Entropy,
    hub: Arc<Hub>,
    /// Whether the store tells the hub of ended sessions itself.
    store_tells: bool,
    /// Where the sweep goes on.
    sweep_cursor: Mutex<Option<SweepCursor>>,
}

impl Sessions {
    /// Begins to configure the sessions that are kept in this store. A store
    /// may also be given as `Arc<dyn SessionStore>` or `Box<dyn SessionStore>`.
    pub fn builder(store: impl SessionStore) -> SessionsBuilder {
        SessionsBuilder::new(store)
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// The store underneath.
    pub fn store(&self) -> &Arc<dyn SessionStore> {
        &self.inner.store
    }

    /// Whether the store can read and write now.
    ///
    /// # Errors
    ///
    /// What stands in the way.
    pub async fn health(&self) -> Result<()> {
        self.inner.store.health().await
    }

    fn now_ms(&self) -> i64 {
        to_ms(self.inner.clock.now())
    }

    fn liveness(&self) -> Liveness {
        self.inner.policy.liveness(self.now_ms())
    }

    fn session(&self, record: Arc<Record>, liveness: &Liveness) -> Session {
        Session::new(record, liveness, &self.inner.policy)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("policy", &self.inner.policy)
            .finish_non_exhaustive()
    }
}

/// Repeats, once, a call whose outcome is unknown; for verbs whose repetition
/// has the outcome of the first attempt.
async fn settled<T, F: Future<Output = Result<T>>>(mut attempt: impl FnMut() -> F) -> Result<T> {
    match attempt().await {
        // If the second fails, nothing is known still of what the first did,
        // and an answer such as `Unavailable` would say that nothing changed.
        Err(unknown) if unknown.kind() == ErrorKind::UnknownOutcome => {
            attempt().await.map_err(|_| unknown)
        }
        outcome => outcome,
    }
}

fn entropy_repeats() -> Error {
    Error::new(ErrorKind::Unavailable, "the entropy source repeats itself")
}
