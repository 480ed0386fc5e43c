//! The schema: its name, its SQL, and how it is made.

use deadpool_postgres::{Client, Pool};
use revocable_core::{Error, Result};
use tokio_postgres::error::SqlState;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use crate::fault::{Failure, configuration};

/// Of the tables. A newer one is refused.
const LAYOUT: i32 = 1;

/// Of the functions. Newer ones serve older stores, too: one that takes or returns
/// something else has another name.
const FUNCTIONS: i32 = 1;

const TABLES: &str = include_str!("sql/schema.sql");
const FUNCTIONS_SQL: &str = include_str!("sql/functions.sql");

/// As long as a schema's name may be: `_notices` goes behind it.
const LONGEST: usize = 48;

/// A name that means the same quoted or not.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let is_first = |first: u8| first.is_ascii_lowercase() || first == b'_';
    let is_next = |next: u8| is_first(next) || next.is_ascii_digit();
    let of_form = name.bytes().next().is_some_and(is_first) && name.bytes().all(is_next);
    // The server keeps names that begin like this for itself.
    if of_form && name.len() <= LONGEST && !name.starts_with("pg_") {
        return Ok(());
    }
    Err(configuration(
        "a schema's name has 1 to 48 of a-z, 0-9 and _, does not begin with a digit, nor with pg_",
    ))
}

/// All of it, for an empty database or schema.
pub(crate) fn sql(name: &str) -> String {
    format!(
        "BEGIN;\nCREATE SCHEMA IF NOT EXISTS {name};\n\n{}\n{}COMMIT;\n",
        tables(name),
        functions(name)
    )
}

fn tables(name: &str) -> String {
    TABLES
        .replace("{schema}", name)
        .replace("{layout}", &LAYOUT.to_string())
        .replace("{functions}", &FUNCTIONS.to_string())
}

fn functions(name: &str) -> String {
    let made = FUNCTIONS_SQL.replace("{schema}", name);
    format!(
        "{made}\nUPDATE {name}.meta SET functions = {FUNCTIONS} WHERE functions < {FUNCTIONS};\n"
    )
}

/// What is there.
enum Found {
    Nothing,
    /// These are to be made again.
    OldFunctions,
    Current,
}

/// Makes what is not there, or says that it is not. All of it by texts alone: nothing is
/// prepared on a connection that somebody behind PgBouncer gets next.
pub(crate) async fn prepare(pool: &Pool, name: &str, makes: bool) -> Result<()> {
    let mut client = pool
        .get()
        .await
        .map_err(|error| Failure::no_connection(error).reading())?;
    let client = &mut client;
    if matches!(look(client, name).await?, Found::Current) {
        return Ok(());
    }
    if !makes {
        return Err(configuration(
            "the store's schema is not there or is old: apply the SQL of `schema_sql`",
        ));
    }
    let making = client.transaction().await.map_err(reading)?;
    // Others that start at the same time wait, and find it made. Any number will do.
    let lock = format!("SELECT pg_advisory_xact_lock(hashtext('revocable'), hashtext('{name}'))");
    making.batch_execute(&lock).await.map_err(reading)?;
    let exists = format!("SELECT to_regnamespace('{name}'), to_regclass('{name}.meta')");
    let there = making.simple_query(&exists).await.map_err(reading)?;
    let [has_schema, has_tables] = [0, 1].map(|at| rows(&there).any(|row| row.get(at).is_some()));
    let mut sql = String::new();
    if !has_schema {
        sql += &format!("CREATE SCHEMA {name};\n");
    }
    if !has_tables {
        sql += &tables(name);
    }
    sql += &functions(name);
    making.batch_execute(&sql).await.map_err(not_made)?;
    making.commit().await.map_err(reading)
}

async fn look(client: &Client, name: &str) -> Result<Found> {
    let layout = format!("SELECT layout, functions FROM {name}.meta");
    let answer = match client.simple_query(&layout).await {
        Err(error) if is_missing(&error) => return Ok(Found::Nothing),
        answer => answer.map_err(reading)?,
    };
    // Where somebody has deleted it, everybody is refused until everything is revoked.
    let Some(row) = rows(&answer).next() else {
        return Ok(Found::Current);
    };
    let number = |at| row.get(at).and_then(|text| text.parse::<i32>().ok());
    match (number(0), number(1)) {
        (Some(..=LAYOUT), Some(FUNCTIONS..)) => Ok(Found::Current),
        (Some(..=LAYOUT), Some(_)) => Ok(Found::OldFunctions),
        _ => Err(configuration(
            "the store's tables were made by a newer version",
        )),
    }
}

fn rows(answer: &[SimpleQueryMessage]) -> impl Iterator<Item = &SimpleQueryRow> {
    answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })
}

fn is_missing(error: &tokio_postgres::Error) -> bool {
    let missing = [
        SqlState::UNDEFINED_TABLE,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::UNDEFINED_COLUMN,
    ];
    error.code().is_some_and(|code| missing.contains(code))
}

fn reading(error: tokio_postgres::Error) -> Error {
    Failure::of(error).reading()
}

fn not_made(error: tokio_postgres::Error) -> Error {
    if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
        let message = "the server does not let this user make the store's schema: apply the SQL of \
                       `schema_sql` as another";
        return configuration(message).with_source(error);
    }
    reading(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_have_to_be_quoted_are_refused() {
        for name in [
            "",
            "1a",
            "A",
            "a-b",
            "a b",
            "ä",
            "a;b",
            "pg_a",
            &"x".repeat(49),
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["revocable", "_1", &"x".repeat(48)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_sql_has_nothing_left_to_be_filled_in() {
        assert!(!sql("app").contains(['{', '}']));
    }
}
