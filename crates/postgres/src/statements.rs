//! The statements, for a schema. All that write are functions of it.

use std::sync::Arc;

use tokio_postgres::types::Type;

/// A statement and the types of its parameters.
#[derive(Clone)]
pub(crate) struct Statement {
    pub(crate) text: Arc<str>,
    pub(crate) types: &'static [Type],
}

/// The last column of what reads sessions or positions. One that was the primary may still
/// answer on a connection from then, or a pool or PgBouncer may go to any server, and a replica
/// does not know what was revoked since.
pub(crate) const IS_BEHIND: &str = "is_behind";

/// A transaction that began on a replica stays read-only when that becomes the primary, and may
/// see what was before; and so does one that somebody left open who wanted to see the same all
/// the time.
const BEHIND: &str = "(current_setting('transaction_read_only')::boolean OR pg_is_in_recovery()
    OR current_setting('transaction_isolation') <> 'read committed')";

/// With `{schema}` for its name. Where a query asks `meta`, an answer without a row says that
/// this is lost, and never that a session is.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident($($type:ident),*) = $text:literal;)*) => {
        pub(crate) struct Statements {
            $($(#[$doc])* pub(crate) $name: Statement,)*
        }

        impl Statements {
            pub(crate) fn of(schema: &str) -> Self {
                Self {
                    $($name: Statement {
                        text: $text.replace("{behind}", BEHIND).replace("{schema}", schema).into(),
                        types: &[$(Type::$type),*],
                    },)*
                }
            }
        }
    };
}

statements! {
    /// ID.
    lookup(UUID) =
        "SELECT s.record, s.data, s.stamp, {behind} AS is_behind
         FROM {schema}.meta m
         LEFT JOIN {schema}.sessions s ON s.id = $1 AND s.position >= m.since";

    /// User, and behind which ID and how many at most, if that is bounded.
    list(TEXT, UUID, INT8) =
        "SELECT s.id, s.record, s.data, s.stamp, {behind} AS is_behind
         FROM {schema}.meta m
         LEFT JOIN {schema}.sessions s
             ON s.user_id = $1 AND s.id > $2 AND s.position >= m.since
         ORDER BY s.id LIMIT $3";

    epoch() = "SELECT position, {behind} AS is_behind FROM {schema}.positions";

    /// Behind which ID, and how many at most. Those that have ended with everything, too.
    walk(UUID, INT8) =
        "SELECT s.id, s.position < (SELECT m.since FROM {schema}.meta m), s.stamp, s.record,
             {behind} AS is_behind
         FROM {schema}.sessions s WHERE s.id > $1 ORDER BY s.id LIMIT $2";

    create(TEXT, BYTEA, INT4, UUID, TEXT, INT8, BYTEA, BYTEA, INT8, BYTEA, UUID_ARRAY, BOOL) =
        "SELECT outcome, there_record, there_data FROM
         {schema}.create_session($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

    update(TEXT, UUID, INT8, INT8, BYTEA, BYTEA, BOOL, BOOL) =
        "SELECT {schema}.update_session($1, $2, $3, $4, $5, $6, $7, $8)";

    revoke(TEXT, BYTEA, INT4, UUID, TEXT) =
        "SELECT {schema}.revoke_session($1, $2, $3, $4, $5)";

    revoke_user(TEXT, BYTEA, INT4, TEXT, UUID, TEXT, INT8) =
        "SELECT taken, ended FROM {schema}.revoke_user($1, $2, $3, $4, $5, $6, $7)";

    revoke_everything(TEXT, BYTEA, TEXT) =
        "SELECT {schema}.revoke_everything($1, $2, $3)";

    expire(TEXT, BYTEA, UUID_ARRAY, INT8_ARRAY) =
        "SELECT removed_user, removed_ids FROM {schema}.expire($1, $2, $3, $4)";

    remove_ended(TEXT, UUID_ARRAY) = "SELECT {schema}.remove_ended($1, $2)";

    forget(TEXT, TEXT, INT4, INT8) =
        "SELECT forgotten, next_behind FROM {schema}.forget($1, $2, $3, $4)";

    health(TEXT) = "SELECT {schema}.check_health($1)";

    /// What goes before the life of the data, and how long the commit may wait for others that
    /// announce. A replica refuses it.
    mark(TEXT, TEXT) =
        "SELECT set_config('lock_timeout', $2, true),
             pg_notify('{schema}_notices', $1 || encode(life, 'hex')) FROM {schema}.meta";

    life() = "SELECT life, {behind} AS is_behind FROM {schema}.meta";
}
