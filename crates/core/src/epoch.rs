//! Epochs: how a login that began before a revoke-all is told from one that
//! began after.

/// A position in the sequence of a store's revocations.
///
/// Each `revoke_all_for_user` and `revoke_everything` takes the next position.
/// A login remembers the position at which it began; when it comes to create
/// the session, the store refuses if a revoke-all of that user, or of
/// everybody, has taken a later one.
///
/// A store keeps for each user the position of the last revoke-all, and may
/// forget old ones if it remembers the highest that it forgot: a login that
/// began before that is refused, because it could have been meant. So is one that
/// names a position that the store has not reached: it began in another life of
/// the store, which is why a new store begins at a position at random. No clock
/// takes part in the decision. Positions are compared within one user only,
/// so an engine in parts may count in each part by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// Before every other position.
    pub const ZERO: Self = Self(0);

    /// The position as a number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The position with this number.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
