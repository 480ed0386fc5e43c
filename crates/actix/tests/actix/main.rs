//! Requests to an application with actix-web, without a socket.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod browser;
mod csrf;
mod events;
mod sessions;
mod sockets;
mod store;
mod unknown;
