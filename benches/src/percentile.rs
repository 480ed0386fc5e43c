//! What most calls stay under.

/// Nanoseconds that so many of all calls stayed under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// How many calls there were.
    pub count: usize,
    /// Half of all.
    pub p50_ns: u64,
    /// 99 of 100.
    pub p99_ns: u64,
    /// 999 of 1,000.
    pub p999_ns: u64,
}

impl Percentiles {
    /// Of these latencies, exactly: no buckets, all are sorted. Zero if there
    /// are none.
    pub fn of(mut latencies_ns: Vec<u64>) -> Self {
        latencies_ns.sort_unstable();
        let count = latencies_ns.len();
        let at = |of_1_000: usize| {
            let place = count * of_1_000 / 1_000;
            latencies_ns
                .get(place.min(count.saturating_sub(1)))
                .copied()
                .unwrap_or_default()
        };
        Self {
            count,
            p50_ns: at(500),
            p99_ns: at(990),
            p999_ns: at(999),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_calls_were_faster() {
        let of = Percentiles::of((0..10_000).rev().collect());
        assert_eq!((of.p50_ns, of.p99_ns, of.p999_ns), (5_000, 9_900, 9_990));
        assert_eq!(Percentiles::of(vec![7]).p999_ns, 7);
        assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
    }
}
