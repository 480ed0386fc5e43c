#![no_main]

use std::sync::LazyLock;

use revocable_fuzz::operations::Stores;

/// Opened once: each program leaves them empty.
static STORES: LazyLock<Stores> = LazyLock::new(|| Stores::open(&std::env::temp_dir()));

libfuzzer_sys::fuzz_target!(|data: &[u8]| STORES.check(data));
