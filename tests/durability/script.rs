//! Clients, each with a user of its own, whose every step follows from its
//! number and from what the user's sessions were before: so the state after any
//! number of steps is known, whatever other clients do.

use std::num::NonZeroU32;
use std::sync::Arc;

use revocable::{
    AtCap, Bucket, Cap, Change, ChangeKind, Client, CreateRequest, Digest, EndReason, Epoch,
    Liveness, Record, Renewal, Result, RevokeAllRequest, Salt, SessionId, SessionStore,
    SweepRequest, UserId,
};
use revocable_conformance::Model;

/// The scripts' time, in Unix milliseconds. It stands still.
pub const NOW_MS: i64 = 1_800_000_000_000;

/// When the sessions end that a sweep of the script may remove.
const SOON_MS: i64 = NOW_MS + 1_000;

/// One step of a client.
#[derive(Debug, Clone)]
pub enum Step {
    /// Reads the epoch that a later login will expect.
    BeginLogin(UserId),
    /// Creates a session; whether for the login that was begun last.
    Create(Box<CreateRequest>, bool),
    /// Changes a session.
    Update(SessionId, Change),
    /// Ends a session.
    Revoke(SessionId),
    /// Ends all, or all but one.
    RevokeAll(RevokeAllRequest),
    /// Removes the expired ones, which are this client's alone.
    Sweep(SweepRequest),
    /// Ends everybody's: for a client that is alone.
    RevokeEverything,
}

/// Who takes the steps.
#[derive(Debug, Clone)]
pub struct Script {
    /// Which client.
    pub number: u32,
    /// Whose sessions.
    pub user: UserId,
    /// Client 0 creates sessions that expire, and sweeps.
    sweeps: bool,
    /// Whether nobody else is there.
    alone: bool,
}

impl Script {
    /// The script of a client; `alone` if there is no other.
    pub fn new(number: u32, alone: bool) -> Self {
        Self {
            number,
            user: UserId::from(u64::from(number)),
            sweeps: number == 0,
            alone,
        }
    }

    /// The step with this number, when these are the user's sessions.
    pub fn step(&self, number: u64, sessions: &[Arc<Record>]) -> Step {
        let mut chance = Chance::new(self.number, number);
        let one = sessions.get(chance.below(sessions.len().max(1)));
        let update = |kind| {
            let liveness = Liveness::at(NOW_MS + number as i64);
            let change = |id| Step::Update(id, Change { liveness, kind });
            one.map(|record| change(record.id))
        };
        let step = match chance.below(16) {
            0 => Some(Step::BeginLogin(self.user.clone())),
            1 | 2 => update(ChangeKind::SetData {
                expected_version: one.map_or(0, |record| record.version),
                data: vec![number as u8; chance.below(2_000)].into(),
            }),
            3 | 4 => update(ChangeKind::Renew {
                expected: one.map_or(digest(0, 0), |record| record.digest),
                digest: digest(self.number, number),
                renewal: Renewal::Periodic {
                    salt: Salt::from_bytes([number as u8; Salt::LEN]),
                },
            }),
            5 => update(ChangeKind::ConfirmSuccessor {
                digest: one.map_or(digest(0, 0), |record| record.digest),
            }),
            6 => update(ChangeKind::Touch),
            7..=9 => one.map(|record| Step::Revoke(record.id)),
            10 => {
                let keep = one.map(|record| record.id).filter(|_| chance.below(2) == 0);
                Some(Step::RevokeAll(RevokeAllRequest {
                    user: self.user.clone(),
                    keep,
                    reason: EndReason::LoggedOutEverywhere,
                    now_ms: NOW_MS,
                }))
            }
            11 if self.sweeps => Some(Step::Sweep(SweepRequest {
                liveness: Liveness::at(SOON_MS),
                forget_epochs_before_ms: i64::MIN,
                cursor: None,
                max_rows: NonZeroU32::MAX,
            })),
            12 if self.alone && chance.below(4) == 0 => Some(Step::RevokeEverything),
            _ => None,
        };
        step.unwrap_or_else(|| Step::Create(Box::new(self.login(number)), chance.below(2) == 0))
    }

    /// The ID of the session that the step with this number creates, if it
    /// does.
    pub fn id(&self, number: u64) -> SessionId {
        let created_ms = NOW_MS + number as i64;
        SessionId::new(created_ms, Bucket::of(&self.user), number.to_be_bytes())
    }

    /// The session that the step with this number creates, if it does.
    pub fn login(&self, number: u64) -> CreateRequest {
        let mut chance = Chance::new(self.number, !number);
        let soon = self.sweeps && chance.below(2) == 0;
        let record = Record {
            id: self.id(number),
            user: self.user.clone(),
            digest: digest(self.number, number),
            previous: None,
            created_ms: NOW_MS,
            authenticated_ms: NOW_MS,
            last_seen_ms: NOW_MS,
            expires_ms: if soon { SOON_MS } else { i64::MAX },
            idle_timeout_ms: i64::MAX,
            version: 0,
            client: Client::new().with_user_agent("a client of the script"),
            data: vec![0; chance.below(300)].into(),
        };
        let cap = Cap {
            max: NonZeroU32::new(6).unwrap_or(NonZeroU32::MIN),
            at_cap: AtCap::EndOldest,
        };
        CreateRequest {
            record,
            expected_epoch: None,
            cap: Some(cap),
            liveness: Liveness::at(NOW_MS),
        }
    }
}

/// Has a store take the step. `begun`: the epoch at which the last login began.
///
/// # Errors
///
/// Those of the store.
pub async fn take(store: &dyn SessionStore, step: Step, begun: &mut Option<Epoch>) -> Result<()> {
    match step {
        Step::BeginLogin(user) => *begun = Some(store.epoch(&user).await?),
        Step::Create(mut request, login) => {
            request.expected_epoch = begun.filter(|_| login);
            store.create(*request).await?;
        }
        Step::Update(id, change) => drop(store.update(id, change).await?),
        Step::Revoke(id) => drop(store.revoke(id, EndReason::LoggedOut).await?),
        Step::RevokeAll(request) => drop(store.revoke_all_for_user(request).await?),
        Step::Sweep(mut request) => loop {
            let swept = store.sweep_expired(request.clone()).await?;
            match swept.cursor {
                Some(cursor) => request.cursor = Some(cursor),
                None => break,
            }
        },
        Step::RevokeEverything => drop(store.revoke_everything(EndReason::Administrator).await?),
    }
    Ok(())
}

/// What a client's user has, as the reference model says.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The client.
    pub script: Script,
    /// The number of the next step.
    pub next: u64,
    model: Model,
    /// At which of the model's epochs the last login began.
    begun: Option<Epoch>,
}

impl Expected {
    /// Before the first step.
    pub fn new(script: Script) -> Self {
        Self {
            script,
            next: 0,
            model: Model::new(),
            begun: None,
        }
    }

    /// The user's sessions.
    pub fn sessions(&self) -> Vec<Arc<Record>> {
        self.model
            .list_for_user(&self.script.user, None, 1_000)
            .records
    }

    /// The step that comes next.
    pub fn next_step(&self) -> Step {
        self.script.step(self.next, &self.sessions())
    }

    /// Whether the login that was begun last is one that must be refused;
    /// `None` if none was begun.
    pub fn is_superseded(&self) -> Option<bool> {
        let begun = self.begun?;
        // Any revoke-all of the user that came after took a later position.
        Some(self.model.epoch() > begun)
    }

    /// Takes the next step.
    pub fn advance(&mut self) {
        let step = self.next_step();
        let model = &mut self.model;
        match step {
            Step::BeginLogin(_) => self.begun = Some(model.epoch()),
            Step::Create(mut request, login) => {
                request.expected_epoch = self.begun.filter(|_| login);
                drop(model.create(*request));
            }
            Step::Update(id, change) => drop(model.update(id, &change)),
            Step::Revoke(id) => drop(model.revoke(id, EndReason::LoggedOut)),
            Step::RevokeAll(request) => drop(model.revoke_all_for_user(&request)),
            Step::Sweep(request) => drop(model.sweep_expired(&request)),
            Step::RevokeEverything => drop(model.revoke_everything()),
        }
        self.next += 1;
    }
}

fn digest(client: u32, number: u64) -> Digest {
    let mut bytes = [0; Digest::LEN];
    bytes[..4].copy_from_slice(&client.to_be_bytes());
    bytes[4..12].copy_from_slice(&number.to_be_bytes());
    Digest::from_bytes(bytes)
}

/// Numbers by chance, the same for the same step (splitmix64).
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// Chance that belongs to these two numbers.
    pub fn new(one: u32, other: u64) -> Self {
        Self(u64::from(one) << 40 ^ other)
    }

    /// A number below the bound.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}
