//! Records as bytes, for stores that keep bytes.
//!
//! ```text
//! 1   format, 1
//! 16  ID
//! 32  digest
//! 8   created_ms          all numbers big endian, times signed
//! 8   authenticated_ms
//! 8   last_seen_ms
//! 8   expires_ms
//! 8   idle_timeout_ms
//! 8   version
//! 1   previous: 0 none · 1 unconfirmed · 2 presented · 3 immediate
//!     if not none:   32 digest, 8 replaced_ms
//!     unconfirmed:   32 salt
//!     presented:     8 at_ms
//! 1   IP address: 0 none · 4 · 6, and 4 or 16 bytes
//! 2+n user agent, length first; 0 for none
//! 1+n label
//! 1+n user
//! 4+n data
//! 4   CRC-32 of everything before
//! ```
//!
//! A record of any released format stays readable. The checksum finds damage
//! (every single-bit flip, every burst of up to 32 bits); it is no protection
//! against somebody who can write to the store.

use std::net::IpAddr;

use crate::id::SessionId;
use crate::record::{Client, Previous, Record, Successor};
use crate::token::{Digest, Salt};
use crate::user::UserId;

const FORMAT: u8 = 1;
const CHECKSUM_LEN: usize = 4;

/// The bytes are not a record that this version can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Damaged, cut off, or never a record.
    #[error("the record is damaged")]
    Damaged,
    /// Written by a newer version of this crate.
    #[error("the record has the unknown format {0}")]
    UnknownFormat(u8),
}

impl Record {
    /// The record as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.data.len());
        out.push(FORMAT);
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(self.digest.as_bytes());
        for time in [
            self.created_ms,
            self.authenticated_ms,
            self.last_seen_ms,
            self.expires_ms,
            self.idle_timeout_ms,
        ] {
            out.extend_from_slice(&time.to_be_bytes());
        }
        out.extend_from_slice(&self.version.to_be_bytes());
        match &self.previous {
            None => out.push(0),
            Some(previous) => {
                out.push(match previous.successor {
                    Successor::Unconfirmed { .. } => 1,
                    Successor::Presented { .. } => 2,
                    Successor::Immediate => 3,
                });
                out.extend_from_slice(previous.digest.as_bytes());
                out.extend_from_slice(&previous.replaced_ms.to_be_bytes());
                match previous.successor {
                    Successor::Unconfirmed { salt } => out.extend_from_slice(salt.as_bytes()),
                    Successor::Presented { at_ms } => out.extend_from_slice(&at_ms.to_be_bytes()),
                    Successor::Immediate => {}
                }
            }
        }
        match self.client.ip() {
            None => out.push(0),
            Some(IpAddr::V4(ip)) => {
                out.push(4);
                out.extend_from_slice(&ip.octets());
            }
            Some(IpAddr::V6(ip)) => {
                out.push(6);
                out.extend_from_slice(&ip.octets());
            }
        }
        // The types bound these lengths: 512, 128 and 255 bytes.
        let user_agent = self.client.user_agent().unwrap_or_default();
        out.extend_from_slice(&(user_agent.len() as u16).to_be_bytes());
        out.extend_from_slice(user_agent.as_bytes());
        for text in [self.client.label().unwrap_or_default(), self.user.as_str()] {
            out.push(text.len() as u8);
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(&(self.data.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.data);
        let checksum = crc32fast::hash(&out);
        out.extend_from_slice(&checksum.to_be_bytes());
        out
    }

    /// Reads a record back. Takes any bytes: allocates no more than they are
    /// long, and never panics.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for anything that [`Record::encode`] of this or an
    /// earlier version did not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let damaged = DecodeError::Damaged;
        let (content, checksum) = bytes
            .len()
            .checked_sub(CHECKSUM_LEN)
            .map(|at| bytes.split_at(at))
            .ok_or(damaged)?;
        if crc32fast::hash(content).to_be_bytes() != checksum {
            return Err(damaged);
        }
        let mut input = Input(content);
        match input.byte() {
            Some(FORMAT) => {}
            Some(format) => return Err(DecodeError::UnknownFormat(format)),
            None => return Err(damaged),
        }
        let record = input.record().ok_or(damaged)?;
        // Nothing may follow, and there is one encoding of each record.
        if input.0.is_empty() {
            Ok(record)
        } else {
            Err(damaged)
        }
    }
}

/// The bytes that are still to be read. Every method is `None` at the end.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn time(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn text(&mut self, len: usize) -> Option<&'a str> {
        std::str::from_utf8(self.take(len)?).ok()
    }

    fn record(&mut self) -> Option<Record> {
        let id = SessionId::from_bytes(self.array()?)?;
        let digest = Digest::from_bytes(self.array()?);
        let created_ms = self.time()?;
        let authenticated_ms = self.time()?;
        let last_seen_ms = self.time()?;
        let expires_ms = self.time()?;
        let idle_timeout_ms = self.time()?;
        let version = u64::from_be_bytes(self.array()?);
        let previous = self.previous()?;
        let client = self.client()?;
        let user_len = self.byte()?;
        let user = UserId::new(self.text(user_len.into())?).ok()?;
        let data_len = usize::try_from(u32::from_be_bytes(self.array()?)).ok()?;
        let data = self.take(data_len)?.into();
        let record = Record {
            id,
            user,
            digest,
            previous,
            created_ms,
            authenticated_ms,
            last_seen_ms,
            expires_ms,
            idle_timeout_ms,
            version,
            client,
            data,
        };
        (record.data.len() <= Record::MAX_DATA_LEN && idle_timeout_ms > 0).then_some(record)
    }

    fn previous(&mut self) -> Option<Option<Box<Previous>>> {
        let tag = self.byte()?;
        if tag == 0 {
            return Some(None);
        }
        let digest = Digest::from_bytes(self.array()?);
        let replaced_ms = self.time()?;
        let successor = match tag {
            1 => Successor::Unconfirmed {
                salt: Salt::from_bytes(self.array()?),
            },
            2 => Successor::Presented {
                at_ms: self.time()?,
            },
            3 => Successor::Immediate,
            _ => return None,
        };
        Some(Some(Box::new(Previous {
            digest,
            replaced_ms,
            successor,
        })))
    }

    fn client(&mut self) -> Option<Client> {
        let ip = match self.byte()? {
            0 => None,
            4 => Some(IpAddr::from(self.array::<4>()?)),
            6 => Some(IpAddr::from(self.array::<16>()?)),
            _ => return None,
        };
        let user_agent_len = u16::from_be_bytes(self.array()?);
        let user_agent = self.text(user_agent_len.into())?;
        let label_len = self.byte()?;
        let label = self.text(label_len.into())?;
        let present = |text: &'a str| (!text.is_empty()).then_some(text);
        Client::from_parts(present(user_agent), ip, present(label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Bucket;

    fn records() -> Vec<Record> {
        let user = UserId::new("alice").unwrap();
        let plain = Record {
            id: SessionId::new(1_700_000_000_000, Bucket::of(&user), [3; 8]),
            user,
            digest: Digest::from_bytes([5; 32]),
            previous: None,
            created_ms: i64::MIN,
            authenticated_ms: -1,
            last_seen_ms: 0,
            expires_ms: i64::MAX,
            idle_timeout_ms: 1,
            version: u64::MAX,
            client: Client::new(),
            data: Box::default(),
        };
        let previous = |successor| {
            Some(Box::new(Previous {
                digest: Digest::from_bytes([6; 32]),
                replaced_ms: 7,
                successor,
            }))
        };
        let salt = Salt::from_bytes([8; 32]);
        vec![
            plain.clone(),
            Record {
                previous: previous(Successor::Unconfirmed { salt }),
                client: Client::new()
                    .with_user_agent("agent")
                    .with_ip([127, 0, 0, 1].into())
                    .with_label("phone")
                    .unwrap(),
                data: b"data"[..].into(),
                ..plain.clone()
            },
            Record {
                previous: previous(Successor::Presented { at_ms: 9 }),
                client: Client::new().with_ip([1; 16].into()),
                ..plain.clone()
            },
            Record {
                previous: previous(Successor::Immediate),
                ..plain
            },
        ]
    }

    #[test]
    fn records_are_read_back() {
        for record in records() {
            assert_eq!(Record::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn no_flipped_bit_and_no_cut_goes_unseen() {
        for record in records() {
            let bytes = record.encode();
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(Record::decode(&flipped).is_err(), "bit {bit}");
            }
            for len in 0..bytes.len() {
                assert!(Record::decode(&bytes[..len]).is_err(), "length {len}");
            }
        }
    }

    fn with_checksum(mut content: Vec<u8>) -> Vec<u8> {
        let checksum = crc32fast::hash(&content);
        content.extend_from_slice(&checksum.to_be_bytes());
        content
    }

    #[test]
    fn a_newer_format_is_named() {
        assert_eq!(
            Record::decode(&with_checksum(vec![2, 0, 0])),
            Err(DecodeError::UnknownFormat(2))
        );
    }

    #[test]
    fn lengths_that_lie_are_damage() {
        let bytes = records()[0].encode();
        let content = &bytes[..bytes.len() - CHECKSUM_LEN];
        let mut huge = content.to_vec();
        let at = huge.len() - 4;
        huge[at..].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(
            Record::decode(&with_checksum(huge)),
            Err(DecodeError::Damaged)
        );
        let mut more = content.to_vec();
        more.push(0);
        assert_eq!(
            Record::decode(&with_checksum(more)),
            Err(DecodeError::Damaged)
        );
    }

    /// The bytes of format 1, written down: a change of the code that breaks
    /// stored sessions is seen here.
    #[test]
    fn format_1_stays_readable() {
        let mut content = vec![1];
        content.extend_from_slice(records()[0].id.as_bytes());
        content.extend_from_slice(&[5; 32]);
        for time in [i64::MIN, -1, 0, i64::MAX, 1] {
            content.extend_from_slice(&time.to_be_bytes());
        }
        content.extend_from_slice(&[0xff; 8]);
        content.extend_from_slice(&[0, 0, 0, 0, 0, 5]);
        content.extend_from_slice(b"alice\0\0\0\0");
        assert_eq!(
            Record::decode(&with_checksum(content)),
            Ok(records()[0].clone())
        );
    }
}
