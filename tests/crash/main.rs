//! Processes that are killed while many clients write, and power cuts at every
//! write that they made: what was acknowledged is there, and what was not is
//! there whole or not at all.
//!
//! `REVOCABLE_CRASH_ROUNDS` and `REVOCABLE_CRASH_CUTS` make them longer.

#[cfg(unix)]
mod killed;
#[cfg(target_os = "linux")]
mod power_cut;

/// A number from the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number"))
    })
}
