//! The ratios that are asked for, and what they are to be.

use revocable_benches::report::Report;
use revocable_benches::report::Target::{AtLeast, AtMost};

pub(crate) fn add(report: &mut Report) {
    let hs256 = "JWT HS256: verify";
    let es256 = "JWT ES256: verify";
    for (own, other, target) in [
        ("memory: lookup", hs256, Some(AtMost(0.15))),
        ("memory, a tenth", hs256, Some(AtMost(0.10))),
        ("cached SQLite: hit", hs256, Some(AtMost(0.25))),
        (
            "SQLite: lookup",
            "bare SQLite: point select",
            Some(AtMost(1.25)),
        ),
        ("SQLite: lookup", es256, Some(AtMost(0.10))),
        (
            "exclusive SQLite",
            "bare SQLite: point select",
            Some(AtMost(1.25)),
        ),
        ("exclusive SQLite", es256, Some(AtMost(0.10))),
        ("sled: lookup", "bare sled: get", Some(AtMost(1.3))),
        (
            "cached SQLite: unknown",
            "cached SQLite: hit",
            Some(AtMost(10.0)),
        ),
        ("memory, many", "memory, few", Some(AtMost(2.5))),
        ("SQLite, many", "SQLite, few", Some(AtMost(1.6))),
        (
            "durable revoke_all of 010",
            "durable create among",
            Some(AtMost(2.0)),
        ),
        (
            "durable revoke_all of 100",
            "durable create among",
            Some(AtMost(6.0)),
        ),
        // The floors, and what else people ask.
        ("bare sharded map: get", hs256, None),
        ("bare sharded map of a tenth", hs256, None),
        ("memory: store alone", "bare sharded map: get", None),
        ("bare quick_cache", hs256, None),
        ("bare SQLite: point select", es256, None),
        ("bare SQLite, many", "bare SQLite, few", None),
        ("token: parse and digest", hs256, None),
        ("cached SQLite: malformed", hs256, None),
        ("memory: lookup", es256, None),
        ("cached SQLite: hit", es256, None),
        ("exclusive SQLite", hs256, None),
        ("moka: lookup", hs256, None),
        ("bare moka: get", hs256, None),
        ("SQLite: lookup", hs256, None),
        ("sled: lookup", hs256, None),
        ("sled: lookup", es256, None),
    ] {
        report.ratio(own, other, target);
    }
    report.rate_ratio(
        "durable create, 64 tasks",
        "bare SQLite: insert",
        Some(AtLeast(0.7)),
    );
    report.rate_ratio(
        "durable create, 64 tasks",
        "durable create, one by one",
        None,
    );
    report.rate_ratio(
        "sled: durable create, 64 tasks",
        "sled: durable create, one by one",
        Some(AtLeast(8.0)),
    );
}
