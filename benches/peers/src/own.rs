//! Revocable.

use revocable::Sessions;
use revocable_benches::workload::{self, Request};

use crate::peer::{ByUser, Peer};

/// Revocable over any of its stores, under the workload's policy.
#[derive(Debug)]
pub(crate) struct Own(pub(crate) Sessions);

impl Peer for Own {
    async fn create(&self, user: &str) -> Box<[u8]> {
        let login = workload::login(user).unwrap();
        let (token, session) = self.0.create(login).await.unwrap();
        assert_eq!(session.user().as_str(), user);
        token.expose().as_str().as_bytes().into()
    }

    async fn is_right(&self, request: &Request) -> bool {
        workload::is_right(self.0.lookup(&*request.key).await, request)
    }

    /// As applications do it: whose token it is first, then the end of that
    /// session.
    async fn revoke(&self, request: &Request) -> bool {
        let Some(session) = self.0.lookup(&*request.key).await.unwrap() else {
            return false;
        };
        session.user().as_str() == &*request.user && self.0.revoke(session.id()).await.unwrap()
    }
}

impl ByUser for Own {
    async fn revoke_all(&self, request: &Request) -> usize {
        self.0.revoke_all_for_user(&*request.user).await.unwrap()
    }
}
