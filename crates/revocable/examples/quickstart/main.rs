//! Sessions in a store, from login to "log out everywhere".
//!
//! ```sh
//! cargo run --example quickstart                     # keeps quickstart.db in this folder
//! cargo run --example quickstart -- sqlite PATH      # or any other file
//! cargo run --example quickstart -- sled             # or another store
//! cargo run --example quickstart -- help             # which there are
//! ```
//!
//! Run it twice: on a store that lasts the second run finds the sessions of the
//! first. Each step is
//! checked, and the exit status is 0 only if all came out as expected.

mod backend;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use revocable::{
    Client, ErrorKind, Lookup, NewSession, Policy, Rejection, Result, Session, SessionStore,
    Sessions, Token, UserId,
};

use backend::Backend;

fn main() -> ExitCode {
    let mut tour = Tour::default();
    let opened = backend::open(std::env::args_os().skip(1));
    let survives = opened.as_ref().is_ok_and(|backend| backend.survives);
    if let Err(error) = opened.and_then(|backend| block_on(tour.run(backend))) {
        // The message says what to do; the chain, what lies underneath.
        eprintln!("\nerror: {error}");
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            eprintln!("  caused by: {error}");
            cause = error.source();
        }
        return ExitCode::FAILURE;
    }
    if tour.failed > 0 {
        eprintln!("\n{} steps did not come out as expected", tour.failed);
        return ExitCode::FAILURE;
    }
    let again = if survives { " Run it again." } else { "" };
    println!("\nAll {} steps came out as expected.{again}", tour.steps);
    ExitCode::SUCCESS
}

/// Counts the steps that were checked, and those that failed.
#[derive(Default)]
struct Tour {
    steps: usize,
    failed: usize,
}

impl Tour {
    async fn run(&mut self, backend: Backend) -> Result<()> {
        println!("Store: {}", backend.shown);
        let policy = Policy::nist_aal2().renewal_interval(Duration::from_secs(3_600));
        let sessions = Sessions::builder(backend.store).policy(policy).build()?;

        self.earlier_runs(&sessions).await?;
        let token = self.logins(&sessions).await?;
        let token = self.renewal(&sessions, token).await?;
        self.lookups(&sessions, &token).await?;
        self.revocation(&sessions, &token).await?;
        self.racing_login(&sessions).await?;
        sessions.sweep(Default::default()).await?;
        Ok(())
    }

    /// Bob never logs out, so that the next run finds him.
    async fn earlier_runs(&mut self, sessions: &Sessions) -> Result<()> {
        heading("Sessions of earlier runs");
        let mut earlier = list(sessions, "bob").await?;
        println!("  bob has {}", count(earlier.len(), "live session"));
        // Not more than a few, however often this is run.
        while earlier.len() > 2 {
            let oldest = earlier.remove(0);
            sessions.revoke(oldest.id()).await?;
        }
        let (_, new) = sessions.create(device("bob", "tablet")?).await?;
        let now = list(sessions, "bob").await?;
        self.check("bob logs in once more, and what was there stays", {
            now.len() == earlier.len() + 1
                && earlier
                    .iter()
                    .all(|old| now.iter().any(|session| session.id() == old.id()))
                && now.iter().any(|session| session.id() == new.id())
        });
        Ok(())
    }

    async fn logins(&mut self, sessions: &Sessions) -> Result<Token> {
        heading("alice logs in on two devices");
        sessions.revoke_all_for_user("alice").await?;
        let (token, session) = sessions.create(device("alice", "laptop")?).await?;
        let (_, _) = sessions.create(device("alice", "phone")?).await?;

        // For once. A token belongs into the cookie and nowhere else.
        let text = token.expose();
        let stored = sessions.store().lookup(session.id()).await?;
        let digest = stored.as_ref().map(|record| *record.digest.as_bytes());
        println!("  cookie    {}", text.as_str());
        println!("  store     id     {}", session.id());
        println!("            digest {}", hex(&digest.unwrap_or_default()));
        self.check(
            "the store holds a digest of the token",
            digest == Some(*token.digest().as_bytes()),
        );

        let found = sessions.lookup(text.as_str()).await?;
        self.check(
            "the token leads to alice's session",
            found.is_some_and(|found| found.user().as_str() == "alice"),
        );

        let devices = list(sessions, "alice").await?;
        for device in &devices {
            println!(
                "  device    {}  {}",
                device.id(),
                device.client().label().unwrap_or("?")
            );
        }
        self.check("her devices are listed", devices.len() == 2);
        Ok(token)
    }

    async fn renewal(&mut self, sessions: &Sessions, old: Token) -> Result<Token> {
        heading("The laptop's session gets a new secret (she typed her password again)");
        let renewed = sessions.reauthenticated(&old).await?;
        let refused = matches!(
            sessions.inspect(&old).await?,
            Lookup::Rejected(Rejection::Replaced)
        );
        self.check("the old token is refused", refused);
        let Some((new, session)) = renewed else {
            self.check("there is a new token", false);
            return Ok(old);
        };
        self.check("the ID is the same", session.id() == old.id());
        let found = sessions.lookup(&new).await?.is_some();
        self.check("the new token is good", found);
        Ok(new)
    }

    async fn lookups(&mut self, sessions: &Sessions, token: &Token) -> Result<()> {
        const ROUNDS: u32 = 10_000;
        heading("10,000 lookups, each from the cookie's text to the live session");
        let text = token.expose();
        let mut found = 0;
        let start = Instant::now();
        for _ in 0..ROUNDS {
            found += u32::from(sessions.lookup(text.as_str()).await?.is_some());
        }
        let each = start.elapsed() / ROUNDS;
        let build = if cfg!(debug_assertions) {
            "a debug build; add --release"
        } else {
            "a release build"
        };
        println!("  {:.1} µs each ({build})", each.as_secs_f64() * 1e6);
        self.check("all of them found the session", found == ROUNDS);
        Ok(())
    }

    async fn revocation(&mut self, sessions: &Sessions, token: &Token) -> Result<()> {
        heading("Taking sessions back");
        let devices = list(sessions, "alice").await?;
        let phone = devices
            .iter()
            .find(|session| session.client().label() == Some("phone"));
        if let Some(phone) = phone {
            // The user as well as the ID: the ID may come from a web page.
            let ended = sessions.revoke_for_user("alice", phone.id()).await?;
            self.check("the phone is logged out", ended);
        }
        let mallory = sessions.revoke_for_user("mallory", token.id()).await?;
        self.check("nobody else can end alice's sessions", !mallory);
        let ended = sessions.revoke_all_for_user("alice").await?;
        self.check("log out everywhere ends the one that is left", ended == 1);
        let found = sessions.lookup(token).await?;
        self.check("its token is refused from now on", found.is_none());
        Ok(())
    }

    async fn racing_login(&mut self, sessions: &Sessions) -> Result<()> {
        heading("A login that began before \"log out everywhere\" was pressed");
        let attempt = sessions.begin_login("alice").await?;
        println!("  somebody has typed alice's password");
        sessions.revoke_all_for_user("alice").await?;
        println!("  alice presses \"log out everywhere\"");
        let refused = sessions.create(attempt).await;
        self.check(
            "the login is refused",
            refused.is_err_and(|error| error.kind() == ErrorKind::Superseded),
        );
        let nothing = list(sessions, "alice").await?.is_empty();
        self.check("and alice has no session", nothing);
        Ok(())
    }

    fn check(&mut self, what: &str, as_expected: bool) {
        self.steps += 1;
        self.failed += usize::from(!as_expected);
        println!("  {}  {what}", if as_expected { "ok  " } else { "FAIL" });
    }
}

fn heading(text: &str) {
    println!("\n{text}");
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn device(user: &str, label: &str) -> Result<NewSession> {
    let client = Client::new()
        .with_user_agent("quickstart")
        .with_label(label)?;
    Ok(NewSession::for_user(UserId::new(user)?).client(client))
}

async fn list(sessions: &Sessions, user: &str) -> Result<Vec<Session>> {
    Ok(sessions.list_for_user(user, None, 100).await?.sessions)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
