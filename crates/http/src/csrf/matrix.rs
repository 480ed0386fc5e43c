//! Every combination of what a request says about where it comes from.

use http::HeaderMap;
use revocable_core::SessionId;

use super::{CsrfKey, CsrfPass, CsrfPolicy, CsrfPolicyBuilder, CsrfRefusal, CsrfRequest};
use crate::headers::HeadersMut;
use crate::testing::{block_on, sessions};

const OWN: &str = "https://example.com";
const PARTNER: &str = "https://partner.example";

/// What is in a field: nothing, a value, or several.
type Field = &'static [&'static str];

const ORIGINS: [Field; 7] = [
    &[],
    &[OWN],
    &[PARTNER],
    &["https://evil.example"],
    &["null"],
    // The same host, unprotected.
    &["http://example.com"],
    &[OWN, OWN],
];

/// By `Sec-Fetch-Site` (rows) and `Origin` (columns, as in `ORIGINS`): why an
/// unsafe request passes (+) or is refused (-), or that a token decides (?).
#[rustfmt::skip]
const EXPECTED: [(Field, [&str; 7]); 10] = [
    (&[],                             ["?",          "+allowed",    "+allowed",    "-origin",     "-opaque",     "-origin",     "-repeated"]),
    (&["same-origin"],                ["+same",      "+same",       "+same",       "+same",       "+same",       "+same",       "-repeated"]),
    (&["none"],                       ["+user",      "+user",       "+user",       "+user",       "+user",       "+user",       "-repeated"]),
    (&["same-site"],                  ["-same-site", "+allowed",    "+allowed",    "-same-site",  "-same-site",  "-same-site",  "-repeated"]),
    (&["cross-site"],                 ["-cross-site","+allowed",    "+allowed",    "-cross-site", "-cross-site", "-cross-site", "-repeated"]),
    // Unknown values are as if there were none.
    (&["future"],                     ["?",          "+allowed",    "+allowed",    "-origin",     "-opaque",     "-origin",     "-repeated"]),
    (&["Same-Origin"],                ["?",          "+allowed",    "+allowed",    "-origin",     "-opaque",     "-origin",     "-repeated"]),
    (&[""],                           ["?",          "+allowed",    "+allowed",    "-origin",     "-opaque",     "-origin",     "-repeated"]),
    (&["same-origin, cross-site"],    ["?",          "+allowed",    "+allowed",    "-origin",     "-opaque",     "-origin",     "-repeated"]),
    (&["same-origin", "same-origin"], ["-repeated",  "-repeated",   "-repeated",   "-repeated",   "-repeated",   "-repeated",   "-repeated"]),
];

/// Tokens: in the field, in the form, whether there is a session, and what
/// comes of it where a token decides.
#[derive(Clone, Copy)]
struct Shown {
    field: &'static [Which],
    form: Option<Which>,
    session: bool,
    expected: &'static str,
}

#[derive(Clone, Copy)]
enum Which {
    Own,
    OfAnother,
    Rubbish,
}

#[rustfmt::skip]
const SHOWN: [Shown; 10] = {
    use Which::{OfAnother, Own, Rubbish};
    [
        Shown { field: &[],          form: None,            session: false, expected: "-nothing" },
        Shown { field: &[],          form: None,            session: true,  expected: "-nothing" },
        Shown { field: &[Own],       form: None,            session: true,  expected: "+token" },
        Shown { field: &[],          form: Some(Own),       session: true,  expected: "+token" },
        Shown { field: &[Own],       form: None,            session: false, expected: "-nothing" },
        Shown { field: &[],          form: Some(OfAnother), session: true,  expected: "-token" },
        Shown { field: &[OfAnother], form: Some(Own),       session: true,  expected: "-token" },
        Shown { field: &[Rubbish],   form: None,            session: true,  expected: "-token" },
        Shown { field: &[],          form: Some(Rubbish),   session: true,  expected: "-token" },
        Shown { field: &[Own, Own],  form: None,            session: true,  expected: "-token" },
    ]
};

fn policy() -> CsrfPolicyBuilder {
    CsrfPolicy::builder()
        .origin(OWN)
        .origin(PARTNER)
        .key(CsrfKey::from_bytes([1; 32]))
}

fn session() -> SessionId {
    let (_, session) = block_on(sessions().create("alice")).unwrap();
    session.id()
}

fn headers(fields: &[(&'static str, &[&str])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in fields {
        for value in *values {
            headers.append_field(name, value.as_bytes(), false);
        }
    }
    headers
}

fn name(outcome: Result<CsrfPass, CsrfRefusal>) -> &'static str {
    match outcome {
        Ok(CsrfPass::SafeMethod) => "+safe",
        Ok(CsrfPass::SameOrigin) => "+same",
        Ok(CsrfPass::UserInitiated) => "+user",
        Ok(CsrfPass::AllowedOrigin) => "+allowed",
        Ok(CsrfPass::Token) => "+token",
        Err(CsrfRefusal::CrossSite) => "-cross-site",
        Err(CsrfRefusal::SameSite) => "-same-site",
        Err(CsrfRefusal::OriginNotAllowed) => "-origin",
        Err(CsrfRefusal::OpaqueOrigin) => "-opaque",
        Err(CsrfRefusal::RepeatedField) => "-repeated",
        Err(CsrfRefusal::WrongToken) => "-token",
        Err(CsrfRefusal::NoEvidence) => "-nothing",
    }
}

fn judged(policy: &CsrfPolicy, request: &CsrfRequest<'_, HeaderMap>) -> &'static str {
    let verdict = policy.verdict(request);
    let (passed, refusal) = (verdict.passed(), verdict.refusal());
    assert!(passed.is_some() != refusal.is_some());
    assert_eq!(
        verdict.is_allowed(),
        passed.is_some() || policy.is_report_only()
    );
    assert_eq!(
        verdict.wants_token(),
        refusal == Some(CsrfRefusal::NoEvidence)
    );
    name(passed.ok_or_else(|| refusal.unwrap()))
}

#[test]
fn every_combination_is_judged_as_the_table_says() {
    let (own, other) = (session(), session());
    let mut judged_requests = 0;
    for policy in [
        policy().build().unwrap(),
        policy().report_only().build().unwrap(),
    ] {
        let text = |which| match which {
            Which::Own => policy.token(own).unwrap().expose().to_owned(),
            Which::OfAnother => policy.token(other).unwrap().expose().to_owned(),
            Which::Rubbish => "rubbish".to_owned(),
        };
        for (site, row) in EXPECTED {
            for (origin, expected) in ORIGINS.into_iter().zip(row) {
                for shown in SHOWN {
                    let mut headers = headers(&[("sec-fetch-site", site), ("origin", origin)]);
                    for which in shown.field {
                        headers.append_field("x-csrf-token", text(*which).as_bytes(), false);
                    }
                    let form = shown.form.map(text);
                    for method in [
                        "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "CONNECT",
                        "get", "", "X",
                    ] {
                        let request = CsrfRequest::new(method, &headers)
                            .session(shown.session.then_some(own))
                            .form_token(form.as_deref().map(str::as_bytes));
                        let expected = match (method, expected) {
                            ("GET" | "HEAD" | "OPTIONS", _) => "+safe",
                            (_, "?") => shown.expected,
                            (_, expected) => expected,
                        };
                        assert_eq!(
                            judged(&policy, &request),
                            expected,
                            "{method} {headers:?} {form:?}"
                        );
                        judged_requests += 1;
                    }
                }
            }
        }
    }
    assert_eq!(judged_requests, 2 * 10 * 7 * 10 * 11);
}

#[test]
fn the_handshake_of_a_websocket_is_judged() {
    let policy = policy().build().unwrap();
    for upgrade in [
        &["websocket"][..],
        &["WebSocket"],
        &["h2c, websocket"],
        &["h2c", "websocket"],
    ] {
        let evil = headers(&[("upgrade", upgrade), ("origin", &["https://evil.example"])]);
        assert_eq!(judged(&policy, &CsrfRequest::new("GET", &evil)), "-origin");
        let own = headers(&[("upgrade", upgrade), ("origin", &[OWN])]);
        assert_eq!(judged(&policy, &CsrfRequest::new("GET", &own)), "+allowed");
    }
    let other = headers(&[("upgrade", &["h2c"]), ("origin", &["https://evil.example"])]);
    assert_eq!(judged(&policy, &CsrfRequest::new("GET", &other)), "+safe");
}

#[test]
fn a_host_is_compared_only_where_the_policy_says_so() {
    let strict = policy().build().unwrap();
    let by_host = CsrfPolicy::builder().compare_with_host().build().unwrap();
    let request = |host: &[&str], origin: &str| headers(&[("host", host), ("origin", &[origin])]);
    let post = |policy: &CsrfPolicy, headers: &HeaderMap| {
        judged(policy, &CsrfRequest::new("POST", headers))
    };

    let same = request(&["app.example"], "https://app.example");
    assert_eq!(post(&by_host, &same), "+allowed");
    assert_eq!(post(&strict, &same), "-origin");
    assert_eq!(
        post(&by_host, &request(&["app.example"], "https://evil.example")),
        "-origin"
    );
    assert_eq!(
        post(&by_host, &request(&["app.example"], "http://app.example")),
        "-origin"
    );
    assert_eq!(
        post(&by_host, &request(&[], "https://app.example")),
        "-origin"
    );
    let twice = request(&["app.example", "evil.example"], "https://evil.example");
    assert_eq!(post(&by_host, &twice), "-repeated");
    // Anybody can send it, so nobody is believed.
    let mut forwarded = request(&["app.example"], "https://evil.example");
    forwarded.append_field("x-forwarded-host", b"evil.example", false);
    assert_eq!(post(&by_host, &forwarded), "-origin");
    // The authority of HTTP/2 takes the place of the field.
    let authority = |name| CsrfRequest::new("POST", &same).authority(Some(name));
    assert_eq!(judged(&by_host, &authority("other.example")), "-origin");
    assert_eq!(judged(&by_host, &authority("APP.example:443")), "+allowed");
    // What the browser says of the site comes first.
    let mut cross = same.clone();
    cross.append_field("sec-fetch-site", b"cross-site", false);
    assert_eq!(post(&by_host, &cross), "-cross-site");
}

#[test]
fn a_token_of_the_key_before_is_good_and_of_no_other() {
    let own = session();
    let old = policy().build().unwrap();
    let token = old.token(own).unwrap();
    let new = CsrfPolicy::builder()
        .origin(OWN)
        .previous_key(CsrfKey::from_bytes([1; 32]))
        .key(CsrfKey::from_bytes([2; 32]))
        .build()
        .unwrap();
    assert!(new.verify(own, token.expose().as_bytes()));
    assert!(!old.verify(own, new.token(own).unwrap().expose().as_bytes()));
    let without = CsrfPolicy::builder().origin(OWN).build().unwrap();
    let headers = headers(&[("x-csrf-token", &[token.expose()])]);
    let request = CsrfRequest::new("POST", &headers).session(Some(own));
    assert_eq!(old.verdict(&request).passed(), Some(CsrfPass::Token));
    assert_eq!(new.verdict(&request).passed(), Some(CsrfPass::Token));
    assert_eq!(
        without.verdict(&request).refusal(),
        Some(CsrfRefusal::WrongToken)
    );
    // And does not want to see one.
    assert!(
        new.verdict(&CsrfRequest::new("POST", &HeaderMap::new()))
            .wants_token()
    );
    assert!(
        !without
            .verdict(&CsrfRequest::new("POST", &HeaderMap::new()))
            .wants_token()
    );
    assert!(!without.verify(own, token.expose().as_bytes()));
    assert!(without.token(own).is_err());
}
