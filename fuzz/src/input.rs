//! Bytes as choices.

/// What is left of the bytes; zeros when nothing is.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl Input<'_> {
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_at(self.0.len().min(N));
        self.0 = rest;
        let mut array = [0; N];
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// A time, often one where arithmetic ends.
    pub(crate) fn ms(&mut self) -> i64 {
        let near = i64::from(self.byte() as i8);
        match self.byte() % 8 {
            0 => near,
            1 => i64::MAX.saturating_add(near),
            2 => i64::MIN.saturating_add(near),
            // The last instant that an ID tells.
            3 => (1 << 48) + near,
            4 => 1_700_000_000_000 + near,
            5 => 1_700_000_000_000 + i64::from(self.u32()),
            _ => i64::from_le_bytes(self.array()),
        }
    }

    /// Text of printable and other characters, at most so many bytes.
    pub(crate) fn text(&mut self, max: usize) -> String {
        let length = usize::from(self.byte()).min(max);
        let (taken, rest) = self.0.split_at(self.0.len().min(length));
        self.0 = rest;
        let mut text = String::from_utf8_lossy(taken).into_owned();
        while text.len() > max {
            text.pop();
        }
        text
    }
}
