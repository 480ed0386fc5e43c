//! A store that other machines write to, and that announces what they do.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use futures_executor::block_on;
use revocable_cache::CachedStore;
use revocable_core::{
    Clock, EndListener, EndReason, Ended, ErrorKind, ManualClock, Notice, Record, SessionId,
    SessionStore, Sharing,
};
use revocable_memory::MemoryStore;

use crate::network::{Machine, Network, Node, TERM};
use crate::staged::{lookup, record, request};

const MOMENT: Duration = Duration::from_millis(10);

/// A session that the machine has in its cache, under a lease.
fn cached(machine: &mut Machine) -> Record {
    let record = record("alice");
    block_on(machine.network.memory.create(request(record.clone()))).unwrap();
    machine.keep();
    assert!(lookup(&machine.cached, record.id).is_some());
    assert!(hits(machine, record.id), "there is no lease");
    record
}

/// Whether the cache answers, without the store.
fn hits(machine: &Machine, id: SessionId) -> bool {
    machine.network.unreachable.store(true, Ordering::SeqCst);
    let found = block_on(machine.cached.lookup(id));
    machine.network.unreachable.store(false, Ordering::SeqCst);
    matches!(found, Ok(Some(_)))
}

/// Another machine revokes.
fn revoke_elsewhere(machine: &Machine, id: SessionId) {
    let ended = block_on(machine.network.memory.revoke(id, EndReason::LoggedOut)).unwrap();
    machine.network.announce(Notice::Ended {
        ended: ended.into_iter().collect(),
        own: false,
    });
}

#[test]
fn how_late_others_may_be_seen_has_to_be_said() {
    let network = Network::new(Arc::new(ManualClock::new(SystemTime::now())));
    let error = CachedStore::new(Node(network)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("keep_lease"), "{error}");
}

#[test]
fn nothing_is_served_before_there_is_a_lease() {
    let mut machine = Machine::new();
    let record = record("alice");
    block_on(machine.network.memory.create(request(record.clone()))).unwrap();
    lookup(&machine.cached, record.id);
    assert!(!hits(&machine, record.id));
    machine.keep();
    // What was loaded before the subscription is not used.
    assert!(!hits(&machine, record.id));
    lookup(&machine.cached, record.id);
    assert!(hits(&machine, record.id));
    assert_eq!(machine.cached.sharing(), Sharing::Announced);
}

#[test]
fn a_lease_is_kept_for_as_long_as_marks_come_back() {
    let mut machine = Machine::new();
    let session = cached(&mut machine);
    for _ in 0..100 {
        machine.advance(TERM / 4);
        machine.keep();
        assert!(hits(&machine, session.id));
    }
    // Nobody keeps it any more.
    machine.advance(TERM);
    assert!(!hits(&machine, session.id));
    // A lookup then asks the store, and fails with it.
    machine.network.unreachable.store(true, Ordering::SeqCst);
    let error = block_on(machine.cached.lookup(session.id)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[test]
fn what_others_end_is_gone_as_soon_as_it_is_heard() {
    let mut machine = Machine::new();
    let [first, second] = [(); 2].map(|()| cached(&mut machine));
    revoke_elsewhere(&machine, first.id);
    machine.keep();
    assert_eq!(lookup(&machine.cached, first.id), None);
    assert!(hits(&machine, second.id));

    machine.network.announce(Notice::Changed(second.id));
    machine.keep();
    assert!(!hits(&machine, second.id));
    lookup(&machine.cached, second.id);
    assert!(hits(&machine, second.id));

    let reason = EndReason::Administrator;
    let count = block_on(machine.network.memory.revoke_everything(reason)).unwrap();
    machine.network.announce(Notice::EverythingEnded {
        count,
        reason,
        own: false,
    });
    machine.keep();
    assert_eq!(lookup(&machine.cached, second.id), None);
}

#[test]
fn who_hears_nothing_serves_nothing_after_a_term() {
    let mut machine = Machine::new();
    let session = cached(&mut machine);
    machine.network.line.lock().unwrap().silent = true;
    revoke_elsewhere(&machine, session.id);
    for _ in 0..9 {
        machine.advance(TERM / 10);
        machine.keep();
    }
    // As documented.
    assert!(lookup(&machine.cached, session.id).is_some());
    machine.advance(TERM / 10);
    machine.keep();
    assert_eq!(lookup(&machine.cached, session.id), None);
    // Nor when marks that were sent long ago come back.
    machine.network.line.lock().unwrap().silent = false;
    machine.keep();
    assert_eq!(lookup(&machine.cached, session.id), None);
}

#[test]
fn a_lease_counts_from_when_its_mark_was_sent() {
    let mut machine = Machine::new();
    machine.network.line.lock().unwrap().delay = TERM * 2 / 3;
    machine.keep();
    machine.advance(TERM * 2 / 3);
    machine.keep();
    let record = record("alice");
    block_on(machine.network.memory.create(request(record.clone()))).unwrap();
    lookup(&machine.cached, record.id);
    assert!(hits(&machine, record.id));
    // A third of the term is left.
    machine.advance(TERM / 3);
    assert!(!hits(&machine, record.id));
}

type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A clock during whose reading something else happens, once.
struct Interrupted {
    clock: Arc<ManualClock>,
    meanwhile: Meanwhile,
}

impl Clock for Interrupted {
    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn elapsed(&self) -> Duration {
        let elapsed = self.clock.elapsed();
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        elapsed
    }
}

#[test]
fn a_lease_that_is_given_during_a_lookup_lets_nothing_through_from_before_it() {
    let meanwhile = Meanwhile::default();
    let mut machine = Machine::with_clock(TERM, |clock| Interrupted {
        clock,
        meanwhile: Arc::clone(&meanwhile),
    });
    let session = cached(&mut machine);
    let network = Arc::clone(&machine.network);
    network.line.lock().unwrap().silent = true;
    revoke_elsewhere(&machine, session.id);
    machine.advance(TERM);
    machine.keep();
    // The revocation and the mark arrive while the lookup looks at the lease.
    let Machine {
        cached, mut keeper, ..
    } = machine;
    *meanwhile.lock().unwrap() = Some(Box::new(move || {
        network.line.lock().unwrap().silent = false;
        let mut context = Context::from_waker(Waker::noop());
        assert!(keeper.as_mut().poll(&mut context).is_pending());
    }));
    assert_eq!(lookup(&cached, session.id), None);
    assert!(meanwhile.lock().unwrap().is_none());
}

#[test]
fn a_gap_ends_the_lease_and_all_that_was_known() {
    let mut machine = Machine::new();
    let session = cached(&mut machine);
    machine.network.line.lock().unwrap().refused = true;
    machine.network.cut();
    machine.keep();
    assert!(!hits(&machine, session.id));
    // Revoked while nobody listened.
    lookup(&machine.cached, session.id);
    block_on(
        machine
            .network
            .memory
            .revoke(session.id, EndReason::LoggedOut),
    )
    .unwrap();
    machine.network.line.lock().unwrap().refused = false;
    // Longer than any pause between two attempts.
    machine.advance(Duration::from_secs(5));
    machine.keep();
    let other = cached(&mut machine);
    assert!(hits(&machine, other.id));
    assert_eq!(lookup(&machine.cached, session.id), None);
}

#[test]
fn a_channel_that_brings_nothing_back_is_left() {
    let mut machine = Machine::new();
    let session = cached(&mut machine);
    machine.network.line.lock().unwrap().deaf = true;
    for _ in 0..20 {
        machine.advance(TERM / 3);
        machine.keep();
    }
    lookup(&machine.cached, session.id);
    assert!(hits(&machine, session.id));
}

#[test]
fn without_a_term_every_lookup_asks_the_store() {
    let mut machine = Machine::with_term(Duration::ZERO);
    let record = record("alice");
    block_on(machine.network.memory.create(request(record.clone()))).unwrap();
    for _ in 0..10 {
        machine.keep();
        assert!(lookup(&machine.cached, record.id).is_some());
        assert!(!hits(&machine, record.id));
        machine.advance(MOMENT);
    }
}

#[test]
fn the_keeper_ends_with_its_cache() {
    let mut machine = Machine::new();
    assert!(!machine.keep());
    let clock = Arc::clone(&machine.network.clock);
    let mut keeper = machine.keeper;
    drop(machine.cached);
    clock.advance(TERM);
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(keeper.as_mut().poll(&mut context), Poll::Ready(()));
    // And where nothing is announced it has nothing to do.
    let cached = CachedStore::new(MemoryStore::new()).unwrap();
    block_on(cached.keep_lease(|_| std::future::pending()));
}

/// Watches some sessions and remembers what it was told.
#[derive(Default)]
struct Watcher {
    watched: Vec<SessionId>,
    ended: Mutex<Vec<(SessionId, EndReason)>>,
}

impl EndListener for Watcher {
    fn ended(&self, ended: &[Ended]) {
        let ended = ended.iter().map(|ended| (ended.id, ended.reason));
        self.ended.lock().unwrap().extend(ended);
    }

    fn everything_ended(&self, _: u64, _: EndReason) {
        panic!("some may have been created since");
    }

    fn everything_before_ended(
        &self,
        _: u64,
        reason: EndReason,
        is_there: &dyn Fn(SessionId) -> bool,
    ) {
        let gone = self.watched.iter().filter(|id| !is_there(**id));
        self.ended
            .lock()
            .unwrap()
            .extend(gone.map(|id| (*id, reason)));
    }

    fn watched(&self) -> Vec<SessionId> {
        self.watched.clone()
    }
}

fn watch(machine: &Machine, watched: &[SessionId]) -> Arc<Watcher> {
    let watcher = Arc::new(Watcher {
        watched: watched.to_vec(),
        ..Watcher::default()
    });
    let listener: Arc<dyn EndListener> = watcher.clone();
    machine.cached.subscribe(Arc::downgrade(&listener));
    watcher
}

fn told(watcher: &Watcher) -> Vec<(SessionId, EndReason)> {
    std::mem::take(&mut *watcher.ended.lock().unwrap())
}

#[test]
fn watchers_hear_of_what_other_machines_end() {
    let mut machine = Machine::new();
    let [first, second] = [(); 2].map(|()| cached(&mut machine).id);
    let watcher = watch(&machine, &[first, second]);
    revoke_elsewhere(&machine, first);
    machine.keep();
    assert_eq!(told(&watcher), [(first, EndReason::LoggedOut)]);

    // One is created between the commit and its notice.
    let reason = EndReason::Administrator;
    let count = block_on(machine.network.memory.revoke_everything(reason)).unwrap();
    let since = record("bob");
    block_on(machine.network.memory.create(request(since.clone()))).unwrap();
    let late = watch(&machine, &[since.id]);
    machine.network.announce(Notice::EverythingEnded {
        count,
        reason,
        own: false,
    });
    machine.keep();
    let heard = told(&watcher);
    assert!(heard.contains(&(second, reason)), "{heard:?}");
    assert_eq!(told(&late), []);
}

#[test]
fn watchers_hear_of_what_ended_while_nobody_listened() {
    let mut machine = Machine::new();
    let [gone, there] = [(); 2].map(|()| cached(&mut machine).id);
    let watcher = watch(&machine, &[gone, there]);
    machine.network.cut();
    machine.keep();
    block_on(machine.network.memory.revoke(gone, EndReason::LoggedOut)).unwrap();
    assert_eq!(told(&watcher), []);
    machine.advance(MOMENT);
    machine.keep();
    assert_eq!(told(&watcher), [(gone, EndReason::Unknown)]);
}

#[test]
fn a_lease_does_not_wait_for_all_that_is_watched() {
    let mut machine = Machine::new();
    let sessions: Vec<_> = (0..1_000).map(|_| record("alice")).collect();
    for session in &sessions {
        block_on(machine.network.memory.create(request(session.clone()))).unwrap();
    }
    let ids: Vec<_> = sessions.iter().map(|session| session.id).collect();
    let watcher = watch(&machine, &ids);
    // Each lookup takes a poll.
    machine.network.slow.store(true, Ordering::SeqCst);
    let mut polls = 0;
    while {
        machine.network.slow.store(false, Ordering::SeqCst);
        lookup(&machine.cached, ids[0]);
        let hit = hits(&machine, ids[0]);
        machine.network.slow.store(true, Ordering::SeqCst);
        !hit
    } {
        machine.keep();
        polls += 1;
        assert!(polls < 200, "no lease before all were looked up");
    }
    // What ends meanwhile is told at the end.
    block_on(machine.network.memory.revoke(ids[0], EndReason::LoggedOut)).unwrap();
    for _ in 0..1_100 {
        machine.keep();
    }
    assert_eq!(told(&watcher), [(ids[0], EndReason::Unknown)]);
}

#[test]
fn notices_do_not_wait_for_all_that_is_watched() {
    let mut machine = Machine::new();
    let ids: Vec<_> = (0..1_000)
        .map(|_| {
            let session = record("alice");
            block_on(machine.network.memory.create(request(session.clone()))).unwrap();
            session.id
        })
        .collect();
    let watcher = watch(&machine, &ids);
    machine.network.slow.store(true, Ordering::SeqCst);
    machine.keep();
    for id in &ids[..200] {
        revoke_elsewhere(&machine, *id);
    }
    // A lookup takes two polls: this is as long as some hundred take.
    for _ in 0..200 {
        machine.keep();
    }
    let mut heard = told(&watcher);
    heard.retain(|(_, reason)| *reason == EndReason::LoggedOut);
    assert_eq!(heard.len(), 200);
}

#[test]
fn a_lookup_without_an_answer_ends_no_feed_and_comes_again() {
    let mut machine = Machine::new();
    let ids: Vec<_> = (0..100).map(|_| cached(&mut machine).id).collect();
    let watcher = watch(&machine, &ids);
    machine.network.cut();
    machine.keep();
    for id in &ids {
        block_on(machine.network.memory.revoke(*id, EndReason::LoggedOut)).unwrap();
    }
    machine.network.mute.store(true, Ordering::SeqCst);
    machine.advance(MOMENT);
    machine.keep();
    let subscription = machine.network.line.lock().unwrap().number;
    for _ in 0..10 {
        machine.advance(TERM / 3);
        machine.keep();
    }
    assert_eq!(told(&watcher), []);
    let number = machine.network.line.lock().unwrap().number;
    assert_eq!(number, subscription, "the feed was left");
    machine.network.mute.store(false, Ordering::SeqCst);
    machine.advance(TERM / 3);
    machine.keep();
    assert_eq!(told(&watcher).len(), ids.len());
}

#[test]
fn however_short_the_feeds_each_session_has_its_turn() {
    let mut machine = Machine::new();
    let ids: Vec<_> = (0..1_000).map(|_| cached(&mut machine).id).collect();
    let watcher = watch(&machine, &ids);
    machine.network.cut();
    machine.keep();
    for id in &ids {
        block_on(machine.network.memory.revoke(*id, EndReason::LoggedOut)).unwrap();
    }
    machine.network.slow.store(true, Ordering::SeqCst);
    let mut heard = HashSet::new();
    for _ in 0..30 {
        machine.network.cut();
        machine.advance(TERM * 2);
        // Enough for some steps, and not for all.
        for _ in 0..150 {
            machine.keep();
        }
        let told = told(&watcher);
        assert!(told.len() < ids.len());
        heard.extend(told);
    }
    assert_eq!(heard.len(), ids.len());
}

#[test]
fn what_this_machine_ended_itself_is_not_told_twice() {
    let mut machine = Machine::new();
    let session = cached(&mut machine).id;
    let watcher = watch(&machine, &[session]);
    block_on(machine.cached.revoke(session, EndReason::LoggedOut)).unwrap();
    machine.keep();
    // The store of these tests tells nobody by itself.
    assert_eq!(told(&watcher), []);
}
