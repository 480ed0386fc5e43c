//! What goes wrong on the way to the server and back, as the contract's errors.

use deadpool_postgres::PoolError;
use revocable_core::{Error, ErrorKind};
use tokio_postgres::error::{DbError, Severity, SqlState};

/// What the functions of the schema raise.
const LOST_META: &str = "RV001";
const OTHER_ISOLATION: &str = "RV002";
const OPEN_TRANSACTION: &str = "RV003";

/// Why a statement has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no connection to send it on. Nothing was changed.
    NoConnection(Error),
    /// The server rolled it back because of what others did, or wants it
    /// prepared again. Nothing was changed.
    Again(Error),
    /// The server has become a replica. Nothing was changed; the next primary
    /// will do it.
    Replica(Error),
    /// The connection is in a transaction that somebody left open, or that failed. Nothing
    /// was changed.
    LeftOpen(Error),
    /// The server refused it. Nothing was changed.
    Refused(Error),
    /// The connection was lost. It may have been carried out.
    Lost(tokio_postgres::Error),
    /// The answer has not come in time. It may have been carried out, or may yet
    /// be.
    Late,
}

impl Failure {
    pub(crate) fn no_connection(error: PoolError) -> Self {
        let PoolError::Backend(error) = error else {
            let message = match error {
                PoolError::Timeout(_) => "no connection to the server was free or made in time",
                _ => "there is no connection to the server",
            };
            return Self::NoConnection(unavailable(message).with_source(error));
        };
        Self::not_connected(error)
    }

    pub(crate) fn not_connected(error: tokio_postgres::Error) -> Self {
        let kind = error.code().map_or(ErrorKind::Unavailable, |code| {
            let class = code.code().get(..2).unwrap_or_default();
            match class {
                // No such user, wrong password; no such database; not allowed.
                "28" | "3D" | "42" => ErrorKind::Configuration,
                _ => ErrorKind::Unavailable,
            }
        });
        let message = "the server cannot be reached, or lets nobody in";
        Self::NoConnection(Error::new(kind, message).with_source(error))
    }

    pub(crate) fn connecting_took_too_long() -> Self {
        Self::NoConnection(unavailable("the server could not be reached in time"))
    }

    /// Of a statement that was sent.
    pub(crate) fn of(error: tokio_postgres::Error) -> Self {
        let Some(reason) = error.as_db_error() else {
            return Self::Lost(error);
        };
        // The server ends the connection: perhaps after it has committed.
        if !matches!(
            reason.parsed_severity(),
            None | Some(Severity::Error) | Some(Severity::Warning)
        ) {
            return Self::Lost(error);
        }
        match reason.code() {
            &SqlState::T_R_SERIALIZATION_FAILURE
            | &SqlState::T_R_DEADLOCK_DETECTED
            | &SqlState::FEATURE_NOT_SUPPORTED
            | &SqlState::INVALID_SQL_STATEMENT_NAME => Self::Again(
                unavailable("others change the same faster than this call can").with_source(error),
            ),
            &SqlState::READ_ONLY_SQL_TRANSACTION => {
                let message = "the server takes no writes: it is a replica, or was set so";
                Self::Replica(unavailable(message).with_source(error))
            }
            code if matches!(code.code(), OTHER_ISOLATION | OPEN_TRANSACTION)
                || code.code().starts_with("25") =>
            {
                Self::LeftOpen(refused(reason).with_source(error))
            }
            _ => Self::Refused(refused(reason).with_source(error)),
        }
    }

    /// Whether the connection is of no more use.
    pub(crate) fn is_connections_end(&self) -> bool {
        matches!(
            self,
            Self::Again(_) | Self::Replica(_) | Self::LeftOpen(_) | Self::Lost(_) | Self::Late
        )
    }

    /// For who only asked.
    pub(crate) fn reading(self) -> Error {
        match self {
            Self::NoConnection(error)
            | Self::Again(error)
            | Self::Replica(error)
            | Self::LeftOpen(error)
            | Self::Refused(error) => error,
            Self::Lost(error) => unavailable("the connection was lost").with_source(error),
            Self::Late => unavailable("the server has not answered in time"),
        }
    }

    /// For who wanted something changed.
    pub(crate) fn writing(self) -> Error {
        if !matches!(self, Self::Lost(_) | Self::Late) {
            return self.reading();
        }
        let message =
            "the server's answer was lost, it may have done what was asked: repeat the call";
        Error::new(ErrorKind::UnknownOutcome, message).with_source(self.reading())
    }
}

/// The server says why it did nothing.
fn refused(reason: &DbError) -> Error {
    let code = reason.code().code();
    let (kind, message) = match (code.get(..2).unwrap_or_default(), code) {
        (_, LOST_META) => return lost_meta(),
        (_, OTHER_ISOLATION) => (
            ErrorKind::Configuration,
            "the connection's transactions are not READ COMMITTED: set `default_transaction_isolation` \
             for its user",
        ),
        (_, OPEN_TRANSACTION) => (
            ErrorKind::Configuration,
            "the application's pool gave a connection with an open transaction, in which nothing \
             is committed: end it before the connection goes back",
        ),
        (_, "53100" | "53200") => (ErrorKind::Full, "the server has no room left"),
        (_, "42P01" | "42883" | "3F000" | "42703") => (
            ErrorKind::Configuration,
            "the store's tables or functions are not there: apply the SQL of `schema_sql`",
        ),
        ("42" | "28", _) => (
            ErrorKind::Configuration,
            "the server does not let this user do what the store needs",
        ),
        // A page that does not fit its checksum, or an index that does not fit.
        ("XX", _) => (ErrorKind::Corrupt, "the server finds its files damaged"),
        (_, "55P03" | "57014") => (
            ErrorKind::Unavailable,
            "the server was kept from it too long: somebody locks the store's tables, or it is overloaded",
        ),
        _ => (ErrorKind::Unavailable, "the server refuses"),
    };
    Error::new(kind, message)
}

/// The one row of `meta` is gone.
pub(crate) fn lost_meta() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "what is known of revocations was deleted from the store: nobody is let in until everything is revoked",
    )
}

pub(crate) fn unavailable(message: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, message)
}

pub(crate) fn configuration(message: &'static str) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

/// An answer of another form than the statement gives.
pub(crate) fn unexpected(error: tokio_postgres::Error) -> Error {
    unavailable("the server's answer is of no known form").with_source(error)
}
