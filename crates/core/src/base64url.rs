//! Reading the text of a token.

/// Decodes 64 characters of base64url (RFC 4648, section 5) without padding;
/// false for any other character. As 64 characters are 48 whole bytes, each
/// text that is taken is the only one of its bytes.
///
/// Takes a time that does not depend on the characters: no branch and no place
/// in memory does. Own code, because every request pays for it: in loops that
/// compilers turn into vector instructions it takes less than half the time of
/// a decoder that goes from character to character.
pub(crate) fn decode(text: &[u8; 64], bytes: &mut [u8; 48]) -> bool {
    // Two arrays and no running result, or compilers do not use vectors.
    let (mut values, mut valid) = ([0; 64], [0; 64]);
    for at in 0..64 {
        (values[at], valid[at]) = decode_one(text[at]);
    }
    for (values, bytes) in values.chunks_exact(8).zip(bytes.chunks_exact_mut(6)) {
        bytes.copy_from_slice(&pack(values)[..6]);
    }
    valid.iter().fold(0xff, |all, one| all & one) == 0xff
}

/// The six bits that a character stands for, and whether it stands for any:
/// all ones, or zero.
fn decode_one(character: u8) -> (u8, u8) {
    // Signed, as vector instructions compare; beyond ASCII is negative.
    let signed = character as i8;
    let within =
        |first: u8, last: u8| u8::from((signed > first as i8 - 1) & (signed < last as i8 + 1));
    let mask = |first, last| within(first, last).wrapping_neg();
    let upper = mask(b'A', b'Z');
    let lower = mask(b'a', b'z');
    let digit = mask(b'0', b'9');
    let minus = mask(b'-', b'-');
    let underscore = mask(b'_', b'_');
    let offset = (upper & 0_u8.wrapping_sub(b'A'))
        | (lower & 26_u8.wrapping_sub(b'a'))
        | (digit & 52_u8.wrapping_sub(b'0'))
        | (minus & 62_u8.wrapping_sub(b'-'))
        | (underscore & 63_u8.wrapping_sub(b'_'));
    (
        character.wrapping_add(offset),
        upper | lower | digit | minus | underscore,
    )
}

/// Eight times six bits as six bytes, and two that do not count: neighbours
/// are pushed together, then pairs of neighbours, then both halves.
fn pack(values: &[u8]) -> [u8; 8] {
    let mut eight = [0; 8];
    eight.copy_from_slice(values);
    let of_6 = u64::from_be_bytes(eight);
    let of_12 = (of_6 & 0x3f00_3f00_3f00_3f00) >> 2 | of_6 & 0x003f_003f_003f_003f;
    let of_24 = (of_12 & 0x0fff_0000_0fff_0000) >> 4 | of_12 & 0x0000_0fff_0000_0fff;
    ((of_24 >> 32) << 40 | (of_24 & 0x00ff_ffff) << 16).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64ct::{Base64UrlUnpadded, Encoding};

    /// As another implementation decodes it.
    fn assert_alike(text: &[u8; 64]) {
        let (mut own, mut other) = ([0; 48], [0; 48]);
        let taken = decode(text, &mut own);
        let expected = Base64UrlUnpadded::decode(text, &mut other).is_ok();
        assert_eq!(taken, expected, "{}", text.escape_ascii());
        if taken {
            assert_eq!(own, other, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn every_byte_at_every_place_is_read_as_another_implementation_reads_it() {
        let mut text = [0; 64];
        let bytes: [u8; 48] = std::array::from_fn(|i| (i * 37 + 11) as u8);
        Base64UrlUnpadded::encode(&bytes, &mut text).unwrap();
        assert_alike(&text);
        for place in 0..text.len() {
            for character in 0..=u8::MAX {
                let mut changed = text;
                changed[place] = character;
                assert_alike(&changed);
            }
        }
    }

    #[test]
    fn all_that_is_written_is_read_back() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..10_000 {
            let bytes: [u8; 48] = std::array::from_fn(|_| {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                (state >> 56) as u8
            });
            let (mut text, mut read) = ([0; 64], [0; 48]);
            Base64UrlUnpadded::encode(&bytes, &mut text).unwrap();
            assert!(decode(&text, &mut read));
            assert_eq!(read, bytes);
        }
    }
}
