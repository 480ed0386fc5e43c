//! Tests that look under the store, or put something under it.

mod count;
mod damage;
mod hang;
mod left_behind;
pub(crate) mod support;
mod sweep;
mod sync;
mod view;
