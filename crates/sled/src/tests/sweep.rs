//! Sweeps that go on for longer than a batch.

use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use futures_executor::block_on;
use revocable_core::{EndReason, Liveness, SessionStore, SweepRequest};

use super::support::*;
use super::sync::{Write, is_ready, setup};
use crate::SledStore;

#[test]
fn a_sweep_goes_on_until_it_has_seen_as_many_as_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let records: Vec<_> = (0..700).map(|_| record("alice")).collect();
    let mut creates: Vec<_> = records
        .iter()
        .map(|record| store.create(request(record)))
        .collect();
    for create in &mut creates {
        let _ = create
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
    }
    // Those that wait in one batch.
    for create in creates {
        block_on(create).unwrap();
    }
    let mut sweep = SweepRequest {
        liveness: Liveness::at(i64::MAX),
        forget_epochs_before_ms: 0,
        cursor: None,
        max_rows: NonZeroU32::new(600).unwrap(),
    };
    let first = block_on(store.sweep_expired(sweep.clone())).unwrap();
    assert_eq!((first.examined, first.ended.len()), (600, 600));
    sweep.cursor = first.cursor;
    assert!(sweep.cursor.is_some());
    let last = block_on(store.sweep_expired(sweep)).unwrap();
    assert_eq!((last.examined, last.ended.len()), (100, 100));
    assert!(last.cursor.is_none());
}

/// Else somebody could go by how many there were, find one of them all the same,
/// and be right both times only after a power cut.
#[test]
fn a_sweep_tells_nothing_that_is_not_on_the_disk() {
    let setup = setup();
    let store = &setup.store;
    let alice = create(store, "alice");
    setup.halting.store(true, Ordering::SeqCst);
    let mut revoke: Write<'_> = Box::pin(async {
        let ended = store.revoke(alice.id, EndReason::LoggedOut).await.unwrap();
        assert!(ended.is_some());
    });
    assert!(!is_ready(&mut revoke));
    setup.begun.recv().unwrap();
    let mut sweep: Write<'_> = Box::pin(async {
        let request = SweepRequest {
            liveness: Liveness::at(0),
            forget_epochs_before_ms: 0,
            cursor: None,
            max_rows: NonZeroU32::new(10).unwrap(),
        };
        assert_eq!(store.sweep_expired(request).await.unwrap().examined, 0);
    });
    assert!(!is_ready(&mut sweep));
    assert!(is_there(store, &alice));
    setup.go_on.send(()).unwrap();
    block_on(revoke);
    block_on(sweep);
    setup.halting.store(false, Ordering::SeqCst);
}
