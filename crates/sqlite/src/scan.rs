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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use revocable_core::{Bucket, Client, Digest, ErrorKind, Record};
    use tempfile::TempDir;

    use super::*;
    use crate::open::Location;

    fn record(n: u8) -> Record {
        let user = UserId::new("alice").unwrap();
        Record {
            id: SessionId::new(1_000 + i64::from(n), Bucket::of(&user), [n; 8]),
            user,
            digest: Digest::from_bytes([n; 32]),
            previous: None,
            created_ms: 0,
            authenticated_ms: 0,
            last_seen_ms: 0,
            expires_ms: if n.is_multiple_of(2) { 10 } else { 1_000 },
            idle_timeout_ms: 1_000,
            version: 0,
            client: Client::new(),
            data: [].into(),
        }
    }

    /// A file with sessions from 1 on, every second of which is over at 10.
    fn sessions(count: u8) -> (TempDir, Location) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let location = Location::find(&path, Duration::ZERO, None).unwrap();
        let connection = location.open_writer().unwrap();
        for n in 1..=count {
            let record = record(n);
            row::insert(&connection, &record).unwrap();
            connection
                .execute(
                    "INSERT INTO by_user (user, id) VALUES (?1, ?2)",
                    params![record.user.as_str(), record.id.as_bytes()],
                )
                .unwrap();
        }
        drop(connection);
        (folder, location)
    }

    /// Overwrites the page of a session; those that were on it.
    fn destroy_page_of(folder: &TempDir, location: &Location, n: u8) -> Vec<u8> {
        let path = folder.path().join("s.db");
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(32).position(|window| window == [n; 32]);
        let page = at.unwrap() / 4096 * 4096;
        bytes[page..page + 4096].fill(0xff);
        std::fs::write(path, bytes).unwrap();
        let reader = location.open_reader(Duration::ZERO).unwrap();
        (1..=u8::MAX)
            .filter(|n| row::find(&reader, record(*n).id).is_err())
            .collect()
    }

    const START: [u8; SessionId::LEN] = [0; SessionId::LEN];

    fn place(n: u8) -> [u8; SessionId::LEN] {
        *record(n).id.as_bytes()
    }

    #[test]
    fn a_careful_stretch_finds_what_a_quick_one_does() {
        let (_folder, location) = sessions(5);
        let reader = location.open_reader(Duration::ZERO).unwrap();
        let liveness = Liveness::at(10);
        for (after, limit) in [(START, 2), (place(2), 2), (place(2), 3), (place(2), 9)] {
            let quick = quick_stretch(&reader, after, limit, &liveness).unwrap();
            let careful = careful_stretch(&reader, after, limit, &liveness).unwrap();
            assert_eq!(quick.examined, careful.examined);
            assert_eq!(quick.expired, careful.expired);
            assert_eq!(quick.next, careful.next);
        }
        let stretch = careful_stretch(&reader, START, 2, &liveness).unwrap();
        assert_eq!((stretch.examined, stretch.next), (2, Some(place(2))));
        assert_eq!(stretch.expired, [record(2).id]);
    }

    #[test]
    fn a_stretch_names_only_what_is_over() {
        let (_folder, location) = sessions(1);
        let writer = location.open_writer().unwrap();
        // The absolute deadline is later than the last use, and that later than
        // the creation.
        let used = Record {
            last_seen_ms: 500,
            ..record(1)
        };
        row::update(&writer, &record(1), &used).unwrap();
        assert_eq!(row::times(&writer, used.id).unwrap(), Some((&used).into()));
        let over_at = |now_ms| {
            let stretch = quick_stretch(&writer, START, 9, &Liveness::at(now_ms));
            !stretch.unwrap().expired.is_empty()
        };
        assert!(!over_at(999) && over_at(1_000));
        let idle = Record {
            idle_timeout_ms: 100,
            id: record(3).id,
            ..used
        };
        row::insert(&writer, &idle).unwrap();
        let stretch = quick_stretch(&writer, START, 9, &Liveness::at(599));
        assert_eq!(stretch.unwrap().expired, []);
        let stretch = quick_stretch(&writer, START, 9, &Liveness::at(600));
        assert_eq!(stretch.unwrap().expired, [idle.id]);
    }

    #[test]
    fn leaps_over_damage_count_for_the_limit() {
        let (folder, location) = sessions(200);
        let lost = destroy_page_of(&folder, &location, 100);
        let (first, last) = (lost[0], lost[lost.len() - 1]);
        assert!(lost.len() > 20 && first > 2 && last < 198, "{lost:?}");
        let reader = location.open_reader(Duration::ZERO).unwrap();
        let liveness = Liveness::at(10);
        let stretch = careful_stretch(&reader, place(first - 3), 5, &liveness).unwrap();
        // Two sessions, then 1 ms, 2 ms and 4 ms.
        assert_eq!(stretch.examined, 5);
        let after = leap(place(first - 1), 1).unwrap();
        let after = leap(leap(after, 2).unwrap(), 4);
        assert_eq!(stretch.next, after);
        // Nothing behind the page is left out but what a leap may pass over.
        let stretch = careful_stretch(&reader, START, 1_000, &liveness).unwrap();
        assert_eq!(stretch.next, None);
        assert!(stretch.expired.contains(&record(200).id));
        assert!(stretch.expired.contains(&record(2).id));
    }

    #[test]
    fn a_leap_ends_at_the_end_of_time() {
        let last = [0xff; 6];
        let mut from = START;
        from[..6].copy_from_slice(&last);
        from[5] -= 1;
        let to = leap(from, 1).unwrap();
        assert_eq!((&to[..6], &to[6..]), (&last[..], &[0; 10][..]));
        assert_eq!(leap(from, 2), None);
        assert_eq!(leap(from, u64::MAX), None);
    }

    #[test]
    fn what_is_not_damage_is_an_error_of_the_whole_read() {
        let (_folder, location) = sessions(2);
        let writer = location.open_writer().unwrap();
        writer.execute_batch("DROP TABLE sessions").unwrap();
        let liveness = Liveness::at(10);
        let kind = |fault: Fault| fault.kind();
        let unavailable = Some(ErrorKind::Unavailable);
        let careful = careful_stretch(&writer, START, 9, &liveness);
        assert_eq!(careful.err().map(kind), unavailable);
        let page = page(&writer, &record(1).user, None, NonZeroU32::MAX);
        assert_eq!(page.err().map(kind), unavailable);
    }
}
