//! actix-web's header map as `revocable-http` reads and writes it.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use revocable_http::{Headers, HeadersMut};

/// The header fields of a request.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a HeaderMap);

/// The header fields of a response.
pub(crate) struct FieldsMut<'a>(pub(crate) &'a mut HeaderMap);

impl Headers for Fields<'_> {
    fn fields<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(name).map(HeaderValue::as_bytes)
    }
}

impl Headers for FieldsMut<'_> {
    fn fields<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(name).map(HeaderValue::as_bytes)
    }
}

impl HeadersMut for FieldsMut<'_> {
    fn append_field(&mut self, name: &'static str, value: &[u8], sensitive: bool) {
        // By the contract of the trait there is no other value.
        if let Ok(mut value) = HeaderValue::from_bytes(value) {
            value.set_sensitive(sensitive);
            self.0.append(HeaderName::from_static(name), value);
        }
    }

    fn replace_field(&mut self, name: &'static str, value: &[u8]) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            self.0.insert(HeaderName::from_static(name), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensitive_value_is_marked_and_others_are_kept() {
        let mut headers = HeaderMap::new();
        let mut fields = FieldsMut(&mut headers);
        fields.append_field("set-cookie", b"a=1", false);
        fields.append_field("set-cookie", b"b=2", true);
        let values: Vec<_> = headers.get_all("set-cookie").collect();
        assert_eq!(values, ["a=1", "b=2"]);
        assert!(!values[0].is_sensitive() && values[1].is_sensitive());
        let mut fields = FieldsMut(&mut headers);
        fields.replace_field("set-cookie", b"c=3");
        assert!(fields.fields("set-cookie").eq([b"c=3"]));
    }
}
