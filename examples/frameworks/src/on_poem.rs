//! poem 3: a function around the endpoint is the middleware.

use std::io;

use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::web::{Data, Path};
use poem::{Endpoint, EndpointExt, Error, Request, Response, Route, get, handler, post};
use revocable::http::{RequestSession, status};

use crate::{Server, Site};

/// Every request, from its cookie to its response.
async fn with_session<E: Endpoint>(
    site: Site,
    endpoint: &E,
    mut request: Request,
) -> poem::Result<Response> {
    let session = site.web.begin(request.headers());
    let mut response = if !site.allows(request.method().as_str(), request.headers()) {
        StatusCode::FORBIDDEN.into()
    } else {
        request.set_data(session.clone());
        // Errors are responses here: they get the cookie too.
        endpoint.get_response(request).await
    };
    session.renew_if_due().await;
    session.apply(response.headers_mut());
    Ok(response)
}

#[handler]
async fn login(
    Data(session): Data<&RequestSession>,
    user: Path<String>,
) -> poem::Result<StatusCode> {
    session.log_in(user.0).await.map_err(failed)?;
    Ok(StatusCode::NO_CONTENT)
}

#[handler]
async fn private(Data(session): Data<&RequestSession>) -> poem::Result<String> {
    match session.session().await.map_err(failed)? {
        Some(session) => Ok(session.user().to_string()),
        None => Err(StatusCode::UNAUTHORIZED.into()),
    }
}

#[handler]
async fn logout(Data(session): Data<&RequestSession>) -> poem::Result<StatusCode> {
    session.log_out().await.map_err(failed)?;
    Ok(StatusCode::NO_CONTENT)
}

#[handler]
async fn logout_everywhere(Data(session): Data<&RequestSession>) -> poem::Result<StatusCode> {
    session.log_out_everywhere().await.map_err(failed)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What went wrong, with its status and with nothing for the client to read.
fn failed(error: revocable::Error) -> Error {
    Error::from_status(status(&error))
}

pub fn serve(site: Site) -> io::Result<Server> {
    Server::on_tokio(move |listener, stopped| async move {
        let app = Route::new()
            .at("/login/:user", post(login))
            .at("/private", get(private))
            .at("/logout", post(logout))
            .at("/logout-everywhere", post(logout_everywhere))
            .around(move |endpoint, request| {
                let site = site.clone();
                async move { with_session(site, &endpoint, request).await }
            });
        let acceptor = TcpAcceptor::from_tokio(listener)?;
        let stopped = async { drop(stopped.await) };
        poem::Server::new_with_acceptor(acceptor)
            .run_with_graceful_shutdown(app, stopped, None)
            .await
    })
}
