//! Whether a server keeps what a store of sessions promises.

use revocable_core::Result;

use crate::fault::{configuration, unavailable};
use crate::server::{Server, get};
use crate::statements::Statement;

/// The oldest that makes random UUIDs by itself.
const OLDEST: i32 = 130_000;

const SETTINGS: &str = "SELECT current_setting('server_version_num')::integer,
    current_setting('server_encoding'), pg_is_in_recovery(),
    current_setting('default_transaction_read_only')::boolean,
    current_setting('transaction_isolation'), current_setting('fsync')::boolean,
    current_setting('synchronous_commit'), current_setting('synchronous_standby_names')";

/// What an acknowledged write survives, as the server is set now.
///
/// A change of the server's settings is not noticed before the store is opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// The loss of the primary, too: a synchronous standby has it. A fail-over to that
    /// undoes nothing. With `ANY 1 (a, b)` it is not said which of them has it: promote the one
    /// that is ahead. A commit whose wait for the standby was cancelled by somebody is not
    /// replicated, and is acknowledged all the same.
    Replicated,
    /// The end of the server's process, and a loss of power. A fail-over to another
    /// server may undo it: replication is not synchronous.
    Synced,
    /// The end of the server's process (`fsync` is off).
    Unsynced,
}

/// Asks the server how it is set.
pub(crate) async fn check(server: &Server, accepts_unsynced: bool) -> Result<Durability> {
    let settings = Statement {
        text: SETTINGS.into(),
        types: &[],
    };
    let rows = server.reads.read(&settings, &[]).await?;
    let row = rows
        .first()
        .ok_or_else(|| unavailable("the server does not tell its settings"))?;
    let found = Settings {
        version: get(row, 0)?,
        encoding: get(row, 1)?,
        is_replica: get(row, 2)?,
        is_read_only: get(row, 3)?,
        isolation: get(row, 4)?,
        syncs: get(row, 5)?,
        commit: get(row, 6)?,
        standbys: get(row, 7)?,
    };
    found.check(accepts_unsynced)?;
    let durability = found.durability();
    if durability == Durability::Unsynced {
        tracing::warn!(?durability, "a loss of power undoes what was acknowledged");
    }
    Ok(durability)
}

#[derive(Debug, Clone, Copy)]
struct Settings<'a> {
    version: i32,
    encoding: &'a str,
    is_replica: bool,
    is_read_only: bool,
    isolation: &'a str,
    syncs: bool,
    commit: &'a str,
    standbys: &'a str,
}

impl Settings<'_> {
    fn check(&self, accepts_unsynced: bool) -> Result<()> {
        let message = if self.version < OLDEST {
            "the server is older than PostgreSQL 13"
        } else if self.encoding != "UTF8" {
            "the database is not in UTF-8, in which users' names are"
        } else if self.is_replica {
            "the server is a replica: sessions are read where they are written"
        } else if self.is_read_only {
            "the server takes no writes (`default_transaction_read_only`)"
        } else if self.isolation != "read committed" {
            "transactions are not READ COMMITTED: set `default_transaction_isolation` for the \
             store's user"
        } else if !self.syncs && !accepts_unsynced {
            "`fsync` is off: after a loss of power revoked sessions come back; set it on, or say \
             `accept_unsynced`"
        } else {
            return Ok(());
        };
        Err(configuration(message))
    }

    fn durability(&self) -> Durability {
        // `off` is not left so for what is acknowledged.
        let waits = matches!(self.commit, "on" | "off" | "remote_apply");
        match (self.syncs, self.standbys) {
            (false, _) => Durability::Unsynced,
            (true, standbys) if waits && !standbys.is_empty() => Durability::Replicated,
            (true, _) => Durability::Synced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Settings<'_> = Settings {
        version: 150_013,
        encoding: "UTF8",
        is_replica: false,
        is_read_only: false,
        isolation: "read committed",
        syncs: true,
        commit: "on",
        standbys: "",
    };

    #[test]
    fn what_cannot_keep_sessions_is_refused() {
        assert!(PLAIN.check(false).is_ok());
        let mut refused = [PLAIN; 6];
        refused[0].version = 120_022;
        refused[1].encoding = "SQL_ASCII";
        refused[2].is_replica = true;
        refused[3].is_read_only = true;
        refused[4].isolation = "serializable";
        refused[5].syncs = false;
        for settings in refused {
            assert!(settings.check(false).is_err(), "{settings:?}");
        }
        assert!(refused[5].check(true).is_ok());
    }

    #[test]
    fn what_a_write_survives_is_told_from_the_settings() {
        let of = |commit, standbys, syncs| {
            Settings {
                commit,
                standbys,
                syncs,
                ..PLAIN
            }
            .durability()
        };
        assert_eq!(of("on", "", true), Durability::Synced);
        assert_eq!(of("on", "a", true), Durability::Replicated);
        assert_eq!(of("off", "a", true), Durability::Replicated);
        assert_eq!(of("local", "a", true), Durability::Synced);
        assert_eq!(of("remote_write", "a", true), Durability::Synced);
        assert_eq!(of("on", "a", false), Durability::Unsynced);
    }
}
