//! C2: what was created is what is found, to the last bit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use revocable_core::{
    Bucket, Client, Digest, Previous, Record, Salt, SessionId, Successor, UserId,
};

use crate::check::Clause::{C2, C3, C6};
use crate::check::{Check, Stop, ensure_eq};
use crate::fixture::{Context, HOUR, Store, user};
use crate::random::Random;

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "every_field_is_read_back_as_it_was",
        clauses: &[C2, C6],
        about: "Numbers at their limits, empty and largest texts, addresses of every kind.",
        run: |context| {
            let store = context.open()?;
            every_record(&store)?
                .iter()
                .try_for_each(|record| store.ensure_there(record, "as created"))
        },
    },
    Check {
        name: "users_are_told_apart_byte_by_byte",
        clauses: &[C2, C3],
        about: "Keys that an engine may fold, trim, expand or take for a separator or a pattern.",
        run: users_apart,
    },
];

/// Creates records that try every field; they are returned as they should be
/// found.
pub(crate) fn every_record(store: &Store<'_>) -> Result<Vec<Record>, Stop> {
    let mut records = extremes(store);
    records.extend(texts(store));
    if store.expires_by_itself() {
        records.retain(|record| {
            record.expires_ms > store.base
                && record.last_seen_ms.saturating_add(record.idle_timeout_ms)
                    > store.base + HOUR / 2
        });
    }
    for record in &records {
        store.created(record)?;
    }
    Ok(records)
}

/// Numbers, digests and IDs at their limits.
fn extremes(store: &Store<'_>) -> Vec<Record> {
    let of = store.user();
    let template = || store.record(&of);
    let mut records = Vec::new();
    for time in [i64::MIN, -1, 0, 1, i64::from(u32::MAX), i64::MAX] {
        let previous = |successor| {
            Some(Box::new(Previous {
                digest: Digest::from_bytes([0xff; Digest::LEN]),
                replaced_ms: time,
                successor,
            }))
        };
        records.extend([
            Record {
                created_ms: time,
                authenticated_ms: time,
                last_seen_ms: time,
                expires_ms: time,
                idle_timeout_ms: time.max(1),
                ..template()
            },
            Record {
                previous: previous(Successor::Presented { at_ms: time }),
                ..template()
            },
            Record {
                previous: previous(Successor::Unconfirmed {
                    salt: Salt::from_bytes([time as u8; Salt::LEN]),
                }),
                ..template()
            },
            Record {
                previous: previous(Successor::Immediate),
                ..template()
            },
        ]);
    }
    for version in [1, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        records.push(Record {
            version,
            ..template()
        });
    }
    for byte in [0, b'\'', 0x80, 0xff] {
        records.push(Record {
            digest: Digest::from_bytes([byte; Digest::LEN]),
            id: SessionId::new(
                if byte == 0xff { i64::MAX } else { 0 },
                Bucket::of(&of),
                [byte; 8],
            ),
            ..template()
        });
    }
    records
}

/// Data, clients and users.
fn texts(store: &Store<'_>) -> Vec<Record> {
    let of = store.user();
    let template = || store.record(&of);
    let with_data = |data: Vec<u8>| Record {
        data: data.into(),
        ..template()
    };
    let mut records = vec![
        with_data(vec![0]),
        with_data((0..=255).collect()),
        with_data(b"\0\r\n'\"\\%".to_vec()),
        with_data(Random::new(0).bytes::<16_384>().to_vec()),
        with_data(vec![0xa5; Record::MAX_DATA_LEN]),
    ];
    let addresses = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V4(Ipv4Addr::BROADCAST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::from([0xff; 16])),
        // Not the same as 192.0.2.1.
        IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped()),
    ];
    records.extend(addresses.map(|ip| Record {
        client: Client::new().with_ip(ip),
        ..template()
    }));
    let agents = ["a", "'; --", "{}:*?%_", "ünïcödé 🦀", "\u{10ffff}"];
    let longest = "é".repeat(Client::MAX_USER_AGENT_LEN / 2);
    for agent in agents.into_iter().chain([longest.as_str()]) {
        let label: String = agent.chars().take(Client::MAX_LABEL_LEN / 4).collect();
        let client = Client::new().with_user_agent(agent);
        records.extend([
            Record {
                client: client.clone(),
                ..template()
            },
            Record {
                client: client.with_label(&label).unwrap_or_default(),
                ..template()
            },
        ]);
    }
    let label = "l".repeat(Client::MAX_LABEL_LEN);
    records.push(Record {
        client: Client::new().with_label(&label).unwrap_or_default(),
        ..template()
    });
    records
}

/// Keys that an engine might take for one another.
pub(crate) fn confusable_users() -> Vec<UserId> {
    let long = "u".repeat(UserId::MAX_LEN);
    let as_long = format!("{}v", &long[1..]);
    let long_in_two_bytes = "é".repeat(UserId::MAX_LEN / 2);
    [
        // Prefixes of one another, and numbers.
        "a",
        "aa",
        "aaa",
        "1",
        "01",
        "1.0",
        "10",
        "-1",
        "+1",
        "1e0",
        "0x1",
        "NaN",
        "null",
        "NULL",
        "true",
        "undefined",
        // Case, normalization, width, dots and sharps.
        "A",
        "aA",
        "É",
        "é",
        "e\u{301}",
        "ſ",
        "s",
        "S",
        "ß",
        "ss",
        "İ",
        "i",
        "I",
        "ı",
        "K",
        "\u{212a}",
        "ａ",
        // Blanks that are trimmed, and characters that are ignored.
        " ",
        " a",
        "a ",
        "a  ",
        "a\t",
        "a\n",
        "a\r\n",
        "a\u{a0}",
        "a\u{200b}",
        "a\u{feff}",
        "\u{1}",
        "\u{7f}",
        // Patterns, quotes and separators.
        "%",
        "_",
        "a%",
        "a_",
        "%a",
        "*",
        "a*",
        "?",
        "a?",
        "[a]",
        "[^b]",
        "\\",
        "a\\",
        "\\%",
        "'",
        "''",
        "a'--",
        "a\";--",
        "`",
        "$1",
        "?1",
        ":",
        "a:",
        "a:a",
        ":a",
        "{",
        "}",
        "{a}",
        "}{",
        "{}",
        "/",
        "a/a",
        "a/../a",
        "..",
        ".",
        "|",
        "a|a",
        ",",
        ";",
        "a;a",
        "#",
        "\u{10ffff}",
        "🦀",
        "a🦀",
        "مستخدم",
        "用户",
        &long,
        &long[1..],
        &as_long,
        &long_in_two_bytes,
    ]
    .map(user)
    .to_vec()
}

/// Two users whose sessions' IDs name the same bucket.
pub(crate) fn users_of_one_bucket() -> Result<[UserId; 2], Stop> {
    let mut seen = vec![None; Bucket::COUNT];
    for number in 0..=Bucket::COUNT {
        let user = user(&format!("bucket-{number}"));
        let place = &mut seen[Bucket::of(&user).index()];
        match place.take() {
            Some(other) => return Ok([other, user]),
            None => *place = Some(user),
        }
    }
    Err(Stop::failed("no two users share a bucket"))
}

fn users_apart(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let mut users = confusable_users();
    users.extend(users_of_one_bucket()?);
    let mut records = Vec::new();
    for user in &users {
        records.push(store.session(user)?);
    }
    for record in &records {
        store.ensure_there(record, "one session of each user")?;
        let listed = store.listed_ids(&record.user)?;
        let what = format!("the list of {:?}", record.user);
        ensure_eq(&listed, &vec![record.id], &what)?;
    }
    // Every second one logs out everywhere.
    for record in records.iter().step_by(2) {
        let ended = store.revoke_all(&record.user)?.ended;
        let what = format!("revoke-all of {:?}", record.user);
        ensure_eq(&ended, &vec![record.id], &what)?;
    }
    for (number, record) in records.iter().enumerate() {
        match number % 2 {
            0 => store.ensure_gone(record, "after the user's revoke-all")?,
            _ => store.ensure_there(record, "after revoke-all of others")?,
        }
    }
    Ok(())
}
