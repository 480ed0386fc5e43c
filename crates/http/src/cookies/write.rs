//! Writing the cookie of a response, and clearing it.

use std::time::Duration;

use cookie::time::OffsetDateTime;
use cookie::{Cookie, CookieBuilder};
use http::HeaderValue;
use revocable_core::{Session, Token};

use super::{CookiePolicy, SameSite};

/// The longest time that a browser keeps a cookie: RFC 6265bis, section 5.5.
const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 3_600);

impl CookiePolicy {
    /// The `Set-Cookie` value that gives the token to the browser; marked as
    /// sensitive. Add it to those that the response has, do not replace them.
    pub fn set(&self, token: &Token, session: &Session) -> HeaderValue {
        sensitive(&self.set_text(token, session))
    }

    /// The `Set-Cookie` value that takes the cookie out of the browser: the same
    /// name, domain and path, no value, a lifetime that is over (RFC 6265bis,
    /// section 3.1). Add it to those that the response has.
    pub fn clear(&self) -> HeaderValue {
        sensitive(&self.clear_text())
    }

    pub(crate) fn set_text(&self, token: &Token, session: &Session) -> String {
        let text = token.expose();
        let mut cookie = self.cookie(text.as_str());
        if self.is_persistent() {
            cookie = cookie.max_age(whole_seconds(remaining(session)));
        }
        cookie.build().to_string()
    }

    pub(crate) fn clear_text(&self) -> String {
        self.cookie("")
            .max_age(cookie::time::Duration::ZERO)
            // For what does not know `Max-Age`.
            .expires(OffsetDateTime::UNIX_EPOCH)
            .build()
            .to_string()
    }

    fn cookie<'a>(&'a self, value: &'a str) -> CookieBuilder<'a> {
        let mut cookie = Cookie::build((self.name(), value))
            .path(self.path())
            .secure(self.is_secure())
            .http_only(true)
            .same_site(match self.same_site() {
                SameSite::Strict => cookie::SameSite::Strict,
                SameSite::Lax => cookie::SameSite::Lax,
                SameSite::None => cookie::SameSite::None,
            });
        if let Some(domain) = self.domain() {
            cookie = cookie.domain(domain);
        }
        cookie
    }
}

/// How long the session can live still, seen from when it was read.
fn remaining(session: &Session) -> Duration {
    session
        .expires_at()
        .duration_since(session.read_at())
        .unwrap_or_default()
        .min(MAX_AGE)
}

/// Rounded up: that the session has ended is for the server to say.
fn whole_seconds(duration: Duration) -> cookie::time::Duration {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    cookie::time::Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn sensitive(text: &str) -> HeaderValue {
    let mut value =
        HeaderValue::from_str(text).expect("a policy that was built and a token are visible ASCII");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use revocable_core::{Policy, Sessions};
    use revocable_memory::MemoryStore;

    use super::*;
    use crate::cookies::{CookiePolicyBuilder, Presented};
    use crate::testing::{block_on, sessions};

    fn written(builder: CookiePolicyBuilder) -> (String, String) {
        let policy = builder.build().unwrap();
        let (token, session) = block_on(sessions().create("alice")).unwrap();
        let text = token.expose();
        let text = text.as_str();
        let set = policy.set(&token, &session);
        assert!(set.is_sensitive() && policy.clear().is_sensitive());
        let set = set.to_str().unwrap().replace(text, "TOKEN");
        (set, policy.clear().to_str().unwrap().to_owned())
    }

    #[test]
    fn the_default_is_the_strictest_that_works() {
        let (set, clear) = written(CookiePolicy::builder());
        assert_eq!(
            set,
            "__Host-session=TOKEN; HttpOnly; SameSite=Lax; Secure; Path=/"
        );
        assert_eq!(
            clear,
            "__Host-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; \
             Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }

    #[test]
    fn every_choice_is_in_what_sets_and_in_what_clears() {
        let (set, clear) = written(
            CookiePolicy::builder()
                .name("__Secure-id")
                .same_site(SameSite::None)
                .domain("example.com")
                .path("/app")
                .persistent(),
        );
        let attributes =
            "; HttpOnly; SameSite=None; Secure; Path=/app; Domain=example.com; Max-Age=";
        // The default policy of sessions ends them after 24 hours.
        assert_eq!(set, format!("__Secure-id=TOKEN{attributes}86400"));
        assert!(clear.starts_with(&format!("__Secure-id={attributes}0; Expires=")));
        let (set, clear) = written(
            CookiePolicy::builder()
                .same_site(SameSite::Strict)
                .insecure_for_development(),
        );
        assert_eq!(set, "session=TOKEN; HttpOnly; SameSite=Strict; Path=/");
        assert!(!clear.contains("Secure"));
    }

    #[test]
    fn a_cookie_is_not_kept_for_longer_than_browsers_do() {
        let policy = CookiePolicy::builder().persistent().build().unwrap();
        for (days, max_age) in [(399, 399 * 86_400), (401, 400 * 86_400)] {
            let lives = Duration::from_secs(days * 86_400);
            let sessions = Sessions::builder(MemoryStore::new())
                .policy(Policy::builder(lives))
                .build()
                .unwrap();
            let (token, session) = block_on(sessions.create("alice")).unwrap();
            let set = policy.set(&token, &session);
            let expected = format!("; Max-Age={max_age}");
            assert!(set.to_str().unwrap().ends_with(&expected), "{days}");
        }
    }

    #[test]
    fn seconds_are_rounded_up() {
        let seconds = |duration| whole_seconds(duration).whole_seconds();
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(2)), 2);
        assert_eq!(seconds(Duration::from_millis(2_001)), 3);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            name in "[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,40}",
            user in "[a-z]{1,20}",
        ) {
            let Ok(policy) = CookiePolicy::builder().name(name).build() else {
                return Ok(());
            };
            let (token, session) = block_on(sessions().create(&user)).unwrap();
            let set = policy.set(&token, &session);
            // What a browser keeps and sends back (RFC 6265bis, section 5.6).
            let pair = set.as_bytes().split(|&byte| byte == b';').next().unwrap();
            let read = policy.read_fields([pair]);
            proptest::prop_assert!(matches!(&read, Presented::Token(read) if read.digest() == token.digest()));
        }
    }
}
