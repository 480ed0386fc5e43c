//! What is announced, as bytes.
//!
//! ```text
//! 1   version, 1
//! 1   kind: e ended · c changed · a everything ended · m mark
//! 16  which store did it
//!     ended:       1+n reason; then for each: 1+n user, 16 ID
//!     changed:     16 ID
//!     everything:  8 how many, big endian; reason
//!     mark:        16 mark; the state of the server's data, see `mark.lua`
//! ```

use revocable_core::{EndReason, Ended, Notice, SessionId};
use revocable_remote::{Instance, Message};

use crate::keys::split_member;

const VERSION: u8 = 1;

/// Reads a message that came through this part; `None` for one that this version cannot
/// read.
pub(crate) fn read(bytes: &[u8], me: &Instance, part: usize) -> Option<Message> {
    let (&[VERSION, kind], rest) = bytes.split_first_chunk()? else {
        return None;
    };
    let (by, rest) = rest.split_first_chunk::<16>()?;
    let own = by == me;
    let notice = match kind {
        b'e' => {
            let (length, rest) = rest.split_first()?;
            let (reason, mut rest) = rest.split_at_checked(usize::from(*length))?;
            let reason = reason_of(reason)?;
            let mut ended = Vec::new();
            while !rest.is_empty() {
                let (user, id, more) = split_member(rest)?;
                ended.push(Ended { id, user, reason });
                rest = more;
            }
            Notice::Ended { ended, own }
        }
        b'c' => Notice::Changed(SessionId::from_slice(rest)?),
        b'a' => {
            let (count, reason) = rest.split_first_chunk()?;
            Notice::EverythingEnded {
                count: u64::from_be_bytes(*count),
                reason: reason_of(reason)?,
                own,
            }
        }
        b'm' => {
            let (mark, state) = rest.split_first_chunk()?;
            return Some(Message::Mark {
                by: *by,
                mark: *mark,
                part,
                state: state.to_vec(),
            });
        }
        _ => return None,
    };
    Some(Message::Notice(notice))
}

fn reason_of(name: &[u8]) -> Option<EndReason> {
    Some(EndReason::from_name(std::str::from_utf8(name).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocable_core::{Bucket, UserId};

    const ME: Instance = [7; 16];

    fn message(kind: u8, by: Instance, rest: &[&[u8]]) -> Vec<u8> {
        [&[VERSION, kind][..], &by, &rest.concat()].concat()
    }

    fn id() -> SessionId {
        SessionId::new(1, Bucket::of(&UserId::new("al").unwrap()), [3; 8])
    }

    #[test]
    fn what_the_scripts_announce_is_read() {
        let id_bytes = id().as_bytes().to_vec();
        let rest: [&[u8]; 5] = [b"\x0alogged_out", b"\x02al", &id_bytes, b"\0", &id_bytes];
        let ended = |user| Ended {
            id: id(),
            user,
            reason: EndReason::LoggedOut,
        };
        assert_eq!(
            read(&message(b'e', ME, &rest), &ME, 0),
            Some(Message::Notice(Notice::Ended {
                ended: vec![ended(UserId::new("al").ok()), ended(None)],
                own: true
            }))
        );
        assert_eq!(
            read(&message(b'c', ME, &[&id_bytes]), &ME, 0),
            Some(Message::Notice(Notice::Changed(id())))
        );
        let rest: [&[u8]; 2] = [&9_u64.to_be_bytes(), b"administrator"];
        assert_eq!(
            read(&message(b'a', [8; 16], &rest), &ME, 0),
            Some(Message::Notice(Notice::EverythingEnded {
                count: 9,
                reason: EndReason::Administrator,
                own: false
            }))
        );
    }

    #[test]
    fn what_cannot_be_read_is_no_notice() {
        let id_bytes = id().as_bytes().to_vec();
        let rest: [&[u8]; 3] = [b"\x0alogged_out", b"\x02al", &id_bytes];
        let ended = message(b'e', ME, &rest);
        // With fewer it is a shorter notice: none of nobody.
        for length in (0..ended.len()).filter(|length| *length != ended.len() - 19) {
            assert_eq!(read(&ended[..length], &ME, 0), None, "{length}");
        }
        assert_eq!(read(&message(b'?', ME, &[]), &ME, 0), None);
        let mut newer = ended;
        newer[0] = 2;
        assert_eq!(read(&newer, &ME, 0), None);
    }
}
