//! What is announced, as text. A message has less than 8,000 bytes.
//!
//! ```text
//! 1   version, 1
//! 1   kind: e ended · c changed · a everything ended · m mark
//!     ended:       32 which store did it, reason, space, user, space, 32 for each ID
//!     changed:     32 ID
//!     everything:  32 which store did it, reason, space, about how many, decimal
//!     mark:        32 which store, 32 mark; the life of the store's data, see feed.rs
//! ```
//!
//! Bytes are in hexadecimal, the user's too.

use revocable_core::{EndReason, Ended, Mark, Notice, SessionId, UserId};
use revocable_remote::{Instance, Message};

/// A mark, to be followed by the life of the data.
pub(crate) fn mark(by: &Instance, mark: &Mark) -> String {
    format!("1m{}{}", hex(by), hex(mark))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a message; `None` for one that this version cannot read.
pub(crate) fn read(message: &str, me: &Instance) -> Option<Message> {
    let rest = message.strip_prefix('1')?;
    let (kind, rest) = rest.split_at_checked(1)?;
    if kind == "c" {
        let notice = Notice::Changed(SessionId::from_bytes(bytes(rest)?)?);
        return Some(Message::Notice(notice));
    }
    let (by, rest) = rest.split_at_checked(32)?;
    let by: Instance = bytes(by)?;
    let own = by == *me;
    let notice = match kind {
        "e" => {
            let (reason, rest) = rest.split_once(' ')?;
            let (user, mut ids) = rest.split_once(' ')?;
            let (user, reason) = (user_of(user)?, EndReason::from_name(reason));
            let mut ended = Vec::new();
            while !ids.is_empty() {
                let (id, rest) = ids.split_at_checked(32)?;
                // One that nobody can present has another form.
                if let Some(id) = SessionId::from_bytes(bytes(id)?) {
                    let user = user.clone();
                    ended.push(Ended { id, user, reason });
                }
                ids = rest;
            }
            Notice::Ended { ended, own }
        }
        "a" => {
            let (reason, count) = rest.split_once(' ')?;
            Notice::EverythingEnded {
                count: count.parse().ok()?,
                reason: EndReason::from_name(reason),
                own,
            }
        }
        "m" => {
            let (mark, life) = rest.split_at_checked(32)?;
            return Some(Message::Mark {
                by,
                mark: bytes(mark)?,
                part: 0,
                state: life.into(),
            });
        }
        _ => return None,
    };
    Some(Message::Notice(notice))
}

/// The user, if that is one.
fn user_of(hex: &str) -> Option<Option<UserId>> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let name: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    let name = String::from_utf8(name?).ok();
    Some(name.and_then(|name| UserId::new(name).ok()))
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes?.try_into().ok().filter(|_| rest.is_empty())
}

fn byte(&[high, low]: &[u8; 2]) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocable_core::Bucket;

    const ME: Instance = [7; 16];

    fn id() -> SessionId {
        SessionId::new(1, Bucket::of(&UserId::new("al").unwrap()), [3; 8])
    }

    #[test]
    fn what_the_functions_announce_is_read() {
        let (me, other, of) = (hex(&ME), hex(&[8; 16]), hex(id().as_bytes()));
        let ended = || Ended {
            id: id(),
            user: UserId::new("al").ok(),
            reason: EndReason::LoggedOut,
        };
        for (message, notice) in [
            (
                format!("1e{me}logged_out 616c {of}{of}"),
                Notice::Ended {
                    ended: vec![ended(), ended()],
                    own: true,
                },
            ),
            (format!("1c{of}"), Notice::Changed(id())),
            (
                format!("1a{other}administrator 9"),
                Notice::EverythingEnded {
                    count: 9,
                    reason: EndReason::Administrator,
                    own: false,
                },
            ),
        ] {
            assert_eq!(read(&message, &ME), Some(Message::Notice(notice)));
        }
        let message = mark(&ME, &[9; 16]) + "life";
        let is = Message::Mark {
            by: ME,
            mark: [9; 16],
            part: 0,
            state: "life".into(),
        };
        assert_eq!(read(&message, &ME), Some(is));
    }

    #[test]
    fn what_cannot_be_read_is_no_notice() {
        let (me, of) = (hex(&ME), hex(id().as_bytes()));
        let message = format!("1e{me}logged_out 616c {of}{of}");
        // With fewer it is a shorter notice.
        let whole = [message.len(), message.len() - 32, message.len() - 64];
        for length in (0..message.len()).filter(|length| !whole.contains(length)) {
            assert_eq!(read(&message[..length], &ME), None, "{length}");
        }
        for message in [
            "1?",
            "2c",
            "1c",
            "1aä",
            &format!("1a{me}x -1"),
            &format!("1e{me}x 6 "),
        ] {
            assert_eq!(read(message, &ME), None, "{message}");
        }
    }
}
