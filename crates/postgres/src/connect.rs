//! Where the server is, and how connections to it are made.

use std::future::poll_fn;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use revocable_core::Result;
use tokio::sync::mpsc;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Notification};

use crate::fault::{Failure, configuration};

/// Messages that nobody has fetched. Whoever is so far behind begins anew.
const WAITING: usize = 4096;

/// Of a connection that is not used, until it is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(4);

/// For what was sent and is not acknowledged: half of that at the least.
const SHORTEST_SILENCE: Duration = Duration::from_secs(1);

/// An address, and whether connections to it are encrypted.
#[derive(Clone)]
pub(crate) struct Place {
    config: Config,
    tls: Tls,
}

#[derive(Clone)]
enum Tls {
    Never,
    #[cfg(feature = "tls")]
    Always(tokio_postgres_rustls::MakeRustlsConnect),
}

impl Place {
    /// Reads `postgresql://user:password@host:port/database`, or `key=value` pairs.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        // Without what it was: it may hold a password.
        let mut config: Config = url.parse().map_err(|_| {
            configuration(
                "the address is not of the form postgresql://user:password@host:port/database",
            )
        })?;
        let tls = Tls::of(&config)?;
        // Sessions are read where they are written.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_application_name().is_none() {
            config.application_name("revocable");
        }
        Ok(Self { config, tls })
    }

    /// Notices a server that is gone, and does not try the first of several for all the
    /// time there is. What the address says of this stays.
    pub(crate) fn with_bounds(mut self, timeout: Duration) -> Self {
        let config = &mut self.config;
        let addresses = config.get_hosts().len().max(config.get_hostaddrs().len());
        if let Ok(others @ 1..) = u32::try_from(addresses.saturating_sub(1))
            && config.get_connect_timeout().is_none()
        {
            config.connect_timeout(timeout / (others + 2));
        }
        // Two hours, which is the system's, unless told otherwise.
        if config.get_keepalives_idle() >= Duration::from_secs(2 * 60 * 60) {
            config.keepalives_idle(KEEPALIVE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(KEEPALIVE / 2);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(2);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(2 * timeout.max(SHORTEST_SILENCE));
        }
        self
    }

    /// Has the server give up what takes longer, and begin transactions as the store
    /// needs them.
    pub(crate) fn with_session(mut self, longest: Duration) -> Self {
        let ms = longest.as_millis().clamp(1, 1 << 30);
        let own = format!(
            "-c statement_timeout={ms} -c lock_timeout={ms} \
             -c default_transaction_isolation=read\\ committed"
        );
        let options = match self.config.get_options() {
            Some(options) => format!("{options} {own}"),
            None => own,
        };
        self.config.options(options);
        self
    }

    pub(crate) fn pool(&self, size: usize) -> Result<Pool> {
        let how = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let config = self.config.clone();
        let manager = match &self.tls {
            Tls::Never => Manager::from_config(config, NoTls, how),
            #[cfg(feature = "tls")]
            Tls::Always(tls) => Manager::from_config(config, tls.clone(), how),
        };
        let pool = Pool::builder(manager).max_size(size).build();
        pool.map_err(|_| configuration("no pool of connections can be made"))
    }

    /// A connection that takes messages. They end when it is lost, or when too many are
    /// not fetched.
    pub(crate) async fn listen(
        &self,
        channel: &str,
    ) -> Result<(Client, mpsc::Receiver<Notification>), Failure> {
        let (client, messages) = match &self.tls {
            Tls::Never => {
                let made = self.config.connect(NoTls).await;
                let (client, connection) = made.map_err(Failure::not_connected)?;
                (client, forward(connection))
            }
            #[cfg(feature = "tls")]
            Tls::Always(tls) => {
                let made = self.config.connect(tls.clone()).await;
                let (client, connection) = made.map_err(Failure::not_connected)?;
                (client, forward(connection))
            }
        };
        let listen = format!("LISTEN {channel}");
        client.batch_execute(&listen).await.map_err(Failure::of)?;
        Ok((client, messages))
    }
}

fn forward<S, T>(mut connection: Connection<S, T>) -> mpsc::Receiver<Notification>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: TlsStream + Unpin + Send + 'static,
{
    let (sender, messages) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                message = poll_fn(|context| connection.poll_message(context)) => match message {
                    Some(Ok(AsyncMessage::Notification(message))) => {
                        if sender.try_send(message).is_err() {
                            return;
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                },
                () = sender.closed() => return,
            }
        }
    });
    messages
}

impl Tls {
    fn of(config: &Config) -> Result<Self> {
        if config.get_ssl_mode() == SslMode::Require {
            return Self::always();
        }
        let is_far = |host: &Host| match host {
            Host::Tcp(name) => !matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
            #[cfg(unix)]
            Host::Unix(_) => false,
        };
        if config.get_hosts().iter().any(is_far) {
            tracing::warn!("the connection to the server is not encrypted: say `sslmode=require`");
        }
        Ok(Self::Never)
    }

    #[cfg(feature = "tls")]
    fn always() -> Result<Self> {
        use tokio_postgres_rustls::MakeRustlsConnect;
        // Has no effect if the application has chosen one for its process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        MakeRustlsConnect::with_native_certs()
            .map(|(tls, _)| Self::Always(tls))
            .map_err(|_| configuration("the system has no certificates to trust"))
    }

    #[cfg(not(feature = "tls"))]
    fn always() -> Result<Self> {
        Err(configuration("`sslmode=require` takes the feature `tls`"))
    }
}
