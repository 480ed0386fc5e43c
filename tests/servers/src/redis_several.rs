//! Redis, several of it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::{Missing, Redis, free_port};

/// How long several may take until they have found each other.
const PATIENCE: Duration = Duration::from_secs(30);

/// Three primaries, each with a third of the slots.
#[derive(Debug)]
pub struct RedisCluster(Vec<Redis>);

impl RedisCluster {
    /// Starts three and makes a cluster of them.
    ///
    /// # Errors
    ///
    /// If Redis is not installed.
    ///
    /// # Panics
    ///
    /// If they do not become a cluster.
    pub fn start() -> Result<Self, Missing> {
        let node = |_| {
            let bus = free_port().expect("there is a free port").to_string();
            Redis::start(&["--cluster-enabled", "yes", "--cluster-port", &bus])
        };
        let nodes = (0..3).map(node).collect::<Result<Vec<_>, _>>()?;
        let addresses = nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port()));
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(addresses)
            .args(["--cluster-yes"])
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli comes with Redis");
        let said = String::from_utf8_lossy(&created.stdout);
        assert!(created.status.success(), "{said}");
        let cluster = Self(nodes);
        for node in &cluster.0 {
            wait_until("the cluster is complete", || {
                node.says(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
            });
        }
        Ok(cluster)
    }

    /// Where its members are.
    pub fn urls(&self) -> Vec<String> {
        self.0.iter().map(Redis::url).collect()
    }
}

/// A master, a replica of it, and a Sentinel that puts the one in the place of the
/// other when it is gone.
#[derive(Debug)]
pub struct RedisSentinel {
    /// There until it is killed.
    master: Option<Redis>,
    replica: Redis,
    sentinel: Redis,
}

impl RedisSentinel {
    /// What the Sentinel calls the master.
    pub const NAME: &'static str = "sessions";

    /// Starts all three.
    ///
    /// # Errors
    ///
    /// If Redis is not installed.
    ///
    /// # Panics
    ///
    /// If they do not find each other.
    pub fn start() -> Result<Self, Missing> {
        let master = Redis::start(&[])?;
        let port = master.port().to_string();
        let replica = Redis::start(&["--replicaof", "127.0.0.1", &port])?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("sentinel.conf");
        let name = Self::NAME;
        let settings = format!(
            "sentinel monitor {name} 127.0.0.1 {port} 1\n\
             sentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 2000\n"
        );
        fs::write(&file, settings).expect("own files can be written");
        let sentinel = Redis::start_sentinel(&file, folder)?;
        wait_until("the replica follows", || {
            replica
                .says(&["INFO", "replication"])
                .contains("master_link_status:up")
        });
        wait_until("the Sentinel knows the replica", || {
            let known = sentinel.says(&["SENTINEL", "replicas", name]);
            known.contains(&replica.port().to_string())
        });
        Ok(Self {
            master: Some(master),
            replica,
            sentinel,
        })
    }

    /// Where the Sentinel is.
    pub fn url(&self) -> String {
        self.sentinel.url()
    }

    /// Waits until the replica has all that the master has, and kills the master.
    pub fn kill_master(&mut self) {
        if let Some(master) = self.master.take() {
            wait_until("the replica has everything", || {
                master.says(&["WAIT", "1", "1000"]).contains('1')
            });
        }
    }

    /// Waits until the replica has become the master.
    pub fn wait_for_the_next(&self) {
        wait_until("the replica is the master", || {
            self.replica
                .says(&["INFO", "replication"])
                .contains("role:master")
        });
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "it takes too long until {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}
