//! Timing calls that have to be prepared, and tidied up after.

use std::time::{Duration, Instant};

/// How long a sample may take with all that is not timed.
const LONGEST: Duration = Duration::from_millis(40);

/// The time that so many calls take, a batch at a time, each of which prepares
/// its calls, makes them, and returns how long that took without the
/// preparation.
///
/// Criterion knows nothing of the preparation, which may take a thousand times
/// as long as what it prepares, and so asks for calls by the million. After some
/// time the rest is taken to be like those before.
pub(crate) fn timed(calls: u64, batch: usize, mut make: impl FnMut(usize) -> Duration) -> Duration {
    let began = Instant::now();
    let mut made = 0;
    let mut time = Duration::ZERO;
    while made < calls && (made == 0 || began.elapsed() < LONGEST) {
        let count = (calls - made).min(batch as u64);
        time += make(count as usize);
        made += count;
    }
    time.mul_f64(calls as f64 / made as f64)
}

/// Makes a call of each, one after the other, and returns how long they took
/// together, and what came of them, to be checked when the time is up.
pub(crate) fn each<T, R>(
    prepared: impl IntoIterator<Item = T>,
    call: impl FnMut(T) -> R,
) -> (Duration, Vec<R>) {
    let prepared = prepared.into_iter();
    let mut results = Vec::with_capacity(prepared.size_hint().0);
    let start = Instant::now();
    results.extend(prepared.map(call));
    (start.elapsed(), results)
}
