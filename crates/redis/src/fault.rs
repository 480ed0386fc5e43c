//! What goes wrong on the way to the server and back, as the contract's errors.

use redis::{RedisError, ServerErrorKind};
use revocable_core::{Error, ErrorKind};

/// Why a command has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no connection to send it on. Nothing was changed.
    NoConnection(Error),
    /// The server has become a replica. Nothing was changed; the next master
    /// will do it.
    Replica(RedisError),
    /// The server refused it. Nothing was changed.
    Refused(RedisError),
    /// The connection was lost. It may have been carried out.
    Lost(RedisError),
    /// The answer has not come in time. It may have been carried out, or may yet
    /// be.
    Late,
    /// It was carried out, and too few replicas have it.
    NotReplicated,
}

impl Failure {
    pub(crate) fn no_connection(error: RedisError) -> Self {
        let kind = match error.kind() {
            redis::ErrorKind::AuthenticationFailed | redis::ErrorKind::InvalidClientConfig => {
                ErrorKind::Configuration
            }
            _ => ErrorKind::Unavailable,
        };
        Self::NoConnection(Error::new(kind, "the server cannot be reached").with_source(error))
    }

    pub(crate) fn connecting_took_too_long() -> Self {
        let message = "the server could not be reached in time";
        Self::NoConnection(Error::new(ErrorKind::Unavailable, message))
    }

    /// Of a command that was sent.
    pub(crate) fn of(error: RedisError) -> Self {
        match error.kind() {
            redis::ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => {
                Self::Replica(error)
            }
            redis::ErrorKind::Server(_) | redis::ErrorKind::Extension => Self::Refused(error),
            redis::ErrorKind::ClusterConnectionNotFound => Self::no_connection(error),
            _ => Self::Lost(error),
        }
    }

    /// Whether the connection is of no more use.
    pub(crate) fn is_connections_end(&self) -> bool {
        matches!(self, Self::Replica(_) | Self::Lost(_) | Self::Late)
    }

    /// Whether the server may have done what was asked.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Late | Self::NotReplicated)
    }

    /// For who only asked.
    pub(crate) fn reading(self) -> Error {
        let unavailable = |message| Error::new(ErrorKind::Unavailable, message);
        match self {
            Self::NoConnection(error) => error,
            Self::Replica(error) => unavailable("the server is a replica").with_source(error),
            Self::Refused(error) => refused(error),
            Self::Lost(error) => unavailable("the connection was lost").with_source(error),
            Self::Late => unavailable("the server has not answered in time"),
            Self::NotReplicated => unavailable("too few replicas have it"),
        }
    }

    /// For who wanted something changed, which may have been done at this
    /// attempt or one before.
    pub(crate) fn writing(self, unknown: bool) -> Error {
        if !(unknown || self.is_unknown()) {
            return self.reading();
        }
        if let Self::NotReplicated = self {
            let message = "it was done, and too few replicas have it: a fail-over may undo it; repeat the call";
            return Error::new(ErrorKind::UnknownOutcome, message).with_source(self.reading());
        }
        unknown_outcome(self.reading())
    }
}

/// Something else went wrong than that nothing was done.
pub(crate) fn unknown_outcome(why: Error) -> Error {
    let message = "the server's answer was lost, it may have done what was asked: repeat the call";
    Error::new(ErrorKind::UnknownOutcome, message).with_source(why)
}

/// The server says why it did nothing.
fn refused(error: RedisError) -> Error {
    let has_no_room = |error: &RedisError| {
        let detail = error.detail().unwrap_or_default();
        detail.contains("No space left on device")
    };
    let (kind, message) = match error.code().unwrap_or_default() {
        "MISCONF" if has_no_room(&error) => (
            ErrorKind::Full,
            "the server has no room left on its disk, and takes no writes at all",
        ),
        "OOM" => (ErrorKind::Full, "the server has no memory left"),
        "WRONGTYPE" | "DAMAGED" => (
            ErrorKind::Corrupt,
            "a key of the store is missing or holds something else",
        ),
        "NOAUTH" | "WRONGPASS" | "NOPERM" => (
            ErrorKind::Configuration,
            "the server does not let this user do what the store needs",
        ),
        "MOVED" | "ASK" | "CROSSSLOT" => (
            ErrorKind::Configuration,
            "the server is part of a cluster: name it by `cluster`",
        ),
        "MOVING" => (
            ErrorKind::Unavailable,
            "the cluster is moving the session's slot to another server: until that is done it can \
             be read, and not be written to",
        ),
        // LOADING, BUSY, MISCONF (a snapshot could not be written), NOREPLICAS,
        // CLUSTERDOWN, TRYAGAIN.
        _ => (ErrorKind::Unavailable, "the server refuses"),
    };
    Error::new(kind, message).with_source(error)
}

/// An answer of another form than the script or command gives.
pub(crate) fn unexpected() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the server's answer is of no known form",
    )
}
