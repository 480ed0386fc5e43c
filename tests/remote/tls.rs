//! Encrypted connections. Whom the system trusts is told to a process when it starts, so
//! the client is this program once more.

use std::env;
use std::process::{Command, Output};

use libtest_mimic::Failed;
use revocable::{PostgresStore, RedisStore};
use revocable_test_servers::{Certificates, Missing, Postgres, Redis, free_port};
use tokio::runtime::Runtime;

use crate::Run;
use crate::machines::{hears_itself, is_live, sessions};

pub(crate) const REDIS: &[(&str, Run)] = &[(
    "redis::an_encrypted_connection_needs_a_server_that_is_trusted",
    redis,
)];

pub(crate) const POSTGRES: &[(&str, Run)] = &[(
    "postgres::an_encrypted_connection_needs_a_server_that_is_trusted",
    postgres,
)];

/// Names the address to the client.
const ADDRESS: &str = "REVOCABLE_TEST_ADDRESS";

const DONE: &str = "logged in and out";

pub(crate) fn missing() -> Option<Missing> {
    Certificates::find().err()
}

pub(crate) fn is_client() -> bool {
    env::var_os(ADDRESS).is_some()
}

/// Logs somebody in and out, and says so.
pub(crate) fn client() {
    let address = env::var(ADDRESS).expect("it is told");
    let runtime = Runtime::new().expect("a runtime can be made");
    let done: revocable::Result<()> = runtime.block_on(async {
        let sessions = if address.starts_with("rediss") {
            sessions(RedisStore::connect(&address).await?)?
        } else {
            let store = PostgresStore::connect(&address).await?;
            hears_itself(&store).await?;
            sessions(store)?
        };
        let (token, session) = sessions.create("alice").await?;
        assert!(is_live(&sessions, &token).await?);
        assert!(sessions.revoke(session.id()).await?);
        Ok(())
    });
    match done {
        Ok(()) => println!("{DONE}"),
        Err(error) => println!("{:?}: {error:?}", error.kind()),
    }
}

fn redis(_: &Runtime) -> Result<(), Failed> {
    let certificates = Certificates::make()?;
    let file = |path: std::path::PathBuf| path.display().to_string();
    let port = free_port()?;
    let _server = Redis::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &file(certificates.server()),
        "--tls-key-file",
        &file(certificates.key()),
        "--tls-ca-cert-file",
        &file(certificates.authority()),
        "--tls-auth-clients",
        "no",
    ])?;
    trusted_and_not(&certificates, &format!("rediss://127.0.0.1:{port}"))
}

fn postgres(_: &Runtime) -> Result<(), Failed> {
    let certificates = Certificates::make()?;
    let server = Postgres::start_with_tls(&certificates)?;
    let url = server.url().replace("sslmode=disable", "sslmode=require");
    trusted_and_not(&certificates, &url)?;
    // A name that the certificate has not.
    let other = url.replace("127.0.0.1", "localhost");
    let said = text(&run(&other, &certificates.authority())?);
    assert!(!said.contains(DONE), "another name was taken: {said}");
    // Nobody who can be asked for one answers without it.
    let plain = Postgres::start(&[])?;
    let url = plain.url().replace("sslmode=disable", "sslmode=require");
    let said = text(&run(&url, &certificates.authority())?);
    assert!(!said.contains(DONE), "a plain connection was taken: {said}");
    Ok(())
}

fn trusted_and_not(certificates: &Certificates, url: &str) -> Result<(), Failed> {
    let said = text(&run(url, &certificates.authority())?);
    assert!(said.contains(DONE), "{said}");
    let others = Certificates::make()?;
    let said = text(&run(url, &others.authority())?);
    assert!(!said.contains(DONE), "a stranger was trusted: {said}");
    Ok(())
}

fn run(url: &str, trusted: &std::path::Path) -> std::io::Result<Output> {
    Command::new(env::current_exe()?)
        .env(ADDRESS, url)
        .env("SSL_CERT_FILE", trusted)
        .env_remove("SSL_CERT_DIR")
        .output()
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}
