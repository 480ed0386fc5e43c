//! The token in a form.

use bytes::Bytes;
use http::{HeaderMap, header};
use revocable_http::CsrfPolicy;

/// Whether the body is a form whose fields can be read: one of the type that
/// browsers send unless told otherwise, and not compressed.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    let Some(content_type) = content_type.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = content_type.split(';').next().unwrap_or_default();
    essence
        .trim_ascii()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && !headers.contains_key(header::CONTENT_ENCODING)
}

/// The beginning of a form, up to a limit.
pub(super) struct Reading {
    limit: usize,
    read: Vec<u8>,
    /// Whether the form goes on after what was read.
    is_cut: bool,
}

impl Reading {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            read: Vec::new(),
            is_cut: false,
        }
    }

    /// Adds what came next. What is left of it over the limit, once that is
    /// reached.
    pub(super) fn add(&mut self, mut data: Bytes) -> Option<Bytes> {
        let room = self.limit - self.read.len();
        let left = (data.len() > room).then(|| data.split_off(room));
        self.is_cut = left.is_some();
        self.read.extend_from_slice(&data);
        left
    }

    /// What was read.
    pub(super) fn read(&self) -> &[u8] {
        &self.read
    }

    /// The body failed before its end.
    pub(super) fn fail(&mut self) {
        self.is_cut = true;
    }

    /// The token, if the form has one. Two are none that is good: which one the
    /// application would take is not known.
    pub(super) fn token(&self) -> Option<Vec<u8>> {
        let whole = match self.is_cut {
            // The last field may go on.
            true => {
                let end = self.read.iter().rposition(|&byte| byte == b'&');
                &self.read[..end.unwrap_or_default()]
            }
            false => &self.read[..],
        };
        let mut tokens = form_urlencoded::parse(whole)
            .filter(|(name, _)| name == CsrfPolicy::FORM_FIELD)
            .map(|(_, token)| token.into_owned().into_bytes());
        let token = tokens.next()?;
        Some(match tokens.next() {
            None => token,
            Some(_) => Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(form: &str, limit: usize) -> Option<String> {
        let mut reading = Reading::new(limit);
        for chunk in form.as_bytes().chunks(3) {
            if reading.add(Bytes::copy_from_slice(chunk)).is_some() {
                break;
            }
        }
        let token = reading.token()?;
        Some(String::from_utf8(token).unwrap())
    }

    #[test]
    fn a_token_is_found_where_browsers_write_it() {
        for (form, expected) in [
            ("csrf_token=abc-_", Some("abc-_")),
            ("a=1&csrf_token=abc&b=2", Some("abc")),
            ("a=1&csrf%5Ftoken=a%62c", Some("abc")),
            ("csrf_token=", Some("")),
            ("csrf_token", Some("")),
            ("", None),
            ("xcsrf_token=abc", None),
            ("a=csrf_token=abc", None),
            // Two of them.
            ("csrf_token=abc&csrf_token=abc", Some("")),
        ] {
            assert_eq!(token(form, 1_000).as_deref(), expected, "{form}");
        }
    }

    #[test]
    fn a_field_that_goes_on_after_the_limit_is_not_taken() {
        let form = "a=1&csrf_token=abc&b=2";
        for limit in 0..=form.len() {
            let expected = (limit > "a=1&csrf_token=abc".len()).then_some("abc");
            assert_eq!(token(form, limit).as_deref(), expected, "{limit}");
        }
        assert_eq!(token("csrf_token=abc", 14).as_deref(), Some("abc"));
        assert_eq!(token("csrf_token=abc", 13), None);
    }

    #[test]
    fn only_plain_forms_are_read() {
        let is = |content_type: &str, encoding: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            if let Some(encoding) = encoding {
                headers.insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
            }
            is_form(&headers)
        };
        assert!(is("application/x-www-form-urlencoded", None));
        assert!(is(
            "Application/X-WWW-Form-Urlencoded ; charset=utf-8",
            None
        ));
        assert!(!is("application/x-www-form-urlencoded", Some("gzip")));
        assert!(!is("application/json", None));
        assert!(!is_form(&HeaderMap::new()));
    }
}
