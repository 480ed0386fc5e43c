//! Entropy, injected, fallible: as in the core.

use std::sync::Mutex;

use getrandom::SysRng;
use rand_core::TryCryptoRng;
use revocable_core::{Error, ErrorKind, Result};

/// The source of masks: the operating system, or what a test injects.
pub(crate) enum Entropy {
    System,
    Injected(Mutex<Box<dyn Fill>>),
}

pub(crate) trait Fill: Send {
    fn fill(&mut self, into: &mut [u8]) -> Result<()>;
}

impl<R: TryCryptoRng + Send> Fill for R {
    fn fill(&mut self, into: &mut [u8]) -> Result<()> {
        self.try_fill_bytes(into).map_err(|error| {
            // The generator's own error need not be `Send`; its text is enough.
            Error::new(ErrorKind::Unavailable, "the entropy source failed")
                .with_source(error.to_string())
        })
    }
}

impl Entropy {
    pub(crate) fn injected(rng: impl TryCryptoRng + Send + 'static) -> Self {
        Self::Injected(Mutex::new(Box::new(rng)))
    }

    pub(crate) fn fill(&self, into: &mut [u8]) -> Result<()> {
        match self {
            Self::System => Fill::fill(&mut SysRng, into),
            Self::Injected(rng) => rng
                .lock()
                .map_err(|_| Error::new(ErrorKind::Unavailable, "the entropy source panicked"))?
                .fill(into),
        }
    }
}
