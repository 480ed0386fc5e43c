//! What a session weighs.

use revocable_core::Record;

/// What a session costs in memory beside its own bytes, in a cache or in a
/// bounded store: the record's fixed part, counts, the map's and the queues'
/// nodes, the index. Measured by the test `size`, and rounded up.
pub(crate) const OVERHEAD: usize = 768;

/// About so many bytes.
pub(crate) fn weight(record: &Record) -> u32 {
    let text = |text: Option<&str>| text.map_or(0, str::len);
    let bytes = OVERHEAD
        + record.user.as_str().len()
        + record.data.len()
        + text(record.client.user_agent())
        + text(record.client.label());
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
