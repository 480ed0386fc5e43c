//! The session of one request: looked up when it is asked for, once, and what
//! the response says about it.

mod changes;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use revocable_core::{Rejection, Result, Session, Sessions, Token};

use crate::caching;
use crate::cookies::{CookiePolicy, Presented};
use crate::headers::{Headers, HeadersMut};

/// The sessions of an application with the cookie that they travel in: what a
/// web framework's adapter holds. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WebSessions {
    sessions: Sessions,
    cookie: CookiePolicy,
}

impl WebSessions {
    /// These sessions in this cookie.
    pub fn new(sessions: Sessions, cookie: CookiePolicy) -> Self {
        Self { sessions, cookie }
    }

    /// The sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The cookie.
    pub fn cookie(&self) -> &CookiePolicy {
        &self.cookie
    }

    /// Begins a request: reads its cookie and asks no store.
    pub fn begin(&self, headers: &impl Headers) -> RequestSession {
        let presented = self.cookie.read(headers);
        let duplicates = match presented {
            Presented::Duplicate => self.cookie.read_duplicates(headers),
            _ => Vec::new(),
        };
        RequestSession {
            shared: Arc::new(Shared {
                presented,
                duplicates,
                web: self.clone(),
                state: Mutex::default(),
            }),
        }
    }
}

/// The session of one request, from its cookie to its response.
///
/// The store is asked when the session is, and once. What happens to the session
/// is remembered until [`apply`](Self::apply) puts it into the response. Cheap to
/// clone, and all clones are one: an adapter keeps one and gives handlers
/// another.
///
/// ```
/// # futures_executor::block_on(async {
/// # use revocable_core::Sessions;
/// # use revocable_memory::MemoryStore;
/// use http::{HeaderMap, header};
/// use revocable_http::{CookiePolicy, WebSessions};
///
/// let sessions = Sessions::builder(MemoryStore::new()).build()?;
/// let web = WebSessions::new(sessions, CookiePolicy::default());
///
/// let request = web.begin(&HeaderMap::new());
/// assert!(request.session().await?.is_none());
///
/// request.log_in("alice").await?; // after the password was checked
///
/// let mut response = HeaderMap::new();
/// request.renew_if_due().await;
/// request.apply(&mut response); // whatever the handler has answered, errors included
/// let cookie = response[header::SET_COOKIE].to_str().unwrap();
/// assert!(cookie.starts_with("__Host-session="));
/// assert_eq!(response[header::CACHE_CONTROL], "no-store");
/// # Ok::<(), revocable_core::Error>(())
/// # }).unwrap();
/// ```
///
/// # The cookie is cleared on logout only
///
/// Not when a token is refused: the response to another request of the browser
/// may just have set a new one, which clearing would take away. And never
/// because of an error.
///
/// # Which token a handler sees
///
/// None, unless it asks for what was [`presented`](Self::presented): it has no need
/// of one, and what it does not have it cannot log.
#[derive(Clone)]
pub struct RequestSession {
    shared: Arc<Shared>,
}

struct Shared {
    web: WebSessions,
    presented: Presented,
    /// None of them is the session; a logout ends them all.
    duplicates: Vec<Token>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether the response may depend on the session.
    asked: bool,
    found: Option<Found>,
    change: Option<Change>,
}

/// What the request's token turned out to be, or became.
#[derive(Clone, Default)]
struct Found {
    session: Option<Session>,
    rejection: Option<Rejection>,
}

/// What the response tells the browser.
enum Change {
    Set(Token, Session),
    Clear,
}

impl RequestSession {
    /// The live session that came with the request, or that has been made since.
    /// Asks the store the first time; then again only if that failed.
    ///
    /// # Errors
    ///
    /// If the store cannot answer: answer with [`status`](crate::status()), and let
    /// nobody in.
    pub async fn session(&self) -> Result<Option<Session>> {
        if let Some(found) = self.begin_asking() {
            return Ok(found.session);
        }
        let found = self.look_up().await?;
        // Somebody else may have been faster, or have logged in meanwhile.
        let mut state = self.state();
        Ok(state.found.get_or_insert(found).session.clone())
    }

    /// Why a cookie that came with the request is no live session; `None` if there
    /// is one, if there was no cookie, or if nobody has asked for the session yet.
    /// Two cookies of the name are [`Malformed`](Rejection::Malformed).
    pub fn rejection(&self) -> Option<Rejection> {
        self.state().found.as_ref()?.rejection
    }

    /// What the request's cookie is.
    pub fn presented(&self) -> &Presented {
        &self.shared.presented
    }

    /// The application's sessions, for what is not about this request.
    pub fn sessions(&self) -> &Sessions {
        &self.shared.web.sessions
    }

    /// Whether [`renew_if_due`](Self::renew_if_due) has something to do.
    pub fn is_renewal_due(&self) -> bool {
        let state = self.state();
        state.change.is_none()
            && self.shared.presented.token().is_some()
            && (state.found.as_ref())
                .and_then(|found| found.session.as_ref())
                .is_some_and(Session::renewal_due)
    }

    /// Renews the session's token if it is time and the handler has asked for
    /// the session: to be called between the handler and [`apply`](Self::apply).
    ///
    /// An error is told by a `tracing` event and otherwise makes no difference:
    /// the old token is good still, and the next request renews it.
    pub async fn renew_if_due(&self) {
        let Some(token) = self.due() else {
            return;
        };
        match self.sessions().renew(&token).await {
            Ok(Some(renewed)) => {
                let mut state = self.state();
                if let (Some(token), None) = (renewed.token, &state.change) {
                    state.change = Some(Change::Set(token, renewed.session));
                }
            }
            // It has ended meanwhile, which the next request is told.
            Ok(None) => {}
            Err(error) => {
                let session = token.id();
                tracing::warn!(target: "revocable", %session, %error, "session not renewed");
            }
        }
    }

    /// Puts into the response what has to do with the session. To be called
    /// once, for every response, whatever its status.
    ///
    /// - A new token is set and a logout clears the cookie, beside the cookies
    ///   that the application sets. Such a response is
    ///   [kept by no cache](caching::no_store).
    /// - A response for which somebody asked for the session
    ///   [varies by cookie](caching::vary_by_cookie), and if there was one it is
    ///   kept by no cache [unless the application says
    ///   otherwise](caching::no_store_by_default).
    /// - Every other response stays as it is.
    pub fn apply(&self, headers: &mut impl HeadersMut) {
        let cookie = self.cookie();
        let state = self.state();
        let set_cookie = match &state.change {
            Some(Change::Set(token, session)) => Some(cookie.set_text(token, session)),
            Some(Change::Clear) => Some(cookie.clear_text()),
            None => None,
        };
        if let Some(set_cookie) = &set_cookie {
            headers.append_field("set-cookie", set_cookie.as_bytes(), true);
            caching::no_store(headers);
        }
        if set_cookie.is_some() || state.asked {
            caching::vary_by_cookie(headers);
        }
        if state
            .found
            .as_ref()
            .is_some_and(|found| found.session.is_some())
        {
            caching::no_store_by_default(headers);
        }
    }

    /// What is known already. From here on the response depends on the session.
    fn begin_asking(&self) -> Option<Found> {
        let mut state = self.state();
        state.asked = true;
        state.found.clone()
    }

    async fn look_up(&self) -> Result<Found> {
        let looked_up = match &self.shared.presented {
            Presented::None => return Ok(Found::default()),
            Presented::Token(token) => self.sessions().inspect(token).await?,
            // For the observers; no store is asked.
            Presented::Malformed => self.sessions().inspect("").await?,
            Presented::Duplicate => {
                tracing::warn!(target: "revocable", "two session cookies in one request");
                self.sessions().inspect("").await?
            }
        };
        Ok(match looked_up {
            revocable_core::Lookup::Live(session) => Found {
                session: Some(session),
                rejection: None,
            },
            revocable_core::Lookup::Rejected(rejection) => Found {
                session: None,
                rejection: Some(rejection),
            },
        })
    }

    /// The token to be renewed, if it is time.
    fn due(&self) -> Option<Token> {
        // A session that has a new token since, or is new, is not due.
        let token = self.shared.presented.token();
        token.filter(|_| self.is_renewal_due()).cloned()
    }

    fn cookie(&self) -> &CookiePolicy {
        &self.shared.web.cookie
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock leaves it half done.
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RequestSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestSession")
            .field("presented", &self.shared.presented)
            .finish_non_exhaustive()
    }
}
