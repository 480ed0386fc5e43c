//! The members of a cluster that have buckets.

use redis::{ConnectionAddr, ConnectionInfo};
use revocable_core::{Bucket, Error, ErrorKind, Result};

use crate::keys::text;

/// How many slots there are.
const SLOTS: u16 = 16_384;

/// A primary.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: String,
    host: String,
    port: u16,
    /// One of those whose slots it has.
    pub(crate) bucket: Bucket,
}

impl Member {
    /// Where it is, if it is talked to like the others.
    pub(crate) fn place(&self, like: &ConnectionInfo) -> ConnectionInfo {
        let (host, port) = (self.host.clone(), self.port);
        let addr = match like.addr() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        like.clone().set_addr(addr)
    }
}

/// All that have a bucket's slot, in the order of their IDs, by what CLUSTER NODES says. An
/// error while slots are moved: then it is not clear who announces what.
pub(crate) fn members(nodes: &str, by_name: bool) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    let mut buckets = Buckets::default();
    for line in nodes.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        let [id, address, flags, _, _, _, _, _, slots @ ..] = &fields[..] else {
            return Err(unclear("the cluster's members are told in no known form"));
        };
        if !flags.split(',').any(|flag| flag == "master") {
            continue;
        }
        let mut first = None;
        for slots in slots {
            if slots.starts_with('[') {
                return Err(unclear("the cluster is moving slots"));
            }
            let range = range(slots);
            let (from, to) = range.ok_or_else(|| unclear("a member has no known slots"))?;
            first = first.or(buckets.take(from, to));
        }
        if let Some(bucket) = first {
            let (host, port) = address_of(address, by_name)
                .ok_or_else(|| unclear("a member of the cluster has no known address"))?;
            members.push(Member {
                id: (*id).to_owned(),
                host,
                port,
                bucket,
            });
        }
    }
    if !buckets.are_all_taken() {
        return Err(unclear("a part of the cluster has no server"));
    }
    members.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(members)
}

fn unclear(message: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, message)
}

/// `5` or `0-5460`.
fn range(slots: &str) -> Option<(u16, u16)> {
    let (from, to) = slots.split_once('-').unwrap_or((slots, slots));
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from <= to && to < SLOTS).then_some((from, to))
}

/// `10.0.0.1:6379@16379`, and with a comma the name of the host.
fn address_of(text: &str, by_name: bool) -> Option<(String, u16)> {
    let (address, name) = match text.split_once(',') {
        // There may be more behind it.
        Some((address, more)) => (address, more.split(',').next().unwrap_or_default()),
        None => (text, ""),
    };
    let (address, _) = address.split_once('@').unwrap_or((address, ""));
    let (host, port) = address.rsplit_once(':')?;
    // Certificates are for names.
    let host = if by_name && !name.is_empty() {
        name
    } else {
        host
    };
    (!host.is_empty()).then_some((host.to_owned(), port.parse().ok()?))
}

/// By their slots, those that nobody has yet.
struct Buckets(Vec<Option<(u16, Bucket)>>);

impl Default for Buckets {
    fn default() -> Self {
        let buckets = (0..Bucket::COUNT).filter_map(Bucket::from_index);
        Self(
            buckets
                .map(|bucket| Some((slot(text(bucket).as_bytes()), bucket)))
                .collect(),
        )
    }
}

impl Buckets {
    /// Takes all in these slots; one of them.
    fn take(&mut self, from: u16, to: u16) -> Option<Bucket> {
        let mut one = None;
        for of_bucket in &mut self.0 {
            if of_bucket.is_some_and(|(slot, _)| (from..=to).contains(&slot)) {
                one = of_bucket.take().map(|(_, bucket)| bucket);
            }
        }
        one
    }

    fn are_all_taken(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// Where keys are with this in braces: CRC-16 of XMODEM, see the cluster's specification.
fn slot(tag: &[u8]) -> u16 {
    let mut crc = 0_u16;
    for byte in tag {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            let shifted = crc << 1;
            crc = if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ 0x1021
            };
        }
    }
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "bb 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460";
    const B: &str = "aa 10.0.0.2:7001@17001,two.example master - 0 9 2 connected 5461-10922 10924";
    const C: &str = "cc 10.0.0.3:7002@17002,,shard-id=1 master - 0 9 3 connected 10923 10925-16383";
    const REPLICA: &str = "dd 10.0.0.4:7003@17003 slave cc 0 9 3 connected";
    const GONE: &str = "ee :0@0 master,noaddr - 0 9 4 disconnected";

    fn of(lines: &[&str]) -> Result<Vec<Member>> {
        members(&lines.join("\n"), false)
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot(b"123456789"), 0x31c3);
    }

    #[test]
    fn members_are_the_primaries_that_have_slots() {
        let found = of(&[A, B, C, REPLICA, GONE]).unwrap();
        let names = |found: &[Member]| {
            let name = |member: &Member| format!("{}={}:{}", member.id, member.host, member.port);
            found.iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(
            names(&found),
            ["aa=10.0.0.2:7001", "bb=127.0.0.1:7000", "cc=10.0.0.3:7002"]
        );
        for (member, has) in found.iter().zip([5461..=10924, 0..=5460, 10923..=16383]) {
            assert!(has.contains(&slot(text(member.bucket).as_bytes())));
        }
        let found = members(&[A, B, C].join("\n"), true).unwrap();
        assert_eq!(
            names(&found),
            [
                "aa=two.example:7001",
                "bb=127.0.0.1:7000",
                "cc=10.0.0.3:7002"
            ]
        );
    }

    #[test]
    fn who_has_what_has_to_be_clear() {
        let moving = format!("{A} [93->-aa]");
        let coming = format!("{B} [93-<-bb]");
        for lines in [
            &[A, B][..],
            &[&moving, B, C],
            &[A, &coming, C],
            &[
                A,
                B,
                "cc 10.0.0.3:7002@17002 master - 0 9 3 connected 10923-99999",
            ],
            &[A, B, "cc :7002@17002 master - 0 9 3 connected 10923-16383"],
            &[A, B, C, "what"],
            &[],
        ] {
            let kind = of(lines).map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::Unavailable), "{lines:?}");
        }
    }
}
