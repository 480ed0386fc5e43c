//! Redis.

mod cluster;
mod connections;
mod faults;
mod room;
mod several;

use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use revocable::{RedisStore, Sessions};
use revocable_test_servers::{Missing, Proxy, Redis, may_mount};
use tokio::runtime::Runtime;

use crate::Run;
use crate::machines::{self, TERM, is_live};

/// How long the stores wait for an answer.
const TIMEOUT: Duration = Duration::from_millis(300);

pub(crate) const TRIALS: &[(&str, Run)] = &[
    (
        "redis::a_sweep_spares_nobody_who_was_used_and_has_expired",
        swept,
    ),
    (
        "redis::a_repeated_write_waits_for_replicas_too",
        several::repeated,
    ),
    (
        "redis::a_bucket_that_lost_a_part_lets_nobody_in_again",
        faults::lost_part,
    ),
    (
        "redis::another_database_of_the_server_takes_no_lease_away",
        connections::other_database,
    ),
    (
        "redis::a_cluster_keeps_the_sessions_of_all_its_parts",
        cluster::parts,
    ),
    (
        "redis::machines_on_a_cluster_hear_of_each_other",
        cluster::machines,
    ),
    (
        "redis::a_user_with_rights_to_nothing_else_is_enough_on_a_cluster",
        cluster::few_rights,
    ),
    (
        "redis::a_slot_that_is_being_moved_loses_no_revocation",
        cluster::moving,
    ),
    (
        "redis::caches_hear_from_whoever_has_a_slot_now",
        cluster::moved,
    ),
    (
        "redis::caches_hear_from_whoever_takes_a_lost_primarys_place",
        cluster::lost_primary,
    ),
    ("redis::a_store_finds_the_next_master", several::next_master),
    (
        "redis::a_master_that_is_made_a_replica_is_not_read_from",
        several::demoted,
    ),
    (
        "redis::a_login_from_before_a_fail_over_is_refused_after_a_revocation",
        several::lost_positions,
    ),
    (
        "redis::a_killed_server_keeps_what_was_acknowledged",
        faults::killed,
    ),
    (
        "redis::a_stopped_server_is_an_error_and_not_a_logout",
        faults::stopped,
    ),
    (
        "redis::a_server_that_keeps_nothing_ends_all_sessions",
        faults::keeps_nothing,
    ),
    (
        "redis::servers_that_undo_revocations_are_refused",
        connections::refused,
    ),
    (
        "redis::a_full_server_refuses_logins_and_revokes",
        room::full,
    ),
    (
        "redis::a_user_with_rights_to_nothing_else_is_enough",
        connections::few_rights,
    ),
    (
        "redis::a_revocation_whose_answer_was_lost_is_done_once",
        faults::answer_lost,
    ),
    (
        "redis::a_revocation_on_one_machine_holds_on_the_other_in_time",
        two_machines,
    ),
    (
        "redis::a_change_on_one_machine_shows_on_the_other_in_time",
        changed,
    ),
    ("redis::a_machine_that_hears_late_refuses_in_time", late),
    (
        "redis::a_machine_that_hears_nothing_serves_nothing_from_its_cache",
        deaf,
    ),
    (
        "redis::a_cache_is_empty_when_the_data_were_taken_away",
        taken_away,
    ),
];

/// Those that need a file system of their own too.
pub(crate) const SMALL: &[(&str, Run)] = &[(
    "redis::without_room_on_its_disk_it_takes_nothing_and_loses_nothing",
    room::full_disk,
)];

pub(crate) fn missing_for_small() -> Option<Missing> {
    missing().or_else(|| may_mount().err())
}

pub(crate) fn missing() -> Option<Missing> {
    Redis::find().err()
}

fn server(settings: &[&str]) -> Redis {
    Redis::start(settings).expect("it is installed")
}

async fn connect(port: u16) -> revocable::Result<RedisStore> {
    let url = format!("redis://127.0.0.1:{port}");
    RedisStore::builder(&url).timeout(TIMEOUT).connect().await
}

/// A machine with a cache that follows what others announce.
async fn machine(port: u16) -> revocable::Result<Sessions> {
    machines::cached(connect(port).await?)
}

fn swept(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    runtime.block_on(async {
        let (here, there) = (connect(redis.port()).await?, connect(redis.port()).await?);
        machines::swept(here, there).await
    })
}

fn two_machines(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    runtime.block_on(async {
        let (here, there) = (machine(redis.port()).await?, machine(redis.port()).await?);
        machines::two(&here, &there).await
    })
}

fn changed(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    runtime.block_on(async {
        machines::changed(&machine(redis.port()).await?, &machine(redis.port()).await?).await
    })
}

fn late(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    let proxy = Proxy::to(redis.port());
    runtime.block_on(async {
        let (here, there) = (machine(redis.port()).await?, machine(proxy.port()).await?);
        machines::late(&here, &there, &proxy).await
    })
}

fn deaf(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    let proxy = Proxy::to(redis.port());
    runtime.block_on(async {
        let here = machine(redis.port()).await?;
        let there = machine(proxy.port()).await?;
        machines::deaf(&here, &there, &proxy, b"SUBSCRIBE").await
    })
}

fn taken_away(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    runtime.block_on(async {
        let sessions = machine(redis.port()).await?;
        let (token, _) = sessions.create("alice").await?;
        for _ in 0..50 {
            assert!(is_live(&sessions, &token).await?);
        }
        let client = ::redis::Client::open(redis.url())?;
        ::redis::cmd("FLUSHALL").exec(&mut client.get_connection()?)?;
        let taken = Instant::now();
        while is_live(&sessions, &token).await? {
            // A mark is sent three times a term.
            assert!(taken.elapsed() <= 2 * TERM, "served from an empty store");
        }
        let (again, _) = sessions.create("alice").await?;
        assert!(is_live(&sessions, &again).await?);
        Ok(())
    })
}
