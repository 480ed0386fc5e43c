//! hyper 1, by itself: requests and responses are those of `http`.

use std::convert::Infallible;
use std::io;

use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revocable::http::{RequestSession, status};

use crate::{Server, Site};

/// Every request, from its cookie to its response.
async fn answer(site: &Site, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let session = site.web.begin(request.headers());
    let (status, text) = if !site.allows(request.method().as_str(), request.headers()) {
        (StatusCode::FORBIDDEN, String::new())
    } else {
        route(&session, request)
            .await
            .unwrap_or_else(|error| (status(&error), String::new()))
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    session.renew_if_due().await;
    session.apply(response.headers_mut());
    response
}

async fn route(
    session: &RequestSession,
    request: Request<Incoming>,
) -> revocable::Result<(StatusCode, String)> {
    let done = (StatusCode::NO_CONTENT, String::new());
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/private") => match session.session().await? {
            Some(session) => (StatusCode::OK, session.user().to_string()),
            None => (StatusCode::UNAUTHORIZED, String::new()),
        },
        (&Method::POST, "/logout") => {
            session.log_out().await?;
            done
        }
        (&Method::POST, "/logout-everywhere") => {
            session.log_out_everywhere().await?;
            done
        }
        (&Method::POST, path) => match path.strip_prefix("/login/") {
            Some(user) => {
                session.log_in(user).await?;
                done
            }
            None => (StatusCode::NOT_FOUND, String::new()),
        },
        _ => (StatusCode::NOT_FOUND, String::new()),
    })
}

pub fn serve(site: Site) -> io::Result<Server> {
    Server::on_tokio(move |listener, mut stopped| async move {
        loop {
            let (connection, _) = tokio::select! {
                accepted = listener.accept() => accepted?,
                _ = &mut stopped => return Ok(()),
            };
            let site = site.clone();
            tokio::spawn(async move {
                let service =
                    service_fn(async |request| Ok::<_, Infallible>(answer(&site, request).await));
                // What a client breaks off is no concern of the server.
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(connection), service)
                    .await;
            });
        }
    })
}
