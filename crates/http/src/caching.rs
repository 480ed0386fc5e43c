//! What caches are told about responses that have to do with a session.

use crate::headers::{Headers, HeadersMut, list, list_with_quotes, trim};

/// Directives that allow a cache to keep a response, or for how long; gone
/// where nothing may be kept. `must-understand` is one of them: where it stands
/// a cache may ignore `no-store` (RFC 9111, section 5.2.2.3).
const KEEPING: [&[u8]; 8] = [
    b"public",
    b"max-age",
    b"s-maxage",
    b"immutable",
    b"must-understand",
    b"stale-while-revalidate",
    b"stale-if-error",
    b"no-store",
];

/// Fields for caches of one kind, which they obey instead of `Cache-Control`:
/// RFC 9213, section 3.1, and what came before it.
const TARGETED: [&str; 2] = ["cdn-cache-control", "surrogate-control"];

/// Lets no cache keep the response, as every response with a session's cookie
/// asks for (ASVS 5.0, 14.3.2; RFC 9111, section 7.3): `Cache-Control:
/// no-store`, in the place of directives that allow it and beside others, such
/// as `private` or `no-transform`. The fields `CDN-Cache-Control` (RFC 9213) and
/// `Surrogate-Control`, where they are set, say `no-store` too.
pub fn no_store(headers: &mut impl HeadersMut) {
    let mut value = b"no-store".to_vec();
    for directive in headers.fields("cache-control").flat_map(list_with_quotes) {
        let name = trim(
            directive
                .split(|&byte| byte == b'=')
                .next()
                .unwrap_or_default(),
        );
        let keeps = |keeping: &&[u8]| name.eq_ignore_ascii_case(keeping);
        if !KEEPING.iter().any(keeps) {
            value.extend_from_slice(b", ");
            value.extend_from_slice(directive);
        }
    }
    headers.replace_field("cache-control", &value);
    for name in TARGETED {
        if has(headers, name) {
            headers.replace_static_field(name, "no-store");
        }
    }
}

/// As [`no_store`], if the response says nothing about caches itself: for a
/// response that was made for a user.
pub fn no_store_by_default(headers: &mut impl HeadersMut) {
    if !has(headers, "cache-control") && !TARGETED.iter().any(|name| has(headers, name)) {
        headers.replace_static_field("cache-control", "no-store");
    }
}

/// Tells caches that the response depends on the request's cookies (RFC 9110,
/// section 12.5.5): adds `Cookie` to `Vary`, unless that has it or is `*`.
pub fn vary_by_cookie(headers: &mut impl HeadersMut) {
    if !has(headers, "vary") {
        return headers.replace_static_field("vary", "Cookie");
    }
    let mut value = Vec::new();
    for element in headers.fields("vary").flat_map(list) {
        if element == b"*" || element.eq_ignore_ascii_case(b"cookie") {
            return;
        }
        value.extend_from_slice(element);
        value.extend_from_slice(b", ");
    }
    value.extend_from_slice(b"Cookie");
    headers.replace_field("vary", &value);
}

fn has(headers: &impl Headers, name: &'static str) -> bool {
    headers.fields(name).next().is_some()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn with(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append_field(name, value.as_bytes(), false);
        }
        headers
    }

    fn values(headers: &HeaderMap, name: &'static str) -> Vec<String> {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        headers.fields(name).map(text).collect()
    }

    #[test]
    fn nothing_that_allows_to_keep_is_left() {
        for (before, after) in [
            (&[][..], "no-store"),
            (&["public, max-age=3600"], "no-store"),
            (&["Public", "S-MaxAge=5, immutable"], "no-store"),
            (&["no-store"], "no-store"),
            (&["no-store, no-store"], "no-store"),
            // Would undo `no-store`.
            (&["must-understand, no-store"], "no-store"),
            (&["max-age = 60"], "no-store"),
            (
                &["private, no-cache, max-age=0"],
                "no-store, private, no-cache",
            ),
            (
                &["no-transform", "must-revalidate"],
                "no-store, no-transform, must-revalidate",
            ),
            (
                &["private=\"a, public\", public"],
                "no-store, private=\"a, public\"",
            ),
            (
                &["stale-while-revalidate=60, stale-if-error=60"],
                "no-store",
            ),
            // Where the quotation ends cannot be told.
            (&["private, x=\"a, public", "\"b"], "no-store, private"),
        ] {
            let mut headers = with("cache-control", before);
            no_store(&mut headers);
            assert_eq!(values(&headers, "cache-control"), [after], "{before:?}");
        }
    }

    #[test]
    fn caches_with_a_field_of_their_own_are_told_too() {
        let mut headers = with("cdn-cache-control", &["public, max-age=600"]);
        no_store(&mut headers);
        assert_eq!(values(&headers, "cdn-cache-control"), ["no-store"]);
        assert!(values(&headers, "surrogate-control").is_empty());
    }

    #[test]
    fn the_default_gives_way_to_what_the_application_says() {
        for name in ["cache-control", "cdn-cache-control"] {
            let mut headers = with(name, &["private, max-age=5"]);
            no_store_by_default(&mut headers);
            assert_eq!(values(&headers, name), ["private, max-age=5"]);
            assert_eq!(headers.len(), 1);
        }
        let mut headers = HeaderMap::new();
        no_store_by_default(&mut headers);
        assert_eq!(values(&headers, "cache-control"), ["no-store"]);
    }

    #[test]
    fn vary_gets_cookie_once() {
        for (before, after) in [
            (&[][..], &["Cookie"][..]),
            (&["Accept-Encoding"], &["Accept-Encoding, Cookie"]),
            (
                &["Origin", "Accept, Accept-Language"],
                &["Origin, Accept, Accept-Language, Cookie"],
            ),
            (&["accept, COOKIE"], &["accept, COOKIE"]),
            (&["*"], &["*"]),
            (&["Accept", "*"], &["Accept", "*"]),
            (&["X-Cookie"], &["X-Cookie, Cookie"]),
            // It has no quotations.
            (&["x=\"a"], &["x=\"a, Cookie"]),
        ] {
            let mut headers = with("vary", before);
            vary_by_cookie(&mut headers);
            vary_by_cookie(&mut headers);
            assert_eq!(values(&headers, "vary"), after, "{before:?}");
        }
    }
}
