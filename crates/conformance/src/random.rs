//! Choices that are the same in every run: by chance, or by bytes that a fuzzer
//! chose.

/// Where choices come from.
#[derive(Debug, Clone)]
pub(crate) enum Random<'b> {
    /// The generator splitmix64 (Steele, Lea, Flood 2014).
    Chance(u64),
    /// A choice among few takes one byte, any other eight; when there are no
    /// more, the first is chosen.
    Bytes(&'b [u8]),
}

impl<'b> Random<'b> {
    pub(crate) fn new(seed: u64) -> Self {
        Self::Chance(seed)
    }

    pub(crate) fn chosen(bytes: &'b [u8]) -> Self {
        Self::Bytes(bytes)
    }

    pub(crate) fn next(&mut self) -> u64 {
        match self {
            Self::Chance(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
            }
            Self::Bytes(bytes) => {
                let (taken, rest) = bytes.split_at(bytes.len().min(8));
                *bytes = rest;
                let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
                taken.iter().fold(0, fold)
            }
        }
    }

    /// A number below the bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        if let Self::Bytes(bytes) = self
            && bound <= 256
        {
            let Some((first, rest)) = bytes.split_first() else {
                return 0;
            };
            *bytes = rest;
            return usize::from(*first) % bound.max(1);
        }
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(crate) fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }
}
