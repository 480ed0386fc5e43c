//! The checks of the contract, also those that need damage, which only this
//! crate can do: the engine lets nobody else open the folder.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use futures_executor::block_on;
use revocable_conformance::{Harness, Verdict, checks};
use revocable_core::{
    AtCap, Cap, CreateOutcome, ErrorKind, Liveness, Record, Result, SessionId, SessionStore,
    SweepRequest,
};
use tempfile::TempDir;

use super::support::*;
use crate::SledStore;
use crate::fault::Fault;
use crate::keys;

struct Damaging {
    folder: TempDir,
    open: Mutex<HashMap<String, SledStore>>,
}

impl Harness for Damaging {
    fn open(&self, name: &str) -> Result<Arc<dyn SessionStore>> {
        let store = SledStore::open(self.folder.path().join(name))?;
        let mut open = self.open.lock().unwrap();
        open.insert(name.to_owned(), store.clone());
        Ok(Arc::new(store))
    }

    fn reopen(&self, name: &str) -> Result<Option<Arc<dyn SessionStore>>> {
        self.open.lock().unwrap().remove(name);
        self.open(name).map(Some)
    }

    fn rounds(&self) -> u32 {
        2
    }

    fn damage(&self, name: &str, _: &Arc<dyn SessionStore>, id: SessionId) -> bool {
        let open = self.open.lock().unwrap();
        let trees = open[name].shared().trees();
        let mut bytes = trees.sessions.get(id.as_bytes()).unwrap().unwrap().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        trees.sessions.insert(id.as_bytes(), bytes).unwrap();
        true
    }

    fn break_store(&self, name: &str, _: &Arc<dyn SessionStore>) -> bool {
        let fault = Fault::new(ErrorKind::Unavailable, "as a failed sync leaves it");
        self.open.lock().unwrap()[name].shared().poison(&fault);
        true
    }
}

/// Checks that try every pair of operations at every await point. They and more
/// rounds of the others are in `tests/conformance`.
const LONG: [&str; 5] = [
    "two_writes_at_once_are_as_one_after_the_other",
    "a_write_dropped_half_way_happens_whole_or_not_at_all",
    "a_read_during_a_write_sees_before_or_after",
    "a_read_halted_half_way_undoes_no_write",
    "a_read_after_a_dropped_write_sees_before_or_after",
];

#[test]
fn the_contract_is_kept_also_when_records_or_the_store_are_broken() {
    let harness = Damaging {
        folder: tempfile::tempdir().unwrap(),
        open: Mutex::default(),
    };
    let mut skipped = Vec::new();
    for check in checks() {
        if LONG.contains(&check.name()) {
            continue;
        }
        let verdict = check.run(&harness);
        match verdict {
            Verdict::Passed => {}
            Verdict::Skipped(_) => skipped.push(check.name()),
            Verdict::Failed(_) => panic!("{}: {verdict:?}", check.name()),
        }
        // Closes its stores.
        harness.open.lock().unwrap().clear();
    }
    // The files are looked through there too.
    assert_eq!(skipped, ["nothing_that_was_stored_is_a_token"]);
}

#[test]
fn a_record_in_the_place_of_another_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let [alice, other, mallory] = ["alice", "alice", "mallory"].map(|name| create(&store, name));
    // Under the ID that it names, but of a user that the ID does not.
    let misnamed = Record {
        user: mallory.user.clone(),
        ..alice.clone()
    };
    let sessions = store.shared().trees().sessions;
    for (place, record) in [(&mallory, &alice), (&other, &alice), (&alice, &misnamed)] {
        sessions
            .insert(place.id.as_bytes(), record.encode())
            .unwrap();
        let error = block_on(store.lookup(place.id)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    sessions
        .insert(alice.id.as_bytes(), alice.encode())
        .unwrap();
    assert!(is_there(&store, &alice));
}

#[test]
fn nothing_is_left_in_the_index_by_what_ended() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let [a, b, c] = ["alice", "alice", "bob"].map(|name| create(&store, name));
    {
        let trees = store.shared().trees();
        trees.sessions.insert(c.id.as_bytes(), b"damaged").unwrap();
    }
    for record in [&a, &c] {
        let reason = revocable_core::EndReason::LoggedOut;
        block_on(store.revoke(record.id, reason)).unwrap().unwrap();
    }
    block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
    assert!(!is_there(&store, &b));
    let trees = store.shared().trees();
    assert_eq!((trees.sessions.len(), trees.by_user.len()), (0, 0));
}

#[test]
fn a_damaged_key_of_the_index_hides_no_session_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let [first, second] = [(); 2].map(|()| create(&store, "alice"));
    let mut damaged = keys::by_user(&first.user, first.id);
    let version = damaged.len() - 10;
    damaged[version] |= 0xf0;
    let order = [&damaged, &keys::by_user(&second.user, second.id)];
    assert!(keys::by_user(&first.user, first.id) < *order[0] && order[0] < order[1]);
    let by_user = store.shared().trees().by_user.clone();
    by_user.insert(damaged, &[]).unwrap();
    let list = || block_on(store.list_for_user(&first.user, None, NonZeroU32::MAX)).unwrap();
    assert_eq!(list().records.len(), 2);
    let mut third = request(&record("alice"));
    let max = NonZeroU32::new(2).unwrap();
    third.cap = Some(Cap {
        max,
        at_cap: AtCap::Refuse,
    });
    let refused = block_on(store.create(third)).unwrap();
    assert_eq!(refused, CreateOutcome::CapReached);
    let ended = block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
    assert_eq!(ended.ended, [first.id, second.id]);
    assert!(!is_there(&store, &second));
}

#[test]
fn a_key_of_the_index_without_a_session_is_removed_and_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let alice = create(&store, "alice");
    let gone = keys::by_user(&alice.user, record("alice").id);
    let by_user = store.shared().trees().by_user;
    by_user.insert(gone, &[]).unwrap();
    let ended = block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
    assert_eq!(ended.ended, [alice.id]);
    assert!(by_user.is_empty());
}

#[test]
fn a_sweep_by_single_rows_goes_past_a_key_that_is_no_session() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let [first, second] = [(); 2].map(|()| create(&store, "alice"));
    let mut damaged = *first.id.as_bytes();
    damaged[6] |= 0xf0;
    let sessions = store.shared().trees().sessions.clone();
    sessions.insert(damaged, b"damaged").unwrap();
    let mut sweep = SweepRequest {
        liveness: Liveness::at(i64::MAX),
        forget_epochs_before_ms: 0,
        cursor: None,
        max_rows: NonZeroU32::MIN,
    };
    let (mut ended, mut examined, mut steps) = (Vec::new(), 0, 0);
    loop {
        let step = block_on(store.sweep_expired(sweep.clone())).unwrap();
        ended.extend(step.ended.into_iter().map(|ended| ended.id));
        (examined, steps) = (examined + step.examined, steps + 1);
        sweep.cursor = step.cursor;
        if sweep.cursor.is_none() {
            break;
        }
        assert!(steps < 10, "it does not come to an end");
    }
    assert_eq!(ended, [first.id, second.id]);
    assert_eq!((examined, sessions.len()), (3, 1));
}
