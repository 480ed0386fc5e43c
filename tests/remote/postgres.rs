//! PostgreSQL.

mod connections;
mod data;
mod faults;
mod primary;

use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use revocable::{ErrorKind, PostgresStore, Sessions};
use revocable_test_servers::{Missing, PgBouncer, Postgres, Proxy, may_mount};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use crate::Run;
use crate::machines::{self, TERM, answers_again, is_live, refused_login};

/// How long the stores wait for an answer.
const TIMEOUT: Duration = Duration::from_millis(500);

pub(crate) const TRIALS: &[(&str, Run)] = &[
    (
        "postgres::a_sweep_spares_nobody_who_was_used_and_has_expired",
        swept,
    ),
    (
        "postgres::a_killed_server_keeps_what_was_acknowledged",
        faults::killed,
    ),
    (
        "postgres::a_stopped_server_is_an_error_and_not_a_logout",
        faults::stopped,
    ),
    (
        "postgres::connections_that_the_server_ends_are_made_again",
        faults::terminated,
    ),
    (
        "postgres::servers_and_settings_that_undo_revocations_are_refused",
        connections::refused,
    ),
    (
        "postgres::a_server_that_takes_no_writes_is_not_read_from_either",
        faults::read_only,
    ),
    (
        "postgres::a_replica_is_not_read_from_on_any_connection",
        primary::replica,
    ),
    (
        "postgres::a_standby_that_takes_the_primarys_place_has_what_was_acknowledged",
        primary::next_primary,
    ),
    (
        "postgres::a_create_that_is_not_replicated_yet_cannot_outlive_its_revocation",
        primary::not_replicated,
    ),
    (
        "postgres::marks_that_wait_leave_the_application_its_connections",
        primary::marks_that_wait,
    ),
    (
        "postgres::a_connection_to_a_server_that_hangs_is_given_up_in_the_end",
        primary::given_up,
    ),
    (
        "postgres::a_server_that_hangs_gets_no_more_connections",
        primary::hanging,
    ),
    (
        "postgres::who_is_kept_waiting_by_a_lock_is_told_that_nothing_was_done",
        faults::locked,
    ),
    (
        "postgres::a_write_that_the_server_rolls_back_for_others_is_tried_again",
        faults::deadlock,
    ),
    (
        "postgres::a_user_with_rights_to_nothing_else_is_enough",
        connections::few_rights,
    ),
    (
        "postgres::machines_that_start_at_once_make_one_schema",
        connections::started_at_once,
    ),
    (
        "postgres::a_pool_of_the_applications_own_is_enough",
        connections::own_pool,
    ),
    (
        "postgres::behind_a_pool_of_transactions_nothing_is_left_on_a_connection",
        connections::pooled,
    ),
    (
        "postgres::a_revocation_whose_answer_was_lost_ends_who_watches",
        faults::answer_lost,
    ),
    (
        "postgres::a_revocation_on_one_machine_holds_on_the_other_in_time",
        two_machines,
    ),
    (
        "postgres::a_change_on_one_machine_shows_on_the_other_in_time",
        changed,
    ),
    ("postgres::a_machine_that_hears_late_refuses_in_time", late),
    (
        "postgres::a_machine_that_hears_nothing_serves_nothing_from_its_cache",
        deaf,
    ),
    (
        "postgres::a_cache_is_empty_when_the_data_were_taken_away",
        taken_away,
    ),
    (
        "postgres::who_has_lost_what_is_known_of_revocations_lets_nobody_in",
        data::lost_meta,
    ),
    (
        "postgres::a_login_from_before_a_fail_over_is_refused_after_a_revocation",
        data::lost_positions,
    ),
    ("postgres::touches_leave_the_indexes_alone", data::touches),
];

/// Those that need PgBouncer too.
pub(crate) const POOLED: &[(&str, Run)] = &[(
    "postgres::behind_pgbouncer_nothing_is_lost_and_two_machines_hear_of_each_other",
    connections::behind_pgbouncer,
)];

/// Those that need a file system of their own too.
pub(crate) const SMALL: &[(&str, Run)] = &[(
    "postgres::without_room_it_refuses_logins_and_revokes",
    data::full,
)];

pub(crate) fn missing_for_small() -> Option<Missing> {
    missing().or_else(|| may_mount().err())
}

pub(crate) fn missing_for_pooled() -> Option<Missing> {
    missing().or_else(|| PgBouncer::find().err())
}

pub(crate) fn missing() -> Option<Missing> {
    Postgres::find().err()
}

fn server(settings: &[&str]) -> Postgres {
    Postgres::start(settings).expect("it is installed")
}

async fn connect(url: &str) -> revocable::Result<PostgresStore> {
    PostgresStore::builder(url).timeout(TIMEOUT).connect().await
}

/// A machine with a cache that follows what others announce.
async fn machine(url: &str) -> revocable::Result<Sessions> {
    machines::cached(connect(url).await?)
}

/// A connection of the server's own user.
async fn administrator(postgres: &Postgres) -> Result<Client, Failed> {
    let (client, connection) = tokio_postgres::connect(&postgres.url(), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn swept(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let url = postgres.url();
        machines::swept(connect(&url).await?, connect(&url).await?).await
    })
}

fn two_machines(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let url = postgres.url();
        machines::two(&machine(&url).await?, &machine(&url).await?).await
    })
}

fn changed(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let url = postgres.url();
        machines::changed(&machine(&url).await?, &machine(&url).await?).await
    })
}

fn late(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    let proxy = Proxy::to(postgres.port());
    runtime.block_on(async {
        let here = machine(&postgres.url()).await?;
        let there = machine(&postgres.url_at(proxy.port())).await?;
        machines::late(&here, &there, &proxy).await
    })
}

fn deaf(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    let proxy = Proxy::to(postgres.port());
    runtime.block_on(async {
        let here = machine(&postgres.url()).await?;
        let there = machine(&postgres.url_at(proxy.port())).await?;
        machines::deaf(&here, &there, &proxy, b"LISTEN ").await
    })
}

fn taken_away(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let sessions = machine(&postgres.url()).await?;
        let (token, _) = sessions.create("alice").await?;
        let attempt = sessions.begin_login("alice").await?;
        for _ in 0..50 {
            assert!(is_live(&sessions, &token).await?);
        }
        let administrator = administrator(&postgres).await?;
        administrator
            .batch_execute("DROP SCHEMA revocable CASCADE")
            .await?;
        administrator
            .batch_execute(&PostgresStore::schema_sql("revocable")?)
            .await?;
        let taken = Instant::now();
        while let Ok(true) = is_live(&sessions, &token).await {
            // A mark is sent three times a term.
            assert!(taken.elapsed() <= 2 * TERM, "served from an empty store");
        }
        assert!(!answers_again(&sessions, &token).await?);
        assert_eq!(
            refused_login(sessions.create(attempt).await),
            Some(ErrorKind::Superseded)
        );
        let (again, _) = sessions.create("alice").await?;
        assert!(is_live(&sessions, &again).await?);
        Ok(())
    })
}
