#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| revocable_fuzz::headers::check(data));
