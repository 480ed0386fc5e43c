//! The check of a request's token, which may have to wait for the form and for
//! the store.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, request};
use http_body::Body;
use revocable_core::{Error, Result, Session};
use revocable_http::{CsrfPolicy, CsrfRefusal, RequestSession};

use super::CsrfLayer;
use super::body::CsrfBody;
use super::form::{self, Reading};

/// Where the token is.
pub(super) enum Place {
    Header,
    Form { limit: usize },
}

impl Place {
    /// `None` if there is none, or no place where one could be.
    pub(super) fn of<B>(request: &Request<B>, form_limit: usize) -> Option<Self> {
        if request.headers().contains_key(CsrfPolicy::HEADER) {
            Some(Self::Header)
        } else if form_limit > 0 && form::is_form(request.headers()) {
            Some(Self::Form { limit: form_limit })
        } else {
            None
        }
    }
}

/// What is to become of the request.
pub(super) enum Conclusion {
    Allowed,
    Refused(CsrfRefusal),
    /// The store cannot answer.
    Failed(Error),
}

type Lookup = Pin<Box<dyn Future<Output = Result<Option<Session>>> + Send>>;

/// A request that is being checked.
pub(super) struct Check<B: Body> {
    layer: CsrfLayer,
    session: RequestSession,
    parts: request::Parts,
    body: CsrfBody<B>,
    reading: Option<Reading>,
    form_token: Option<Vec<u8>>,
    lookup: Option<Lookup>,
}

impl<B: Body> Check<B> {
    pub(super) fn new(
        layer: CsrfLayer,
        session: RequestSession,
        request: Request<B>,
        place: Place,
    ) -> Self {
        let (parts, body) = request.into_parts();
        let (body, reading) = match place {
            Place::Header => (CsrfBody::untouched(body), None),
            Place::Form { limit } => (CsrfBody::to_be_read(body), Some(Reading::new(limit))),
        };
        Self {
            layer,
            session,
            parts,
            body,
            reading,
            form_token: None,
            lookup: None,
        }
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Conclusion> {
        if let Some(reading) = &mut self.reading {
            ready!(self.body.poll_read_ahead(context, reading));
            self.form_token = reading.token();
            let found = self.form_token.is_some();
            self.reading = None;
            if !found {
                return Poll::Ready(self.conclude(None));
            }
        }
        let session = &self.session;
        let lookup = self.lookup.get_or_insert_with(|| {
            let session = session.clone();
            Box::pin(async move { session.session().await })
        });
        Poll::Ready(match ready!(lookup.as_mut().poll(context)) {
            Ok(session) => self.conclude(session),
            Err(error) => {
                tracing::error!(target: "revocable", %error, "CSRF token not checked");
                if self.layer.policy.is_report_only() {
                    Conclusion::Allowed
                } else {
                    Conclusion::Failed(error)
                }
            }
        })
    }

    /// The request as it came.
    pub(super) fn into_request(self) -> Request<CsrfBody<B>> {
        Request::from_parts(self.parts, self.body)
    }

    fn conclude(&self, session: Option<Session>) -> Conclusion {
        let parts = &self.parts;
        let request = super::described(&parts.method, &parts.uri, &parts.headers)
            .session(session.map(|session| session.id()))
            .form_token(self.form_token.as_deref());
        let verdict = self.layer.policy.verdict(&request);
        verdict.trace();
        match verdict.refusal() {
            Some(refusal) if !verdict.is_allowed() => Conclusion::Refused(refusal),
            _ => Conclusion::Allowed,
        }
    }
}
