//! What is known of the client.

use actix_web::HttpRequest;
use revocable_core::Client;
use revocable_http::TrustedProxies;

use crate::fields::Fields;

/// What a new session keeps of its client: the user agent and, unless the
/// connection has none, the address, as
/// [`revocable_http::client_address`] finds it.
///
/// ```
/// use actix_web::{HttpRequest, HttpResponse, web};
/// use revocable_actix::{CurrentSession, Result, client};
/// use revocable_core::NewSession;
/// use revocable_http::TrustedProxies;
///
/// async fn login(
///     request: HttpRequest,
///     proxies: web::Data<TrustedProxies>,
///     current: CurrentSession,
/// ) -> Result<HttpResponse> {
///     let new = NewSession::for_user(42_u64).client(client(&request, &proxies));
///     current.log_in(new).await?;
///     Ok(HttpResponse::NoContent().finish())
/// }
/// ```
pub fn client(request: &HttpRequest, proxies: &TrustedProxies) -> Client {
    let fields = Fields(request.headers());
    match request.peer_addr() {
        Some(peer) => revocable_http::client(&fields, peer.ip(), proxies),
        None => match revocable_http::user_agent(&fields) {
            Some(user_agent) => Client::new().with_user_agent(user_agent),
            None => Client::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use revocable_http::ForwardedBy;

    use super::*;

    #[test]
    fn the_address_is_the_peers_or_what_trusted_proxies_say() {
        let proxies = TrustedProxies::networks(ForwardedBy::XForwardedFor, ["10.0.0.0/8"]).unwrap();
        for (peer, address) in [
            (Some("10.0.0.7:1"), Some("198.51.100.1")),
            (Some("203.0.113.9:1"), Some("203.0.113.9")),
            // As of a Unix socket.
            (None, None),
        ] {
            let mut request = TestRequest::get()
                .insert_header(("x-forwarded-for", "198.51.100.1"))
                .insert_header(("user-agent", "a browser"));
            if let Some(peer) = peer {
                request = request.peer_addr(peer.parse().unwrap());
            }
            let client = client(&request.to_http_request(), &proxies);
            assert_eq!(client.ip(), address.map(|address| address.parse().unwrap()));
            assert_eq!(client.user_agent(), Some("a browser"));
        }
    }
}
