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
