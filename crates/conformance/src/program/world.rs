//! A small world that a random program acts in.

use revocable_core::{
    AtCap, Bucket, ChangeKind, CreateRequest, Liveness, Record, Renewal, Salt, SessionId, UserId,
};

use crate::fixture::{HOUR, MINUTE, cap, change, digest, revoke_all};
use crate::operation::Operation;
use crate::random::Random;

const OPERATIONS: usize = 4;

/// Two users with a few sessions that may come to be.
pub(crate) struct World {
    base: i64,
    users: [UserId; 2],
    /// Three of the first user, one of the second.
    pub(crate) ids: Vec<SessionId>,
    template: Record,
    /// Whether everything may be revoked beside other calls.
    pub(crate) ends_everything: bool,
}

impl World {
    /// The users must be new to the store; the template is a record of the first.
    pub(crate) fn new(users: [UserId; 2], template: Record, seed: u64) -> Self {
        let base = template.created_ms;
        let mut random = Random::new(!seed);
        let ids = [0, 0, 0, 1].iter().enumerate().map(|(number, user)| {
            let created_ms = base.saturating_add(number as i64);
            SessionId::new(created_ms, Bucket::of(&users[*user]), random.bytes())
        });
        Self {
            base,
            ids: ids.collect(),
            template,
            users,
            ends_everything: true,
        }
    }

    fn user_of(&self, id: SessionId) -> &UserId {
        &self.users[usize::from(id == self.ids[3])]
    }

    /// The hours of the day decide which sessions are expired: they live for
    /// one without use.
    fn now_ms(&self, random: &mut Random<'_>) -> i64 {
        self.base + random.below(6) as i64 * 15 * MINUTE
    }

    fn create(&self, id: SessionId, random: &mut Random<'_>) -> CreateRequest {
        let now_ms = self.now_ms(random);
        CreateRequest {
            record: Record {
                id,
                user: self.user_of(id).clone(),
                digest: digest(random.below(2) as u64),
                created_ms: now_ms,
                last_seen_ms: now_ms,
                idle_timeout_ms: HOUR,
                ..self.template.clone()
            },
            expected_epoch: None,
            cap: None,
            liveness: Liveness::at(now_ms),
        }
    }

    pub(crate) fn opening(&self, random: &mut Random<'_>) -> Vec<Operation> {
        let ids = [self.ids[0], self.ids[1], self.ids[3]];
        ids.iter()
            .map(|id| Operation::Create(Box::new(self.create(*id, random)), None))
            .collect()
    }

    pub(crate) fn program(&self, thread: usize, random: &mut Random<'_>) -> Vec<Operation> {
        // A thread's slots: one for each user.
        let slot = |user: usize| (thread * 2 + user) as u8;
        let mut program = vec![Operation::Epoch(self.users[0].clone(), slot(0))];
        for _ in 0..OPERATIONS {
            let id = *random.pick(&self.ids);
            let now_ms = self.now_ms(random);
            let update = |kind| Operation::Update(id, change(now_ms, kind));
            program.push(match random.below(20) {
                0..4 => {
                    let mut request = self.create(id, random);
                    if random.chance(2) {
                        let at_cap = *random.pick(&[
                            AtCap::EndOldest,
                            AtCap::EndLeastRecentlyUsed,
                            AtCap::Refuse,
                        ]);
                        request.cap = Some(cap(1 + random.below(2) as u32, at_cap));
                    }
                    let first_user = *self.user_of(id) == self.users[0];
                    let slot = (first_user && random.chance(2)).then(|| slot(0));
                    Operation::Create(Box::new(request), slot)
                }
                4..6 => Operation::Lookup(id),
                6 => update(ChangeKind::Touch),
                7 => Operation::UpdateSoon(id, change(now_ms, ChangeKind::Touch)),
                8 | 9 => update(ChangeKind::Renew {
                    expected: digest(random.below(3) as u64),
                    digest: digest(2 + random.below(2) as u64),
                    renewal: Renewal::Periodic {
                        salt: Salt::from_bytes([thread as u8; Salt::LEN]),
                    },
                }),
                10 => update(ChangeKind::ConfirmSuccessor { digest: digest(2) }),
                11 | 12 => update(ChangeKind::SetData {
                    expected_version: random.below(2) as u64,
                    data: Box::new([thread as u8]),
                }),
                13 => Operation::Revoke(id),
                14 | 15 => {
                    let keep = random.chance(2).then(|| *random.pick(&self.ids));
                    let user = random.below(4) / 3;
                    Operation::RevokeAll(revoke_all(&self.users[user], keep, now_ms))
                }
                16 if random.chance(3) && self.ends_everything => Operation::RevokeEverything,
                16 | 17 => Operation::List(self.user_of(id).clone()),
                18 => Operation::Epoch(self.users[0].clone(), slot(0)),
                _ => Operation::Sweep {
                    liveness: Liveness::at(now_ms),
                    forget_epochs_before_ms: i64::MIN,
                    max_rows: 2,
                },
            });
        }
        program
    }

    /// Looks at everything, and leaves nothing for the next round.
    pub(crate) fn closing(&self) -> Vec<Operation> {
        let lists = self.users.iter().cloned().map(Operation::List);
        let lookups = self.ids.iter().copied().map(Operation::Lookup);
        let all = self.users.iter();
        let all = all.map(|user| Operation::RevokeAll(revoke_all(user, None, self.base)));
        lists
            .chain(lookups)
            .chain(all)
            .chain([Operation::RevokeEverything])
            .collect()
    }
}
