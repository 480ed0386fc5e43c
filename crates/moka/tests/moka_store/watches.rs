//! Watches, of which the store tells the ends.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use revocable_core::{
    EndListener, EndReason, Ended, ManualClock, SessionId, SessionStore, Sessions, Watch,
};
use revocable_moka::MokaStore;

use crate::support::*;

/// Creates and watches a session when it is told that everything ended, before
/// whoever subscribed after it is told.
#[derive(Default)]
struct LogsInAtOnce(
    Mutex<Option<(Arc<MokaStore>, Sessions)>>,
    Mutex<Option<Watch>>,
);

impl EndListener for LogsInAtOnce {
    fn ended(&self, _: &[Ended]) {}

    fn everything_ended(&self, _: u64, _: EndReason) {
        let Some((store, sessions)) = self.0.lock().unwrap().take() else {
            return;
        };
        let session = create(&store, "bob");
        *self.1.lock().unwrap() = Some(ready(sessions.watch(session.id)).unwrap());
    }
}

/// Nothing of a `MokaStore` ever waits; and an executor would not nest.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a call of a moka store waits"),
    }
}

fn has_ended(watch: &mut Watch) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    pin!(watch).poll(&mut context).is_ready()
}

#[test]
fn revoking_everything_ends_no_watch_of_a_session_created_since() {
    let store = Arc::new(MokaStore::with_capacity(10));
    let early = Arc::new(LogsInAtOnce::default());
    let listener: Arc<dyn EndListener> = early.clone();
    store.subscribe(Arc::downgrade(&listener));
    let clock = ManualClock::new(std::time::UNIX_EPOCH + std::time::Duration::from_secs(2));
    let sessions = Sessions::builder(store.clone()).clock(clock).build();
    let sessions = sessions.unwrap();

    let old: SessionId = create(&store, "alice").id;
    let mut of_old = ready(sessions.watch(old)).unwrap();
    *early.0.lock().unwrap() = Some((store.clone(), sessions.clone()));
    assert_eq!(ready(sessions.revoke_everything()).unwrap(), 1);
    assert!(has_ended(&mut of_old));
    let mut of_new = early.1.lock().unwrap().take().unwrap();
    assert!(!has_ended(&mut of_new));
    assert_eq!(ready(sessions.revoke_everything()).unwrap(), 1);
    assert!(has_ended(&mut of_new));
}
