//! What a store has to hold after its process was ended.

use std::num::NonZeroU32;
use std::sync::Arc;

use futures_executor::block_on;
use revocable::{CreateOutcome, Epoch, Liveness, Record, SessionStore, SweepRequest};

use crate::durability::script::{Expected, NOW_MS, Step};

/// Holds the store against the clients' expectations. Each client's sessions
/// must be as after all acknowledged steps, or as after one more, that was under
/// way. The expectations are moved on to what was found.
///
/// # Errors
///
/// What the store holds otherwise.
pub fn verify(store: &dyn SessionStore, clients: &mut [Expected]) -> Result<(), String> {
    let mut total = 0;
    for client in clients.iter_mut() {
        let found = listed(store, client)?;
        let mut after = client.clone();
        after.advance();
        if found != client.sessions() {
            let step = client.next_step();
            let is_partial_sweep =
                matches!(step, Step::Sweep(_)) && is_between(&client.sessions(), &found, &after);
            if found == after.sessions() {
                *client = after.clone();
            } else if !is_partial_sweep {
                return Err(format!(
                    "client {} after {} steps, then {step:?}:\n   found {found:?}\nexpected {:?}\n      or {:?}",
                    client.script.number,
                    client.next,
                    client.sessions(),
                    after.sessions(),
                ));
            }
        }
        total += found.len() as u64;
        looked_up(store, client, &found)?;
    }
    // No row is left that belongs to nobody's list.
    let stored = stored(store)?;
    if stored != total {
        return Err(format!("{stored} sessions stored, {total} listed"));
    }
    Ok(())
}

/// Whether a login that had begun before a revoke-all is still refused.
/// Creates a session if it is let in.
///
/// # Errors
///
/// If it is not.
pub fn verify_login(
    store: &dyn SessionStore,
    client: &Expected,
    begun: Option<Epoch>,
) -> Result<(), String> {
    let (Some(epoch), Some(superseded)) = (begun, client.is_superseded()) else {
        return Ok(());
    };
    // A number that no step will have.
    let mut request = client.script.login(1 << 40);
    request.expected_epoch = Some(epoch);
    let outcome = block_on(store.create(request)).map_err(|error| format!("{error:?}"))?;
    // One that was not superseded may be refused: a revocation was under way.
    if superseded && outcome != CreateOutcome::Superseded {
        return Err(format!(
            "client {}: a login that began before a revoke-all: {outcome:?}",
            client.script.number
        ));
    }
    Ok(())
}

fn listed(store: &dyn SessionStore, client: &Expected) -> Result<Vec<Arc<Record>>, String> {
    let limit = NonZeroU32::new(1_000).unwrap_or(NonZeroU32::MIN);
    let page = block_on(store.list_for_user(&client.script.user, None, limit));
    let page = page.map_err(|error| format!("{error:?}"))?;
    if page.damaged.is_empty() && page.next.is_none() {
        Ok(page.records)
    } else {
        Err(format!("damaged: {:?}", page.damaged))
    }
}

/// Index and rows agree, and what has ended is not found.
fn looked_up(
    store: &dyn SessionStore,
    client: &Expected,
    found: &[Arc<Record>],
) -> Result<(), String> {
    for record in found {
        let row = block_on(store.lookup(record.id)).map_err(|error| format!("{error:?}"))?;
        if row.as_ref() != Some(record) {
            return Err(format!("listed {record:?}, looked up {row:?}"));
        }
    }
    for number in client.next.saturating_sub(64)..=client.next {
        let id = client.script.id(number);
        let row = block_on(store.lookup(id)).map_err(|error| format!("{error:?}"))?;
        if row.is_some() != found.iter().any(|record| record.id == id) {
            return Err(format!("{id} is in the row or the index alone"));
        }
    }
    Ok(())
}

fn is_between(before: &[Arc<Record>], found: &[Arc<Record>], after: &Expected) -> bool {
    after.sessions().iter().all(|record| found.contains(record))
        && found.iter().all(|record| before.contains(record))
}

/// How many sessions a sweep sees, at a time when none is expired.
///
/// # Errors
///
/// Those of the store.
pub fn stored(store: &dyn SessionStore) -> Result<u64, String> {
    let mut request = SweepRequest {
        liveness: Liveness::at(NOW_MS),
        forget_epochs_before_ms: i64::MIN,
        cursor: None,
        max_rows: NonZeroU32::new(1_000).unwrap_or(NonZeroU32::MIN),
    };
    let mut examined = 0;
    loop {
        let step = block_on(store.sweep_expired(request.clone()));
        let step = step.map_err(|error| format!("{error:?}"))?;
        examined += step.examined;
        match step.cursor {
            None => return Ok(examined),
            cursor => request.cursor = cursor,
        }
    }
}
