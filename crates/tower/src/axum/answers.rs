//! What is answered where there is no session.

use http::HeaderValue;
use revocable_core::Result;

use super::rejection::Answer;
use crate::SessionLayer;

/// How the extractors answer.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    pub(super) not_logged_in: Answer,
    pub(super) too_old: Answer,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            // A response with 401 has a challenge (RFC 9110, section 15.5.2). No
            // scheme is registered for cookies; browsers ask for no password at
            // one that they do not know.
            not_logged_in: Answer::challenge(HeaderValue::from_static("Cookie")),
            too_old: Answer::forbidden(),
        }
    }
}

impl SessionLayer {
    /// Answers 401 with this `WWW-Authenticate` where the extractors find no
    /// session.
    #[must_use]
    pub fn challenge(mut self, challenge: HeaderValue) -> Self {
        self.answers_mut().not_logged_in = Answer::challenge(challenge);
        self
    }

    /// Sends browsers there, by 303, where the extractors find no session: to the
    /// page to log in at. The page is read by `GET`, whatever the request was.
    ///
    /// # Errors
    ///
    /// Those of [`location`](revocable_http::location).
    pub fn log_in_at(mut self, uri: &str) -> Result<Self> {
        self.answers_mut().not_logged_in = redirect(uri)?;
        Ok(self)
    }

    /// Sends browsers there, by 303, where [`Fresh`](super::Fresh) finds that the
    /// user has to prove again who they are.
    ///
    /// # Errors
    ///
    /// As for [`log_in_at`](Self::log_in_at).
    pub fn step_up_at(mut self, uri: &str) -> Result<Self> {
        self.answers_mut().too_old = redirect(uri)?;
        Ok(self)
    }
}

fn redirect(uri: &str) -> Result<Answer> {
    revocable_http::location(uri).map(Answer::redirect)
}
