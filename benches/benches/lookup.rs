//! A lookup that finds its session, at a few sizes.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macro makes public items; a benchmark may stop"
)]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use futures_executor::block_on;
use revocable::Sessions;
use revocable_benches::workload::{Random, fill, in_memory, in_sqlite, is_right};

fn lookup(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    for size in [1_000, 10_000, 100_000] {
        bench(criterion, "memory", size, &in_memory().unwrap());
        let file = folder.path().join(format!("{size}.db"));
        bench(criterion, "sqlite", size, &in_sqlite(&file).unwrap());
    }
}

fn bench(criterion: &mut Criterion, store: &str, size: usize, sessions: &Sessions) {
    let requests = fill(sessions, size).unwrap();
    let mut random = Random(1);
    let mut group = criterion.benchmark_group("lookup");
    group.bench_function(BenchmarkId::new(store, size), |bencher| {
        bencher.iter_batched(
            || requests[random.below(size as u64) as usize].clone(),
            |request| {
                let session = block_on(sessions.lookup(&*request.key));
                assert!(is_right(session, &request));
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = lookup
}
criterion_main!(benches);
