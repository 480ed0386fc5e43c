//! Changes of a session: each carries its own condition and knows how to apply
//! itself to a record.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::liveness::Liveness;
use crate::record::{Previous, Record, Successor};
use crate::token::{Digest, Salt};

/// One conditional write to one session.
///
/// A store applies a change in one atomic step: it reads the record, calls
/// [`Change::apply`], and writes what comes out. Key-value stores do just
/// that inside their transaction; an SQL store may turn a change into a
/// statement with the same meaning. There is no other way to write to a
/// session that exists, so nothing can bring back one that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When the change is made and which sessions count as live then; one that
    /// is not live is not changed.
    pub liveness: Liveness,
    /// What is changed, on which condition.
    pub kind: ChangeKind,
}

/// What a [`Change`] does. `Debug` shows of the data its length only.
#[derive(Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// The session was used: `last_seen_ms` advances, never back.
    Touch,
    /// A new secret, if the current one is still the expected.
    Renew {
        /// The digest of the token to replace, the current one. For security
        /// it may also be the one before, as long as nobody is known to have
        /// presented its successor: both die then, and the record goes on to
        /// know the one that the client has.
        expected: Digest,
        /// The digest of the new token.
        digest: Digest,
        /// Why, and so what becomes of the old token.
        renewal: Renewal,
    },
    /// The current token, made by a periodic renewal, was presented for the
    /// first time.
    ConfirmSuccessor {
        /// The digest of the token that was presented.
        digest: Digest,
    },
    /// New data, if nobody else has changed it.
    SetData {
        /// The version that the new data was made from.
        expected_version: u64,
        /// The new data.
        data: Box<[u8]>,
    },
}

/// Why a session gets a new secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// By policy, from time to time: the old token stays good until its
    /// successor has been presented, and a short overlap after that.
    Periodic {
        /// What the new token was made of, besides the old one.
        salt: Salt,
    },
    /// For security: the old token dies at once.
    Immediate,
    /// The user proved again who they are: as `Immediate`, and
    /// `authenticated_ms` advances.
    Reauthentication,
}

/// A [`Renewal`] without what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RenewalKind {
    /// By policy, from time to time.
    Periodic,
    /// For security.
    Immediate,
    /// The user proved again who they are.
    Reauthentication,
}

impl Renewal {
    /// Why, for observers.
    pub fn kind(&self) -> RenewalKind {
        match self {
            Self::Periodic { .. } => RenewalKind::Periodic,
            Self::Immediate => RenewalKind::Immediate,
            Self::Reauthentication => RenewalKind::Reauthentication,
        }
    }

    /// Whether the token with this digest is one that it may replace.
    fn may_replace(&self, expected: &Digest, record: &Record) -> bool {
        if record.digest == *expected {
            return true;
        }
        match (self, &record.previous) {
            // It makes the same successor again; it is not replaced twice.
            (Self::Periodic { .. }, _) | (_, None) => false,
            (Self::Immediate | Self::Reauthentication, Some(previous)) => {
                previous.digest == *expected
                    && matches!(previous.successor, Successor::Unconfirmed { .. })
            }
        }
    }
}

/// What [`Change::apply`] makes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The record to write.
    Changed(Arc<Record>),
    /// Nothing to write: the record is already so. This is what makes every
    /// change but `SetData` safe to repeat.
    Unchanged,
    /// The condition does not hold.
    Conflict,
    /// The session is no longer live. Reported as if it were absent.
    Expired,
}

impl fmt::Debug for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Touch => f.write_str("Touch"),
            Self::Renew { renewal, .. } => write!(f, "Renew({:?})", renewal.kind()),
            Self::ConfirmSuccessor { .. } => f.write_str("ConfirmSuccessor"),
            Self::SetData {
                expected_version,
                data,
            } => write!(f, "SetData({expected_version}, {} bytes)", data.len()),
        }
    }
}

impl Applied {
    fn changed(record: Record) -> Self {
        Self::Changed(Arc::new(record))
    }
}

impl Change {
    /// What every store checks first.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the new data is
    /// larger than [`Record::MAX_DATA_LEN`].
    pub fn validate(&self) -> Result<()> {
        match &self.kind {
            ChangeKind::SetData { data, .. } if data.len() > Record::MAX_DATA_LEN => {
                Err(Error::invalid("the session's data has more than 1 MiB"))
            }
            _ => Ok(()),
        }
    }

    /// Applies the change to a record: a pure function.
    pub fn apply(&self, record: &Record) -> Applied {
        if !self.liveness.is_live(record) {
            return Applied::Expired;
        }
        let now_ms = self.liveness.now_ms;
        match &self.kind {
            ChangeKind::Touch if now_ms <= record.last_seen_ms => Applied::Unchanged,
            ChangeKind::Touch => Applied::changed(Record {
                last_seen_ms: now_ms,
                ..record.clone()
            }),

            ChangeKind::Renew { digest, .. } if record.digest == *digest => Applied::Unchanged,
            ChangeKind::Renew {
                expected, renewal, ..
            } if !renewal.may_replace(expected, record) => Applied::Conflict,
            ChangeKind::Renew {
                expected,
                digest,
                renewal,
            } => Applied::changed(Record {
                digest: *digest,
                previous: Some(Box::new(Previous {
                    digest: *expected,
                    replaced_ms: now_ms,
                    successor: match renewal {
                        Renewal::Periodic { salt } => Successor::Unconfirmed { salt: *salt },
                        Renewal::Immediate | Renewal::Reauthentication => Successor::Immediate,
                    },
                })),
                authenticated_ms: match renewal {
                    Renewal::Reauthentication => now_ms,
                    Renewal::Periodic { .. } | Renewal::Immediate => record.authenticated_ms,
                },
                last_seen_ms: record.last_seen_ms.max(now_ms),
                ..record.clone()
            }),

            ChangeKind::ConfirmSuccessor { digest } if record.digest != *digest => {
                Applied::Conflict
            }
            ChangeKind::ConfirmSuccessor { .. } => match record.previous.as_deref() {
                Some(
                    previous @ Previous {
                        successor: Successor::Unconfirmed { .. },
                        ..
                    },
                ) => Applied::changed(Record {
                    previous: Some(Box::new(Previous {
                        successor: Successor::Presented { at_ms: now_ms },
                        ..previous.clone()
                    })),
                    last_seen_ms: record.last_seen_ms.max(now_ms),
                    ..record.clone()
                }),
                _ => Applied::Unchanged,
            },

            ChangeKind::SetData {
                expected_version, ..
            } if record.version != *expected_version => Applied::Conflict,
            ChangeKind::SetData { data, .. } => Applied::changed(Record {
                version: record.version.wrapping_add(1),
                data: data.clone(),
                ..record.clone()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Bucket, SessionId};
    use crate::record::Client;
    use crate::user::UserId;

    const NOW_MS: i64 = 1_000;

    fn digest(byte: u8) -> Digest {
        Digest::from_bytes([byte; Digest::LEN])
    }

    fn record() -> Record {
        let user = UserId::from(1_u64);
        Record {
            id: SessionId::new(0, Bucket::of(&user), [0; 8]),
            user,
            digest: digest(1),
            previous: None,
            created_ms: 0,
            authenticated_ms: 0,
            last_seen_ms: 500,
            expires_ms: 10_000,
            idle_timeout_ms: 1_000,
            version: 3,
            client: Client::new(),
            data: b"old"[..].into(),
        }
    }

    fn apply_at(now_ms: i64, kind: ChangeKind) -> Applied {
        let liveness = Liveness::at(now_ms);
        Change { liveness, kind }.apply(&record())
    }

    fn renew(expected: u8, new: u8, renewal: Renewal) -> ChangeKind {
        ChangeKind::Renew {
            expected: digest(expected),
            digest: digest(new),
            renewal,
        }
    }

    fn changed(applied: Applied) -> Record {
        match applied {
            Applied::Changed(record) => Record::clone(&record),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_touch_moves_forward_only() {
        assert_eq!(apply_at(499, ChangeKind::Touch), Applied::Unchanged);
        assert_eq!(apply_at(500, ChangeKind::Touch), Applied::Unchanged);
        let touched = changed(apply_at(501, ChangeKind::Touch));
        assert_eq!(
            touched,
            Record {
                last_seen_ms: 501,
                ..record()
            }
        );
    }

    #[test]
    fn no_change_touches_a_session_that_is_over() {
        let set = ChangeKind::SetData {
            expected_version: 3,
            data: Box::default(),
        };
        let confirm = ChangeKind::ConfirmSuccessor { digest: digest(1) };
        for kind in [
            ChangeKind::Touch,
            renew(1, 2, Renewal::Immediate),
            set,
            confirm,
        ] {
            assert_eq!(apply_at(1_500, kind), Applied::Expired);
        }
    }

    #[test]
    fn a_renewal_needs_the_expected_secret_and_may_be_repeated() {
        let salt = Salt::from_bytes([9; Salt::LEN]);
        let periodic = Renewal::Periodic { salt };
        assert_eq!(apply_at(NOW_MS, renew(7, 2, periodic)), Applied::Conflict);
        assert_eq!(apply_at(NOW_MS, renew(7, 1, periodic)), Applied::Unchanged);
        let previous = |successor| {
            Some(Box::new(Previous {
                digest: digest(1),
                replaced_ms: NOW_MS,
                successor,
            }))
        };
        let renewed = Record {
            digest: digest(2),
            previous: previous(Successor::Unconfirmed { salt }),
            last_seen_ms: NOW_MS,
            ..record()
        };
        assert_eq!(changed(apply_at(NOW_MS, renew(1, 2, periodic))), renewed);
        let immediate = Record {
            previous: previous(Successor::Immediate),
            ..renewed
        };
        let applied = apply_at(NOW_MS, renew(1, 2, Renewal::Immediate));
        assert_eq!(changed(applied), immediate);
        let applied = apply_at(NOW_MS, renew(1, 2, Renewal::Reauthentication));
        let reauthenticated = Record {
            authenticated_ms: NOW_MS,
            ..immediate
        };
        assert_eq!(changed(applied), reauthenticated);
    }

    #[test]
    fn for_security_a_token_is_replaced_also_while_it_awaits_its_successor() {
        let salt = Salt::from_bytes([9; Salt::LEN]);
        let periodic = Renewal::Periodic { salt };
        let awaiting = changed(apply_at(600, renew(1, 2, periodic)));
        let apply = |record: &Record, kind| {
            let liveness = Liveness::at(NOW_MS);
            Change { liveness, kind }.apply(record)
        };
        for renewal in [Renewal::Immediate, Renewal::Reauthentication] {
            let replaced = changed(apply(&awaiting, renew(1, 3, renewal)));
            let expected = Previous {
                digest: digest(1),
                replaced_ms: NOW_MS,
                successor: Successor::Immediate,
            };
            assert_eq!(
                (replaced.digest, replaced.previous.clone()),
                (digest(3), Some(Box::new(expected)))
            );
            assert_eq!(apply(&replaced, renew(1, 3, renewal)), Applied::Unchanged);
            assert_eq!(apply(&replaced, renew(1, 4, renewal)), Applied::Conflict);
            assert_eq!(apply(&awaiting, renew(7, 3, renewal)), Applied::Conflict);
            let confirm = ChangeKind::ConfirmSuccessor { digest: digest(2) };
            let confirmed = changed(apply(&awaiting, confirm));
            assert_eq!(apply(&confirmed, renew(1, 3, renewal)), Applied::Conflict);
        }
        assert_eq!(apply(&awaiting, renew(1, 3, periodic)), Applied::Conflict);
    }

    #[test]
    fn a_successor_is_confirmed_once() {
        let confirm = |record: &Record, byte| {
            let kind = ChangeKind::ConfirmSuccessor {
                digest: digest(byte),
            };
            let liveness = Liveness::at(NOW_MS);
            Change { liveness, kind }.apply(record)
        };
        assert_eq!(confirm(&record(), 1), Applied::Unchanged);
        let salt = Salt::from_bytes([9; Salt::LEN]);
        let renewed = changed(apply_at(600, renew(1, 2, Renewal::Periodic { salt })));
        assert_eq!(confirm(&renewed, 1), Applied::Conflict);
        let confirmed = changed(confirm(&renewed, 2));
        assert_eq!(
            confirmed
                .previous
                .as_ref()
                .map(|p| (p.replaced_ms, p.successor)),
            Some((600, Successor::Presented { at_ms: NOW_MS }))
        );
        assert_eq!(confirm(&confirmed, 2), Applied::Unchanged);
    }

    #[test]
    fn data_needs_the_expected_version() {
        let set = |expected_version| ChangeKind::SetData {
            expected_version,
            data: b"new"[..].into(),
        };
        assert_eq!(apply_at(NOW_MS, set(2)), Applied::Conflict);
        assert_eq!(apply_at(NOW_MS, set(4)), Applied::Conflict);
        let written = changed(apply_at(NOW_MS, set(3)));
        assert_eq!((written.version, &*written.data), (4, &b"new"[..]));
    }
}
