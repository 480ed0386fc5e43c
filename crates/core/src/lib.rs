//! Core.

mod change;
mod clock;
mod codec;
mod ended;
mod entropy;
mod epoch;
mod error;
mod id;
mod liveness;
mod record;
mod store;
mod token;
mod user;

pub use change::{Applied, Change, ChangeKind, Renewal};
pub use clock::{Clock, ManualClock, SystemClock};
pub use codec::DecodeError;
pub use ended::{EndListener, EndListeners, EndReason, Ended};
pub use epoch::Epoch;
pub use error::{Error, ErrorKind, Result};
pub use id::{Bucket, ParseSessionIdError, SessionId};
pub use liveness::{Expired, Liveness, Times};
pub use record::{Client, Previous, Record, Successor};
pub use store::{
    AtCap, Cap, CreateOutcome, CreateRequest, Page, RevokeAllOutcome, RevokeAllRequest,
    SessionStore, SweepCursor, SweepOutcome, SweepRequest, UpdateOutcome,
};
pub use token::{Digest, Salt, Token, TokenText};
pub use user::UserId;
