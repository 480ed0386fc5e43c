//! What a client can present.

use crate::token::{Token, TokenText};

/// What [`Sessions::lookup`](crate::Sessions::lookup) takes: the text from a
/// cookie, or a [`Token`].
pub trait PresentedToken: sealed::Sealed {
    #[doc(hidden)]
    fn into_token(self) -> Option<Token>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for &str {}
    impl Sealed for &String {}
    impl Sealed for &[u8] {}
    impl Sealed for &crate::token::Token {}
    impl Sealed for &crate::token::TokenText {}
}

impl PresentedToken for &str {
    fn into_token(self) -> Option<Token> {
        Token::parse(self)
    }
}

impl PresentedToken for &String {
    fn into_token(self) -> Option<Token> {
        Token::parse(self)
    }
}

impl PresentedToken for &[u8] {
    fn into_token(self) -> Option<Token> {
        Token::parse(self)
    }
}

impl PresentedToken for &TokenText {
    fn into_token(self) -> Option<Token> {
        Token::parse(self.as_str())
    }
}

impl PresentedToken for &Token {
    fn into_token(self) -> Option<Token> {
        Some(self.clone())
    }
}
