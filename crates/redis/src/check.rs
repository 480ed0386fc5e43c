//! Whether a server keeps what a store of sessions promises.

use std::collections::HashMap;

use redis::Value;
use revocable_core::{Error, ErrorKind, Result};

use crate::server::Server;

/// The oldest that has all commands: SET with PXAT.
const OLDEST: (u32, u32) = (6, 2);

/// What an acknowledged write survives, as the server is set now.
///
/// A change of the server's settings is not noticed before the store is opened
/// again, and a fail-over may undo what was acknowledged whatever they are:
/// see the [crate's documentation](crate).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// `appendfsync always`: the end of the server's process, and a loss of
    /// power.
    Synced,
    /// `appendfsync everysec` or `no`: the end of the server's process. A loss
    /// of power may undo the last second (some thirty with `no`), revocations
    /// among them.
    Appended,
    /// Snapshots alone: when the server starts again it is as old as the last
    /// one. Sessions that were revoked since come back.
    Snapshots,
    /// Nothing: all sessions end when the server does. None comes back.
    None,
    /// The server does not say, as managed ones do not.
    Unknown,
}

/// What may be accepted although it breaks a promise.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Accepted {
    pub(crate) eviction: bool,
    pub(crate) snapshots: bool,
}

/// Asks the server how it is set.
pub(crate) async fn check(server: &Server, accepted: Accepted) -> Result<Durability> {
    let answer = server.settings(&redis::cmd("INFO")).await?;
    let reports = texts(answer);
    let mut durability = None;
    for report in &reports {
        let info = Info::parse(report);
        info.check(server.is_cluster(), accepted)?;
        let (append, save) = match info.is_appending() {
            Some(false) => (None, setting(server, "save").await),
            _ => (setting(server, "appendfsync").await, None),
        };
        let this = info.durability(append.as_deref(), save.as_deref());
        durability = Some(durability.map_or(this, |other: Durability| other.worse(this)));
    }
    let durability = durability.unwrap_or(Durability::Unknown);
    match durability {
        Durability::Synced => {}
        Durability::Snapshots if !accepted.snapshots => {
            return Err(Error::new(
                ErrorKind::Configuration,
                "the server keeps snapshots only: after a restart revoked sessions come back; set \
                 `appendonly yes`, or `save \"\"` to have all sessions end with it, or say \
                 `accept_snapshots`",
            ));
        }
        _ => tracing::warn!(
            ?durability,
            "the server may lose what it has acknowledged: see `Durability`",
        ),
    }
    Ok(durability)
}

/// A setting, if the server tells.
async fn setting(server: &Server, name: &str) -> Option<String> {
    let command = redis::cmd("CONFIG").arg("GET").arg(name).take();
    // Many managed servers know no CONFIG.
    let answer = server.settings(&command).await.ok()?;
    texts(answer).into_iter().nth(1)
}

/// All strings in an answer: one of a server, or one of each.
fn texts(value: Value) -> Vec<String> {
    match value {
        Value::BulkString(bytes) => vec![String::from_utf8_lossy(&bytes).into_owned()],
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => vec![text],
        Value::Array(values) | Value::Set(values) => values.into_iter().flat_map(texts).collect(),
        Value::Map(pairs) => pairs
            .into_iter()
            .flat_map(|(key, value)| match value {
                // Of a node: its address is the key.
                Value::BulkString(_) | Value::VerbatimString { .. } => {
                    let mut both = texts(value);
                    if both.first().is_none_or(|text| !text.starts_with('#')) {
                        both.splice(0..0, texts(key));
                    }
                    both
                }
                value => texts(value),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// What INFO says.
#[derive(Debug)]
struct Info<'a>(HashMap<&'a str, &'a str>);

impl<'a> Info<'a> {
    fn parse(report: &'a str) -> Self {
        Self(
            report
                .lines()
                .filter_map(|line| line.trim_end().split_once(':'))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    fn check(&self, cluster: bool, accepted: Accepted) -> Result<()> {
        let refused = |message| Err(Error::new(ErrorKind::Configuration, message));
        // Valkey says 7.2.4 here, and its own version elsewhere.
        if let Some(version) = self.get("redis_version") {
            let mut numbers = version.split('.').map_while(|number| number.parse().ok());
            let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
            if version < OLDEST {
                return refused("the server is older than Redis 6.2");
            }
        }
        if !cluster {
            if self.get("cluster_enabled") == Some("1") {
                return refused("the server is part of a cluster: name it by `cluster`");
            }
            if self.get("role").is_some_and(|role| role != "master") {
                return refused("the server is a replica: name the master, or Sentinels");
            }
        }
        let evicts = self.get("maxmemory").is_some_and(|bytes| bytes != "0")
            && self
                .get("maxmemory_policy")
                .is_some_and(|policy| policy != "noeviction");
        if evicts && !accepted.eviction {
            return refused(
                "the server evicts keys when it is full, which logs users out and may lose \
                 revocations: set `maxmemory-policy noeviction`, or say `accept_eviction`",
            );
        }
        Ok(())
    }

    fn is_appending(&self) -> Option<bool> {
        self.get("aof_enabled").map(|enabled| enabled == "1")
    }

    fn durability(&self, append: Option<&str>, save: Option<&str>) -> Durability {
        match (self.is_appending(), append, save) {
            (Some(true), Some("always"), _) => Durability::Synced,
            (Some(true), Some(_), _) => Durability::Appended,
            (Some(false), _, Some("")) => Durability::None,
            (Some(false), _, Some(_)) => Durability::Snapshots,
            _ => Durability::Unknown,
        }
    }
}

impl Durability {
    /// Of several servers.
    fn worse(self, other: Self) -> Self {
        let rank = |durability| match durability {
            Self::Synced => 0,
            Self::Appended => 1,
            Self::None => 2,
            Self::Unknown => 3,
            Self::Snapshots => 4,
        };
        if rank(self) < rank(other) {
            other
        } else {
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "# Server\r\nredis_version:7.0.15\r\nrole:master\r\naof_enabled:1\r\n\
                         maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\ncluster_enabled:0\r\n";

    fn refused(report: &str, accepted: Accepted) -> bool {
        Info::parse(report).check(false, accepted).is_err()
    }

    #[test]
    fn what_cannot_keep_sessions_is_refused() {
        let no = Accepted::default();
        assert!(!refused(PLAIN, no));
        for (from, to) in [
            ("7.0.15", "6.0.16"),
            ("7.0.15", "5"),
            ("role:master", "role:slave"),
            ("cluster_enabled:0", "cluster_enabled:1"),
            ("maxmemory:0", "maxmemory:1000000"),
        ] {
            assert!(refused(&PLAIN.replace(from, to), no), "{to}");
        }
        let accepted = Accepted {
            eviction: true,
            ..no
        };
        assert!(!refused(
            &PLAIN.replace("maxmemory:0", "maxmemory:9"),
            accepted
        ));
        assert!(!refused(&PLAIN.replace("7.0.15", "6.2.0"), no));
        let full = PLAIN.replace("maxmemory:0", "maxmemory:9");
        assert!(!refused(&full.replace("allkeys-lru", "noeviction"), no));
    }

    #[test]
    fn what_a_write_survives_is_told_from_the_settings() {
        let of = |enabled, append, save| {
            let report = PLAIN.replace("aof_enabled:1", enabled);
            Info::parse(&report).durability(append, save)
        };
        assert_eq!(
            of("aof_enabled:1", Some("always"), None),
            Durability::Synced
        );
        assert_eq!(
            of("aof_enabled:1", Some("everysec"), None),
            Durability::Appended
        );
        assert_eq!(of("aof_enabled:1", None, None), Durability::Unknown);
        assert_eq!(of("aof_enabled:0", None, Some("")), Durability::None);
        assert_eq!(
            of("aof_enabled:0", None, Some("3600 1")),
            Durability::Snapshots
        );
        assert_eq!(of("aof_enabled:0", None, None), Durability::Unknown);
        assert_eq!(of("", None, None), Durability::Unknown);
        let worse = Durability::Synced.worse(Durability::Snapshots);
        assert_eq!(worse.worse(Durability::None), Durability::Snapshots);
    }
}
