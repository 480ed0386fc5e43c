//! Redis, several of it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::{Missing, Redis, free_port};

/// How long several may take until they have found each other.
const PATIENCE: Duration = Duration::from_secs(30);

/// Three primaries, each with a third of the slots, and perhaps a replica of each.
#[derive(Debug)]
pub struct RedisCluster(Vec<Redis>);

/// After so many milliseconds without a word a member is taken for lost.
const NODE_TIMEOUT_MS: &str = "1000";

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
        Self::start_with_replicas(0)
    }

    /// The same, with so many replicas of each primary, which take its place when it is
    /// gone.
    ///
    /// # Errors
    ///
    /// If Redis is not installed.
    ///
    /// # Panics
    ///
    /// If they do not become a cluster.
    pub fn start_with_replicas(replicas: usize) -> Result<Self, Missing> {
        let nodes = (0..3 + 3 * replicas)
            .map(|_| node())
            .collect::<Result<Vec<_>, _>>()?;
        let addresses = nodes.iter().map(address);
        let replicas = replicas.to_string();
        let how = ["--cluster-replicas", &replicas, "--cluster-yes"].map(String::from);
        manage("create", addresses.chain(how));
        let cluster = Self(nodes);
        cluster.wait_until_complete();
        Ok(cluster)
    }

    /// One more, without slots.
    ///
    /// # Errors
    ///
    /// If Redis is not installed.
    ///
    /// # Panics
    ///
    /// If it does not become a member.
    pub fn join(&mut self) -> Result<(), Missing> {
        let new = node()?;
        manage("add-node", [&new, &self.0[0]].map(address));
        self.0.push(new);
        self.wait_until_complete();
        Ok(())
    }

    fn wait_until_complete(&self) {
        let all = format!("cluster_known_nodes:{}", self.0.len());
        for node in &self.0 {
            wait_until("the cluster is complete", || {
                let info = node.says(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains(&all)
            });
        }
    }

    /// Where its members are, the replicas among them.
    pub fn urls(&self) -> Vec<String> {
        self.0.iter().map(Redis::url).collect()
    }

    /// No member answers until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.0.iter().for_each(Redis::pause);
    }

    /// They go on.
    pub fn resume(&self) {
        self.0.iter().for_each(Redis::resume);
    }

    /// Kills this member.
    pub fn kill(&mut self, number: usize) {
        self.0[number].kill();
    }
}

fn node() -> Result<Redis, Missing> {
    let bus = free_port().expect("there is a free port").to_string();
    let own = ["--cluster-enabled", "yes", "--cluster-port", &bus];
    let timeout = ["--cluster-node-timeout", NODE_TIMEOUT_MS];
    Redis::start(&[&own[..], &timeout].concat())
}

fn address(node: &Redis) -> String {
    format!("127.0.0.1:{}", node.port())
}

fn manage(what: &str, arguments: impl IntoIterator<Item = String>) {
    let done = Command::new("redis-cli")
        .args(["--cluster", what])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("redis-cli comes with Redis");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
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
