//! Certificates of an authority that nobody else knows.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::{Missing, Program};

/// An authority, and a certificate of it for `127.0.0.1`.
#[derive(Debug)]
pub struct Certificates(TempDir);

impl Certificates {
    /// Looks for the program.
    ///
    /// # Errors
    ///
    /// If it is not installed.
    pub fn find() -> Result<Program, Missing> {
        Program::find("openssl", &[])
    }

    /// Makes new ones, good for two days.
    ///
    /// # Errors
    ///
    /// If `openssl` is not installed.
    ///
    /// # Panics
    ///
    /// If it makes none.
    pub fn make() -> Result<Self, Missing> {
        let openssl = Self::find()?;
        let made = Self(tempfile::tempdir().expect("a temporary folder can be made"));
        let run = |name: &str, more: &[&str]| {
            let output = Command::new(openssl.path())
                .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
                .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
                .args(["-subj", &format!("/CN=revocable test {name}")])
                .args([
                    "-keyout",
                    &format!("{name}.key"),
                    "-out",
                    &format!("{name}.pem"),
                ])
                .args(more)
                .current_dir(made.0.path())
                .output()
                .expect("it was found");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "openssl: {said}");
        };
        run("authority", &[]);
        run(
            "server",
            &[
                "-CA",
                "authority.pem",
                "-CAkey",
                "authority.key",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ],
        );
        Ok(made)
    }

    /// Of the authority.
    pub fn authority(&self) -> PathBuf {
        self.0.path().join("authority.pem")
    }

    /// Of the server.
    pub fn server(&self) -> PathBuf {
        self.0.path().join("server.pem")
    }

    /// The server's secret.
    pub fn key(&self) -> PathBuf {
        self.0.path().join("server.key")
    }
}
