//! Reading the cookie of a request.

use revocable_core::Token;

use super::CookiePolicy;
use crate::headers::{Headers, trim};

/// Each costs a logout a lookup. As many as browsers keep of a domain at the
/// least (RFC 6265bis, section 6.1), so that none is pushed out by others.
const MAX_DUPLICATES: usize = 50;

/// What a request carries as its session's cookie.
#[derive(Debug, Clone)]
pub enum Presented {
    /// No cookie of this name.
    None,
    /// One, and it has the form of a token. Whether there is such a session is
    /// for [`Sessions::lookup`](revocable_core::Sessions::lookup) to say.
    Token(Token),
    /// One, which is no token: there is no session, and no store is asked.
    Malformed,
    /// More than one of this name, the same or not: one of them may have been
    /// planted, by a neighbouring host for example, to let the user act in
    /// somebody else's session. Which one cannot be told, so none counts.
    Duplicate,
}

impl Presented {
    /// The token, if there is exactly one.
    pub fn token(&self) -> Option<&Token> {
        match self {
            Self::Token(token) => Some(token),
            Self::None | Self::Malformed | Self::Duplicate => None,
        }
    }
}

impl CookiePolicy {
    /// Reads the cookie from the `Cookie` fields of a request, of which HTTP/2
    /// and HTTP/3 may have many (RFC 9113, section 8.2.3).
    ///
    /// Names are compared byte by byte. Pairs end at a semicolon, whatever is
    /// quoted (RFC 6265bis, section 4.2.1): a reader that looks for the end of a
    /// quotation can be made to take other cookies for a part of one. Nothing is
    /// decoded: a token needs no quotes and no percent signs, and with them it is
    /// malformed.
    ///
    /// One pass without allocation, whatever is in the header.
    pub fn read(&self, headers: &impl Headers) -> Presented {
        self.read_fields(headers.fields("cookie"))
    }

    /// As [`read`](Self::read), from the values of the `Cookie` fields.
    pub fn read_fields<'a>(&self, fields: impl IntoIterator<Item = &'a [u8]>) -> Presented {
        let mut values = self.values(fields);
        match (values.next(), values.next()) {
            (None, _) => Presented::None,
            (Some(_), Some(_)) => Presented::Duplicate,
            (Some(value), None) => {
                Token::parse(value).map_or(Presented::Malformed, Presented::Token)
            }
        }
    }

    /// What are tokens among the cookies of the name, if there are several: none
    /// counts, and a logout is for each.
    pub(crate) fn read_duplicates(&self, headers: &impl Headers) -> Vec<Token> {
        let values = self.values(headers.fields("cookie"));
        values
            .filter_map(Token::parse)
            .take(MAX_DUPLICATES)
            .collect()
    }

    fn values<'a>(
        &self,
        fields: impl IntoIterator<Item = &'a [u8]>,
    ) -> impl Iterator<Item = &'a [u8]> {
        fields
            .into_iter()
            .flat_map(|field| field.split(|&byte| byte == b';'))
            .filter_map(|pair| value_of(trim(pair), self.name().as_bytes()))
    }
}

/// The value of a pair, if it has this name.
fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    pair.strip_prefix(name)?.strip_prefix(b"=")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{block_on, sessions};

    fn token_text() -> String {
        let (token, _) = block_on(sessions().create("alice")).unwrap();
        token.expose().as_str().to_owned()
    }

    fn read(fields: &[&[u8]]) -> Presented {
        CookiePolicy::default().read_fields(fields.iter().copied())
    }

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let token = token_text();
        let with = |header: &str| header.replace('T', &token);
        for header in [
            "__Host-session=T",
            "a=1; __Host-session=T",
            "__Host-session=T; a=1",
            "a=1;__Host-session=T;b",
            "  \t__Host-session=T\t ;",
            ";;; =; a; =b; __Host-session=T",
            // Other names, in spite of all likeness.
            "__host-session=x; __Host-session=T; __HOST-SESSION=y",
            "__Host-session =x; __Host-session=T",
            "__Host-sessions=x; __Host-session=T; x__Host-session=y",
            "=__Host-session=x; __Host-session=T",
            "\u{2000}__Host-session=x; __Host-session=T",
            "\u{a0}__Host-session=x; __Host-session=T; \u{85}__Host-session=y",
            "\"__Host-session\"=x; __Host-session=T",
            "%5f_Host-session=x; __Host-session=T",
        ] {
            let presented = read(&[with(header).as_bytes()]);
            let found = presented.token().map(Token::expose);
            assert_eq!(found.as_deref(), Some(&*token), "{header}: {presented:?}");
        }
        // HTTP/2 splits the header; bytes that are no UTF-8 are somebody else's.
        let own = format!("__Host-session={token}");
        assert!(matches!(
            read(&[b"a=\xff\xfe", own.as_bytes(), b"\x80"]),
            Presented::Token(_)
        ));
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        let token = token_text();
        for value in [
            String::new(),
            "x".to_owned(),
            format!("\"{token}\""),
            format!("{token}="),
            format!("={token}"),
            format!("{token} x"),
            format!("{token}, a=1"),
            format!("{token}\u{2000}"),
            token[1..].to_owned(),
            token.replace(&token[..1], "%41"),
            "A".repeat(1 << 20),
        ] {
            let header = format!("__Host-session={value}");
            let presented = read(&[header.as_bytes()]);
            assert!(matches!(presented, Presented::Malformed), "{presented:?}");
        }
    }

    #[test]
    fn a_second_cookie_of_the_name_is_refused_wherever_it_is() {
        let own = format!("__Host-session={}", token_text());
        let planted = format!("__Host-session={}", token_text());
        for fields in [
            vec![format!("{own}; {planted}")],
            vec![format!("{planted}; {own}")],
            vec![format!("{own}; {own}")],
            vec![format!("{own}; __Host-session=")],
            vec![format!("__Host-session=x; a=1; {own}")],
            vec![own.clone(), planted.clone()],
            vec![own.clone(), "a=1".to_owned(), planted.clone()],
            // A quotation hides nothing.
            vec![format!("{own}; a=\"; {planted}; b=\"")],
            // Nor does the syntax of RFC 2965.
            vec![format!("$Version=1; {own}; $Path=/; {planted}")],
        ] {
            let fields: Vec<_> = fields.iter().map(String::as_bytes).collect();
            let presented = read(&fields);
            assert!(matches!(presented, Presented::Duplicate), "{presented:?}");
        }
    }

    #[test]
    fn a_quotation_that_is_cut_off_by_a_semicolon_takes_no_other_cookie_along() {
        let token = token_text();
        let header = format!("__Host-session=\"a; b={token}; c=d\"");
        assert!(matches!(read(&[header.as_bytes()]), Presented::Malformed));
    }

    #[test]
    fn thousands_of_cookies_are_read_in_one_pass() {
        let own = format!("__Host-session={}", token_text());
        let many = "a=1; ".repeat(100_000) + &own;
        assert!(matches!(read(&[many.as_bytes()]), Presented::Token(_)));
        let fields = vec![&b"__Host-sessio="[..]; 100_000];
        assert!(matches!(read(&fields), Presented::None));
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = token_text();
        let shown = format!(
            "{:?}",
            read(&[format!("__Host-session={token}").as_bytes()])
        );
        assert!(!shown.contains(&token[22..]), "{shown}");
        let shown = format!("{:?}", read(&[b"__Host-session=nearly-a-token"]));
        assert!(!shown.contains("nearly"), "{shown}");
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_are_read_without_panic(
            fields in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), 0..4),
        ) {
            let fields: Vec<_> = fields.iter().map(Vec::as_slice).collect();
            proptest::prop_assert!(read(&fields).token().is_none());
        }

        #[test]
        fn bytes_like_cookies_are_read_as_their_number_says(
            parts in proptest::collection::vec("(__Host-session=?|a=1|=|;|\"| |\t|x)", 0..30),
        ) {
            let header = parts.concat();
            let named = header
                .split(';')
                .filter(|pair| pair.trim_matches([' ', '\t']).starts_with("__Host-session="))
                .count();
            let presented = read(&[header.as_bytes()]);
            let expected = match presented {
                Presented::None => named == 0,
                Presented::Malformed => named == 1,
                Presented::Duplicate => named > 1,
                Presented::Token(_) => false,
            };
            proptest::prop_assert!(expected, "{:?} of {:?}", presented, header);
        }
    }
}
