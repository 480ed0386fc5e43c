//! Says what was acknowledged, so that a trace of the system's calls shows what
//! went before: each line comes after an `fdatasync` of the database.
//!
//! ```sh
//! cargo build -p revocable-sled --example durable
//! strace -f -y -e trace=fdatasync,fsync,sync_file_range,pwrite64,write \
//!     target/debug/examples/durable FOLDER
//! ```

use futures_executor::block_on;
use revocable_core::{
    Bucket, Client, CreateRequest, Digest, EndReason, Liveness, Record, Result, RevokeAllRequest,
    SessionId, SessionStore, UserId,
};
use revocable_sled::SledStore;

fn main() -> Result<()> {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: durable FOLDER");
        std::process::exit(2);
    };
    let store = SledStore::open(folder)?;
    let user = UserId::new("alice")?;
    let now_ms = 1_000;
    let record = Record {
        id: SessionId::new(now_ms, Bucket::of(&user), [7; 8]),
        user: user.clone(),
        digest: Digest::from_bytes([7; 32]),
        previous: None,
        created_ms: now_ms,
        authenticated_ms: now_ms,
        last_seen_ms: now_ms,
        expires_ms: 2_000_000,
        idle_timeout_ms: 1_000_000,
        version: 0,
        client: Client::new(),
        data: Box::default(),
    };
    let id = record.id;
    let request = CreateRequest {
        record,
        expected_epoch: None,
        cap: None,
        liveness: Liveness::at(now_ms),
    };
    block_on(store.create(request))?;
    println!("acknowledged: create");
    block_on(store.revoke(id, EndReason::LoggedOut))?;
    println!("acknowledged: revoke");
    block_on(store.revoke_all_for_user(RevokeAllRequest {
        user,
        keep: None,
        reason: EndReason::LoggedOutEverywhere,
        now_ms,
    }))?;
    println!("acknowledged: revoke all of a user");
    block_on(store.revoke_everything(EndReason::Administrator))?;
    println!("acknowledged: revoke everything");
    Ok(())
}
