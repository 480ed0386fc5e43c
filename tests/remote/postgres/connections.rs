//! How the store comes by its connections, its schema and its rights, and what it refuses.

use deadpool_postgres::{Manager, Pool};
use libtest_mimic::Failed;
use revocable::postgres::Durability;
use revocable::{CachedStore, ErrorKind, PostgresStore, SessionStore, Sharing};
use revocable_test_servers::PgBouncer;
use tokio::runtime::Runtime;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::{TIMEOUT, administrator, connect, server};
use crate::machines::{self, PATIENCE, TERM, is_live, sessions};

pub(super) fn refused(runtime: &Runtime) -> Result<(), Failed> {
    let unsynced = server(&["fsync=off"]);
    let postgres = server(&["default_transaction_isolation=serializable"]);
    runtime.block_on(async {
        let kind = |outcome: revocable::Result<PostgresStore>| {
            let error = outcome.expect_err("it was taken");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            error.kind()
        };
        let refused = connect(&unsynced.url()).await;
        assert_eq!(kind(refused), ErrorKind::Configuration);
        let builder = PostgresStore::builder(&unsynced.url()).accept_unsynced();
        let store = builder.connect().await?;
        assert_eq!(store.durability(), Durability::Unsynced);

        // The store's own connections are told what they need.
        let url = postgres.url();
        sessions(connect(&url).await?)?.create("alice").await?;
        // Those of others are not, and it is noticed.
        let pool = Pool::builder(Manager::new(url.parse()?, NoTls)).build()?;
        let refused = PostgresStore::with_pool(pool).connect().await;
        assert_eq!(kind(refused), ErrorKind::Configuration);

        let administrator = administrator(&postgres).await?;
        administrator
            .batch_execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0;")
            .await?;
        for (from, to) in [
            ("/postgres?", "/latin?"),
            ("/postgres?", "/nowhere?"),
            ("postgres@", "nobody:hunter2@"),
            ("postgresql://", "http://"),
        ] {
            let url = url.replace(from, to);
            let refused = connect(&url).await;
            assert_eq!(kind(refused), ErrorKind::Configuration, "{url}");
        }
        let builder = PostgresStore::builder(&url.replace("postgres@", "app:hunter2@"));
        assert!(!format!("{builder:?}").contains("hunter2"));
        let refused = PostgresStore::builder(&url).schema("App").connect().await;
        assert_eq!(kind(refused), ErrorKind::Configuration);
        let refused = PostgresStore::builder(&url)
            .schema("app")
            .make_schema(false);
        assert_eq!(kind(refused.connect().await), ErrorKind::Configuration);
        administrator
            .batch_execute("UPDATE revocable.meta SET layout = 2")
            .await?;
        assert_eq!(kind(connect(&url).await), ErrorKind::Configuration, "newer");
        Ok(())
    })
}

pub(super) fn few_rights(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let administrator = administrator(&postgres).await?;
        for make in ["CREATE ROLE app LOGIN", "CREATE DATABASE shop"] {
            administrator.batch_execute(make).await?;
        }
        let url = postgres.url().replace("/postgres?", "/shop?");
        let (owner, connection) = tokio_postgres::connect(&url, NoTls).await?;
        tokio::spawn(connection);
        let url = url.replace("postgres@", "app@");
        let error = connect(&url).await.expect_err("it may not make a schema");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
        // By hand, as the documentation says.
        owner
            .batch_execute(&PostgresStore::schema_sql("revocable")?)
            .await?;
        let error = connect(&url).await.expect_err("it may not read");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
        owner
            .batch_execute(
                "GRANT USAGE ON SCHEMA revocable TO app;
                 GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA revocable TO app;",
            )
            .await?;
        let store = connect(&url).await?;
        store.health().await?;
        machines::hears_itself(&store).await?;
        let sessions = sessions(store)?;
        let (token, session) = sessions.create("alice").await?;
        sessions.sweep(Default::default()).await?;
        assert!(is_live(&sessions, &token).await?);
        assert!(sessions.revoke(session.id()).await?);
        sessions.revoke_all_for_user("alice").await?;
        sessions.revoke_everything().await?;
        assert!(!is_live(&sessions, &token).await?);
        Ok(())
    })
}

pub(super) fn started_at_once(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let starting: Vec<_> = (0..8)
            .map(|_| {
                let url = postgres.url();
                tokio::spawn(async move {
                    PostgresStore::builder(&url)
                        .timeout(PATIENCE)
                        .connect()
                        .await
                })
            })
            .collect();
        let mut token = None;
        for store in starting {
            let sessions = sessions(store.await??)?;
            match &token {
                None => token = Some(sessions.create("alice").await?.0),
                Some(token) => assert!(is_live(&sessions, token).await?),
            }
        }
        Ok(())
    })
}

pub(super) fn own_pool(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let manager = Manager::new(postgres.url().parse()?, NoTls);
        let pool = Pool::builder(manager).max_size(1).build()?;
        let builder = PostgresStore::with_pool(pool.clone()).timeout(TIMEOUT);
        let store = builder.clone().connect().await?;
        assert_eq!(store.sharing(), Sharing::Unknown);
        assert!(store.follow().await.is_err());
        let cached = CachedStore::builder(store.clone())
            .max_staleness(TERM)
            .build();
        assert!(cached.is_err(), "it hears nothing");
        let sessions = sessions(store)?;
        let (token, session) = sessions.create("alice").await?;
        // The application has taken its last connection.
        let held = pool.get().await?;
        let lookup = is_live(&sessions, &token).await;
        let kind = lookup.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::Unavailable));
        drop(held);
        assert!(is_live(&sessions, &token).await?);
        // ... and left a transaction open on it: what is done there is not committed.
        let held = pool.get().await?;
        held.batch_execute("BEGIN; CREATE TABLE of_the_application ()")
            .await?;
        drop(held);
        let error = sessions.revoke(session.id()).await.expect_err("it is lost");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
        // That connection is no more. One on which the past is seen is not read from either.
        assert!(is_live(&sessions, &token).await?);
        let (gone, other) = sessions.create("alice").await?;
        let held = pool.get().await?;
        held.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; TABLE revocable.meta")
            .await?;
        let elsewhere = machines::sessions(connect(&postgres.url()).await?)?;
        assert!(elsewhere.revoke(other.id()).await?);
        drop(held);
        assert!(!is_live(&sessions, &gone).await?);
        assert!(is_live(&sessions, &token).await?);
        let store = builder.announcements(&postgres.url()).connect().await?;
        let cached = machines::cached(store)?;
        assert!(is_live(&cached, &token).await?);
        let watch = cached.watch(session.id()).await?;
        sessions.revoke(session.id()).await?;
        assert!(tokio::time::timeout(PATIENCE, watch).await.is_ok());
        Ok(())
    })
}

pub(super) fn pooled(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let manager = Manager::new(postgres.url().parse()?, NoTls);
        let pool = Pool::builder(manager).max_size(1).build()?;
        let builder = PostgresStore::with_pool(pool.clone()).behind_pgbouncer();
        let store = builder.connect().await?;
        let sessions = sessions(store.clone())?;
        let (token, session) = sessions.create("alice").await?;
        assert!(is_live(&sessions, &token).await?);
        let renewed = sessions.renew(&token).await?.expect("it is live");
        let token = renewed.token.unwrap_or(token);
        assert!(is_live(&sessions, &token).await?);
        let listed = sessions.list_for_user("alice", None, 10).await?.sessions;
        assert_eq!(listed.len(), 1);
        assert!(sessions.revoke(session.id()).await?);
        sessions.revoke_all_for_user("alice").await?;
        sessions.sweep(Default::default()).await?;
        sessions.revoke_everything().await?;
        store.health().await?;
        assert!(!is_live(&sessions, &token).await?);
        // All that was done on the one connection; as text, which leaves nothing itself.
        let left = "SELECT name FROM pg_prepared_statements UNION ALL
                    SELECT name FROM pg_settings WHERE source = 'session'
                        AND name NOT IN ('client_encoding')";
        let left = pool.get().await?.simple_query(left).await?;
        let rows = |message: &&SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
        let left: Vec<_> = left.iter().filter(rows).collect();
        assert!(left.is_empty(), "{left:?}");
        Ok(())
    })
}

pub(super) fn behind_pgbouncer(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    let bouncer = PgBouncer::start(&postgres)?;
    let url = postgres.url_at(bouncer.port());
    runtime.block_on(async {
        // Not told, it says that it cannot be so.
        assert!(connect(&url).await.is_err());
        let builder = PostgresStore::builder(&url)
            .behind_pgbouncer()
            .timeout(PATIENCE)
            .announcements(&postgres.url());
        let (here, there) = (builder.clone().connect().await?, builder.connect().await?);
        machines::swept(here.clone(), there.clone()).await?;
        let (here, there) = (machines::cached(here)?, machines::cached(there)?);
        machines::two(&here, &there).await?;
        machines::changed(&here, &there).await?;
        // More at once than there are connections, with a cap and a revoke-all.
        let attempt = here.begin_login("bob").await?;
        let logins: Vec<_> = (0..100)
            .map(|_| {
                let (here, attempt) = (here.clone(), attempt.clone());
                tokio::spawn(async move { here.create(attempt).await.map(|_| ()) })
            })
            .collect();
        there.revoke_all_for_user("bob").await?;
        for login in logins {
            if let Err(error) = login.await? {
                assert_eq!(error.kind(), ErrorKind::Superseded, "{error:?}");
            }
        }
        let left = here.list_for_user("bob", None, 100).await?.sessions;
        assert!(left.is_empty(), "{} logins from before", left.len());
        Ok(())
    })
}
