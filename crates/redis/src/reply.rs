//! What scripts and commands answer.

use redis::Value;
use revocable_core::{Result, SessionId};

use crate::fault::unexpected;

/// A string of bytes.
pub(crate) fn bytes(value: Value) -> Result<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        _ => Err(unexpected()),
    }
}

/// The same, or nothing.
pub(crate) fn optional(value: Value) -> Result<Option<Vec<u8>>> {
    match value {
        Value::Nil => Ok(None),
        value => bytes(value).map(Some),
    }
}

/// Several answers in one.
pub(crate) fn array(value: Value) -> Result<std::vec::IntoIter<Value>> {
    match value {
        Value::Array(values) => Ok(values.into_iter()),
        _ => Err(unexpected()),
    }
}

/// Several strings of bytes.
pub(crate) fn strings(value: Value) -> Result<Vec<Vec<u8>>> {
    array(value)?.map(bytes).collect()
}

/// The next of several.
pub(crate) fn next(values: &mut std::vec::IntoIter<Value>) -> Result<Value> {
    values.next().ok_or_else(unexpected)
}

/// A position or another number, in decimal.
pub(crate) fn number(bytes: &[u8]) -> Result<u64> {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or_else(unexpected)
}

/// IDs, one behind the other.
pub(crate) fn ids(bytes: &[u8]) -> Result<Vec<SessionId>> {
    bytes
        .chunks(SessionId::LEN)
        .map(|id| SessionId::from_slice(id).ok_or_else(unexpected))
        .collect()
}
