//! The token in a form.

use std::future::poll_fn;
use std::pin::Pin;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName,
};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{Error, HttpMessage};
use futures_core::Stream;
use revocable_http::CsrfPolicy;

/// Which field of a form holds the token, and how long the form may be.
#[derive(Debug, Clone)]
pub(crate) struct FormField {
    pub(crate) name: String,
    pub(crate) max_len: usize,
}

impl Default for FormField {
    fn default() -> Self {
        Self {
            name: CsrfPolicy::FORM_FIELD.to_owned(),
            max_len: 64 * 1024,
        }
    }
}

impl FormField {
    /// The only field of the request's form that has the name. The request
    /// keeps its form, for the handler.
    pub(crate) async fn read(
        &self,
        request: &mut ServiceRequest,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Some(len) = form_len(request.headers()).filter(|len| *len <= self.max_len) else {
            return Ok(None);
        };
        let form = read(request.take_payload(), len).await?;
        let token = self.find(&form);
        request.set_payload(Payload::from(form));
        Ok(token)
    }

    fn find(&self, form: &[u8]) -> Option<Vec<u8>> {
        let mut fields = form_urlencoded::parse(form).filter(|(name, _)| *name == self.name);
        let (_, token) = fields.next()?;
        fields
            .next()
            .is_none()
            .then(|| token.into_owned().into_bytes())
    }
}

/// How long the request's form says that it is, if it is one. Without that
/// nothing is read: browsers always say it, and so it is known before the first
/// byte that there are not too many.
fn form_len(headers: &HeaderMap) -> Option<usize> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    let media_type = text(CONTENT_TYPE)?.split(';').next()?.trim();
    let is_form = media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if !is_form || headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    text(CONTENT_LENGTH)?.parse().ok()
}

async fn read(mut payload: Payload, len: usize) -> Result<Bytes, Error> {
    let mut form = BytesMut::with_capacity(len);
    while let Some(chunk) = poll_fn(|context| Pin::new(&mut payload).poll_next(context)).await {
        let chunk = chunk?;
        // The server has seen to it already.
        if chunk.len() > len - form.len() {
            return Err(PayloadError::Overflow.into());
        }
        form.extend_from_slice(&chunk);
    }
    Ok(form.freeze())
}
