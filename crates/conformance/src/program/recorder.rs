//! What was called and what came back.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};

use revocable_core::SessionStore;

use crate::check::error_text;
use crate::harness::Task;
use crate::linearize::Event;
use crate::operation::{Epochs, Operation};
use crate::random::Random;
use crate::schedule::{Boxed, finish_at_random};

/// Has programs run and writes down what was called and what came back.
pub(crate) struct Recorder<'d> {
    store: Arc<dyn SessionStore>,
    drive: Drive<'d>,
    clock: AtomicU64,
    epochs: Epochs,
    events: Mutex<Vec<Event>>,
    failed: Mutex<Option<String>>,
}

/// What drives a future of the store to its end.
pub(crate) type Drive<'d> = &'d (dyn Fn(Task<'_>) + Sync);

impl<'d> Recorder<'d> {
    pub(crate) fn new(store: Arc<dyn SessionStore>, drive: Drive<'d>) -> Self {
        Self {
            store,
            drive,
            clock: AtomicU64::new(0),
            epochs: Epochs::default(),
            events: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    async fn perform(&self, thread: usize, program: Vec<Operation>) {
        for operation in program {
            let called = self.clock.fetch_add(1, Ordering::SeqCst);
            let result = operation
                .clone()
                .perform(self.store.clone(), &self.epochs)
                .await;
            let returned = self.clock.fetch_add(1, Ordering::SeqCst);
            match result {
                Ok(reply) => {
                    let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
                    events.push(Event {
                        thread,
                        called,
                        returned,
                        operation,
                        reply,
                    });
                }
                Err(error) => {
                    let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                    *failed = Some(format!("{operation:?}: {}", error_text(&error)));
                    return;
                }
            }
        }
    }

    pub(crate) fn run(&self, thread: usize, program: Vec<Operation>) {
        (self.drive)(Box::pin(self.perform(thread, program)));
    }

    pub(crate) fn run_threads(&self, programs: Vec<Vec<Operation>>) {
        let start = Barrier::new(programs.len());
        std::thread::scope(|scope| {
            for (index, program) in programs.into_iter().enumerate() {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    self.run(index + 1, program);
                });
            }
        });
    }

    pub(crate) fn run_tasks(&self, programs: Vec<Vec<Operation>>, random: &mut Random<'_>) {
        let programs = programs.into_iter().enumerate();
        let tasks = programs.map(|(index, program)| -> Boxed<'_, ()> {
            Box::pin(self.perform(index + 1, program))
        });
        (self.drive)(Box::pin(finish_at_random(tasks.collect(), random)));
    }

    pub(crate) fn events(self) -> Result<Vec<Event>, String> {
        let failed = self.failed.into_inner();
        if let Some(failed) = failed.unwrap_or_else(PoisonError::into_inner) {
            return Err(failed);
        }
        let events = self.events.into_inner();
        let mut events = events.unwrap_or_else(PoisonError::into_inner);
        events.sort_unstable_by_key(|event| event.called);
        Ok(events)
    }
}

/// For people.
pub(crate) fn render(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        let Event {
            thread,
            called,
            returned,
            operation,
            reply,
        } = event;
        let _ = writeln!(
            text,
            "  thread {thread}, {called} to {returned}: {operation:?}\n      -> {reply:?}"
        );
    }
    text
}
