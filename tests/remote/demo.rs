//! The example `login`, twice, with its sessions on one server.

use libtest_mimic::Failed;
use revocable_test_servers::{Postgres, Redis};
use revocable_tests::demo::Server;
use tokio::runtime::Runtime;

use crate::Run;
use crate::browser::Browser;

pub(crate) const REDIS: &[(&str, Run)] = &[(
    "redis::logging_out_everywhere_on_one_machine_closes_the_streams_of_the_other",
    on_redis,
)];

pub(crate) const POSTGRES: &[(&str, Run)] = &[(
    "postgres::logging_out_everywhere_on_one_machine_closes_the_streams_of_the_other",
    on_postgres,
)];

/// More lines of a stream than come before the end of its session.
const MANY: usize = 60;

fn on_redis(_: &Runtime) -> Result<(), Failed> {
    let redis = Redis::start(&[]).expect("it is installed");
    two_programs(["--redis", &redis.url()])
}

fn on_postgres(_: &Runtime) -> Result<(), Failed> {
    let postgres = Postgres::start(&[]).expect("it is installed");
    two_programs(["--postgres", &postgres.url()])
}

fn two_programs(server: [&str; 2]) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let users = folder.path().join("login.db");
    let start = || Server::start_with(&users, &server);
    let (here, there) = (start(), start());

    let credentials = [("name", "alice"), ("password", "correct horse")];
    let mut laptop = Browser::new(&here, "Laptop");
    assert_eq!(laptop.post("/sign-up", &credentials).status, 303);
    let mut phone = Browser::new(&there, "Phone");
    assert_eq!(phone.post("/log-in", &credentials).status, 303);
    // One session, known on both.
    assert_eq!(laptop.at(&there).get("/devices").status, 200);

    let mut events = phone.open("/live/events");
    assert_eq!(events.line().as_deref(), Some("event: tick"));
    assert_eq!(laptop.post("/devices/end-all", &[]).status, 303);
    let left = (0..MANY).take_while(|_| events.line().is_some()).count();
    assert!(left < MANY, "the stream on the other machine goes on");
    assert_eq!(phone.get("/devices").status, 303);
    Ok(())
}
