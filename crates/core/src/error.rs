//! The one error type of every store and of the session manager.

use std::borrow::Cow;
use std::error::Error as StdError;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and what a caller can do about it.
///
/// *Absent is not an error*: a session that is not there is reported as
/// `None` or as an outcome, never as an `Error`. Nor is an error ever to be
/// read as "no session": an application answers it with a failure (HTTP 503)
/// and lets nobody in.
///
/// The message is one line and holds no secret. The cause, if there is one, is
/// the [`source`](StdError::source) and is not repeated in the message.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store, or the entropy source, cannot answer now. Nothing was
    /// changed. Trying again may help.
    Unavailable,
    /// What the store holds is damaged. On a lookup this concerns the one
    /// session that was asked for.
    Corrupt,
    /// Another writer was faster, more often than the call retries.
    Conflict,
    /// All of the user's sessions were revoked after the login began; the
    /// login has to begin again.
    Superseded,
    /// The user has as many live sessions as the policy allows, and the
    /// policy refuses another.
    TooManySessions,
    /// No room: the disk is full, or a store's limit is reached. Nothing was
    /// changed.
    Full,
    /// The write was begun and it is not known whether it took effect. Every
    /// operation of a store may be repeated after this.
    UnknownOutcome,
    /// An argument is out of its documented bounds.
    InvalidInput,
    /// The settings, or the file or server that they name, do not fit: a
    /// person has to change something.
    Configuration,
}

impl Error {
    /// An error of this kind. The message must not hold a secret.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The cause, as [`source`](StdError::source) but without naming the trait.
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }

    /// Whether the same call may succeed later without anybody changing
    /// anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Unavailable | ErrorKind::Conflict | ErrorKind::UnknownOutcome
        )
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_the_message_and_the_cause_stays_in_the_chain() {
        let error = Error::new(ErrorKind::Unavailable, "the store cannot be read")
            .with_source("disk on fire");
        assert_eq!(error.to_string(), "the store cannot be read");
        assert_eq!(
            StdError::source(&error).map(ToString::to_string),
            Some("disk on fire".into())
        );
    }

    #[test]
    fn only_what_may_pass_by_itself_is_transient() {
        let transient = |kind| Error::new(kind, "").is_transient();
        assert!(transient(ErrorKind::Unavailable));
        assert!(transient(ErrorKind::UnknownOutcome));
        assert!(!transient(ErrorKind::Corrupt));
        assert!(!transient(ErrorKind::Configuration));
        assert!(!transient(ErrorKind::Full));
    }
}
