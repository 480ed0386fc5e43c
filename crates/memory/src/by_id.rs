//! Sessions as elements of a set, found by their IDs.

use std::borrow::Borrow;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use revocable_core::{Record, SessionId};

/// A record that is hashed and compared by its ID. A map would keep the ID
/// beside the record once more, 16 bytes a session.
pub(crate) struct ById(pub(crate) Arc<Record>);

impl Borrow<SessionId> for ById {
    fn borrow(&self) -> &SessionId {
        &self.0.id
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ById {}

/// Hashes the last eight bytes of an ID, 62 random bits, with one
/// multiplication.
///
/// The seed is fixed, and this is still safe from crafted collisions: the IDs
/// *in* a map were made by this server's entropy source, and the cost of a
/// lookup depends on what is in the map, not on what is asked for. Whoever
/// logs in many times gets IDs but does not choose them.
pub(crate) type IdHash = BuildHasherDefault<IdHasher>;

#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, id: &[u8]) {
        // 2^64 / golden ratio. Both halves of the product, because the map
        // takes its position from the low bits and its tag from the high ones,
        // and neither may depend on the variant bits (which never change) or
        // suffer from a test's generator that counts.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        if let Some(random) = id.last_chunk() {
            let product = u128::from(u64::from_le_bytes(*random)) * u128::from(FACTOR);
            self.0 = (product as u64) ^ ((product >> 64) as u64);
        }
    }

    /// The length that an array writes first; it is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocable_core::{Bucket, UserId};
    use std::hash::BuildHasher;

    /// 4,096 balls thrown at random into as many bins leave 6 or 7 in the
    /// fullest; a few more do no harm.
    fn assert_spread(random: impl Fn(u64) -> [u8; 8]) {
        let bucket = Bucket::of(&UserId::from(1_u64));
        let (mut bins, mut tags) = ([0; 4_096], [0; 128]);
        for number in 0..4_096 {
            let hash = IdHash::default().hash_one(SessionId::new(0, bucket, random(number)));
            bins[hash as usize % bins.len()] += 1;
            tags[(hash >> 57) as usize] += 1;
        }
        assert!(bins.iter().max() <= Some(&12), "{:?}", bins.iter().max());
        assert!(
            tags.iter().all(|count| (8..=96).contains(count)),
            "{tags:?}"
        );
    }

    #[test]
    fn positions_and_tags_are_spread_even_if_the_generator_counts() {
        assert_spread(|i| i.wrapping_mul(0xd134_2543_de82_ef95).to_be_bytes());
        assert_spread(u64::to_be_bytes);
        assert_spread(u64::to_le_bytes);
    }
}
