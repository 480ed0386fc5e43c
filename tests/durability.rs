//! What tests of crashes and faults share: clients whose every step is known
//! beforehand, a process that runs them, and what a store has to hold
//! afterwards.

pub mod backend;
pub mod process;
pub mod recording;
pub mod script;
pub mod shim;
pub mod verify;
