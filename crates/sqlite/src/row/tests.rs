//! What is written in place of a row.

use std::time::Duration;

use revocable_core::Bucket;

use super::*;
use crate::open::Location;

fn record(n: u8) -> Record {
    let user = UserId::new("alice").unwrap();
    Record {
        id: SessionId::new(n.into(), Bucket::of(&user), [n; 8]),
        user,
        digest: Digest::from_bytes([n; 32]),
        previous: None,
        created_ms: 1,
        authenticated_ms: 2,
        last_seen_ms: 3,
        expires_ms: 4,
        idle_timeout_ms: 5,
        version: 6,
        client: Client::new(),
        data: [7].into(),
    }
}

/// No change of the contract writes one of these fields alone. The statement is
/// chosen by what differs, so each must be enough to choose the right one.
#[test]
fn any_difference_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let location = Location::find(&path, Duration::ZERO, None).unwrap();
    let writer = location.open_writer().unwrap();
    type Change = fn(&mut Record);
    let changes: [Change; 6] = [
        |record| record.last_seen_ms = 30,
        |record| record.authenticated_ms = 20,
        |record| record.version = 60,
        |record| record.digest = Digest::from_bytes([0xdd; 32]),
        |record| {
            record.previous = Some(Box::new(Previous {
                digest: Digest::from_bytes([0xee; 32]),
                replaced_ms: 8,
                successor: Successor::Immediate,
            }));
        },
        |record| record.data = [70, 71].into(),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let old = record(n as u8 + 1);
        insert(&writer, &old).unwrap();
        let mut new = old.clone();
        change(&mut new);
        assert_ne!(old, new);
        update(&writer, &old, &new).unwrap();
        assert_eq!(read(&writer, old.id).unwrap().as_deref(), Some(&new));
        assert_eq!(times(&writer, old.id).unwrap(), Some((&new).into()));
    }
}

#[test]
fn the_times_of_a_row_are_read_from_any_column_on() {
    let connection = Connection::open_in_memory().unwrap();
    for (sql, first) in [("SELECT 1, 3, 4, 5", 0), ("SELECT x'', 1, 3, 4, 5", 1)] {
        let times = connection.query_row(sql, [], |row| times_at(row, first));
        assert_eq!(times.unwrap(), Times::from(&record(1)), "{sql}");
    }
}
