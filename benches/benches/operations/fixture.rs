//! Stores with sessions in them.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, measurement::WallTime};
use futures_executor::block_on;
use futures_util::{StreamExt, TryStreamExt, stream};
use revocable::{Policy, Sessions, Token};
use revocable_benches::backend::{BACKENDS, Backend};
use revocable_benches::workload::{self, Random, Request};

/// Among how many sessions, unless told.
const SIZES: [usize; 2] = [1_000, 100_000];

/// The most calls that are prepared at a time, and the most sessions that a
/// store has beyond those it was filled with.
pub(crate) const BATCH: usize = 256;

/// All stores at all sizes, each filled when it is needed first and kept: which
/// ones are needed only the filter on the command line says.
pub(crate) struct Fixtures {
    folder: tempfile::TempDir,
    sizes: Vec<usize>,
    filled: RefCell<HashMap<(&'static str, usize), Rc<Fixture>>>,
}

/// A store that was filled.
pub(crate) struct Fixture {
    pub(crate) sessions: Sessions,
    /// The same, with a policy that records each use.
    pub(crate) touching: Sessions,
    /// What the clients of the sessions bring.
    requests: RefCell<Vec<Request>>,
    random: RefCell<Random>,
    /// Where the last batch ended.
    place: Cell<usize>,
}

impl Fixtures {
    pub(crate) fn new() -> Self {
        // Not where the system keeps temporary files: that may be memory.
        let program = std::env::current_exe().unwrap();
        Self {
            folder: tempfile::tempdir_in(program.parent().unwrap()).unwrap(),
            sizes: sizes(),
            filled: RefCell::default(),
        }
    }

    /// A line for each store at each size.
    pub(crate) fn bench(
        &self,
        criterion: &mut Criterion,
        operation: &str,
        time: impl Fn(&Fixture, u64) -> Duration,
    ) {
        let mut group = criterion.benchmark_group(operation);
        // As many calls in each sample: they are not of one kind in all.
        group.sampling_mode(SamplingMode::Flat);
        self.add_to(&mut group, "", time);
        group.finish();
    }

    /// The same, to a group that has others too.
    pub(crate) fn add_to(
        &self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        suffix: &str,
        time: impl Fn(&Fixture, u64) -> Duration,
    ) {
        for backend in BACKENDS {
            for size in &self.sizes {
                let id = BenchmarkId::new(backend.label() + suffix, size);
                group.bench_function(id, |bencher| {
                    let fixture = self.filled(backend, *size);
                    bencher.iter_custom(|calls| time(&fixture, calls));
                });
            }
        }
    }

    fn filled(&self, backend: &'static Backend, size: usize) -> Rc<Fixture> {
        let mut filled = self.filled.borrow_mut();
        let fixture = filled.entry((backend.name, size)).or_insert_with(|| {
            let folder = self.folder.path().join(format!("{}-{size}", backend.name));
            Rc::new(Fixture::fill(backend, folder, size))
        });
        Rc::clone(fixture)
    }
}

impl Fixture {
    fn fill(backend: &Backend, folder: PathBuf, size: usize) -> Self {
        std::fs::create_dir(&folder).unwrap();
        // Twice what there will be: moka must not end any.
        let sessions = backend.open(&folder, 2 * (size + 10 * BATCH)).unwrap();
        let requests = workload::fill(&sessions, size).unwrap();
        let policy =
            Policy::builder(Duration::from_secs(12 * 3_600)).touch_interval(Duration::ZERO);
        let store = sessions.store().clone();
        Self {
            touching: Sessions::builder(store).policy(policy).build().unwrap(),
            sessions,
            requests: requests.into(),
            random: Random(1).into(),
            place: Cell::new(0),
        }
    }

    /// So many requests, each as likely as any other. Copies, because a request
    /// comes with its token from the network, and is in the processor's cache.
    pub(crate) fn any(&self, count: usize) -> Vec<Request> {
        let requests = self.requests.borrow();
        let mut random = self.random.borrow_mut();
        (0..count)
            .map(|_| requests[random.below(requests.len() as u64) as usize].clone())
            .collect()
    }

    /// So many others than last time, so that each can be changed once; at most
    /// [`BATCH`]. They lie together in the order of their creation.
    pub(crate) fn next(&self, count: usize) -> RefMut<'_, [Request]> {
        RefMut::map(self.requests.borrow_mut(), |requests| {
            let mut start = self.place.get();
            if start + count > requests.len() {
                start = 0;
            }
            self.place.set(start + count);
            &mut requests[start..start + count]
        })
    }

    /// For what must be another each time.
    pub(crate) fn random(&self) -> RefMut<'_, Random> {
        self.random.borrow_mut()
    }

    /// New sessions, of one user each unless there is a name.
    pub(crate) fn log_in(&self, count: usize, user: Option<&str>) -> Vec<Request> {
        let name = |number| user.map_or_else(|| format!("new-{number:08}"), str::to_owned);
        workload::log_in(&self.sessions, (0..count).map(name)).unwrap()
    }

    /// Ends these and sees that they were there, so that the store is as large
    /// as before.
    pub(crate) fn log_out(&self, requests: &[Request]) {
        let revoke = async |request: &Request| self.sessions.revoke(id(request)).await;
        let ended: Vec<bool> = block_on(
            stream::iter(requests)
                .map(revoke)
                .buffer_unordered(BATCH)
                .try_collect(),
        )
        .unwrap();
        assert!(ended.iter().all(|ended| *ended), "a session was gone");
    }

    /// None of these is let in any more.
    pub(crate) fn assert_gone(&self, requests: &[Request]) {
        for request in requests {
            let found = block_on(self.sessions.lookup(&*request.key)).unwrap();
            assert!(found.is_none(), "a session that was ended is live");
        }
    }
}

pub(crate) fn id(request: &Request) -> revocable::SessionId {
    Token::parse(&request.key).unwrap().id()
}

fn sizes() -> Vec<usize> {
    // `cargo bench -- --test` only sees whether everything works.
    if std::env::args().any(|argument| argument == "--test") {
        return SIZES[..1].to_vec();
    }
    let Ok(told) = std::env::var("REVOCABLE_BENCH_SESSIONS") else {
        return SIZES.to_vec();
    };
    let size = |text: &str| {
        let size = text.trim().parse().ok();
        size.filter(|size| *size >= BATCH)
            .unwrap_or_else(|| panic!("REVOCABLE_BENCH_SESSIONS: {text:?} is not 256 or more"))
    };
    told.split(',').map(size).collect()
}
