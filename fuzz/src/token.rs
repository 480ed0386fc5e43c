//! The parser of tokens accepts exactly what is printed for a token.

use revocable::{SessionId, Token, UserId};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Parses the bytes as a token, an ID and a user.
///
/// # Panics
///
/// If a parser takes or refuses what it must not, or does not print the same.
pub fn check(data: &[u8]) {
    let parsed = Token::parse(data);
    assert_eq!(
        parsed.is_some(),
        bytes_of_a_token(data).is_some(),
        "the parser differs from the definition"
    );
    if let Some(token) = parsed {
        let bytes = bytes_of_a_token(data).expect("it was compared");
        assert_eq!(token.expose().as_bytes(), data, "not canonical");
        assert_eq!(token.id().as_bytes()[..], bytes[..SessionId::LEN]);
        let again = Token::parse(&*token.expose()).expect("its own text");
        assert!(again.digest() == token.digest());
        assert!(!format!("{token:?}").contains(&token.expose()[22..]));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(id) = text.parse::<SessionId>() {
            assert_eq!(id.to_string(), text, "not canonical");
        }
        if let Ok(user) = UserId::new(text) {
            assert_eq!(user.as_str(), text);
        }
    }
}

/// The definition, in the plainest words: 64 characters of the alphabet, 6 bits
/// each; version 8 in byte 6, variant 0b10 in byte 8.
fn bytes_of_a_token(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() != 64 {
        return None;
    }
    let mut bits = Vec::new();
    for character in text {
        let value = ALPHABET.iter().position(|other| other == character)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    let bytes: Vec<u8> = bits
        .chunks(8)
        .map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | *bit as u8))
        .collect();
    (bytes[6] >> 4 == 8 && bytes[8] >> 6 == 2).then_some(bytes)
}
