//! The reads that go over more than one session.

use std::num::NonZeroU32;

use revocable_core::{Liveness, Page, SessionId, UserId};
use rusqlite::{Connection, params};

use crate::fault::{Fault, Result};
use crate::row::{self, Found};
use crate::writer::session_ids;

/// A page of a user's sessions, one consistent view.
pub(crate) fn page(
    connection: &Connection,
    user: &UserId,
    after: Option<SessionId>,
    limit: NonZeroU32,
) -> Result<Page> {
    let limit = limit.get() as usize;
    // Ends with the page, also if that is an error.
    let _view = connection.unchecked_transaction()?;
    let mut ids = session_ids(connection, user, after, limit as i64 + 1)?;
    let more = ids.len() > limit;
    ids.truncate(limit);
    let mut page = Page {
        next: ids.last().copied().filter(|_| more),
        ..Page::default()
    };
    for id in ids {
        match row::find(connection, id) {
            Ok(Some(Found::Whole(record))) if record.user == *user => {
                page.records.push(record);
            }
            Ok(Some(_)) => page.damaged.push(id),
            Ok(None) => {}
            Err(fault) if fault.is_structural() => page.damaged.push(id),
            Err(fault) => return Err(fault),
        }
    }
    Ok(page)
}

/// A stretch of the table, in the order of IDs.
#[derive(Debug, Default)]
pub(crate) struct Stretch {
    /// How many sessions there were.
    pub(crate) examined: u32,
    /// Those that are not live.
    pub(crate) expired: Vec<SessionId>,
    /// The last that was looked at; `None` at the end of the table.
    pub(crate) next: Option<[u8; SessionId::LEN]>,
}

/// Looks at the times of up to `limit` sessions after a place; at all of those
/// that seem not to be live, so that none that is damaged gets to the writer:
/// it could take the transaction down.
pub(crate) fn stretch(
    connection: &Connection,
    after: [u8; SessionId::LEN],
    limit: u32,
    liveness: &Liveness,
) -> Result<Stretch> {
    let mut stretch = match quick_stretch(connection, after, limit, liveness) {
        Err(fault) if fault.is_structural() => careful_stretch(connection, after, limit, liveness),
        stretch => stretch,
    }?;
    stretch
        .expired
        .retain(|id| matches!(row::find(connection, *id), Ok(Some(Found::Whole(_)))));
    Ok(stretch)
}

/// One statement that reads IDs and times.
fn quick_stretch(
    connection: &Connection,
    after: [u8; SessionId::LEN],
    limit: u32,
    liveness: &Liveness,
) -> Result<Stretch> {
    let mut stretch = Stretch::default();
    let mut statement = connection.prepare_cached(
        "SELECT id, created_ms, last_seen_ms, expires_ms, idle_timeout_ms FROM sessions
         WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let mut rows = statement.query(params![after, limit])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        stretch.examined += 1;
        let id = row.get_ref(0)?.as_blob().unwrap_or_default();
        last = <[u8; SessionId::LEN]>::try_from(id).ok().or(last);
        if let (Some(id), Ok(times)) = (SessionId::from_slice(id), row::times_at(row, 1))
            && !liveness.is_live(times)
        {
            stretch.expired.push(id);
        }
    }
    stretch.next = last.filter(|_| stretch.examined == limit);
    Ok(stretch)
}

/// The same around damage: reads the IDs alone, then the times one by one. If
/// not even the IDs can be read, it goes on a little later in the order of
/// their creation, and twice as far each time that this is still too near.
fn careful_stretch(
    connection: &Connection,
    after: [u8; SessionId::LEN],
    limit: u32,
    liveness: &Liveness,
) -> Result<Stretch> {
    let mut stretch = Stretch::default();
    let mut place = after;
    let mut leap_ms: u64 = 1;
    while stretch.examined < limit {
        match id_after(connection, place) {
            Ok(Some(id)) => {
                stretch.examined += 1;
                place = id;
                leap_ms = 1;
                if let Some(id) = SessionId::from_bytes(id)
                    && let Ok(Some(times)) = row::times(connection, id)
                    && !liveness.is_live(times)
                {
                    stretch.expired.push(id);
                }
            }
            Ok(None) => return Ok(stretch),
            Err(fault) if fault.is_structural() => {
                stretch.examined += 1;
                match leap(place, leap_ms) {
                    Some(further) => place = further,
                    None => return Ok(stretch),
                }
                leap_ms = leap_ms.saturating_mul(2);
            }
            Err(fault) => return Err(fault),
        }
    }
    stretch.next = Some(place);
    Ok(stretch)
}

fn id_after(
    connection: &Connection,
    after: [u8; SessionId::LEN],
) -> Result<Option<[u8; SessionId::LEN]>> {
    let mut statement =
        connection.prepare_cached("SELECT id FROM sessions WHERE id > ?1 ORDER BY id LIMIT 1")?;
    let mut rows = statement.query([after])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    row.get(0).map(Some).map_err(Fault::from)
}

/// The first place that is so much later; `None` beyond the end of time.
fn leap(from: [u8; SessionId::LEN], by_ms: u64) -> Option<[u8; SessionId::LEN]> {
    let from = u128::from_be_bytes(from);
    let to = (from >> 80).checked_add(u128::from(by_ms))?;
    (to < 1 << 48).then(|| (to << 80).to_be_bytes())
}

/// A stretch of the epochs, in their order.
#[derive(Debug, Default)]
pub(crate) struct Epochs {
    /// The last that was taken before the time that was asked for.
    pub(crate) last_old: Option<i64>,
    /// The last that was looked at; `None` at the end.
    pub(crate) next: Option<i64>,
}

/// Looks at up to `limit` epochs after a position.
pub(crate) fn epochs(
    connection: &Connection,
    after: i64,
    limit: u32,
    before_ms: i64,
) -> Result<Epochs> {
    let mut epochs = Epochs::default();
    let mut statement = connection.prepare_cached(
        "SELECT epoch, advanced_ms FROM epochs WHERE epoch > ?1 ORDER BY epoch LIMIT ?2",
    )?;
    let mut rows = statement.query(params![after, limit])?;
    let mut examined = 0;
    while let Some(row) = rows.next()? {
        let (epoch, advanced_ms): (i64, i64) = (row.get(0)?, row.get(1)?);
        examined += 1;
        epochs.next = (examined == limit).then_some(epoch);
        if advanced_ms < before_ms {
            epochs.last_old = Some(epoch);
        }
    }
    Ok(epochs)
}
