//! Rocket 0.5: a fairing is the middleware, guards are arguments of handlers.
//! Rocket has header fields of its own, so they are wrapped.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;

use revocable::Session;
use revocable::http::{Headers, HeadersMut, RequestSession, status};
use rocket::fairing::{AdHoc, Fairing, Info, Kind};
use rocket::http::uri::Origin;
use rocket::http::{HeaderMap, Method, Status};
use rocket::request::{FromRequest, Outcome};
use rocket::{Config, Data, Request, Response, get, post, routes};

use crate::{Server, Site};

struct Fields<'a>(&'a HeaderMap<'a>);

impl Headers for Fields<'_> {
    fn fields<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get(name).map(str::as_bytes)
    }
}

struct FieldsMut<'a, 'r>(&'a mut Response<'r>);

impl Headers for FieldsMut<'_, '_> {
    fn fields<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.0.headers().get(name).map(str::as_bytes)
    }
}

impl HeadersMut for FieldsMut<'_, '_> {
    fn append_field(&mut self, name: &'static str, value: &[u8], _sensitive: bool) {
        let value = String::from_utf8_lossy(value).into_owned();
        self.0.adjoin_raw_header(name, value);
    }

    fn replace_field(&mut self, name: &'static str, value: &[u8]) {
        let value = String::from_utf8_lossy(value).into_owned();
        self.0.set_raw_header(name, value);
    }
}

/// The session of the request, begun when it is asked for first.
fn begun<'r>(site: &Site, request: &'r Request<'_>) -> &'r RequestSession {
    request.local_cache(|| site.web.begin(&Fields(request.headers())))
}

/// Every request, from its cookie to its response.
#[rocket::async_trait]
impl Fairing for Site {
    fn info(&self) -> Info {
        Info {
            name: "sessions",
            kind: Kind::Request | Kind::Response,
        }
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        begun(self, request);
        // Rocket has taken a form's `_method` for the method already: the
        // verdict is about the method that is routed.
        if !self.allows(request.method().as_str(), &Fields(request.headers())) {
            // A fairing cannot answer: the request goes to where one does.
            request.set_method(Method::Get);
            request.set_uri(Origin::parse("/forged").expect("a path"));
        }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let session = begun(self, request);
        session.renew_if_due().await;
        session.apply(&mut FieldsMut(response));
    }
}

/// The session of the request, for handlers that change it.
struct Current<'r>(&'r RequestSession);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Current<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        match request.rocket().state::<Site>() {
            Some(site) => Outcome::Success(Self(begun(site, request))),
            None => Outcome::Error((Status::InternalServerError, ())),
        }
    }
}

/// The live session that the request has to have.
struct LoggedIn(Session);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for LoggedIn {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let Outcome::Success(Current(session)) = request.guard().await else {
            return Outcome::Error((Status::InternalServerError, ()));
        };
        match session.session().await {
            Ok(Some(session)) => Outcome::Success(Self(session)),
            Ok(None) => Outcome::Error((Status::Unauthorized, ())),
            Err(error) => Outcome::Error((failed(error), ())),
        }
    }
}

#[post("/login/<user>")]
async fn login(user: &str, session: Current<'_>) -> Result<Status, Status> {
    session.0.log_in(user).await.map_err(failed)?;
    Ok(Status::NoContent)
}

#[get("/private")]
fn private(session: LoggedIn) -> String {
    session.0.user().to_string()
}

#[post("/logout")]
async fn logout(session: Current<'_>) -> Result<Status, Status> {
    session.0.log_out().await.map_err(failed)?;
    Ok(Status::NoContent)
}

#[post("/logout-everywhere")]
async fn logout_everywhere(session: Current<'_>) -> Result<Status, Status> {
    session.0.log_out_everywhere().await.map_err(failed)?;
    Ok(Status::NoContent)
}

#[get("/forged")]
fn forged() -> Status {
    Status::Forbidden
}

fn failed(error: revocable::Error) -> Status {
    Status::new(status(&error).as_u16())
}

pub fn serve(site: Site) -> io::Result<Server> {
    let mut config = Config {
        port: 0,
        log_level: rocket::config::LogLevel::Off,
        ..Config::debug_default()
    };
    config.shutdown.ctrlc = false;
    config.shutdown.signals.clear();
    config.shutdown.grace = 0;
    config.shutdown.mercy = 0;
    let (started, listening) = mpsc::channel();
    let app = rocket::custom(config)
        .mount(
            "/",
            routes![login, private, logout, logout_everywhere, forged],
        )
        .manage(site.clone())
        .attach(site)
        .attach(AdHoc::on_liftoff("address", move |rocket| {
            Box::pin(async move {
                let config = rocket.config();
                let address = SocketAddr::new(config.address, config.port);
                drop(started.send((address, rocket.shutdown())));
            })
        }));
    let thread = std::thread::spawn(|| {
        rocket::execute(app.launch()).expect("the example serves until it is stopped");
    });
    let (address, shutdown) = listening.recv().map_err(io::Error::other)?;
    Ok(Server::new(address, vec![thread], || shutdown.notify()))
}
