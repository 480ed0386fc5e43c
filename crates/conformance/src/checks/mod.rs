//! The checks, by clause.

mod c10_bounded;
mod c11_cap;
mod c1_final;
mod c2_no_save;
mod c2_round_trip;
mod c3_revoke_all;
mod c4_login;
mod c5_durable;
mod c6_expiry;
mod c7_closed;
mod c8_lost_update;
mod history;
mod interleave;
mod listeners;
mod sessions;

use crate::check::Check;

/// Every check.
pub fn checks() -> Vec<&'static Check> {
    let parts: [&'static [Check]; 15] = [
        c1_final::CHECKS,
        c2_no_save::CHECKS,
        c2_round_trip::CHECKS,
        c3_revoke_all::CHECKS,
        c4_login::CHECKS,
        c5_durable::CHECKS,
        c6_expiry::CHECKS,
        c7_closed::CHECKS,
        c8_lost_update::CHECKS,
        c10_bounded::CHECKS,
        c11_cap::CHECKS,
        history::CHECKS,
        interleave::CHECKS,
        listeners::CHECKS,
        sessions::CHECKS,
    ];
    parts.into_iter().flatten().collect()
}
