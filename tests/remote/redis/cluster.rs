//! Redis Cluster.

use std::time::{Duration, Instant};

use ::redis::{Client, Connection, cmd};
use libtest_mimic::Failed;
use revocable::redis::Durability;
use revocable::{Bucket, ErrorKind, NewSession, RedisStore, SessionStore, Sessions, Token, UserId};
use revocable_test_servers::RedisCluster;
use tokio::runtime::Runtime;

use crate::machines::{self, PATIENCE, TERM, answers_again, is_live, refused_login, sessions};

/// Longer than on one server: the client looks for whoever has a slot now.
const TIMEOUT: Duration = Duration::from_secs(1);

async fn connect(cluster: &RedisCluster) -> revocable::Result<RedisStore> {
    RedisStore::cluster(cluster.urls())
        .timeout(TIMEOUT)
        .connect()
        .await
}

async fn machine(cluster: &RedisCluster) -> revocable::Result<Sessions> {
    machines::cached(connect(cluster).await?)
}

pub(super) fn parts(runtime: &Runtime) -> Result<(), Failed> {
    let cluster = RedisCluster::start()?;
    runtime.block_on(async {
        let one = RedisStore::connect(&cluster.urls()[0]).await;
        let kind = one.map(|_| ()).map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::Configuration), "as a single server");
        let store = RedisStore::cluster(cluster.urls()).connect().await?;
        assert_eq!(store.durability(), Durability::Synced);
        store.health().await?;
        let sessions = sessions(store)?;
        let mut tokens = Vec::new();
        for number in 0..60_u64 {
            tokens.push(sessions.create(NewSession::for_user(number)).await?.0);
            tokens.push(sessions.create(NewSession::for_user(number)).await?.0);
        }
        for token in &tokens {
            assert!(is_live(&sessions, token).await?);
        }
        let attempt = sessions.begin_login(7_u64).await?;
        assert_eq!(sessions.revoke_all_for_user(7_u64).await?, 2);
        assert_eq!(
            refused_login(sessions.create(attempt).await),
            Some(ErrorKind::Superseded)
        );
        let session = sessions.lookup(&tokens[0]).await?.expect("it is live");
        assert!(sessions.revoke(session.id()).await?);
        let swept = sessions.sweep(Default::default()).await?;
        assert_eq!(swept.examined, 117);
        assert_eq!(sessions.revoke_everything().await?, 117);
        for token in &tokens {
            assert!(!is_live(&sessions, token).await?);
        }
        Ok(())
    })
}

pub(super) fn machines(runtime: &Runtime) -> Result<(), Failed> {
    let cluster = RedisCluster::start()?;
    runtime.block_on(async {
        let (here, there) = (machine(&cluster).await?, machine(&cluster).await?);
        machines::two(&here, &there).await?;
        machines::changed(&here, &there).await?;
        // With a lease it takes no server to answer.
        let (token, _) = here.create("bob").await?;
        let mut hits = 0;
        for _ in 0..10 {
            assert!(answers_again(&there, &token).await?);
            cluster.pause();
            let asked = Instant::now();
            let answer = is_live(&there, &token).await;
            hits += usize::from(answer.is_ok() && asked.elapsed() < TERM);
            cluster.resume();
        }
        assert!(hits > 0, "the cache never has a lease");
        // On each of the three.
        for user in 0..30_u64 {
            let (token, _) = here.create(NewSession::for_user(user)).await?;
            for _ in 0..20 {
                assert!(is_live(&there, &token).await?);
            }
            here.revoke_all_for_user(user).await?;
            is_refused_in_time(&there, &token).await?;
        }
        // And by all of them.
        let (token, session) = here.create("alice").await?;
        assert!(is_live(&there, &token).await?);
        let watch = there.watch(session.id()).await?;
        here.revoke_everything().await?;
        is_refused_in_time(&there, &token).await?;
        let ended = tokio::time::timeout(PATIENCE, watch).await;
        assert!(ended.is_ok(), "the other machine's watch has not ended");
        Ok(())
    })
}

pub(super) fn few_rights(runtime: &Runtime) -> Result<(), Failed> {
    let cluster = RedisCluster::start()?;
    let rights = "ACL SETUSER app on >secret ~revocable:* &revocable:notices:* \
                  +@all -@dangerous +info";
    let rights: Vec<&str> = rights.split_whitespace().collect();
    let mut urls = Vec::new();
    for url in cluster.urls() {
        let mut member = Client::open(&*url)?.get_connection()?;
        ::redis::Cmd::new().arg(&rights).exec(&mut member)?;
        urls.push(url.replace("//", "//app:secret@"));
    }
    runtime.block_on(async {
        let store = RedisStore::cluster(urls).timeout(TIMEOUT).connect().await?;
        store.health().await?;
        machines::hears_itself(&store).await?;
        let sessions = sessions(store)?;
        let (token, session) = sessions.create("alice").await?;
        sessions.sweep(Default::default()).await?;
        assert!(sessions.revoke(session.id()).await?);
        sessions.revoke_everything().await?;
        assert!(!is_live(&sessions, &token).await?);
        Ok(())
    })
}

/// Of what was just revoked elsewhere.
async fn is_refused_in_time(there: &Sessions, token: &Token) -> Result<(), Failed> {
    let revoked = Instant::now();
    loop {
        let began = revoked.elapsed();
        match is_live(there, token).await {
            Ok(false) => return Ok(()),
            Ok(true) => assert!(began <= TERM, "served {began:?} after its revocation"),
            // While it is found out who has the slot.
            Err(error) => assert!(error.is_transient() && began < PATIENCE, "{error:?}"),
        }
    }
}

/// A slot with a bucket, and connections to the members.
struct Slot {
    number: i64,
    /// The beginning of the keys.
    keys: String,
    members: Vec<(Connection, String, String)>,
}

impl Slot {
    fn of(cluster: &RedisCluster, user: &str) -> Result<Self, Failed> {
        let bucket = Bucket::of(&UserId::new(user)?);
        let keys = format!("revocable:{{{:03x}}}:", bucket.index());
        let mut members = Vec::new();
        for url in cluster.urls() {
            let mut member = Client::open(&*url)?.get_connection()?;
            let id = cmd("CLUSTER").arg("MYID").query(&mut member)?;
            let (_, port) = url.rsplit_once(':').expect("it has a port");
            members.push((member, id, port.to_owned()));
        }
        let mut number = cmd("CLUSTER");
        let number = number.arg("KEYSLOT").arg(&keys).query(&mut members[0].0)?;
        Ok(Self {
            number,
            keys,
            members,
        })
    }

    /// Whoever answers.
    fn owner(&mut self) -> usize {
        let key = format!("{}g", self.keys);
        let answers = |member: &mut Connection| cmd("GET").arg(&key).exec(member).is_ok();
        let at = self
            .members
            .iter_mut()
            .position(|(member, ..)| answers(member));
        at.expect("somebody has the slot")
    }

    fn set(&mut self, at: usize, what: &str, of: usize) -> Result<(), Failed> {
        let id = self.members[of].1.clone();
        let mut set = cmd("CLUSTER");
        set.arg("SETSLOT").arg(self.number).arg(what).arg(id);
        Ok(set.exec(&mut self.members[at].0)?)
    }

    fn begin(&mut self, from: usize, to: usize) -> Result<(), Failed> {
        self.set(to, "IMPORTING", from)?;
        self.set(from, "MIGRATING", to)
    }

    /// The keys that are chosen go.
    fn take(
        &mut self,
        from: usize,
        to: usize,
        which: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Failed> {
        let port = self.members[to].2.clone();
        let source = &mut self.members[from].0;
        let mut keys = cmd("CLUSTER");
        keys.arg("GETKEYSINSLOT").arg(self.number).arg(10_000);
        let keys: Vec<Vec<u8>> = keys.query(source)?;
        for key in keys.iter().filter(|key| which(key)) {
            let mut migrate = cmd("MIGRATE");
            migrate
                .arg("127.0.0.1")
                .arg(&port)
                .arg(key)
                .arg(0)
                .arg(5000);
            migrate.exec(source)?;
        }
        Ok(())
    }

    fn end(&mut self, from: usize, to: usize) -> Result<(), Failed> {
        self.set(to, "NODE", to)?;
        self.set(from, "NODE", to)
    }

    fn move_to(&mut self, to: usize) -> Result<(), Failed> {
        let from = self.owner();
        if from != to {
            self.begin(from, to)?;
            self.take(from, to, |_| true)?;
            self.end(from, to)?;
        }
        Ok(())
    }
}

pub(super) fn moving(runtime: &Runtime) -> Result<(), Failed> {
    let cluster = RedisCluster::start()?;
    runtime.block_on(async {
        let store = connect(&cluster).await?;
        let sessions = sessions(store)?;
        let mut slot = Slot::of(&cluster, "alice")?;
        for sessions_go_first in [true, false] {
            let mut tokens = Vec::new();
            for _ in 0..4 {
                tokens.push(sessions.create("alice").await?.0);
            }
            let from = slot.owner();
            let to = (from + 1) % 3;
            slot.begin(from, to)?;
            let is_session = |key: &[u8]| key.windows(3).any(|part| part == b":s:");
            slot.take(from, to, |key| is_session(key) == sessions_go_first)?;
            for token in &tokens {
                // An error where it is not clear, and never that nobody is logged in.
                match is_live(&sessions, token).await {
                    Ok(live) => assert!(live, "a session that is being moved is taken for none"),
                    Err(error) => assert!(error.is_transient(), "{error:?}"),
                }
            }
            for outcome in [
                sessions.revoke_all_for_user("alice").await.map(|_| ()),
                sessions.create("alice").await.map(|_| ()),
                sessions.list_for_user("alice", None, 10).await.map(|_| ()),
            ] {
                let error = outcome.expect_err("a part of it is elsewhere");
                assert!(error.is_transient(), "{error:?}");
            }
            slot.take(from, to, |_| true)?;
            slot.end(from, to)?;
            for token in &tokens {
                assert!(answers_again(&sessions, token).await?, "it was revoked");
            }
            assert_eq!(sessions.revoke_all_for_user("alice").await?, 4);
            for token in &tokens {
                assert!(!is_live(&sessions, token).await?);
            }
        }
        Ok(())
    })
}

pub(super) fn moved(runtime: &Runtime) -> Result<(), Failed> {
    let mut cluster = RedisCluster::start()?;
    // Nobody listens to who has no slots.
    cluster.join()?;
    runtime.block_on(async {
        let (here, there) = (machine(&cluster).await?, machine(&cluster).await?);
        let mut slot = Slot::of(&cluster, "alice")?;
        let mut others = Slot::of(&cluster, "bob")?;
        for to in [3, 0, 3, 1, 2, 3] {
            let (token, _) = here.create("alice").await?;
            for _ in 0..50 {
                assert!(answers_again(&there, &token).await?);
            }
            slot.move_to(to)?;
            // One that loses its last slot is a primary no more.
            others.move_to(3)?;
            let until = Instant::now() + PATIENCE;
            while let Err(error) = here.revoke_all_for_user("alice").await {
                assert!(error.is_transient() && Instant::now() < until, "{error:?}");
            }
            is_refused_in_time(&there, &token).await?;
        }
        Ok(())
    })
}

pub(super) fn lost_primary(runtime: &Runtime) -> Result<(), Failed> {
    let mut cluster = RedisCluster::start_with_replicas(1)?;
    runtime.block_on(async {
        let (here, there) = (machine(&cluster).await?, machine(&cluster).await?);
        let (token, _) = here.create("alice").await?;
        for _ in 0..50 {
            assert!(is_live(&there, &token).await?);
        }
        let mut slot = Slot::of(&cluster, "alice")?;
        let primary = slot.owner();
        // Its replica has what it has.
        let mut wait = cmd("WAIT");
        let key = format!("{}h", slot.keys);
        let connection = &mut slot.members[primary].0;
        cmd("SET").arg(&key).arg("1").exec(connection)?;
        let reached: i64 = wait.arg(1).arg(10_000).query(connection)?;
        assert_eq!(reached, 1);
        cluster.kill(primary);
        let killed = Instant::now();
        let mut refused = false;
        loop {
            let began = killed.elapsed();
            match is_live(&there, &token).await {
                Ok(live) => {
                    assert!(live, "an error is taken for a logout");
                    // From its cache, or by the next primary.
                    if refused {
                        break;
                    }
                    assert!(began <= TERM, "served from a cache that hears nothing");
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                    assert!(began < PATIENCE, "nobody takes its place: {error:?}");
                    refused = true;
                }
            }
        }
        let until = Instant::now() + PATIENCE;
        while let Err(error) = here.revoke_all_for_user("alice").await {
            assert!(error.is_transient() && Instant::now() < until, "{error:?}");
        }
        is_refused_in_time(&there, &token).await
    })
}
