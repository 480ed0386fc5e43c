//! Header fields of any framework, as far as this crate needs them.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The header fields of a request or a response, to be read.
///
/// Implemented for [`http::HeaderMap`]. A framework with a header map of its
/// own implements this and [`HeadersMut`] for a wrapper around it, and has
/// everything in this crate.
pub trait Headers {
    /// The values of all fields with this name, in the order of the message,
    /// as bytes. The name is in lower case.
    fn fields<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]>;
}

/// The header fields of a response, to be changed.
///
/// Names are in lower case. Values are ones that a header may have: they are
/// visible ASCII, or parts of values that the same map had before.
pub trait HeadersMut: Headers {
    /// Adds a field beside those that are there.
    ///
    /// A `sensitive` value is a credential: it is marked as one that is never
    /// indexed by HPACK (RFC 7541, section 7.1.3) and never shown by `Debug`,
    /// if the map has such a mark.
    fn append_field(&mut self, name: &'static str, value: &[u8], sensitive: bool);

    /// Puts one field in the place of all that are there.
    fn replace_field(&mut self, name: &'static str, value: &[u8]);

    /// The same with a value that is there for as long as the program, for maps
    /// that need not copy it.
    fn replace_static_field(&mut self, name: &'static str, value: &'static str) {
        self.replace_field(name, value.as_bytes());
    }
}

impl Headers for HeaderMap {
    fn fields<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

impl HeadersMut for HeaderMap {
    fn append_field(&mut self, name: &'static str, value: &[u8], sensitive: bool) {
        // By the contract of the trait there is no other value.
        if let Ok(mut value) = HeaderValue::from_bytes(value) {
            value.set_sensitive(sensitive);
            self.append(HeaderName::from_static(name), value);
        }
    }

    fn replace_field(&mut self, name: &'static str, value: &[u8]) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            self.insert(HeaderName::from_static(name), value);
        }
    }

    fn replace_static_field(&mut self, name: &'static str, value: &'static str) {
        self.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
}

/// The only field with this name.
pub(crate) enum Only<'a> {
    None,
    One(&'a [u8]),
    Many,
}

impl<'a> Only<'a> {
    pub(crate) fn of(headers: &'a impl Headers, name: &'static str) -> Self {
        let mut fields = headers.fields(name);
        match (fields.next(), fields.next()) {
            (None, _) => Self::None,
            (Some(value), None) => Self::One(value),
            (Some(_), Some(_)) => Self::Many,
        }
    }
}

/// The elements of a comma-separated list (RFC 9110, section 5.6.1), without
/// the white space around them and without empty ones.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    elements(value.split(|&byte| byte == b','))
}

/// As [`list`], of elements with quoted strings, in which a comma separates
/// nothing. An element whose quotation does not end is left out.
pub(crate) fn list_with_quotes(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quotes = Quotes::default();
    let separates = move |&byte: &u8| !quotes.contain(byte) && byte == b',';
    elements(value.split(separates)).filter(|element| {
        let mut quotes = Quotes::default();
        element.iter().for_each(|&byte| {
            quotes.contain(byte);
        });
        !quotes.open
    })
}

fn elements<'a>(parts: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    parts.map(trim).filter(|element| !element.is_empty())
}

/// Quoted strings: RFC 9110, section 5.6.4.
#[derive(Default)]
struct Quotes {
    open: bool,
    escaped: bool,
}

impl Quotes {
    /// Whether the next byte is in a quoted string, the quotes included.
    fn contain(&mut self, byte: u8) -> bool {
        let was_open = self.open;
        if self.escaped {
            self.escaped = false;
        } else if byte == b'\\' {
            self.escaped = self.open;
        } else if byte == b'"' {
            self.open = !self.open;
        }
        was_open || self.open
    }
}

/// Without the spaces and tabs at both ends: optional white space of RFC 9110,
/// section 5.6.3, and no other. White space of Unicode is part of a name or a
/// value: who trims it can be shown `__Host-` cookies that no browser has
/// checked.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_at_commas_outside_of_quotes() {
        let elements: Vec<_> = list(br#" a ,, b="x, y" ,c"#).collect();
        assert_eq!(elements, [&b"a"[..], b"b=\"x", b"y\"", b"c"]);
        let elements: Vec<_> = list_with_quotes(br#"a, b="c, d, \", e"#).collect();
        assert_eq!(elements, [b"a"]);
        let elements: Vec<_> = list_with_quotes(br#" a ,, b="x, \", y" ,c"#).collect();
        assert_eq!(elements, [&b"a"[..], br#"b="x, \", y""#, b"c"]);
    }

    #[test]
    fn only_spaces_and_tabs_are_trimmed() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim("\u{2000}a".as_bytes()), "\u{2000}a".as_bytes());
        assert_eq!(trim(b"\x0ba"), b"\x0ba");
        assert_eq!(trim(b"  "), b"");
    }

    #[test]
    fn a_sensitive_value_is_marked_and_others_are_kept() {
        let mut headers = HeaderMap::new();
        headers.append_field("set-cookie", b"a=1", false);
        headers.append_field("set-cookie", b"b=2", true);
        let values: Vec<_> = headers.get_all("set-cookie").iter().collect();
        assert_eq!(values, ["a=1", "b=2"]);
        assert!(!values[0].is_sensitive() && values[1].is_sensitive());
    }
}
