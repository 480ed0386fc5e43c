//! PostgreSQL.

mod connections;

use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use revocable::postgres::Durability;
use revocable::{
    Change, ChangeKind, EndReason, ErrorKind, Liveness, NewSession, PostgresStore, SessionStore,
    Sessions,
};
use revocable_test_servers::{Missing, PgBouncer, Postgres, Proxy};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use crate::Run;
use crate::machines::{self, PATIENCE, TERM, answers_again, is_live, refused_login, sessions};

/// How long the stores wait for an answer.
const TIMEOUT: Duration = Duration::from_millis(500);

pub(crate) const TRIALS: &[(&str, Run)] = &[
    (
        "postgres::a_sweep_spares_nobody_who_was_used_and_has_expired",
        swept,
    ),
    (
        "postgres::a_killed_server_keeps_what_was_acknowledged",
        killed,
    ),
    (
        "postgres::a_stopped_server_is_an_error_and_not_a_logout",
        stopped,
    ),
    (
        "postgres::connections_that_the_server_ends_are_made_again",
        terminated,
    ),
    (
        "postgres::servers_and_settings_that_undo_revocations_are_refused",
        connections::refused,
    ),
    (
        "postgres::a_server_that_takes_no_writes_is_not_read_from_either",
        read_only,
    ),
    (
        "postgres::who_is_kept_waiting_by_a_lock_is_told_that_nothing_was_done",
        locked,
    ),
    (
        "postgres::a_write_that_the_server_rolls_back_for_others_is_tried_again",
        deadlock,
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
        "postgres::without_anything_left_on_a_connection_it_works",
        connections::pooled,
    ),
    (
        "postgres::a_revocation_whose_answer_was_lost_ends_who_watches",
        answer_lost,
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
        lost_meta,
    ),
    ("postgres::touches_leave_the_indexes_alone", touches),
];

/// Those that need PgBouncer too.
pub(crate) const POOLED: &[(&str, Run)] = &[(
    "postgres::behind_pgbouncer_nothing_is_lost_and_two_machines_hear_of_each_other",
    connections::behind_pgbouncer,
)];

/// Those that need a file system of their own too.
pub(crate) const SMALL: &[(&str, Run)] =
    &[("postgres::without_room_it_refuses_logins_and_revokes", full)];

pub(crate) fn missing_for_small() -> Option<Missing> {
    missing().or_else(|| Postgres::may_mount().err())
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

fn killed(runtime: &Runtime) -> Result<(), Failed> {
    let mut postgres = server(&[]);
    runtime.block_on(async {
        let store = connect(&postgres.url()).await?;
        assert_eq!(store.durability(), Durability::Synced);
        let sessions = sessions(store)?;
        let (kept, _) = sessions.create("alice").await?;
        let (revoked, session) = sessions.create("alice").await?;
        sessions.revoke(session.id()).await?;
        let (all, _) = sessions.create("bob").await?;
        sessions.revoke_all_for_user("bob").await?;
        let attempt = sessions.begin_login("carol").await?;
        sessions.revoke_all_for_user("carol").await?;
        postgres.kill();
        for token in [&kept, &revoked] {
            let kind = is_live(&sessions, token).await;
            let kind = kind.map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::Unavailable));
        }
        let error = sessions.create("dave").await.expect_err("it was created");
        assert!(error.is_transient(), "{error:?}");
        postgres.restart();
        assert!(answers_again(&sessions, &kept).await?);
        assert!(!is_live(&sessions, &revoked).await?);
        assert!(!is_live(&sessions, &all).await?);
        assert_eq!(
            refused_login(sessions.create(attempt).await),
            Some(ErrorKind::Superseded)
        );
        sessions.create("dave").await?;
        Ok(())
    })
}

fn stopped(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let sessions = sessions(connect(&postgres.url()).await?)?;
        let (token, session) = sessions.create("alice").await?;
        postgres.pause();
        let asked = Instant::now();
        let lookup = is_live(&sessions, &token).await;
        let kind = lookup.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::Unavailable));
        let revoke = sessions.revoke(session.id()).await;
        let kind = revoke.map(|_| ()).map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::UnknownOutcome));
        assert!(asked.elapsed() < PATIENCE, "it was waited for too long");
        postgres.resume();
        answers_again(&sessions, &token).await?;
        sessions.revoke(session.id()).await?;
        assert!(!is_live(&sessions, &token).await?);
        Ok(())
    })
}

fn terminated(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let sessions = machine(&postgres.url()).await?;
        let (token, session) = sessions.create("alice").await?;
        let watch = sessions.watch(session.id()).await?;
        let administrator = administrator(&postgres).await?;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE application_name = 'revocable'";
        for _ in 0..10 {
            let ended = administrator.query(end, &[]).await?;
            assert!(!ended.is_empty());
            // At the worst a write is in doubt, and nobody is logged out.
            assert!(answers_again(&sessions, &token).await?);
            if let Err(error) = sessions.create("bob").await {
                assert!(error.is_transient(), "{error:?}");
            }
        }
        // Also what was announced meanwhile is known.
        let other = self::sessions(connect(&postgres.url()).await?)?;
        administrator.query(end, &[]).await?;
        while let Err(error) = other.revoke(session.id()).await {
            assert!(error.is_transient(), "{error:?}");
        }
        assert!(tokio::time::timeout(PATIENCE, watch).await.is_ok());
        assert!(!is_live(&sessions, &token).await?);
        Ok(())
    })
}

fn read_only(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let store = connect(&postgres.url()).await?;
        let sessions = sessions(store.clone())?;
        let (token, session) = sessions.create("alice").await?;
        let administrator = administrator(&postgres).await?;
        let set = async |value| {
            let set =
                format!("ALTER DATABASE postgres SET default_transaction_read_only = {value}");
            administrator
                .batch_execute("SET default_transaction_read_only = off")
                .await?;
            administrator.batch_execute(&set).await?;
            // For connections that are made from now on.
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE application_name = 'revocable'";
            administrator.query(end, &[]).await.map(|_| ())
        };
        set("on").await?;
        // It may be a replica: nothing is read from there either.
        let until = Instant::now() + PATIENCE;
        for outcome in [
            is_live(&sessions, &token).await.map(|_| ()),
            sessions.create("bob").await.map(|_| ()),
            store.health().await,
        ] {
            let error = outcome.expect_err("a server that takes no writes");
            assert!(error.is_transient(), "{error:?}");
        }
        set("off").await?;
        assert!(answers_again(&sessions, &token).await?);
        while let Err(error) = sessions.revoke(session.id()).await {
            assert!(error.is_transient() && Instant::now() < until, "{error:?}");
        }
        assert!(!is_live(&sessions, &token).await?);
        store.health().await?;
        Ok(())
    })
}

fn locked(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let sessions = sessions(connect(&postgres.url()).await?)?;
        let (token, session) = sessions.create("alice").await?;
        let administrator = administrator(&postgres).await?;
        administrator
            .batch_execute("BEGIN; SELECT FROM revocable.sessions FOR UPDATE")
            .await?;
        for outcome in [
            sessions.revoke(session.id()).await.map(|_| ()),
            sessions.revoke_all_for_user("alice").await.map(|_| ()),
        ] {
            let error = outcome.expect_err("somebody holds the session");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        }
        // Lookups wait for no lock, and what was given up does not come later.
        assert!(is_live(&sessions, &token).await?);
        administrator.batch_execute("COMMIT").await?;
        assert!(is_live(&sessions, &token).await?);
        assert!(sessions.revoke(session.id()).await?);
        // A lock of the whole table keeps lookups, too.
        let lock = "BEGIN; LOCK revocable.sessions";
        administrator.batch_execute(lock).await?;
        let lookup = is_live(&sessions, &token).await;
        let kind = lookup.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::Unavailable));
        administrator.batch_execute("COMMIT").await?;
        assert!(!is_live(&sessions, &token).await?);
        Ok(())
    })
}

fn deadlock(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&["deadlock_timeout=10ms"]);
    runtime.block_on(async {
        let builder = PostgresStore::builder(&postgres.url()).timeout(PATIENCE);
        let sessions = sessions(builder.connect().await?)?;
        let mut ids = Vec::new();
        for _ in 0..2 {
            ids.push(sessions.create("alice").await?.1.id());
        }
        ids.sort_unstable();
        // Holds the second, and then waits for the first, which the other has by then.
        // Who waits for longer than that is who finds the deadlock.
        let administrator = administrator(&postgres).await?;
        administrator
            .batch_execute("SET deadlock_timeout = '1h'; BEGIN")
            .await?;
        let lock = "SELECT FROM revocable.sessions WHERE id::text = $1 FOR UPDATE";
        let of = |id: revocable::SessionId| id.to_string();
        administrator.query(lock, &[&of(ids[1])]).await?;
        let other = sessions.clone();
        let revoking = tokio::spawn(async move { other.revoke_all_for_user("alice").await });
        let waiting = "SELECT FROM pg_stat_activity
                       WHERE application_name = 'revocable' AND wait_event_type = 'Lock'";
        while administrator.query(waiting, &[]).await?.is_empty() {
            administrator
                .query("SELECT pg_stat_clear_snapshot()", &[])
                .await?;
        }
        // Returns when the revocation was rolled back.
        administrator.query(lock, &[&of(ids[0])]).await?;
        administrator.batch_execute("COMMIT").await?;
        assert_eq!(revoking.await??, 2);
        Ok(())
    })
}

fn full(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = Postgres::start_with_small_disk(2_048)?;
    runtime.block_on(async {
        let administrator = administrator(&postgres).await?;
        for make in [
            format!(
                "CREATE TABLESPACE small LOCATION '{}'",
                postgres.small().display()
            ),
            "ALTER DATABASE postgres SET default_tablespace = small".into(),
        ] {
            administrator.batch_execute(&make).await?;
        }
        let ballast = "CREATE TABLE ballast TABLESPACE small AS
                       SELECT repeat('x', 1000) FROM generate_series(1, 200)";
        administrator.batch_execute(ballast).await?;
        let store = connect(&postgres.url()).await?;
        let sessions = sessions(store.clone())?;
        let (one, session) = sessions.create("alice").await?;
        let (all, _) = sessions.create("bob").await?;
        sessions.revoke_all_for_user("nobody").await?;
        // So that the server cannot make it smaller.
        let mut number = 1_u32;
        let large: Vec<u8> = (0..3_000)
            .map(|_| {
                number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (number >> 24) as u8
            })
            .collect();
        let mut created = Vec::new();
        let error = loop {
            let new = NewSession::for_user(created.len() as u64).data(large.clone());
            match sessions.create(new).await {
                Ok((token, _)) => created.push(token),
                Err(error) => break error,
            }
            assert!(created.len() < 2_000, "there is room for all");
        };
        assert_eq!(error.kind(), ErrorKind::Full, "{error:?}");
        for token in &created {
            assert!(is_live(&sessions, token).await?);
        }
        assert!(sessions.revoke(session.id()).await?);
        assert_eq!(sessions.revoke_all_for_user("bob").await?, 1);
        let ended = sessions.revoke_everything().await?;
        assert_eq!(ended, created.len() as u64);
        for token in [&one, &all].into_iter().chain(&created) {
            assert!(!is_live(&sessions, token).await?);
        }
        // What was ended is removed, and with a little room the server finds its own again.
        sessions.sweep(Default::default()).await?;
        administrator.batch_execute("DROP TABLE ballast").await?;
        administrator
            .batch_execute("VACUUM revocable.sessions")
            .await?;
        let new = NewSession::for_user(1_u64).data(large);
        let (again, _) = sessions.create(new).await?;
        assert!(is_live(&sessions, &again).await?);
        Ok(())
    })
}

fn answer_lost(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    let proxy = Proxy::to(postgres.port());
    runtime.block_on(async {
        let store = connect(&postgres.url_at(proxy.port())).await?;
        let sessions = sessions(store.clone())?;
        // So that the statement is prepared: then it is one message.
        let (_, session) = sessions.create("alice").await?;
        store.revoke(session.id(), EndReason::Administrator).await?;
        let (token, session) = sessions.create("alice").await?;
        let watch = sessions.watch(session.id()).await?;
        proxy.cut_answers_to(b"administrator", 1);
        let outcome = store.revoke(session.id(), EndReason::Administrator).await;
        let kind = outcome.map(|_| ()).map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::UnknownOutcome));
        // Who watches hears of it all the same, and before anybody looks.
        let reason = tokio::time::timeout(PATIENCE, watch).await?;
        assert_eq!(reason, EndReason::Administrator);
        assert!(!is_live(&sessions, &token).await?);
        let again = store.revoke(session.id(), EndReason::Administrator).await?;
        assert_eq!(again, None);
        Ok(())
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

fn lost_meta(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let store = connect(&postgres.url()).await?;
        let sessions = sessions(store.clone())?;
        let (ended, _) = sessions.create("alice").await?;
        sessions.revoke_everything().await?;
        let (one, session) = sessions.create("alice").await?;
        let (live, _) = sessions.create("alice").await?;
        let attempt = sessions.begin_login("alice").await?;
        let administrator = administrator(&postgres).await?;
        administrator
            .batch_execute("DELETE FROM revocable.meta")
            .await?;
        for outcome in [
            is_live(&sessions, &live).await.map(|_| ()),
            is_live(&sessions, &ended).await.map(|_| ()),
            sessions.create("alice").await.map(|_| ()),
            sessions.list_for_user("alice", None, 10).await.map(|_| ()),
            sessions.revoke_all_for_user("alice").await.map(|_| ()),
            store.health().await,
        ] {
            let error = outcome.expect_err("nobody knows what was revoked");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        }
        assert!(sessions.revoke(session.id()).await?);
        // Also for who opens it now.
        let error = self::sessions(connect(&postgres.url()).await?)?;
        assert!(is_live(&error, &live).await.is_err());
        // It ends what there still is, and mends it.
        sessions.revoke_everything().await?;
        for token in [&ended, &one, &live] {
            assert!(!is_live(&sessions, token).await?);
        }
        assert_eq!(
            refused_login(sessions.create(attempt).await),
            Some(ErrorKind::Superseded)
        );
        let (again, _) = sessions.create("alice").await?;
        assert!(is_live(&sessions, &again).await?);
        // The other half: who is in stays in, and nobody comes.
        let attempt = sessions.begin_login("alice").await?;
        administrator
            .batch_execute("DELETE FROM revocable.positions")
            .await?;
        assert!(is_live(&sessions, &again).await?);
        for outcome in [
            sessions.create("alice").await.map(|_| ()),
            sessions.begin_login("alice").await.map(|_| ()),
            sessions.revoke_all_for_user("alice").await.map(|_| ()),
            store.health().await,
        ] {
            let error = outcome.expect_err("nobody knows what was revoked");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        }
        assert_eq!(sessions.revoke_everything().await?, 1);
        assert!(!is_live(&sessions, &again).await?);
        assert_eq!(
            refused_login(sessions.create(attempt).await),
            Some(ErrorKind::Superseded)
        );
        let (again, _) = sessions.create("alice").await?;
        assert!(is_live(&sessions, &again).await?);
        Ok(())
    })
}

fn touches(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let store = connect(&postgres.url()).await?;
        let sessions = sessions(store.clone())?;
        let mut created = Vec::new();
        for number in 0..500_u64 {
            let new = NewSession::for_user(number);
            created.push(sessions.create(new).await?.1);
        }
        for step in 1..=10 {
            for session in &created {
                let touch = Change {
                    liveness: Liveness::at(session.record().created_ms + step),
                    kind: ChangeKind::Touch,
                };
                store.update(session.id(), touch).await?;
            }
        }
        let administrator = administrator(&postgres).await?;
        let changed = "SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()";
        administrator.query(changed, &[]).await?;
        let counts = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables
                      WHERE relname = 'sessions'";
        let until = Instant::now() + PATIENCE;
        // The server tells it a moment later.
        let (all, hot) = loop {
            let row = administrator.query_one(counts, &[]).await?;
            let (all, hot): (i64, i64) = (row.get(0), row.get(1));
            if all >= 5_000 || Instant::now() > until {
                break (all, hot);
            }
        };
        println!("{hot} of {all} touches were HOT");
        assert!(all >= 5_000 && hot * 10 >= all * 9, "{hot} of {all}");
        Ok(())
    })
}
