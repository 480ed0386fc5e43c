//! What stores on servers have in common, for those who write one:
//! `revocable-redis` and `revocable-postgres` are made with it.
//!
//! A store has a type for its server that implements [`Remote`], with a [`Local`]
//! in it: what the process itself keeps. Its verbs then are
//!
//! - [`carried`] for those that write: begun, they go on to their end whoever
//!   waits, on the runtime in which the connections live;
//! - [`asked`] for those that read: they wait for what was abandoned by its caller
//!   and may still come;
//! - [`touch_soon`] for [`update_soon`](revocable_core::SessionStore::update_soon);
//! - [`settle`] after a revocation, for the case that its outcome is not known.
//!
//! Its feed is a [`Subscription`] to a [`Channel`].

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod abandoned;
mod changes;
mod everything;
mod feed;
mod local;
mod marks;
mod runtime;
mod settle;
mod touches;

pub use changes::{changed, ended_of, was_only_used};
pub use everything::tell_of_everything;
pub use feed::{Channel, Message, Subscription};
pub use local::{Instance, Local, Remote, asked, carried, random};
pub use runtime::{Within, carried_on, within};
pub use settle::settle;
pub use touches::{Touches, touch_soon, write_touch};
