//! What is known of the client: for a "your devices" page, and for logs.

mod forwarded;
mod proxies;

use std::net::IpAddr;

use revocable_core::Client;

pub use proxies::{ForwardedBy, TrustedProxies};

use crate::headers::Headers;

/// What is looked at of a user agent, in bytes: enough for the
/// [longest that is kept](Client::MAX_USER_AGENT_LEN), whatever its characters.
const MAX_USER_AGENT_BYTES: usize = 8 * Client::MAX_USER_AGENT_LEN;

/// What a new session keeps of its client: the user agent and the
/// [address](client_address). None of it is verified and no decision rests on
/// it.
///
/// ```
/// use revocable_core::NewSession;
/// use revocable_http::{ForwardedBy, TrustedProxies, client};
/// # let headers = http::HeaderMap::new();
/// # let peer = "10.0.0.7".parse().unwrap();
///
/// let proxies = TrustedProxies::networks(ForwardedBy::XForwardedFor, ["10.0.0.0/8"])?;
/// let new = NewSession::for_user(42_u64).client(client(&headers, peer, &proxies));
/// # Ok::<(), revocable_core::Error>(())
/// ```
pub fn client(headers: &impl Headers, peer: IpAddr, proxies: &TrustedProxies) -> Client {
    let client = Client::new().with_ip(client_address(headers, peer, proxies));
    match user_agent(headers) {
        Some(user_agent) => client.with_user_agent(user_agent),
        None => client,
    }
}

/// The first `User-Agent` field as text: what is no UTF-8 is replaced. At most
/// the beginning of a longer one; [`Client::with_user_agent`] cuts it to what is
/// kept and drops control characters.
pub fn user_agent(headers: &impl Headers) -> Option<String> {
    let value = headers.fields("user-agent").next()?;
    let value = &value[..value.len().min(MAX_USER_AGENT_BYTES)];
    Some(String::from_utf8_lossy(value).into_owned())
}

/// The client's address, as far as it can be known.
///
/// That is `peer`, the other end of the connection, unless that is a trusted
/// proxy. Then the field that the policy names is read from its end, where the
/// nearest proxy has written, up to the first address that is no trusted proxy's:
/// what stands before it was written by somebody who may write anything. At an
/// entry that is no address the last known address is the answer.
///
/// IPv4 addresses mapped into IPv6 (RFC 4291, section 2.5.5.2) are given as IPv4.
pub fn client_address(headers: &impl Headers, peer: IpAddr, proxies: &TrustedProxies) -> IpAddr {
    let mut known = peer.to_canonical();
    let Some(mut trust) = proxies.begin() else {
        return known;
    };
    let entries = match proxies.forwarded_by() {
        ForwardedBy::XForwardedFor => forwarded::x_forwarded_for(headers),
        ForwardedBy::Forwarded => forwarded::forwarded(headers),
    };
    for entry in entries.into_iter().rev() {
        if !trust.trusts(known) {
            break;
        }
        let Some(address) = entry else {
            break;
        };
        known = address.to_canonical();
    }
    known
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use revocable_core::ErrorKind;

    use super::*;
    use crate::headers::HeadersMut;

    const NETWORKS: [&str; 3] = ["10.0.0.0/8", "fd00::/8", "192.0.2.1"];

    fn address(proxies: &TrustedProxies, peer: &str, fields: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append_field(name, value.as_bytes(), false);
        }
        client_address(&headers, peer.parse().unwrap(), proxies).to_string()
    }

    #[test]
    fn x_forwarded_for_is_believed_as_far_as_trusted_proxies_wrote_it() {
        let proxies = TrustedProxies::networks(ForwardedBy::XForwardedFor, NETWORKS).unwrap();
        for (peer, field, expected) in [
            // Nobody to be believed.
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("203.0.113.9", "10.0.0.1", "203.0.113.9"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            // Everything to the left is made up.
            ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "10.0.0.2, 198.51.100.1", "198.51.100.1"),
            (
                "10.0.0.1",
                "127.0.0.1, 198.51.100.1, 10.0.0.2, 192.0.2.1",
                "198.51.100.1",
            ),
            ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
            ("fd00::1", "2001:db8::5", "2001:db8::5"),
            // One address in two forms.
            ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, ::ffff:10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
            ("::ffff:203.0.113.9", "198.51.100.1", "203.0.113.9"),
            // Ports and brackets.
            ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
            ("10.0.0.1", "[2001:db8::5]:4711", "2001:db8::5"),
            ("10.0.0.1", "[2001:db8::5]", "2001:db8::5"),
            ("10.0.0.1", "\"[2001:db8::5]:4711\"", "10.0.0.1"),
            // What is no address ends it.
            ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1, x, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "198.51.100.1,", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1 1.1.1.1", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1:x", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1:99999", "10.0.0.1"),
            ("10.0.0.1", "198.51.100", "10.0.0.1"),
            ("10.0.0.1", "010.0.0.9", "10.0.0.1"),
            ("10.0.0.1", "[198.51.100.1", "10.0.0.1"),
        ] {
            let found = address(&proxies, peer, &[("x-forwarded-for", field)]);
            assert_eq!(found, expected, "{peer}: {field}");
        }
        // The fields of a message are one list; a client's comes first.
        let two = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "198.51.100.1"),
        ];
        assert_eq!(address(&proxies, "10.0.0.1", &two), "198.51.100.1");
        // The other field is a client's, whatever it says.
        let other = [("forwarded", "for=1.1.1.1"), ("x-real-ip", "1.1.1.1")];
        assert_eq!(address(&proxies, "10.0.0.1", &other), "10.0.0.1");
    }

    #[test]
    fn forwarded_is_believed_as_far_as_trusted_proxies_wrote_it() {
        let proxies = TrustedProxies::networks(ForwardedBy::Forwarded, NETWORKS).unwrap();
        for (peer, field, expected) in [
            ("203.0.113.9", "for=198.51.100.1", "203.0.113.9"),
            ("10.0.0.1", "for=198.51.100.1", "198.51.100.1"),
            (
                "10.0.0.1",
                "For=198.51.100.1;proto=https;by=10.0.0.1",
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                "proto=https;host=\"a, for=1.1.1.1\"; FOR=198.51.100.1",
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                "for=1.1.1.1, for=198.51.100.1, for=10.0.0.2",
                "198.51.100.1",
            ),
            ("10.0.0.1", "for=\"198.51.100.1:4711\"", "198.51.100.1"),
            ("10.0.0.1", "for=\"[2001:db8::5]:4711\"", "2001:db8::5"),
            ("10.0.0.1", "for=\"[2001:db8::5]\"", "2001:db8::5"),
            ("10.0.0.1", "for=\"\\1\\98.51.100.1\"", "198.51.100.1"),
            // RFC 7239, section 6: unknown and obfuscated; IPv6 has brackets.
            ("10.0.0.1", "for=198.51.100.1, for=unknown", "10.0.0.1"),
            ("10.0.0.1", "for=198.51.100.1, for=_hidden", "10.0.0.1"),
            ("10.0.0.1", "for=198.51.100.1, proto=https", "10.0.0.1"),
            // Nothing that the client begins can swallow what the proxy adds.
            ("10.0.0.1", "for=9.9.9.9;x=\", for=198.51.100.1", "10.0.0.1"),
            (
                "10.0.0.1",
                "for=9.9.9.9;x=\", for=\"[2001:db8::5]\"",
                "10.0.0.1",
            ),
            (
                "10.0.0.1",
                "for=9.9.9.9;x=\"\\, for=\"[2001:db8::5]\"",
                "10.0.0.1",
            ),
            (
                "10.0.0.1",
                "for=9.9.9.9;x=\"\\, for=1.1.1.1;by=\"a\"",
                "10.0.0.1",
            ),
            ("10.0.0.1", "for=9.9.9.9;, for=198.51.100.1", "198.51.100.1"),
            // Two where there should be one.
            ("10.0.0.1", "for=1.1.1.1;for=198.51.100.1", "10.0.0.1"),
            ("10.0.0.1", "for = 198.51.100.1", "10.0.0.1"),
            ("10.0.0.1", "for=", "10.0.0.1"),
            ("10.0.0.1", "for", "10.0.0.1"),
        ] {
            let found = address(&proxies, peer, &[("forwarded", field)]);
            assert_eq!(found, expected, "{peer}: {field}");
        }
        let two = [("forwarded", "for=\""), ("forwarded", "for=198.51.100.1")];
        assert_eq!(address(&proxies, "10.0.0.1", &two), "198.51.100.1");
        // A proxy that cannot be understood is not skipped.
        let two = [("forwarded", "for=9.9.9.9"), ("forwarded", "for=\"")];
        assert_eq!(address(&proxies, "10.0.0.1", &two), "10.0.0.1");
        let other = [("x-forwarded-for", "1.1.1.1")];
        assert_eq!(address(&proxies, "10.0.0.1", &other), "10.0.0.1");
    }

    #[test]
    fn as_many_entries_are_believed_as_there_are_hops() {
        let hops = |n| TrustedProxies::hops(ForwardedBy::XForwardedFor, n).unwrap();
        let field = [("x-forwarded-for", "1.1.1.1, 2.2.2.2, 3.3.3.3")];
        assert_eq!(address(&hops(1), "9.9.9.9", &field), "3.3.3.3");
        assert_eq!(address(&hops(2), "9.9.9.9", &field), "2.2.2.2");
        assert_eq!(address(&hops(3), "9.9.9.9", &field), "1.1.1.1");
        assert_eq!(address(&hops(4), "9.9.9.9", &field), "1.1.1.1");
        assert_eq!(address(&hops(2), "9.9.9.9", &[]), "9.9.9.9");
    }

    #[test]
    fn without_trusted_proxies_no_field_is_read() {
        let fields = [("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=1.1.1.1")];
        assert_eq!(
            address(&TrustedProxies::none(), "10.0.0.1", &fields),
            "10.0.0.1"
        );
    }

    #[test]
    fn trust_in_everybody_does_not_build() {
        let networks = |network| TrustedProxies::networks(ForwardedBy::XForwardedFor, [network]);
        for network in [
            "0.0.0.0/0",
            "::/0",
            "",
            "10.0.0.0/33",
            "proxy.example",
            "::ffff:0.0.0.0/96",
        ] {
            let error = networks(network).expect_err(network);
            assert_eq!(error.kind(), ErrorKind::Configuration, "{network}");
        }
        let none: [&str; 0] = [];
        assert!(TrustedProxies::networks(ForwardedBy::Forwarded, none).is_err());
        assert!(TrustedProxies::hops(ForwardedBy::Forwarded, 0).is_err());
        let mapped = networks("::ffff:10.0.0.0/104").unwrap();
        let field = [("x-forwarded-for", "1.1.1.1")];
        assert_eq!(address(&mapped, "10.1.2.3", &field), "1.1.1.1");
    }

    #[test]
    fn a_client_is_cut_and_cleaned() {
        let mut headers = HeaderMap::new();
        let hostile = [b"agent\t\xff".as_slice(), "é".repeat(100_000).as_bytes()].concat();
        headers.append_field("user-agent", &hostile, false);
        headers.append_field("user-agent", b"second", false);
        let client = client(
            &headers,
            "::ffff:9.9.9.9".parse().unwrap(),
            &TrustedProxies::none(),
        );
        let kept = client.user_agent().unwrap();
        assert!(kept.starts_with("agent\u{fffd}é"), "{kept}");
        assert!(kept.len() <= Client::MAX_USER_AGENT_LEN && kept.len() > 500);
        assert_eq!(client.ip(), Some("9.9.9.9".parse().unwrap()));
        assert_eq!(user_agent(&HeaderMap::new()), None);
    }

    proptest::proptest! {
        #[test]
        fn no_field_makes_it_panic(
            field in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100),
            like in "(for=|\"|\\[|\\]|1\\.1\\.1\\.1|::1|,|;|\\\\|=|:|\\PC){0,30}",
        ) {
            for value in [field.as_slice(), like.as_bytes()] {
                let headers = Raw(value);
                for by in [ForwardedBy::Forwarded, ForwardedBy::XForwardedFor] {
                    let proxies = TrustedProxies::networks(by, NETWORKS).unwrap();
                    let untrusted = "203.0.113.9".parse().unwrap();
                    proptest::prop_assert_eq!(client_address(&headers, untrusted, &proxies), untrusted);
                    client(&headers, "10.0.0.1".parse().unwrap(), &proxies);
                }
            }
        }
    }

    /// One value for every field, also values that no header map takes.
    struct Raw<'a>(&'a [u8]);

    impl Headers for Raw<'_> {
        fn fields<'a>(&'a self, _: &'static str) -> impl Iterator<Item = &'a [u8]> {
            std::iter::once(self.0)
        }
    }
}
