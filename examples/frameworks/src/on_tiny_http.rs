//! tiny_http: no async runtime. `block_on` waits for the sessions on the thread
//! that answers the request.
//!
//! The stores that keep sessions in this process or in its files read without
//! waiting for anybody, and write with a thread of their own: `block_on` parks
//! the thread, and needs no runtime to wake it.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use futures_executor::block_on;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use revocable::http::{RequestSession, status};
use tiny_http::{Header, Method, Request, Response};

use crate::{Server, Site};

const THREADS: usize = 4;

/// Every request, from its cookie to its response.
fn answer(site: &Site, request: &Request) -> (StatusCode, HeaderMap, String) {
    let headers = fields(request.headers());
    let session = site.web.begin(&headers);
    let (status, text) = if !site.allows(request.method().as_str(), &headers) {
        (StatusCode::FORBIDDEN, String::new())
    } else {
        block_on(route(&session, request)).unwrap_or_else(|error| (status(&error), String::new()))
    };
    let mut headers = HeaderMap::new();
    block_on(session.renew_if_due());
    session.apply(&mut headers);
    (status, headers, text)
}

async fn route(
    session: &RequestSession,
    request: &Request,
) -> revocable::Result<(StatusCode, String)> {
    let done = (StatusCode::NO_CONTENT, String::new());
    Ok(match (request.method(), request.url()) {
        (Method::Get, "/private") => match session.session().await? {
            Some(session) => (StatusCode::OK, session.user().to_string()),
            None => (StatusCode::UNAUTHORIZED, String::new()),
        },
        (Method::Post, "/logout") => {
            session.log_out().await?;
            done
        }
        (Method::Post, "/logout-everywhere") => {
            session.log_out_everywhere().await?;
            done
        }
        (Method::Post, path) => match path.strip_prefix("/login/") {
            Some(user) => {
                session.log_in(user).await?;
                done
            }
            None => (StatusCode::NOT_FOUND, String::new()),
        },
        _ => (StatusCode::NOT_FOUND, String::new()),
    })
}

/// The fields of a request, in a map that `revocable::http` can read.
fn fields(headers: &[Header]) -> HeaderMap {
    let field = |header: &Header| {
        let name = HeaderName::from_bytes(header.field.as_str().as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(header.value.as_bytes()).ok()?;
        Some((name, value))
    };
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter().filter_map(field) {
        map.append(name, value);
    }
    map
}

fn respond(site: &Site, request: Request) -> io::Result<()> {
    let (status, headers, text) = answer(site, &request);
    let mut response = Response::from_string(text).with_status_code(status.as_u16());
    for (name, value) in &headers {
        let header = Header::from_bytes(name.as_str(), value.as_bytes());
        response.add_header(header.map_err(|()| io::ErrorKind::InvalidData)?);
    }
    request.respond(response)
}

pub fn serve(site: Site) -> io::Result<Server> {
    let server = tiny_http::Server::http((Ipv4Addr::LOCALHOST, 0)).map_err(io::Error::other)?;
    let server = Arc::new(server);
    let address = server
        .server_addr()
        .to_ip()
        .ok_or(io::ErrorKind::Unsupported)?;
    let threads = (0..THREADS).map(|_| {
        let (server, site) = (server.clone(), site.clone());
        std::thread::spawn(move || {
            while let Ok(request) = server.recv() {
                // What a client breaks off is no concern of the server.
                let _ = respond(&site, request);
            }
        })
    });
    Ok(Server::new(address, threads.collect(), move || {
        (0..THREADS).for_each(|_| server.unblock());
    }))
}
