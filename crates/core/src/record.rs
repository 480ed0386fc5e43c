//! What a store keeps of a session.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::id::{Bucket, SessionId};
use crate::token::{Digest, Salt};
use crate::user::UserId;

/// A session as a store keeps it. Times are Unix milliseconds.
///
/// Stores hand records out shared, in an `Arc`, and never change one in place:
/// a [`Change`](crate::Change) makes a new record of the old.
///
/// A record holds nothing that suffices to present the session. `Debug` shows of
/// the application's data its length only.
///
/// What a lookup looks at comes to three cache lines; what it seldom needs is
/// behind a pointer.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The public name. Its bucket is that of `user`.
    pub id: SessionId,
    /// Whose session it is.
    pub user: UserId,
    /// SHA-256 of the current token.
    pub digest: Digest,
    /// The token before, after a renewal.
    pub previous: Option<Box<Previous>>,
    /// When the session was created.
    pub created_ms: i64,
    /// When the user last proved who they are: at creation, or later at a
    /// step-up.
    pub authenticated_ms: i64,
    /// When the session was last used, as far as was recorded. Never moves
    /// back.
    pub last_seen_ms: i64,
    /// The absolute deadline. Never moves.
    pub expires_ms: i64,
    /// How long the session lives without use; [`i64::MAX`] for no limit.
    pub idle_timeout_ms: i64,
    /// Advances by one with each change of `data`.
    pub version: u64,
    /// What a "your devices" page shows.
    pub client: Client,
    /// The application's bytes.
    pub data: Box<[u8]>,
}

/// The token that a renewal replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// SHA-256 of the replaced token.
    pub digest: Digest,
    /// When it was replaced.
    pub replaced_ms: i64,
    /// What became of its successor.
    pub successor: Successor,
}

/// What is known of the token that took the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Successor {
    /// A periodic renewal made it and nobody has presented it yet: the response
    /// may have been lost, so the old token is still good, and makes the same
    /// successor again.
    Unconfirmed {
        /// What the successor is made of, besides the old token.
        salt: Salt,
    },
    /// It has been presented; the old token is good for a short overlap more.
    Presented {
        /// When it was first presented.
        at_ms: i64,
    },
    /// A renewal for security made it: the old token died with it.
    Immediate,
}

/// What is kept of the client for a "your devices" page. None of it is
/// verified and no decision rests on it.
///
/// Cheap to clone: the copies share what they hold.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Client(
    /// `None` if nothing is known, so that equal clients compare equal.
    Option<Arc<Known>>,
);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    user_agent: Option<Box<str>>,
    ip: Option<IpAddr>,
    label: Option<Box<str>>,
}

impl Client {
    /// The longest user agent kept, in bytes; a longer one is cut.
    pub const MAX_USER_AGENT_LEN: usize = 512;
    /// The longest label in bytes.
    pub const MAX_LABEL_LEN: usize = 128;

    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The `User-Agent` header. It comes from the client and may be anything,
    /// so it is cut at [`Client::MAX_USER_AGENT_LEN`] bytes (at a character's
    /// boundary) and control characters are dropped; never an error.
    #[must_use]
    pub fn with_user_agent(self, user_agent: impl AsRef<str>) -> Self {
        let mut kept = String::new();
        for c in user_agent.as_ref().chars().filter(|c| !c.is_control()) {
            if kept.len() + c.len_utf8() > Self::MAX_USER_AGENT_LEN {
                break;
            }
            kept.push(c);
        }
        let kept = (!kept.is_empty()).then(|| kept.into());
        self.with(|known| known.user_agent = kept)
    }

    /// The client's address.
    #[must_use]
    pub fn with_ip(self, ip: IpAddr) -> Self {
        self.with(|known| known.ip = Some(ip))
    }

    /// A name that the application gives the device.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if it is longer than
    /// [`Client::MAX_LABEL_LEN`] bytes or holds control characters.
    pub fn with_label(self, label: impl AsRef<str>) -> Result<Self> {
        let label = label.as_ref();
        if label.len() > Self::MAX_LABEL_LEN {
            return Err(Error::invalid("a client's label has at most 128 bytes"));
        }
        if label.chars().any(char::is_control) {
            return Err(Error::invalid("a client's label has no control characters"));
        }
        let label = (!label.is_empty()).then(|| label.into());
        Ok(self.with(|known| known.label = label))
    }

    fn with(self, change: impl FnOnce(&mut Known)) -> Self {
        let mut known = self.0.map(Arc::unwrap_or_clone).unwrap_or_default();
        change(&mut known);
        Self((known != Known::default()).then(|| Arc::new(known)))
    }

    /// The user agent, if known.
    pub fn user_agent(&self) -> Option<&str> {
        self.0.as_ref()?.user_agent.as_deref()
    }

    /// The address, if known.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.as_ref()?.ip
    }

    /// The application's name for the device, if it gave one.
    pub fn label(&self) -> Option<&str> {
        self.0.as_ref()?.label.as_deref()
    }

    /// For stores: a client from its stored parts; `None` if a bound is
    /// broken, which means that what was stored is damaged.
    pub fn from_parts(
        user_agent: Option<&str>,
        ip: Option<IpAddr>,
        label: Option<&str>,
    ) -> Option<Self> {
        let in_bounds = |text: Option<&str>, max_len| {
            text.is_none_or(|text| {
                !text.is_empty() && text.len() <= max_len && !text.chars().any(char::is_control)
            })
        };
        (in_bounds(user_agent, Self::MAX_USER_AGENT_LEN) && in_bounds(label, Self::MAX_LABEL_LEN))
            .then(|| {
                Self::new().with(|known| {
                    known.user_agent = user_agent.map(Into::into);
                    known.ip = ip;
                    known.label = label.map(Into::into);
                })
            })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("user_agent", &self.user_agent())
            .field("ip", &self.ip())
            .field("label", &self.label())
            .finish()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("user", &self.user)
            .field("digest", &self.digest)
            .field("previous", &self.previous)
            .field("created_ms", &self.created_ms)
            .field("authenticated_ms", &self.authenticated_ms)
            .field("last_seen_ms", &self.last_seen_ms)
            .field("expires_ms", &self.expires_ms)
            .field("idle_timeout_ms", &self.idle_timeout_ms)
            .field("version", &self.version)
            .field("client", &self.client)
            .field("data", &format_args!("{} bytes", self.data.len()))
            .finish()
    }
}

impl Record {
    /// The most bytes of `data` that any store takes. Policies set a lower
    /// bound, 16 KiB unless told otherwise.
    pub const MAX_DATA_LEN: usize = 1 << 20;

    /// Whether the record is one that this crate could have made. Stores check
    /// what they are asked to create and what they read back.
    pub fn is_consistent(&self) -> bool {
        self.id.bucket() == Bucket::of(&self.user)
            && self.idle_timeout_ms > 0
            && self.data.len() <= Self::MAX_DATA_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_user_agent_is_cut_and_cleaned() {
        let client = Client::new().with_user_agent(format!("a\r\n{}", "é".repeat(1_000)));
        let kept = client.user_agent().unwrap();
        assert!(kept.starts_with("aé"));
        assert!(kept.len() <= Client::MAX_USER_AGENT_LEN);
        assert_eq!(Client::new().with_user_agent("\n").user_agent(), None);
        assert_eq!(client.with_user_agent("\n"), Client::new());
    }

    #[test]
    fn parts_out_of_bounds_are_seen_as_damage() {
        let long = "a".repeat(Client::MAX_USER_AGENT_LEN + 1);
        assert!(Client::from_parts(Some(&long), None, None).is_none());
        assert!(Client::from_parts(Some(""), None, None).is_none());
        assert!(Client::from_parts(None, None, Some("a\nb")).is_none());
        let client = Client::from_parts(Some("agent"), None, Some("phone")).unwrap();
        assert_eq!(
            (client.user_agent(), client.label()),
            (Some("agent"), Some("phone"))
        );
    }
}
