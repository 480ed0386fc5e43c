//! The codec of records: nothing is lost, and no damage goes unnoticed.

use revocable::{Bucket, Client, Digest, Previous, Record, Salt, SessionId, Successor, UserId};

use crate::input::Input;

/// Takes the bytes as what is stored, as stored with a checksum that fits, and
/// as the fields of a record that is damaged after it was stored.
///
/// # Panics
///
/// If something is read that is not what was written.
pub fn check(data: &[u8]) {
    hostile(data);
    // A checksum that fits, to get behind it.
    let mut checked = data.to_vec();
    checked.extend(crc32fast::hash(data).to_be_bytes());
    hostile(&checked);

    let mut input = Input(data);
    let record = record(&mut input);
    let bytes = record.encode();
    assert_eq!(Record::decode(&bytes).as_ref(), Ok(&record));
    flipped(&record, &bytes, input.u32() as usize);
}

fn hostile(bytes: &[u8]) {
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(record.encode(), bytes, "two encodings of one record");
        let client = &record.client;
        let texts = [client.user_agent(), client.label()];
        let texts = texts.into_iter().flatten().map(str::len).sum::<usize>();
        assert!(texts + record.user.as_str().len() + record.data.len() <= bytes.len());
    }
}

/// Every single bit, in small records; in large ones one that was chosen.
fn flipped(record: &Record, bytes: &[u8], chosen: usize) {
    let bits = bytes.len() * 8;
    let range = match bits {
        ..4_096 => 0..bits,
        _ => chosen % bits..chosen % bits + 1,
    };
    let mut damaged = bytes.to_vec();
    for bit in range {
        damaged[bit / 8] ^= 1 << (bit % 8);
        match Record::decode(&damaged) {
            Err(_) => {}
            Ok(read) => assert_eq!(read, *record, "bit {bit} changed the record"),
        }
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
}

fn record(input: &mut Input<'_>) -> Record {
    let user = UserId::new(input.text(UserId::MAX_LEN)).unwrap_or_else(|_| UserId::from(7_u64));
    let mut client = Client::new();
    match input.byte() % 3 {
        0 => {}
        1 => client = client.with_ip(input.array::<4>().into()),
        _ => client = client.with_ip(input.array::<16>().into()),
    }
    client = client.with_user_agent(input.text(255));
    if let Ok(labelled) = client.clone().with_label(input.text(Client::MAX_LABEL_LEN)) {
        client = labelled;
    }
    let successor = match input.byte() % 4 {
        0 => None,
        1 => Some(Successor::Unconfirmed {
            salt: Salt::from_bytes(input.array()),
        }),
        2 => Some(Successor::Presented { at_ms: input.ms() }),
        _ => Some(Successor::Immediate),
    };
    Record {
        id: SessionId::new(input.ms(), Bucket::of(&user), input.array()),
        digest: Digest::from_bytes(input.array()),
        previous: successor.map(|successor| {
            Box::new(Previous {
                digest: Digest::from_bytes(input.array()),
                replaced_ms: input.ms(),
                successor,
            })
        }),
        created_ms: input.ms(),
        authenticated_ms: input.ms(),
        last_seen_ms: input.ms(),
        expires_ms: input.ms(),
        idle_timeout_ms: input.ms().max(1),
        version: u64::from_le_bytes(input.array()),
        client,
        data: input.text(usize::from(u8::MAX)).into_bytes().into(),
        user,
    }
}
