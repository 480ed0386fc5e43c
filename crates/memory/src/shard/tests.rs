use super::*;
use crate::sweep::Sweep;
use revocable_core::{AtCap, Bucket, Client, Digest, EndReason, SweepRequest};
use std::collections::BTreeSet;

fn record(number: u64) -> Record {
    // Up to 40 sessions a user: each of the index's sizes.
    let user = UserId::from(number % 5);
    Record {
        id: SessionId::new(0, Bucket::of(&user), number.to_be_bytes()),
        user,
        digest: Digest::from_bytes([0; 32]),
        previous: None,
        created_ms: 0,
        authenticated_ms: 0,
        last_seen_ms: 0,
        expires_ms: (number % 50) as i64,
        idle_timeout_ms: i64::MAX,
        version: 0,
        client: Client::new(),
        data: Box::default(),
    }
}

/// The index has the sessions, all of them and nothing else, and the room
/// has a place for each.
fn assert_sound(shard: &Shard, room: &Room) {
    let sessions: BTreeSet<_> = shard.sessions.iter().map(|there| there.0.id).collect();
    let indexed: Vec<_> = [0_u64, 1, 2, 3, 4]
        .map(UserId::from)
        .iter()
        .flat_map(|user| shard.users.after(user, None))
        .collect();
    assert_eq!(indexed.len(), sessions.len());
    assert_eq!(indexed.into_iter().collect::<BTreeSet<_>>(), sessions);
    assert_eq!(room.taken(), sessions.len());
}

#[test]
fn a_table_shrinks_when_less_than_a_quarter_of_it_is_used() {
    let cases = [
        (3, 16, None),
        (3, 17, Some(6)),
        (4, 17, None),
        (24, 100, Some(48)),
        (25, 100, None),
    ];
    for (len, capacity, expected) in cases {
        assert_eq!(roomy(len, capacity), expected, "{len} of {capacity}");
    }
}

#[test]
fn the_index_and_the_room_agree_with_the_sessions_after_every_verb() {
    let (mut shard, room) = (Shard::new(), Room::new(150));
    let mut random = 1_u64;
    for step in 0..20_000 {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let number = (random >> 33) % 200;
        let cap = Cap {
            max: NonZeroU32::new(30).unwrap(),
            at_cap: AtCap::EndLeastRecentlyUsed,
        };
        let cap = (step % 3 == 0).then_some((cap, Liveness::at(10)));
        let new = record(number);
        match (random >> 20) % 100 {
            0 => drop(shard.revoke_everything(&room)),
            1..4 => drop(shard.revoke_all_for_user(
                RevokeAllRequest {
                    user: new.user,
                    keep: (step % 2 == 0).then_some(new.id),
                    reason: EndReason::LoggedOut,
                    now_ms: 0,
                },
                &room,
            )),
            4..8 => {
                let request = SweepRequest {
                    liveness: Liveness::at(number as i64 % 40),
                    forget_epochs_before_ms: 0,
                    cursor: None,
                    max_rows: NonZeroU32::MAX,
                };
                let mut walk = Sweep::begin(&request).unwrap().sessions;
                drop(shard.sweep_sessions(&mut walk, request.liveness, &room));
            }
            8..30 => drop(shard.revoke(new.id, &room)),
            _ => drop(shard.create(Arc::new(new), None, cap, &room)),
        }
        assert_sound(&shard, &room);
    }
}
