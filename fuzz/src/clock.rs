//! Policies, and time at its extremes: nothing overflows, and no session
//! outlives its deadlines, wherever the clock jumps.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_executor::block_on;
use revocable::{
    Applied, AtCap, Bucket, Change, ChangeKind, Client, Digest, Liveness, ManualClock, MemoryStore,
    NewSession, Policy, Record, Renewal, Salt, SessionId, Sessions, Times, UserId,
};

use crate::input::Input;

/// Judges, changes and looks up sessions at chosen times under chosen limits.
///
/// # Panics
///
/// If arithmetic overflows, or a session lives longer than it may.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    judged(&mut input);
    changed(&mut input);
    if let Some(policy) = policy(&mut input) {
        looked_up(policy, &mut input);
    }
}

/// Live exactly while before every deadline, in exact arithmetic.
fn judged(input: &mut Input<'_>) {
    let times = Times {
        created_ms: input.ms(),
        last_seen_ms: input.ms(),
        expires_ms: input.ms(),
        idle_timeout_ms: input.ms(),
    };
    let liveness = Liveness {
        now_ms: input.ms(),
        absolute_timeout_ms: input.ms(),
        idle_timeout_ms: input.ms(),
    };
    let sum = |a: i64, b: i64| {
        let exact = i128::from(a) + i128::from(b);
        exact.clamp(i64::MIN.into(), i64::MAX.into())
    };
    let idle_ms = times.idle_timeout_ms.min(liveness.idle_timeout_ms);
    let end = i128::from(times.expires_ms)
        .min(sum(times.created_ms, liveness.absolute_timeout_ms))
        .min(sum(times.last_seen_ms, idle_ms));
    assert_eq!(liveness.is_live(times), i128::from(liveness.now_ms) < end);

    // What has expired stays so when time goes on.
    let later = Liveness {
        now_ms: liveness.now_ms.max(input.ms()),
        ..liveness
    };
    assert!(liveness.is_live(times) || !later.is_live(times));
}

/// No change moves a deadline, and none brings back what is over.
fn changed(input: &mut Input<'_>) {
    let user = UserId::from(1_u64);
    let mut record = Record {
        id: SessionId::new(input.ms(), Bucket::of(&user), input.array()),
        user,
        digest: Digest::from_bytes([0; 32]),
        previous: None,
        created_ms: input.ms(),
        authenticated_ms: input.ms(),
        last_seen_ms: input.ms(),
        expires_ms: input.ms(),
        idle_timeout_ms: input.ms().max(1),
        version: input.ms() as u64,
        client: Client::new(),
        data: Box::default(),
    };
    for _ in 0..8 {
        let liveness = Liveness::at(input.ms());
        let digest = |byte: u8| Digest::from_bytes([byte % 3; 32]);
        let kind = match input.byte() % 5 {
            0 => ChangeKind::Touch,
            1 => ChangeKind::ConfirmSuccessor {
                digest: digest(input.byte()),
            },
            2 => ChangeKind::SetData {
                expected_version: record.version,
                data: [input.byte()][..].into(),
            },
            choice => ChangeKind::Renew {
                expected: digest(input.byte()),
                digest: digest(input.byte()),
                renewal: match choice {
                    3 => Renewal::Reauthentication,
                    _ => Renewal::Periodic {
                        salt: Salt::from_bytes(input.array()),
                    },
                },
            },
        };
        let live = liveness.is_live(&record);
        let applied = Change { liveness, kind }.apply(&record);
        assert_eq!(live, applied != Applied::Expired);
        if let Applied::Changed(next) = applied {
            assert!(next.last_seen_ms >= record.last_seen_ms);
            assert_eq!(next.expires_ms, record.expires_ms);
            assert_eq!(next.created_ms, record.created_ms);
            assert_eq!(next.idle_timeout_ms, record.idle_timeout_ms);
            assert_eq!((next.id, &next.user), (record.id, &record.user));
            assert_eq!(Record::decode(&next.encode()).as_ref(), Ok(&*next));
            record = Record::clone(&next);
        }
    }
}

/// A policy that builds keeps what the builder promises.
fn policy(input: &mut Input<'_>) -> Option<Policy> {
    let duration = |input: &mut Input<'_>| match input.byte() % 4 {
        0 => Duration::from_millis(input.byte().into()),
        1 => Duration::from_millis(input.u32().into()),
        2 => Duration::new(input.u32().into(), input.u32() % 1_000_000_000),
        _ => Duration::MAX.saturating_sub(Duration::from_millis(input.byte().into())),
    };
    let mut builder = Policy::builder(duration(input));
    let set = input.byte();
    if set & 1 != 0 {
        builder = builder.idle_timeout(duration(input));
    }
    if set & 2 != 0 {
        builder = builder.touch_interval(duration(input));
    }
    if set & 4 != 0 {
        builder = builder.renewal_interval(duration(input));
    }
    if set & 8 != 0 {
        builder = builder.renewal_overlap(duration(input));
    }
    if set & 16 != 0 {
        builder = builder.login_attempt_max_age(duration(input));
    }
    if set & 32 != 0 {
        builder = builder.max_sessions_per_user(input.byte().into(), AtCap::EndOldest);
    }
    if set & 64 != 0 {
        builder = builder.no_idle_timeout();
    }
    let policy = builder.build().ok()?;
    if let Some(idle) = policy.idle_timeout() {
        assert!(idle < policy.absolute_timeout());
        assert!(policy.touch_interval() <= idle / 2);
    }
    if let Some(interval) = policy.renewal_interval() {
        assert!(policy.renewal_overlap() < interval && interval < policy.absolute_timeout());
    }
    assert!(!policy.document().to_string().is_empty());
    Some(policy)
}

/// A session at a clock that jumps both ways, against the plain rule.
fn looked_up(policy: Policy, input: &mut Input<'_>) {
    let (absolute, idle) = (policy.absolute_timeout(), policy.idle_timeout());
    let created = time(input.ms());
    let clock = Arc::new(ManualClock::new(created));
    let sessions = Sessions::builder(MemoryStore::new())
        .policy(policy)
        .clock(clock.clone())
        .build()
        .expect("the policy was built");
    let new = NewSession::for_user(UserId::from(2_u64));
    let (token, session) = block_on(sessions.create(new)).expect("memory does not fail");
    // Where the platform's own time ends, deadlines end with it.
    let deadline = session.expires_at();
    assert!(
        created
            .checked_add(absolute)
            .is_none_or(|end| deadline <= end)
    );
    let mut seen = created;
    for _ in 0..6 {
        let now = time(input.ms());
        clock.jump_to(now);
        let found = block_on(sessions.lookup(&token)).expect("memory does not fail");
        let idle_end = idle.and_then(|idle| seen.checked_add(idle));
        if found.is_some() {
            assert!(now < deadline, "lives beyond its deadline");
            assert!(idle_end.is_none_or(|end| now < end), "lives beyond its use");
            seen = seen.max(now);
        }
        let listed = block_on(sessions.list_for_user(&UserId::from(2_u64), None, 10));
        let listed = listed.expect("memory does not fail").sessions.len();
        assert_eq!(listed, usize::from(found.is_some()));
        if input.byte().is_multiple_of(8) {
            let swept = block_on(sessions.sweep(Default::default()));
            let swept = swept.expect("memory does not fail").ended;
            assert!(found.is_none() || swept == 0, "a live session was swept");
        }
    }
}

fn time(ms: i64) -> SystemTime {
    let distance = Duration::from_millis(ms.unsigned_abs());
    let time = if ms < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(UNIX_EPOCH)
}
