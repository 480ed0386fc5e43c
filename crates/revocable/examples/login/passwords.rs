//! Hashes of passwords: Argon2id with the parameters that the crate recommends.

use std::error::Error;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

/// How many are computed at a time; each takes 19 MiB.
const AT_A_TIME: usize = 4;

/// What is asked of a password, in characters: ASVS 5.0, 6.2.1 and 6.2.9.
pub(crate) const MIN_LEN: usize = 8;
pub(crate) const MAX_LEN: usize = 128;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Passwords {
    /// Of no password: compared with where there is no user, so that a name that
    /// nobody has takes the same time.
    nobody: Arc<str>,
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            nobody: hash("")?.into(),
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
        })
    }

    /// The hash of a password. `None` if the system has no entropy.
    pub(crate) async fn hash(&self, password: String) -> Option<String> {
        self.compute(move || hash(&password).ok()).await
    }

    /// Whether the password is that of the hash. Takes as long if there is none.
    pub(crate) async fn verify(&self, password: String, expected: Option<&str>) -> bool {
        let exists = expected.is_some();
        let expected = expected.unwrap_or(&self.nobody).to_owned();
        let is_right = self.compute(move || {
            PasswordHash::new(&expected).is_ok_and(|expected| {
                let argon2 = Argon2::default();
                argon2
                    .verify_password(password.as_bytes(), &expected)
                    .is_ok()
            })
        });
        is_right.await && exists
    }

    /// On a thread that may be busy, when it is its turn. The turn ends with the
    /// work, not with the request: else who hangs up at once starts another.
    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.expect("nothing in there panics")
    }
}

fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    let hash = Argon2::default().hash_password(password.as_bytes())?;
    Ok(hash.to_string())
}
