//! Which of many are asked for: some often, most seldom.

use crate::workload::Random;

/// The rank of each has a Zipf distribution, and ranks are dealt at random, so
/// that those who are popular are not neighbours in the store.
#[derive(Debug)]
pub struct Zipf {
    /// Who has which rank.
    order: Vec<u32>,
    /// The weights of all ranks up to this one.
    sums: Vec<f64>,
}

impl Zipf {
    /// Among so many, with this exponent.
    ///
    /// # Panics
    ///
    /// If there are none, or more than a `u32` counts.
    pub fn new(count: usize, exponent: f64, random: &mut Random) -> Self {
        let mut order: Vec<u32> = (0..u32::try_from(count).unwrap()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last as u64 + 1) as usize);
        }
        let mut sum = 0.0;
        let sums = (1..=count)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        Self { order, sums }
    }

    /// One of them.
    pub fn pick(&self, random: &mut Random) -> usize {
        let all = self.sums[self.sums.len() - 1];
        let at = random.below(1 << 53) as f64 / (1u64 << 53) as f64 * all;
        let rank = self.sums.partition_point(|sum| *sum <= at);
        self.order[rank.min(self.order.len() - 1)] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_picked_half_as_often_as_the_first() {
        let mut random = Random(1);
        let zipf = Zipf::new(1_000, 1.0, &mut random);
        let mut counts = vec![0_u32; 1_000];
        for _ in 0..200_000 {
            counts[zipf.pick(&mut random)] += 1;
        }
        let first = f64::from(counts[zipf.order[0] as usize]);
        let second = f64::from(counts[zipf.order[1] as usize]);
        assert!((0.45..0.55).contains(&(second / first)));
        assert!(counts.iter().filter(|count| **count > 0).count() > 900);
    }
}
