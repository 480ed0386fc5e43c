//! Header fields: the cookie is read as the definition says, nobody but a trusted
//! proxy moves the client's address, and what caches are told holds.

use std::net::IpAddr;

use revocable::http::{
    CookiePolicy, CsrfPolicy, CsrfRequest, ForwardedBy, Headers, HeadersMut, Presented,
    TrustedProxies, caching, client, client_address,
};
use revocable::{Client, Token};

/// Fields by name: the form of a framework's map is not under test.
#[derive(Clone, Debug, PartialEq)]
struct Fields(Vec<(String, Vec<u8>)>);

impl Headers for Fields {
    fn fields<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        let of_name = move |(field, value): &'a (String, Vec<u8>)| {
            (field == name).then_some(value.as_slice())
        };
        self.0.iter().filter_map(of_name)
    }
}

impl HeadersMut for Fields {
    fn append_field(&mut self, name: &'static str, value: &[u8], _: bool) {
        self.0.push((name.to_owned(), value.to_vec()));
    }

    fn replace_field(&mut self, name: &'static str, value: &[u8]) {
        self.0.retain(|(field, _)| field != name);
        self.append_field(name, value, false);
    }
}

/// Takes each line as a value of every field that is read.
///
/// # Panics
///
/// If something is read or written that must not be.
pub fn check(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let with = |names: &[&str]| {
        let fields = names
            .iter()
            .flat_map(|name| lines.iter().map(|line| ((*name).to_owned(), line.to_vec())));
        Fields(fields.collect())
    };
    check_cookie(&with(&["cookie"]), &lines);
    check_address(&with(&["x-forwarded-for", "forwarded", "user-agent"]));
    check_csrf(&with(&["sec-fetch-site", "origin", "host", "x-csrf-token"]));
    check_caching(with(&["cache-control", "vary"]));
}

fn check_cookie(headers: &Fields, lines: &[&[u8]]) {
    let name = b"__Host-session=";
    let mut values = Vec::new();
    for pair in lines
        .iter()
        .flat_map(|line| line.split(|&byte| byte == b';'))
    {
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
        let start = pair.iter().take_while(blank).count();
        let end = pair.len() - pair[start..].iter().rev().take_while(blank).count();
        if pair[start..end].starts_with(name) {
            values.push(&pair[start + name.len()..end]);
        }
    }
    let presented = CookiePolicy::default().read(headers);
    let as_defined = match (&presented, values.as_slice()) {
        (Presented::None, []) => true,
        (Presented::Malformed, [value]) => Token::parse(value).is_none(),
        (Presented::Token(token), [value]) => token.expose().as_bytes() == *value,
        (Presented::Duplicate, [_, _, ..]) => true,
        _ => false,
    };
    assert!(as_defined, "{presented:?} of {} cookies", values.len());
}

fn check_address(headers: &Fields) {
    let stranger: IpAddr = "203.0.113.9".parse().expect("an address");
    let proxy: IpAddr = "10.0.0.1".parse().expect("an address");
    for by in [ForwardedBy::XForwardedFor, ForwardedBy::Forwarded] {
        let networks = TrustedProxies::networks(by, ["10.0.0.0/8"]).expect("a network");
        assert_eq!(client_address(headers, stranger, &networks), stranger);
        let address = client_address(headers, proxy, &networks);
        assert_eq!(address, address.to_canonical());
        let client = client(headers, proxy, &networks);
        assert_eq!(client.ip(), Some(address));
        assert!(client.user_agent().is_none_or(|text| {
            text.len() <= Client::MAX_USER_AGENT_LEN && !text.contains(char::is_control)
        }));
        // What is added at the end is what the proxy saw.
        let mut more = headers.clone();
        let seen = "198.51.100.1";
        more.append_field("x-forwarded-for", seen.as_bytes(), false);
        more.append_field("forwarded", format!("for={seen}").as_bytes(), false);
        assert_eq!(client_address(&more, proxy, &networks).to_string(), seen);
    }
}

fn check_csrf(headers: &Fields) {
    let policy = CsrfPolicy::builder()
        .origin("https://example.com")
        .compare_with_host()
        .build()
        .expect("a policy");
    let verdict = policy.verdict(&CsrfRequest::new("POST", headers));
    if verdict.is_allowed() {
        let only = |name| match headers.fields(name).collect::<Vec<_>>()[..] {
            [value] => value,
            _ => panic!("let in by repeated fields: {headers:?}"),
        };
        let (site, origin, host) = (only("sec-fetch-site"), only("origin"), only("host"));
        let of_host = origin.len() > host.len() && {
            let host = host.to_ascii_lowercase();
            origin.starts_with(&[b"https://", &host[..]].concat())
        };
        let passes = [&b"same-origin"[..], b"none"].contains(&site)
            || origin == b"https://example.com"
            || of_host;
        assert!(passes, "{headers:?}");
    }
}

fn check_caching(mut headers: Fields) {
    caching::no_store(&mut headers);
    caching::vary_by_cookie(&mut headers);
    let once = headers.clone();
    caching::no_store(&mut headers);
    caching::vary_by_cookie(&mut headers);
    let values =
        |headers: &Fields, name| headers.fields(name).map(<[u8]>::to_vec).collect::<Vec<_>>();
    for name in ["cache-control", "vary"] {
        assert_eq!(
            values(&headers, name),
            values(&once, name),
            "not the same when repeated"
        );
    }
    let control = values(&headers, "cache-control");
    assert!(control.len() == 1 && control[0].starts_with(b"no-store"));
    assert!(!values(&headers, "vary").is_empty());
}
