//! What the command line says.

use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
cargo run --example login -- [OPTIONS]

  --port NUMBER       where to listen on this machine (default: a free port)
  --file PATH         the SQLite file of the sessions (default: login.db); users
                      are kept beside it
  --redis URL         keep the sessions on this server instead, for several of
                      these programs with the same users
  --postgres URL      the same, in this database
  --insecure-cookie   a cookie without Secure, for Safari on http://localhost";

pub(crate) struct Options {
    /// 0 for a free one.
    pub(crate) port: u16,
    pub(crate) backend: Backend,
    pub(crate) users: PathBuf,
    pub(crate) insecure_cookie: bool,
}

/// Where sessions are kept.
pub(crate) enum Backend {
    Sqlite(PathBuf),
    /// The address of a server.
    Redis(String),
    /// The address of a database.
    Postgres(String),
}

impl Options {
    /// The options, or the text that tells which there are.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut port = 0;
        let mut file = PathBuf::from("login.db");
        let mut server = None;
        let mut insecure_cookie = false;
        while let Some(option) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or(format!("{option} needs a value\n\n{USAGE}"))
            };
            match option.as_str() {
                "--port" => {
                    let value = value()?;
                    let parsed = value.parse();
                    port = parsed.map_err(|_| format!("{value:?} is no port\n\n{USAGE}"))?;
                }
                "--file" => file = value()?.into(),
                "--redis" => server = Some(Backend::Redis(value()?)),
                "--postgres" => server = Some(Backend::Postgres(value()?)),
                "--insecure-cookie" => insecure_cookie = true,
                _ => return Err(format!("there is no option {option:?}\n\n{USAGE}")),
            }
        }
        Ok(Self {
            port,
            users: file.with_extension("users.db"),
            backend: server.unwrap_or(Backend::Sqlite(file)),
            insecure_cookie,
        })
    }
}
