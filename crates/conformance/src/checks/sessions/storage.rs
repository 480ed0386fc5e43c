//! What is stored: there after a reopen, of no use to a thief, and missed when
//! it is away.

use revocable_core::{Rejection, SweepBudget, Token};

use super::{IDLE, Managed};
use crate::check::{Stop, ensure};
use crate::fixture::Context;

pub(super) fn reopened(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let (kept, replaced, revoked, swept) = {
        let managed = Managed::new(&store)?;
        let user = store.user();
        let sessions = &managed.sessions;
        let (swept, _) = managed.login(&user)?;
        managed.clock.advance(IDLE);
        managed.block_on(sessions.sweep(SweepBudget::default()))?;
        let (replaced, _) = managed.login(&user)?;
        let (revoked, _) = managed.login(&user)?;
        let renewed = managed.block_on(sessions.renew_now(&replaced))?;
        let Some((kept, _)) = renewed else {
            return Err(Stop::failed("a live session was not renewed"));
        };
        managed.block_on(sessions.revoke(revoked.id()))?;
        (kept, replaced, revoked, swept)
    };
    let store = context.reopen(store)?;
    let managed = Managed::new(&store)?;
    managed.clock.advance(IDLE);
    managed.ensure_live(&kept, "after a reopen")?;
    managed.ensure_rejected(&revoked, Rejection::Unknown, "revoked before a reopen")?;
    managed.ensure_rejected(&swept, Rejection::Unknown, "swept before a reopen")?;
    let rejected = managed.inspect(&replaced)?.is_err();
    ensure(rejected, "a token replaced before a reopen is good again")
}

pub(super) fn broken(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let managed = Managed::new(&store)?;
    let user = store.user();
    let sessions = &managed.sessions;
    let (token, session) = managed.login(&user)?;
    let (revoked, _) = managed.login(&user)?;
    managed.block_on(sessions.revoke(revoked.id()))?;
    if !context.harness.break_store(&store.name, &store.inner) {
        return Err(Stop::skipped("the harness does not break the store"));
    }
    for token in [&token, &revoked] {
        let found = managed.block_on(sessions.lookup(token));
        ensure(found.is_err(), format!("a lookup gave {found:?}"))?;
        let renewed = managed.block_on(sessions.renew(token));
        ensure(renewed.is_err(), "a renewal gave an answer")?;
    }
    ensure(managed.login(&user).is_err(), "a login succeeded")?;
    let attempt = managed.block_on(sessions.begin_login(&user));
    ensure(attempt.is_err(), "a login began")?;
    let watch = managed.block_on(sessions.watch(session.id()));
    ensure(watch.is_err(), "a watch began")?;
    let revoked = managed.block_on(sessions.revoke(session.id()));
    ensure(revoked.is_err(), "a revocation was acknowledged")
}

pub(super) fn leaked(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let managed = Managed::new(&store)?;
    let sessions = &managed.sessions;
    let user = store.user();
    let (first, session) = managed.login(&user)?;
    let renewed = managed.block_on(sessions.renew(&first))?;
    let second = renewed.and_then(|renewed| renewed.token);
    let third = managed.block_on(sessions.renew_now(&first))?;
    managed.block_on(sessions.update_data(&session, *b"the application's own"))?;
    let (revoked, _) = managed.login(&user)?;
    managed.block_on(sessions.revoke(revoked.id()))?;
    let tokens = [
        Some(first),
        second,
        third.map(|(token, _)| token),
        Some(revoked),
    ];

    let Some(dump) = context.harness.dump(&store.name, &store.inner) else {
        return Err(Stop::skipped("the harness has no dump of what was written"));
    };
    let key = session.user().as_str().as_bytes();
    ensure(
        contains(&dump, key),
        "the dump does not hold the user's key, so it is not what was written",
    )?;
    for token in tokens.iter().flatten() {
        if let Some(form) = secret_in(&dump, token) {
            return Err(Stop::failed(format!("the secret was stored as {form}")));
        }
    }
    Ok(())
}

/// In which form the token's secret stands in these bytes.
fn secret_in(dump: &[u8], token: &Token) -> Option<&'static str> {
    let text = token.expose();
    // Without the ID, which is public: 24 characters are 18 bytes.
    let text = &text.as_bytes()[24..];
    let secret = decode(text);
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let forms: [(&str, &[u8]); 4] = [
        ("text", text),
        ("bytes", &secret),
        ("hexadecimal digits", hex.as_bytes()),
        (
            "capital hexadecimal digits",
            &hex.to_uppercase().into_bytes(),
        ),
    ];
    // Any half of it is too much.
    forms
        .iter()
        .find(|(_, form)| {
            let (left, right) = form.split_at(form.len() / 2);
            contains(dump, left) || contains(dump, right)
        })
        .map(|(name, _)| *name)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// base64url, of whole groups of four.
fn decode(text: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = |c: &u8| ALPHABET.iter().position(|other| other == c).unwrap_or(0) as u32;
    text.chunks_exact(4)
        .flat_map(|group| {
            let bits = group.iter().fold(0, |bits, c| bits << 6 | value(c));
            [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form() {
        let text = "AaIKrlFAjRSBXAKJ7C0Kkcr-4OHi4-Tl5ufo6err7O3u7_Dx8vP09fb3-Pn6-_z9";
        let token = Token::parse(text).unwrap();
        let secret = decode(&text.as_bytes()[24..]);
        assert_eq!(secret, (0xe0..0xe0 + 30).collect::<Vec<u8>>());
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let stored = |form: &[u8]| [b"before", form, b"after"].concat();
        assert!(secret_in(&stored(text.as_bytes()), &token).is_some());
        assert!(secret_in(&stored(&secret), &token).is_some());
        assert!(secret_in(&stored(&secret[15..]), &token).is_some());
        assert!(secret_in(&stored(hex.as_bytes()), &token).is_some());
        assert!(secret_in(&stored(hex.to_uppercase().as_bytes()), &token).is_some());
        assert!(secret_in(&stored(token.digest().as_bytes()), &token).is_none());
        assert!(secret_in(&stored(&text.as_bytes()[..24]), &token).is_none());
    }
}
