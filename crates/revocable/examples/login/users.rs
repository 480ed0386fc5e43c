//! The application's users: names, hashes of passwords, who is administrator.

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Result, Row, params};

/// A table in a file of its own. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Users(Arc<Mutex<Connection>>);

#[derive(Clone)]
pub(crate) struct User {
    /// What sessions know the user by: never given to somebody else.
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) password_hash: String,
    pub(crate) is_administrator: bool,
}

const COLUMNS: &str = "id, name, password_hash, is_administrator";

impl Users {
    pub(crate) fn open(path: &Path) -> std::result::Result<Self, Box<dyn Error>> {
        // Readable by its owner only, as the file of the sessions is; SQLite makes
        // its other files like this one.
        let mut file = std::fs::OpenOptions::new();
        file.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
        drop(file.open(path)?);
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE IF NOT EXISTS users (
                 id INTEGER PRIMARY KEY AUTOINCREMENT,
                 name TEXT NOT NULL UNIQUE,
                 password_hash TEXT NOT NULL,
                 is_administrator INTEGER NOT NULL
             ) STRICT;",
        )?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Adds a user. The first one is the administrator. `None` if the name is
    /// taken.
    pub(crate) async fn add(&self, name: String, password_hash: String) -> Result<Option<i64>> {
        self.with(move |connection| {
            let sql = "INSERT INTO users (name, password_hash, is_administrator)
                       VALUES (?1, ?2, NOT EXISTS (SELECT 1 FROM users)) RETURNING id";
            let values = params![name, password_hash];
            match connection.query_row(sql, values, |row| row.get(0)) {
                Err(error) if is_taken(&error) => Ok(None),
                added => added.map(Some),
            }
        })
        .await
    }

    pub(crate) async fn by_name(&self, name: String) -> Result<Option<User>> {
        self.with(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM users WHERE name = ?1");
            connection.query_row(&sql, [name], user).optional()
        })
        .await
    }

    pub(crate) async fn by_id(&self, id: i64) -> Result<Option<User>> {
        self.with(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM users WHERE id = ?1");
            connection.query_row(&sql, [id], user).optional()
        })
        .await
    }

    /// Puts a hash in the place of the one that the user had. `false` if another
    /// change was faster.
    pub(crate) async fn change_password(&self, user: User, hash: String) -> Result<bool> {
        self.with(move |connection| {
            let sql = "UPDATE users SET password_hash = ?3
                       WHERE id = ?1 AND password_hash = ?2";
            let changed = connection.execute(sql, params![user.id, user.password_hash, hash]);
            changed.map(|count| count == 1)
        })
        .await
    }

    /// Whether nobody has signed up yet.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        let users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.query_row("SELECT NOT EXISTS (SELECT 1 FROM users)", [], |row| {
            row.get(0)
        })
    }

    /// The first users by name, so many at the most.
    pub(crate) async fn list(&self, limit: u32) -> Result<Vec<User>> {
        self.with(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM users ORDER BY name LIMIT ?1");
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_map([limit], user)?.collect()
        })
        .await
    }

    /// On a thread that may wait.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let users = self.0.clone();
        let done = tokio::task::spawn_blocking(move || {
            work(&users.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await.expect("nothing in there panics")
    }
}

fn user(row: &Row<'_>) -> Result<User> {
    Ok(User {
        id: row.get(0)?,
        name: row.get(1)?,
        password_hash: row.get(2)?,
        is_administrator: row.get(3)?,
    })
}

fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}
