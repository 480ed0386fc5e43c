//! Origins, as browsers write them.

use revocable_core::{Error, ErrorKind, Result};

/// An origin in the form in which browsers write it (RFC 6454, section 6.2):
/// lower case, no default port, nothing behind it. So what a browser sends is
/// compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin(String);

impl Origin {
    /// Reads what a person wrote, with upper case and a default port.
    pub(super) fn parse(text: &str) -> Result<Self> {
        Self::parts(&text.to_ascii_lowercase())
            .map(|(scheme, host, port)| match port {
                Some(port) => Self(format!("{scheme}://{host}:{port}")),
                None => Self(format!("{scheme}://{host}")),
            })
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Configuration,
                    "an origin is a scheme, a host in ASCII and, unless it is the scheme's, a port, \
                     such as https://example.com",
                )
            })
    }

    /// Scheme, host, and port unless it is the scheme's.
    fn parts(text: &str) -> Option<(&str, &str, Option<u16>)> {
        let (scheme, authority) = text.split_once("://")?;
        // RFC 3986, section 3.1.
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => None,
            Some(port) if !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit()) => {
                Some(port.parse().ok()?)
            }
            Some(_) => return None,
        };
        let is_host = match host.strip_prefix('[') {
            Some(address) => address
                .strip_suffix(']')?
                .parse::<std::net::Ipv6Addr>()
                .is_ok(),
            None => {
                !host.is_empty()
                    && host.bytes().all(|b| {
                        b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b)
                    })
            }
        };
        (is_scheme && is_host).then_some((
            scheme,
            host,
            port.filter(|&port| default_port(scheme) != Some(port)),
        ))
    }

    /// Whether this is the value of an `Origin` field.
    pub(super) fn is(&self, field: &[u8]) -> bool {
        self.0.as_bytes() == field
    }
}

/// Whether the value of an `Origin` field is the host that the request was sent
/// to, in a scheme that keeps what is sent (`https`, or the loopback).
pub(super) fn is_of_host(field: &[u8], host: &[u8]) -> bool {
    let (Ok(origin), Ok(host)) = (str::from_utf8(field), str::from_utf8(host)) else {
        return false;
    };
    // What is not in the form that browsers write is from no browser.
    let Some((scheme, name, port)) = Origin::parts(origin) else {
        return false;
    };
    let loopback = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
    if scheme != "https" && !(scheme == "http" && loopback) {
        return false;
    }
    // With the same scheme, so that the same port is the default one.
    let own = format!("{scheme}://{}", host.to_ascii_lowercase());
    Origin::parts(&own) == Some((scheme, name, port))
}

/// Splits `host:port`, of which the host may be an IPv6 address in brackets.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let host_end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_end);
    match port.strip_prefix(':') {
        Some("") => None,
        Some(port) => Some((host, Some(port))),
        None if port.is_empty() => Some((host, None)),
        None => None,
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_becomes_what_browsers_send() {
        for (written, sent) in [
            ("https://example.com", "https://example.com"),
            ("HTTPS://Example.COM", "https://example.com"),
            ("https://example.com:443", "https://example.com"),
            ("http://example.com:80", "http://example.com"),
            ("http://example.com:443", "http://example.com:443"),
            ("https://example.com:8443", "https://example.com:8443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("tauri://localhost", "tauri://localhost"),
        ] {
            let origin = Origin::parse(written).unwrap();
            assert!(origin.is(sent.as_bytes()), "{written}: {origin:?}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "null",
            "*",
            "example.com",
            "//example.com",
            "https://",
            "https://example.com/",
            "https://example.com/path",
            "https://example.com?x",
            "https://example.com#x",
            "https://user@example.com",
            "https://*.example.com",
            "https://example.com:",
            "https://example.com:0443",
            "https://example.com:65536",
            "https://example.com:4a",
            "https://[::1",
            "https://[::1]x",
            "https://[example]",
            "https://exämple.com",
            "https://a,b",
            " https://example.com",
            "1http://example.com",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_origin_is_compared_whole() {
        let origin = Origin::parse("https://example.com").unwrap();
        for other in [
            "http://example.com",
            "https://example.com:8443",
            "https://example.com.evil.example",
            "https://sub.example.com",
            "https://evilexample.com",
            "https://example.com/",
            "https://example.co",
            "null",
            "",
        ] {
            assert!(!origin.is(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_host_is_compared_with_its_port_and_a_scheme_that_protects() {
        let of = |origin: &str, host: &str| is_of_host(origin.as_bytes(), host.as_bytes());
        assert!(of("https://example.com", "example.com"));
        assert!(of("https://example.com", "Example.com:443"));
        assert!(of("https://example.com:8443", "example.com:8443"));
        assert!(of("http://localhost:3000", "localhost:3000"));
        assert!(of("http://[::1]:3000", "[::1]:3000"));
        assert!(of("http://127.0.0.1", "127.0.0.1:80"));
        assert!(!of("http://example.com", "example.com"));
        assert!(!of("https://example.com", "example.com:8443"));
        assert!(!of("https://example.com:8443", "example.com"));
        assert!(!of("https://example.com", "example.com.evil.example"));
        assert!(!of("https://example.com", ""));
        assert!(!of("https://example.com", "user@example.com"));
        assert!(!of("https://example.com", "example.com/"));
        assert!(!of("null", "null"));
        assert!(!of("ftp://localhost", "localhost"));
        assert!(!is_of_host(b"https://\xff", b"\xff"));
    }
}
