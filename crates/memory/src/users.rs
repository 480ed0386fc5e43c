//! Which sessions a user has.

use std::collections::BTreeSet;
use std::ops::Bound;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use indexmap::map::Entry;
use revocable_core::{SessionId, UserId};

use crate::shard::roomy;
use crate::sweep::Walk;

/// The IDs of each user's sessions, and by that also the order in which a
/// sweep visits them. Users may choose their names, so the hash has a random
/// seed.
#[derive(Default)]
pub(crate) struct Users(IndexMap<UserId, Ids, RandomState>);

impl Users {
    pub(crate) fn insert(&mut self, user: &UserId, id: SessionId) {
        match self.0.get_mut(user) {
            Some(ids) => ids.insert(id),
            None => {
                self.0.insert(user.clone(), Ids::One(id));
            }
        }
    }

    pub(crate) fn remove(&mut self, user: &UserId, id: SessionId) {
        if let Entry::Occupied(mut entry) = self.0.entry(user.clone())
            && entry.get_mut().remove(id) == Left::None
        {
            entry.swap_remove();
            self.shrink();
        }
    }

    /// Takes out all sessions of a user but one, in the order of their IDs.
    pub(crate) fn remove_all(&mut self, user: &UserId, keep: Option<SessionId>) -> Vec<SessionId> {
        let Entry::Occupied(mut entry) = self.0.entry(user.clone()) else {
            return Vec::new();
        };
        let mut removed: Vec<SessionId> = entry.get().after(None).collect();
        let kept = keep.and_then(|keep| removed.binary_search(&keep).ok());
        if let Some(at) = kept {
            // In place: a sweep relies on it that no entry moves up.
            entry.insert(Ids::One(removed.remove(at)));
        } else {
            entry.swap_remove();
            self.shrink();
        }
        removed
    }

    /// The sessions of a user in the order of their IDs, beginning after one.
    pub(crate) fn after(
        &self,
        user: &UserId,
        after: Option<SessionId>,
    ) -> impl Iterator<Item = SessionId> {
        self.0
            .get(user)
            .into_iter()
            .flat_map(move |ids| ids.after(after))
    }

    /// The sessions that a sweep looks at next.
    pub(crate) fn next(&self, walk: &mut Walk) -> Vec<SessionId> {
        walk.next_within(self.0.len(), |at, after| self.0[at].after(after))
    }

    fn shrink(&mut self) {
        if let Some(capacity) = roomy(self.0.len(), self.0.capacity()) {
            self.0.shrink_to(capacity);
        }
    }
}

/// A set of IDs that is small when it has few: most users have one to three
/// sessions, but nothing keeps an application from having one user with a
/// million. Never empty.
enum Ids {
    One(SessionId),
    /// In order, at most [`Ids::FEW`].
    Few(Vec<SessionId>),
    #[expect(
        clippy::box_collection,
        reason = "unboxed it would make every entry larger by eight bytes"
    )]
    Many(Box<BTreeSet<SessionId>>),
}

#[derive(PartialEq, Eq)]
enum Left {
    Some,
    None,
}

impl Ids {
    const FEW: usize = 16;

    fn insert(&mut self, id: SessionId) {
        match self {
            Self::One(one) if *one == id => {}
            Self::One(one) => *self = Self::Few(vec![id.min(*one), id.max(*one)]),
            Self::Few(few) => {
                if let Err(at) = few.binary_search(&id) {
                    if few.len() == Self::FEW {
                        *self = Self::Many(Box::new(few.iter().copied().chain([id]).collect()));
                    } else {
                        few.reserve_exact(1);
                        few.insert(at, id);
                    }
                }
            }
            Self::Many(many) => {
                many.insert(id);
            }
        }
    }

    fn remove(&mut self, id: SessionId) -> Left {
        match self {
            Self::One(one) if *one == id => return Left::None,
            Self::One(_) => {}
            Self::Few(few) => {
                few.retain(|other| *other != id);
                if let [one] = few[..] {
                    *self = Self::One(one);
                }
            }
            Self::Many(many) => {
                many.remove(&id);
                // Half of what makes it many, so that one session that comes
                // and goes does not convert it each time.
                if many.len() <= Self::FEW / 2 {
                    *self = Self::Few(many.iter().copied().collect());
                }
            }
        }
        Left::Some
    }

    fn after(&self, after: Option<SessionId>) -> impl Iterator<Item = SessionId> {
        let (sorted, tree) = match self {
            Self::One(one) => (std::slice::from_ref(one), None),
            Self::Few(few) => (&few[..], None),
            Self::Many(many) => (&[][..], Some(many)),
        };
        let from = after.map_or(0, |after| sorted.partition_point(|id| *id <= after));
        let bounds = (
            after.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        );
        let in_tree = tree.into_iter().flat_map(move |tree| tree.range(bounds));
        sorted[from..].iter().chain(in_tree).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocable_core::Bucket;

    fn id(number: u64) -> SessionId {
        SessionId::new(0, Bucket::of(&user()), number.to_be_bytes())
    }

    fn user() -> UserId {
        UserId::from(7_u64)
    }

    /// Numbers below `n`, each once, in an order without pattern.
    fn shuffled(n: u64) -> impl Iterator<Item = u64> {
        (0..n).map(move |i| i * 61 % n)
    }

    #[test]
    fn ids_stay_in_order_and_complete_through_every_size_and_back() {
        let mut users = Users::default();
        let mut expected = BTreeSet::new();
        let steps = shuffled(50).map(|i| (true, i));
        for (insert, number) in steps.chain(shuffled(50).map(|i| (false, i))) {
            if insert {
                users.insert(&user(), id(number));
                expected.insert(id(number));
            } else {
                users.remove(&user(), id(number));
                expected.remove(&id(number));
            }
            for after in [None, Some(id(0)), Some(id(20)), Some(id(99))] {
                let listed: Vec<_> = users.after(&user(), after).collect();
                let right = expected.iter().copied();
                let right: Vec<_> = right.filter(|id| Some(*id) > after).collect();
                assert_eq!(listed, right);
            }
        }
        assert!(users.0.is_empty(), "a user without sessions takes no room");
    }

    #[test]
    fn the_kept_session_stays_and_a_strangers_id_keeps_nothing() {
        let mut users = Users::default();
        for number in 0..3 {
            users.insert(&user(), id(number));
        }
        assert_eq!(users.remove_all(&user(), Some(id(1))), [id(0), id(2)]);
        assert_eq!(users.after(&user(), None).collect::<Vec<_>>(), [id(1)]);
        assert_eq!(users.remove_all(&user(), Some(id(9))), [id(1)]);
        assert!(users.0.is_empty());
    }

    #[test]
    fn an_entry_of_the_index_is_no_larger_than_a_vec() {
        assert_eq!(size_of::<Ids>(), 24);
    }
}
