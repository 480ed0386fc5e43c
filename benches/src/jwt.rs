//! JWTs, verified with `jsonwebtoken` on aws-lc.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::workload::{ROLE, Request, user};

/// What a small application keeps in a JWT.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    iat: u64,
    exp: u64,
    role: String,
}

/// A key, and how to verify with it.
#[derive(Debug)]
pub struct Verifier {
    algorithm: Algorithm,
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

impl Verifier {
    /// HMAC with SHA-256: whoever can verify can also sign.
    pub fn hs256() -> Self {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).unwrap();
        Self::new(
            Algorithm::HS256,
            EncodingKey::from_secret(&secret),
            DecodingKey::from_secret(&secret),
        )
    }

    /// ECDSA on P-256 with SHA-256.
    pub fn es256() -> Self {
        let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(signing, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(signing, document.as_ref()).unwrap();
        Self::new(
            Algorithm::ES256,
            EncodingKey::from_ec_der(document.as_ref()),
            DecodingKey::from_ec_der(pair.public_key().as_ref()),
        )
    }

    fn new(algorithm: Algorithm, signing: EncodingKey, verifying: DecodingKey) -> Self {
        Self {
            algorithm,
            signing,
            verifying,
            validation: Validation::new(algorithm),
        }
    }

    /// JWTs of as many sessions.
    pub fn issue(&self, count: usize) -> Vec<Request> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let issue = |number| {
            let claims = Claims {
                sub: user(number),
                iat: now.as_secs(),
                exp: now.as_secs() + 12 * 3_600,
                role: ROLE.into(),
            };
            let jwt = encode(&Header::new(self.algorithm), &claims, &self.signing).unwrap();
            Request::new(jwt, &claims.sub)
        };
        (0..count).map(issue).collect()
    }

    /// Whether the JWT is good and of the right user.
    pub fn is_right(&self, request: &Request) -> bool {
        self.verify(&request.key)
            .is_some_and(|claims| claims.sub == *request.user && claims.role == ROLE)
    }

    /// Whose JWT it is, if it is good.
    pub fn user(&self, jwt: &str) -> Option<String> {
        self.verify(jwt.as_bytes()).map(|claims| claims.sub)
    }

    fn verify(&self, jwt: &[u8]) -> Option<Claims> {
        let verified = decode::<Claims>(jwt, &self.verifying, &self.validation);
        verified.ok().map(|verified| verified.claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_is_right_for_its_user_only_and_not_when_altered() {
        for verifier in [Verifier::hs256(), Verifier::es256()] {
            let request = &verifier.issue(1)[0];
            assert!(verifier.is_right(request));
            let other = Request::new(&request.key, "mallory");
            assert!(!verifier.is_right(&other));
            let mut forged = request.clone();
            let signature = forged.key.len() - 20;
            forged.key[signature] ^= 1;
            assert!(!verifier.is_right(&forged));
        }
    }
}
