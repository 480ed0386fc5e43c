//! The same handler, which answers who asks, behind each way to know it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::routing::get;
use revocable::Sessions;
use revocable::http::{CookiePolicy, WebSessions};
use revocable::tower::SessionLayer;
use revocable::tower::axum::Session;
use revocable_benches::jwt::Verifier;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// Servers on one thread, each at an address of its own, until this is dropped.
pub(crate) struct Servers(Runtime);

impl Servers {
    pub(crate) fn start() -> io::Result<Self> {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_io().enable_time();
        runtime.build().map(Self)
    }

    /// Whose request it is nobody asks: it answers as many bytes.
    pub(crate) fn bare(&mut self) -> io::Result<SocketAddr> {
        self.serve(Router::new().route("/", get(|| async { "user-........" })))
    }

    /// The layer around a handler that does not ask.
    pub(crate) fn unasked(&mut self, sessions: Sessions) -> io::Result<SocketAddr> {
        let web = WebSessions::new(sessions, CookiePolicy::default());
        let app = Router::new().route("/", get(|| async { "user-........" }));
        self.serve(app.layer(SessionLayer::new(web)))
    }

    pub(crate) fn sessions(&mut self, sessions: Sessions) -> io::Result<SocketAddr> {
        let web = WebSessions::new(sessions, CookiePolicy::default());
        let whose = |session: Session| async move { session.user().to_string() };
        self.serve(
            Router::new()
                .route("/", get(whose))
                .layer(SessionLayer::new(web)),
        )
    }

    pub(crate) fn jwt(&mut self, verifier: Verifier) -> io::Result<SocketAddr> {
        let verifier = Arc::new(verifier);
        let whose = move |request: Request| {
            let cookie = request.headers().get(header::COOKIE);
            let cookie = cookie.and_then(|cookie| cookie.to_str().ok());
            let jwt = cookie.and_then(|cookie| {
                let pairs = cookie.split(';').map(str::trim);
                pairs.filter_map(|pair| pair.strip_prefix("jwt=")).next()
            });
            let user = jwt.and_then(|jwt| verifier.user(jwt));
            async move { user.ok_or(StatusCode::UNAUTHORIZED) }
        };
        self.serve(Router::new().route("/", get(whose)))
    }

    fn serve(&mut self, app: Router) -> io::Result<SocketAddr> {
        let listener = self
            .0
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        self.0
            .spawn(async move { axum::serve(listener, app).await });
        Ok(address)
    }
}
