//! A store that counts and fails, and a browser before a service.

#![allow(dead_code, reason = "each test file uses a part of what they share")]

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::{HeaderMap, Request, Response, header, request};
use revocable_core::{
    Change, CreateOutcome, CreateRequest, EndListener, EndReason, Ended, Epoch, Error, ErrorKind,
    ManualClock, Page, Policy, Record, Result, RevokeAllOutcome, RevokeAllRequest, SessionId,
    SessionStore, Sessions, SweepOutcome, SweepRequest, UpdateOutcome, UserId,
};
use revocable_http::{CookiePolicy, WebSessions};
use revocable_memory::MemoryStore;

/// A store in memory that counts lookups, and is down when a test says so.
#[derive(Default)]
pub(crate) struct TestStore {
    inner: MemoryStore,
    lookups: AtomicUsize,
    down: Mutex<Option<ErrorKind>>,
}

impl TestStore {
    pub(crate) fn fail(&self, kind: impl Into<Option<ErrorKind>>) {
        *self.down.lock().unwrap() = kind.into();
    }

    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<()> {
        match *self.down.lock().unwrap() {
            Some(kind) => Err(Error::new(kind, "as the test says")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl SessionStore for TestStore {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        self.check()?;
        self.inner.create(request).await
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.check()?;
        self.inner.lookup(id).await
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        self.check()?;
        self.inner.update(id, change).await
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        self.check()?;
        self.inner.revoke(id, reason).await
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        self.check()?;
        self.inner.revoke_all_for_user(request).await
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        self.check()?;
        self.inner.revoke_everything(reason).await
    }

    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        self.check()?;
        self.inner.list_for_user(user, after, limit).await
    }

    async fn epoch(&self, user: &UserId) -> Result<Epoch> {
        self.check()?;
        self.inner.epoch(user).await
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        self.inner.sweep_expired(request).await
    }

    async fn health(&self) -> Result<()> {
        self.check()
    }

    fn subscribe(&self, listener: std::sync::Weak<dyn EndListener>) -> bool {
        self.inner.subscribe(listener)
    }
}

/// One application: its store, its time, its sessions.
pub(crate) struct World {
    pub(crate) store: Arc<TestStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) sessions: Sessions,
    pub(crate) web: WebSessions,
}

/// How old a token gets in [`World`].
pub(crate) const RENEWAL: Duration = Duration::from_secs(60);

impl World {
    pub(crate) fn new() -> Self {
        let store = Arc::new(TestStore::default());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock = Arc::new(ManualClock::new(now));
        let policy = Policy::builder(Duration::from_secs(86_400)).renewal_interval(RENEWAL);
        let sessions = Sessions::builder(store.clone())
            .policy(policy)
            .clock(clock.clone())
            .build()
            .unwrap();
        let web = WebSessions::new(sessions.clone(), CookiePolicy::default());
        Self {
            store,
            clock,
            sessions,
            web,
        }
    }
}

/// What a browser keeps between requests.
#[derive(Default, Clone)]
pub(crate) struct Browser {
    pub(crate) cookie: Option<String>,
}

impl Browser {
    /// A request of the application's own pages.
    pub(crate) fn request(&self, method: &str, path: &str) -> request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("sec-fetch-site", "same-origin");
        match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        }
    }

    /// The response arrives.
    pub(crate) fn receive<B>(&mut self, response: Response<B>) -> Response<B> {
        if let Some(cookie) = set_cookie(response.headers()) {
            let pair = cookie.split(';').next().unwrap();
            self.cookie = (!cookie.contains("Max-Age=0")).then(|| pair.to_owned());
        }
        response
    }
}

/// The only `Set-Cookie`.
pub(crate) fn set_cookie(headers: &HeaderMap) -> Option<&str> {
    let mut cookies = headers.get_all(header::SET_COOKIE).iter();
    let cookie = cookies.next()?.to_str().unwrap();
    assert!(cookies.next().is_none(), "{headers:?}");
    Some(cookie)
}
