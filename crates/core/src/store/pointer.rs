//! A pointer to a store is a store.

use std::num::NonZeroU32;
use std::sync::{Arc, Weak};

use super::{
    CreateOutcome, CreateRequest, Feed, Page, RevokeAllOutcome, RevokeAllRequest, SessionStore,
    Sharing, SweepOutcome, SweepRequest, UpdateOutcome,
};
use crate::change::Change;
use crate::ended::{EndListener, EndReason, Ended};
use crate::epoch::Epoch;
use crate::error::Result;
use crate::id::SessionId;
use crate::record::Record;
use crate::user::UserId;

/// Implements the trait for a pointer to a store. Written out, so that the
/// inner store's future is handed on without a box of its own around it.
macro_rules! forward_to_pointee {
    ($pointer:ident) => {
        impl<S: SessionStore + ?Sized> SessionStore for $pointer<S> {
            fn create<'a, 'f>(&'a self, request: CreateRequest) -> BoxFuture<'f, CreateOutcome>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).create(request)
            }

            fn lookup<'a, 'f>(&'a self, id: SessionId) -> BoxFuture<'f, Option<Arc<Record>>>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).lookup(id)
            }

            fn lookup_now(&self, id: SessionId) -> Option<Result<Option<Arc<Record>>>> {
                (**self).lookup_now(id)
            }

            fn lookup_fresh<'a, 'f>(&'a self, id: SessionId) -> BoxFuture<'f, Option<Arc<Record>>>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).lookup_fresh(id)
            }

            fn update<'a, 'f>(
                &'a self,
                id: SessionId,
                change: Change,
            ) -> BoxFuture<'f, UpdateOutcome>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).update(id, change)
            }

            fn update_soon(&self, id: SessionId, change: &Change) -> bool {
                (**self).update_soon(id, change)
            }

            fn revoke<'a, 'f>(
                &'a self,
                id: SessionId,
                reason: EndReason,
            ) -> BoxFuture<'f, Option<Ended>>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).revoke(id, reason)
            }

            fn revoke_all_for_user<'a, 'f>(
                &'a self,
                request: RevokeAllRequest,
            ) -> BoxFuture<'f, RevokeAllOutcome>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).revoke_all_for_user(request)
            }

            fn revoke_everything<'a, 'f>(&'a self, reason: EndReason) -> BoxFuture<'f, u64>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).revoke_everything(reason)
            }

            fn list_for_user<'a, 'u, 'f>(
                &'a self,
                user: &'u UserId,
                after: Option<SessionId>,
                limit: NonZeroU32,
            ) -> BoxFuture<'f, Page>
            where
                'a: 'f,
                'u: 'f,
                Self: 'f,
            {
                (**self).list_for_user(user, after, limit)
            }

            fn epoch<'a, 'u, 'f>(&'a self, user: &'u UserId) -> BoxFuture<'f, Epoch>
            where
                'a: 'f,
                'u: 'f,
                Self: 'f,
            {
                (**self).epoch(user)
            }

            fn sweep_expired<'a, 'f>(&'a self, request: SweepRequest) -> BoxFuture<'f, SweepOutcome>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).sweep_expired(request)
            }

            fn health<'a, 'f>(&'a self) -> BoxFuture<'f, ()>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).health()
            }

            fn sharing(&self) -> Sharing {
                (**self).sharing()
            }

            fn foreign_changes<'a, 'f>(&'a self) -> BoxFuture<'f, u64>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).foreign_changes()
            }

            fn follow<'a, 'f>(&'a self) -> BoxFuture<'f, Box<dyn Feed>>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).follow()
            }

            fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
                (**self).subscribe(listener)
            }
        }
    };
}

type BoxFuture<'f, T> = std::pin::Pin<Box<dyn std::future::Future<Output = Result<T>> + Send + 'f>>;

forward_to_pointee!(Arc);
forward_to_pointee!(Box);
