//! session-guard: its store in memory.

use std::net::IpAddr;
use std::time::Duration;

use revocable_benches::workload::{Request, USER_AGENT};
use session_guard::{ClientContext, Guard, GuardConfig, MemoryStore, RotationConfig};

use crate::peer::{ByUser, Peer};

const HOUR: Duration = Duration::from_secs(3_600);

/// session-guard with its checks as they are by default, and times like those of
/// the workload's policy. It has no place for an application's data: the role is
/// missing from its sessions.
#[derive(Debug)]
pub(crate) struct SessionGuard {
    guard: Guard<MemoryStore, String>,
    /// Who asks, always the same. Made once, and not from each request's
    /// headers.
    client: ClientContext,
}

impl SessionGuard {
    /// A new store in memory.
    pub(crate) fn in_memory() -> Self {
        let config = GuardConfig::builder()
            .session_lifetime(12 * HOUR)
            .idle_timeout(HOUR)
            // Not within a run: a rotation is a write, and needs a new request.
            .rotation(RotationConfig {
                interval: 6 * HOUR,
                ..RotationConfig::default()
            })
            .last_seen_write_interval(HOUR / 2)
            .build()
            .unwrap();
        Self {
            guard: Guard::builder(MemoryStore::new(), config).subject().build(),
            client: ClientContext::new(IpAddr::from([203, 0, 113, 7])).with_user_agent(USER_AGENT),
        }
    }

    /// The whole check of a request: the session, and how much the client
    /// resembles the one that logged in.
    pub(crate) async fn authenticates(&self, request: &Request) -> bool {
        let token = text(request);
        let outcome = self.guard.authenticate(token, &self.client).await.unwrap();
        let session = outcome.session();
        session.is_some_and(|session| *session.subject == *request.user)
    }
}

impl Peer for SessionGuard {
    async fn create(&self, user: &str) -> Box<[u8]> {
        let user = user.to_owned();
        let session = self.guard.login(&user, &self.client, None).await.unwrap();
        session.token.expose().as_bytes().into()
    }

    async fn is_right(&self, request: &Request) -> bool {
        let session = self.guard.peek(text(request)).await.unwrap();
        session.is_some_and(|session| *session.subject == *request.user)
    }

    async fn revoke(&self, request: &Request) -> bool {
        let token = text(request);
        self.guard.logout(token, &self.client).await.unwrap()
    }
}

impl ByUser for SessionGuard {
    async fn revoke_all(&self, request: &Request) -> usize {
        let user = request.user.to_string();
        let revoked = self.guard.revoke_all_for_subject(&user, &self.client);
        revoked.await.unwrap() as usize
    }
}

fn text(request: &Request) -> &str {
    str::from_utf8(&request.key).unwrap_or_default()
}
