//! C5: what was acknowledged is there after the store was closed and opened.

use revocable_core::{
    ChangeKind, CreateOutcome, Digest, Liveness, Record, Renewal, Salt, UpdateOutcome,
};

use super::c2_round_trip::{confusable_users, every_record};
use crate::check::Clause::{C1, C4, C5};
use crate::check::{Check, Stop, ensure, ensure_eq};
use crate::fixture::{Context, HOUR, MINUTE, change, digest};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "sessions_are_there_after_a_reopen",
        clauses: &[C5],
        about: "Every field, and the user's index.",
        run: sessions,
    },
    Check {
        name: "changes_are_there_after_a_reopen",
        clauses: &[C5],
        about: "A restart must not re-admit a token that was replaced (CVE-2026-9802).",
        run: changes,
    },
    Check {
        name: "revoked_stays_revoked_after_a_reopen",
        clauses: &[C1, C5],
        about: "A single session, a user's, everybody's; by a cap and by a sweep.",
        run: revocations,
    },
    Check {
        name: "epochs_are_there_after_a_reopen",
        clauses: &[C4, C5],
        about: "Also those that were forgotten, by their floor.",
        run: epochs,
    },
];

fn sessions(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let mut records = every_record(&store)?;
    for user in confusable_users() {
        records.push(store.session(&user)?);
    }
    let store = context.reopen(store)?;
    for record in &records {
        store.ensure_there(record, "after a reopen")?;
    }
    let count = records.len() as u64;
    ensure_eq(&store.revoke_everything()?, &count, "the sessions in all")
}

fn changes(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let salt = Salt::from_bytes([1; Salt::LEN]);
    let renew = |expected: Digest, renewal| ChangeKind::Renew {
        expected,
        digest: digest(9_000),
        renewal,
    };
    type Kind<'a> = &'a dyn Fn(&Record) -> ChangeKind;
    let kinds: [Kind<'_>; 5] = [
        &|_| ChangeKind::Touch,
        &|record| renew(record.digest, Renewal::Periodic { salt }),
        &|record| renew(record.digest, Renewal::Immediate),
        &|record| renew(record.digest, Renewal::Reauthentication),
        &|record| ChangeKind::SetData {
            expected_version: record.version,
            data: Box::new([1, 2, 3]),
        },
    ];
    let mut changed = Vec::new();
    for kind in kinds {
        let record = store.session(&user)?;
        let change = change(store.base + MINUTE, kind(&record));
        match store.update(record.id, change)? {
            UpdateOutcome::Updated(record) => changed.push(record),
            outcome => return Err(Stop::failed(format!("update: {outcome:?}"))),
        }
    }
    // The successor of the renewed one is presented.
    let confirm = ChangeKind::ConfirmSuccessor {
        digest: digest(9_000),
    };
    match store.update(changed[1].id, change(store.base + 2 * MINUTE, confirm))? {
        UpdateOutcome::Updated(record) => changed[1] = record,
        outcome => return Err(Stop::failed(format!("update: {outcome:?}"))),
    }
    let store = context.reopen(store)?;
    for record in &changed {
        store.ensure_there(record, "changed before a reopen")?;
    }
    Ok(())
}

fn revocations(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let (user, other) = (store.user(), store.user());
    let mut gone = vec![store.session(&user)?, store.session(&user)?];
    store.revoke_everything()?;
    let revoked = store.session(&user)?;
    store.revoke(revoked.id)?;
    let of_other = [store.session(&other)?, store.session(&other)?];
    store.revoke_all(&other)?;
    let expired = Record {
        last_seen_ms: store.base - 2 * HOUR,
        ..store.record(&user)
    };
    store.created(&expired)?;
    store.sweep(Liveness::at(store.base))?;
    let capped = store.session(&user)?;
    let kept = store.record(&user);
    store.create(store.capped(&kept, 1, revocable_core::AtCap::EndOldest))?;
    gone.extend([revoked, expired, capped]);
    gone.extend(of_other);

    let store = context.reopen(store)?;
    for record in &gone {
        store.ensure_gone(record, "ended before a reopen")?;
    }
    store.ensure_there(&kept, "the only one left, after a reopen")?;
    ensure_eq(
        &store.revoke_all(&other)?.ended,
        &vec![],
        "left of the other",
    )?;
    ensure_eq(&store.revoke_everything()?, &1, "the sessions in all")
}

fn epochs(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let (kept, forgotten, other) = (store.user(), store.user(), store.user());
    let old = [&kept, &forgotten, &other].map(|user| store.epoch(user));
    let [old_kept, old_forgotten, old_other] = old;
    store.revoke_all_at(&forgotten, None, store.base)?;
    store.sweep_by(Liveness::at(store.base), store.base + 1, 100)?;
    let recent_ms = store.base + HOUR;
    let taken = store.revoke_all_at(&kept, None, recent_ms)?.epoch;
    let read = store.epoch(&kept)?;

    let store = context.reopen(store)?;
    for (user, epoch) in [(&kept, old_kept?), (&forgotten, old_forgotten?)] {
        let record = store.record(user);
        let outcome = store.create(store.login(&record, epoch))?;
        let what = "a login from before a revoke-all, after a reopen";
        ensure_eq(&outcome, &CreateOutcome::Superseded, what)?;
    }
    let record = store.record(&kept);
    let outcome = store.create(store.login(&record, read))?;
    let created = matches!(outcome, CreateOutcome::Created { .. });
    ensure(
        created,
        format!("a login from before a reopen: {outcome:?}"),
    )?;
    let next = store.revoke_all(&kept)?.epoch;
    ensure(
        next > taken && next > read,
        format!("after a reopen a revoke-all took {next:?}, {taken:?} before"),
    )?;

    store.revoke_everything()?;
    let store = context.reopen(store)?;
    let record = store.record(&other);
    let outcome = store.create(store.login(&record, old_other?))?;
    let what = "a login from before revoke-everything, after a reopen";
    ensure_eq(&outcome, &CreateOutcome::Superseded, what)
}
