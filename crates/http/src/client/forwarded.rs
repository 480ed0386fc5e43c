//! The fields in which proxies say whom they forward for.

use std::net::{IpAddr, SocketAddr};

use crate::headers::{Headers, trim};

/// The entries of all fields, in the order in which they were added; `None` for
/// one that is no address.
type Entries = Vec<Option<IpAddr>>;

/// `X-Forwarded-For`: addresses with commas between, some with a port.
pub(super) fn x_forwarded_for(headers: &impl Headers) -> Entries {
    headers
        .fields("x-forwarded-for")
        .flat_map(|field| field.split(|&byte| byte == b','))
        .map(|entry| address(str::from_utf8(trim(entry)).ok()?, Brackets::Optional))
        .collect()
}

/// `Forwarded` (RFC 7239, section 4). A field that does not keep to the syntax
/// says nothing: in it, what is quoted and what is not could be exchanged.
pub(super) fn forwarded(headers: &impl Headers) -> Entries {
    headers
        .fields("forwarded")
        .flat_map(|field| {
            let elements = str::from_utf8(field).ok().and_then(elements);
            elements.unwrap_or_else(|| vec![None])
        })
        .collect()
}

/// The address of each element's `for`; `None` if the field is malformed.
fn elements(field: &str) -> Option<Entries> {
    let mut entries = Vec::new();
    let mut rest = field;
    loop {
        let mut node = Node::Missing;
        loop {
            rest = rest.trim_start_matches([' ', '\t']);
            // An empty pair, as between two semicolons.
            if !rest.starts_with([',', ';']) && !rest.is_empty() {
                let (name, value, behind) = pair(rest)?;
                if name.eq_ignore_ascii_case("for") {
                    node = match node {
                        Node::Missing => Node::Is(address(&value, Brackets::Required)),
                        // RFC 7239, section 4: each at most once.
                        Node::Is(_) => return None,
                    };
                }
                rest = behind.trim_start_matches([' ', '\t']);
            }
            match rest.strip_prefix(';') {
                Some(next) => rest = next,
                None => break,
            }
        }
        entries.push(match node {
            Node::Missing => None,
            Node::Is(address) => address,
        });
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest.is_empty() => return Some(entries),
            None => return None,
        }
    }
}

enum Node {
    Missing,
    Is(Option<IpAddr>),
}

/// A `name=value` at the beginning, with what is behind it.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.split_once('=')?;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return None;
    }
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([',', ';', ' ', '\t']).unwrap_or(rest.len());
        let (value, behind) = rest.split_at(end);
        let is_value = !value.is_empty() && !value.contains(['"', '\\']);
        return is_value.then(|| (name, value.to_owned(), behind));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((name, value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            character => value.push(character),
        }
    }
    None
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Brackets {
    /// RFC 7239, section 6: an IPv6 address has them.
    Required,
    Optional,
}

/// An address, with or without a port, an IPv6 address with a port in brackets.
fn address(text: &str, brackets: Brackets) -> Option<IpAddr> {
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return inner.parse().map(IpAddr::V6).ok();
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return (address.is_ipv4() || brackets == Brackets::Optional).then_some(address);
    }
    text.parse::<SocketAddr>().ok().map(|socket| socket.ip())
}
