//! Putting a cookie policy together, and refusing contradictions.

use std::sync::Arc;

use revocable_core::{Error, ErrorKind, Result, Token};

use super::{Attributes, CookiePolicy, SameSite};

/// What a browser takes of name and value together, in bytes; it drops a longer
/// cookie. RFC 6265bis, section 5.6.
const MAX_NAME_AND_VALUE_LEN: usize = 4_096;
/// What a browser takes of an attribute's value, in bytes; it drops a longer
/// attribute. RFC 6265bis, section 5.6.
const MAX_ATTRIBUTE_LEN: usize = 1_024;

/// Prefixes of names by which the browser promises something about the cookie
/// (RFC 6265bis, section 4.1.3), and whether that includes the host and path.
const PREFIXES: [(&str, bool); 4] = [
    ("__Host-Http-", true),
    ("__Host-", true),
    ("__Secure-", false),
    ("__Http-", false),
];

/// A [`CookiePolicy`] in the making.
///
/// | setting | unless told otherwise |
/// | --- | --- |
/// | [`name`](Self::name) | `__Host-session` |
/// | [`same_site`](Self::same_site) | [`SameSite::Lax`] |
/// | [`domain`](Self::domain) | none: the host that sets the cookie, and no other |
/// | [`path`](Self::path) | `/` |
/// | [`persistent`](Self::persistent) | no: until the browser is closed |
/// | [`insecure_for_development`](Self::insecure_for_development) | no: `Secure` |
///
/// The default name gives way to what is set: it is `__Secure-session` with a
/// domain or another path, and `session` without `Secure`. A name that is set is
/// taken as it is or refused.
#[derive(Debug, Clone)]
#[must_use = "a policy is made by `build`"]
pub struct CookiePolicyBuilder {
    name: Option<String>,
    domain: Option<String>,
    path: String,
    secure: bool,
    same_site: SameSite,
    persistent: bool,
}

impl CookiePolicyBuilder {
    pub(super) fn new() -> Self {
        Self {
            name: None,
            domain: None,
            path: "/".to_owned(),
            secure: true,
            same_site: SameSite::Lax,
            persistent: false,
        }
    }

    /// The cookie's name: a token of RFC 9110, section 5.6.2.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Which requests of other sites carry the cookie.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Gives the cookie to every host below this domain, and lets every one of
    /// them set it: a host that somebody else runs there can then put a cookie
    /// of its own beside the real one, which [reading](CookiePolicy::read)
    /// refuses, and so log users out. In ASCII, without a leading dot.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Sends the cookie below this path only. That protects from nothing:
    /// other paths of the same host can reach it through their scripts.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Keeps the cookie when the browser is closed, by a `Max-Age` until the
    /// session's absolute deadline.
    pub fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    /// Leaves out `Secure`, so that the cookie works over plain HTTP, where
    /// everybody on the way can read and replace it. Browsers take `Secure` and
    /// `__Host-` cookies from `http://localhost`, so most development needs
    /// none of this.
    pub fn insecure_for_development(mut self) -> Self {
        self.secure = false;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) for
    ///
    /// - a name that is none, or begins as a prefix in another case: browsers
    ///   take `__host-` for `__Host-` (RFC 6265bis, section 5.7), older ones
    ///   do not;
    /// - `__Host-` with a domain, with a path other than `/`, or without
    ///   `Secure`; `__Secure-` and `__Http-` without `Secure`;
    /// - `SameSite=None` without `Secure`, which browsers drop;
    /// - a domain or path that is none;
    /// - name and token of more than 4,096 bytes, an attribute of more than
    ///   1,024 (RFC 6265bis, section 5.6).
    pub fn build(self) -> Result<CookiePolicy> {
        let host_only = self.domain.is_none() && self.path == "/";
        let name = self.name.unwrap_or_else(|| {
            let name = match (self.secure, host_only) {
                (true, true) => "__Host-session",
                (true, false) => "__Secure-session",
                (false, _) => "session",
            };
            name.to_owned()
        });
        check_name(&name, self.secure, host_only)?;
        if let Some(domain) = &self.domain {
            check_domain(domain)?;
        }
        check_path(&self.path)?;
        if self.same_site == SameSite::None && !self.secure {
            return refuse("a cookie with SameSite=None has to be Secure");
        }
        Ok(CookiePolicy(Arc::new(Attributes {
            name,
            domain: self.domain.map(|domain| domain.to_ascii_lowercase()),
            path: self.path,
            secure: self.secure,
            same_site: self.same_site,
            persistent: self.persistent,
        })))
    }
}

fn check_name(name: &str, secure: bool, host_only: bool) -> Result<()> {
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return refuse("a cookie's name is made of letters, digits and !#$%&'*+-.^_`|~");
    }
    if name.len() + Token::TEXT_LEN > MAX_NAME_AND_VALUE_LEN {
        return refuse("a cookie's name and token have at most 4096 bytes");
    }
    for (prefix, promises_host) in PREFIXES {
        let Some(begin) = name.get(..prefix.len()) else {
            continue;
        };
        if !begin.eq_ignore_ascii_case(prefix) {
            continue;
        }
        if begin != prefix {
            return refuse("the prefix of a cookie's name is in the wrong case");
        }
        if !secure {
            return refuse("a cookie whose name promises Secure has to be Secure");
        }
        if promises_host && !host_only {
            return refuse("a cookie whose name begins with __Host- has no domain and the path /");
        }
        if name.len() == prefix.len() {
            return refuse("a cookie's name is more than a prefix");
        }
    }
    Ok(())
}

/// A host name: RFC 1123, section 2.1; at most 253 bytes.
fn check_domain(domain: &str) -> Result<()> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // No top-level domain is a number: what ends in one is an address.
    let is_address = domain
        .rsplit('.')
        .next()
        .is_some_and(|top| top.bytes().all(|b| b.is_ascii_digit()));
    if domain.len() > 253 || is_address || !domain.split('.').all(label) {
        return refuse("a cookie's domain is a host name in ASCII, without leading dot and port");
    }
    Ok(())
}

fn check_path(path: &str) -> Result<()> {
    let in_path = |b: u8| b.is_ascii_graphic() && b != b';';
    if !path.starts_with('/') || !path.bytes().all(in_path) {
        return refuse("a cookie's path begins with / and is visible ASCII without ;");
    }
    if path.len() > MAX_ATTRIBUTE_LEN {
        return refuse("a cookie's path has at most 1024 bytes");
    }
    Ok(())
}

/// RFC 9110, section 5.6.2: `tchar`.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn refuse<T>(message: &'static str) -> Result<T> {
    Err(Error::new(ErrorKind::Configuration, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> CookiePolicyBuilder {
        CookiePolicy::builder()
    }

    #[test]
    fn contradictions_do_not_build() {
        let host = || builder().name("__Host-id");
        let long = |len: usize| "a".repeat(len);
        let refused = [
            ("__Host- with a domain", host().domain("example.com")),
            ("__Host- with a path", host().path("/app")),
            ("__Host- not secure", host().insecure_for_development()),
            (
                "__Host-Http- with a path",
                builder().name("__Host-Http-id").path("/app"),
            ),
            (
                "__Secure- not secure",
                builder().name("__Secure-id").insecure_for_development(),
            ),
            (
                "__Http- not secure",
                builder().name("__Http-id").insecure_for_development(),
            ),
            ("prefix in lower case", builder().name("__host-id")),
            ("prefix in upper case", builder().name("__SECURE-id")),
            (
                "prefix in lower case, with a domain",
                builder().name("__host-id").domain("example.com"),
            ),
            ("only a prefix", builder().name("__Host-")),
            (
                "SameSite=None not secure",
                builder()
                    .same_site(SameSite::None)
                    .insecure_for_development(),
            ),
            ("no name", builder().name("")),
            ("name with =", builder().name("a=b")),
            ("name with ;", builder().name("a;b")),
            ("name with a space", builder().name(" a")),
            ("name with a line break", builder().name("a\r\nb")),
            ("name not ASCII", builder().name("sessión")),
            ("name too long", builder().name(long(4_096 - 64 + 1))),
            ("leading dot", builder().domain(".example.com")),
            ("no domain", builder().domain("")),
            ("domain with port", builder().domain("example.com:443")),
            (
                "domain with attribute",
                builder().domain("example.com; Path=/x"),
            ),
            ("an address", builder().domain("127.0.0.1")),
            (
                "domain too long",
                builder().domain(format!("{0}.{0}.{0}.{0}", long(63))),
            ),
            ("path without /", builder().path("app")),
            ("no path", builder().path("")),
            (
                "path with attribute",
                builder().path("/; Domain=example.com"),
            ),
            ("path with line break", builder().path("/\n")),
            ("path too long", builder().path(format!("/{}", long(1_024)))),
        ];
        for (what, builder) in refused {
            let error = builder.build().expect_err(what);
            assert_eq!(error.kind(), ErrorKind::Configuration, "{what}");
        }
    }

    #[test]
    fn bounds_themselves_build() {
        assert!(builder().name("a".repeat(4_096 - 64)).build().is_ok());
        assert!(
            builder()
                .path(format!("/{}", "a".repeat(1_023)))
                .build()
                .is_ok()
        );
        assert!(builder().name("__Host-Http-id").build().is_ok());
        assert!(
            builder()
                .name("__Hostid")
                .insecure_for_development()
                .build()
                .is_ok()
        );
    }

    #[test]
    fn the_default_name_promises_what_holds() {
        let name = |builder: CookiePolicyBuilder| builder.build().unwrap().name().to_owned();
        assert_eq!(name(builder()), "__Host-session");
        assert_eq!(name(builder().domain("example.com")), "__Secure-session");
        assert_eq!(name(builder().path("/app")), "__Secure-session");
        assert_eq!(name(builder().insecure_for_development()), "session");
    }

    #[test]
    fn a_domain_is_kept_in_lower_case() {
        let policy = builder().domain("Example.COM").build().unwrap();
        assert_eq!(policy.domain(), Some("example.com"));
    }
}
