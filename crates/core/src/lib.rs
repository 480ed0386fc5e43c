//! The core of Revocable, an embeddable session store: opaque tokens in
//! cookies, sessions on the server, revocation that holds.
//!
//! - Applications use [`Sessions`], with a [`Policy`].
//! - Stores implement [`SessionStore`]; what they keep is a [`Record`].
//! - Time comes from a [`Clock`], everything that fails is an [`Error`].
//!
//! Most applications depend on the facade crate `revocable`, which re-exports
//! all of this together with the stores that were chosen by feature.
//!
//! No async runtime is needed or started, and there is no unsafe code.

mod base64url;
mod change;
mod clock;
mod codec;
mod ended;
mod entropy;
mod epoch;
mod error;
mod id;
mod liveness;
mod policy;
mod record;
mod sessions;
mod store;
mod token;
mod user;

pub use change::{Applied, Change, ChangeKind, Renewal, RenewalKind};
pub use clock::{Clock, ManualClock, SystemClock};
pub use codec::DecodeError;
pub use ended::{EndListener, EndListeners, EndReason, Ended};
pub use epoch::Epoch;
pub use error::{Error, ErrorKind, Result};
pub use id::{Bucket, ParseSessionIdError, SessionId};
pub use liveness::{Expired, Liveness, Times};
pub use policy::{Policy, PolicyBuilder};
pub use record::{Client, Previous, Record, Successor};
pub use sessions::{
    AuthenticationTooOld, DataUpdate, Event, LoginAttempt, Lookup, NewSession, Observer,
    PresentedToken, Rejection, Renewed, Session, SessionPage, Sessions, SessionsBuilder,
    SweepBudget, SweepReport, Watch,
};
pub use store::{
    AtCap, Cap, CreateOutcome, CreateRequest, Feed, Mark, Notice, Page, RevokeAllOutcome,
    RevokeAllRequest, SessionStore, Sharing, SweepCursor, SweepOutcome, SweepRequest,
    UpdateOutcome,
};
pub use token::{Digest, Salt, Token, TokenText};
pub use user::UserId;
