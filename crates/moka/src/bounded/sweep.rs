//! The sweep, and where it is.

use std::sync::Arc;

use revocable_core::{
    EndReason, Error, ErrorKind, Result, SessionId, SweepCursor, SweepOutcome, SweepRequest, UserId,
};

use super::MokaStore;

/// How many sessions a sweep looks at before it lets others write.
const STEP: usize = 256;

impl MokaStore {
    pub(super) fn sweep(&self, request: &SweepRequest, mut place: Place) -> SweepOutcome {
        let mut outcome = SweepOutcome::default();
        let mut left = request.max_rows.get() as usize;
        while let Place::Sessions(after) = &place {
            let limit = left.min(STEP);
            if limit == 0 {
                outcome.cursor = place.write();
                return outcome;
            }
            let mut index = self.lock();
            let records = index.after(after.as_ref(), limit);
            outcome.examined += records.len() as u64;
            left -= records.len();
            let expired: Vec<_> = records
                .iter()
                .filter(|record| !request.liveness.is_live(&***record))
                .map(Arc::clone)
                .collect();
            self.take(&mut index, &expired);
            drop(index);
            outcome.ended.extend(self.tell(expired, EndReason::Expired));
            place = match records.last() {
                Some(last) if records.len() == limit => {
                    Place::Sessions(Some((last.user.clone(), last.id)))
                }
                _ => Place::Epochs(None),
            };
        }
        if let Place::Epochs(after) = place {
            let limit = request.max_rows.get() as usize;
            let before_ms = request.forget_epochs_before_ms;
            let (forgotten, next) = self.lock().forget_epochs(after.as_ref(), limit, before_ms);
            outcome.epochs_forgotten = forgotten;
            outcome.cursor = Place::Epochs(next).write();
        }
        outcome
    }
}

/// First it goes through the sessions, then through the epochs. In a cursor: a
/// letter, the user's length and name, and for a session its ID.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Sessions(Option<(UserId, SessionId)>),
    Epochs(Option<UserId>),
}

impl Place {
    pub(super) fn read(cursor: Option<&SweepCursor>) -> Result<Self> {
        match cursor {
            None => Ok(Self::Sessions(None)),
            Some(cursor) => Self::parse(cursor.as_bytes()).ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidInput,
                    "the sweep's cursor is not of this store",
                )
            }),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (len, rest) = rest.split_first()?;
        let (user, rest) = rest.split_at_checked(usize::from(*len))?;
        let user = UserId::new(std::str::from_utf8(user).ok()?).ok()?;
        match kind {
            b's' => SessionId::from_slice(rest).map(|id| Self::Sessions(Some((user, id)))),
            b'e' if rest.is_empty() => Some(Self::Epochs(Some(user))),
            _ => None,
        }
    }

    /// `None` at the very beginning.
    pub(super) fn write(&self) -> Option<SweepCursor> {
        let (kind, user, id) = match self {
            Self::Sessions(Some((user, id))) => (b's', user, &id.as_bytes()[..]),
            Self::Epochs(Some(user)) => (b'e', user, &[][..]),
            Self::Sessions(None) | Self::Epochs(None) => return None,
        };
        let name = user.as_str().as_bytes();
        let len = u8::try_from(name.len()).expect("a user's name has at most 255 bytes");
        Some(SweepCursor::new([&[kind, len], name, id].concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocable_core::Bucket;

    #[test]
    fn a_place_is_read_back_and_anything_else_refused() {
        let user = UserId::new("alice").unwrap();
        let id = SessionId::new(5, Bucket::of(&user), [7; 8]);
        let places = [
            Place::Sessions(Some((user.clone(), id))),
            Place::Epochs(Some(user)),
        ];
        for place in places {
            let cursor = place.write().unwrap();
            let read = Place::read(Some(&cursor)).unwrap();
            assert_eq!(read.write(), Some(cursor.clone()));
            for len in 0..cursor.as_bytes().len() {
                let cut = SweepCursor::new(&cursor.as_bytes()[..len]);
                assert!(Place::read(Some(&cut)).is_err());
            }
        }
    }
}
