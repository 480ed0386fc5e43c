//! Tables for people, JSON for machines.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use revocable_benches::percentile::Percentiles;
use revocable_benches::report::{Ratio, Target};
use serde_json::{Value, json};

use crate::measured::{Calls, Measured, Round};
use crate::options::Options;

/// Fewer have no 99th percentile to speak of.
const ENOUGH: usize = 200;

/// The sweep must not make the slowest lookups of this store much slower.
const SWEPT: (&str, Target) = ("sqlite", Target::AtMost(2.0));

/// If a call that does nothing takes longer once in a hundred times, others have
/// the processors, a percentile is theirs, and a target neither met nor missed.
const QUIET_NS: u64 = 1_000_000;

/// A row of the first two tables.
struct Row {
    name: String,
    rate: f64,
    calls: Percentiles,
}

pub(crate) fn print(measured: &[Measured], options: &Options) {
    println!(
        "| at {} a second | calls | p50 | p99 | p99.9 |",
        options.rate
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    for row in measured.iter().flat_map(|one| at_fixed_rate(one, options)) {
        println!("| {} | {} |", row.name, row.figures());
    }
    println!("\n| highest rate that holds | a second | calls | p50 | p99 | p99.9 |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for one in measured {
        let rows = at_highest_rate(one);
        if rows.is_empty() {
            let (label, from) = (one.backend.label(), options.search_from);
            println!("| {label} | less than {from} | | | | |");
        }
        for row in rows {
            println!("| {} | {} | {} |", row.name, row.rate, row.figures());
        }
    }
    println!("\n| sweep | seconds | sessions removed | all | SQLite's log started over |");
    println!("| --- | ---: | ---: | --- | ---: |");
    for one in measured {
        let sweeps = || one.rounds.iter().map(|round| &round.sweep);
        let time: Duration = sweeps().map(|sweep| sweep.to - sweep.from).sum();
        println!(
            "| {} | {:.3} | {} | {} | {} |",
            one.backend.label(),
            time.as_secs_f64(),
            sweeps().map(|sweep| sweep.ended).sum::<u64>(),
            if sweeps().any(|sweep| sweep.complete) {
                "yes"
            } else {
                "no"
            },
            one.checkpoints
                .map(|count| count.to_string())
                .unwrap_or_default(),
        );
    }
    println!("\n| ratio | value | target | met |");
    println!("| --- | ---: | ---: | --- |");
    for (one, ratio) in measured.iter().flat_map(ratios) {
        let target = ratio.target.map(|target| target.to_string());
        let met = match met(one, &ratio) {
            Some(true) => "yes",
            Some(false) => "NO",
            None if ratio.target.is_some() => "the machine is too busy to tell",
            None => "",
        };
        println!(
            "| {} | {:.2} | {} | {} |",
            ratio.name,
            ratio.value,
            target.unwrap_or_default(),
            met
        );
    }
    for one in measured.iter().filter(|one| one.gave_up) {
        println!(
            "\n{}: fell behind by more than two seconds and was stopped; {} a second is too much \
             for it here",
            one.backend.label(),
            options.rate
        );
    }
}

pub(crate) fn write_json(file: &Path, measured: &[Measured], options: &Options) -> io::Result<()> {
    let measurement = |row: Row| {
        json!({
            "name": row.name,
            "median_ns": row.calls.p50_ns,
            "p99_ns": row.calls.p99_ns,
            "p999_ns": row.calls.p999_ns,
            "rate": row.rate,
            "calls": row.calls.count,
            "unit": "ns per call, from when it was due",
        })
    };
    let rows = |one| {
        at_fixed_rate(one, options)
            .into_iter()
            .chain(at_highest_rate(one))
    };
    let measurements: Vec<Value> = measured.iter().flat_map(rows).map(measurement).collect();
    let ratio = |(one, ratio): (&Measured, Ratio)| {
        json!({
            "name": ratio.name,
            "value": (ratio.value * 1_000.0).round() / 1_000.0,
            "target": ratio.target.map(|target| target.to_string()),
            "met": met(one, &ratio),
        })
    };
    let ratios: Vec<Value> = measured.iter().flat_map(ratios).map(ratio).collect();
    let report = json!({ "measurements": measurements, "ratios": ratios });
    serde_json::to_writer_pretty(File::create(file)?, &report)?;
    Ok(())
}

fn at_fixed_rate(one: &Measured, options: &Options) -> Vec<Row> {
    let row = |what: &str, calls| Row {
        name: format!("{}: {what}", one.backend.label()),
        rate: options.rate,
        calls,
    };
    vec![
        row("lookup", one.all(|round| &round.calm.lookups)),
        row(
            "lookup, sweep going on",
            one.all(|round| &round.swept.lookups),
        ),
        row("lookup, once begun", one.all(|round| &round.calm.begun)),
        row(
            "lookup, once begun, sweep going on",
            one.all(|round| &round.swept.begun),
        ),
        row("write", one.all(|round| &round.calm.writes)),
        row(
            "write, sweep going on",
            one.all(|round| &round.swept.writes),
        ),
        row("nothing, beside them", one.nothing),
    ]
}

fn at_highest_rate(one: &Measured) -> Vec<Row> {
    let row = |what: &str, rate, calls| Row {
        name: format!("{}: {what}, highest rate", one.backend.label()),
        rate,
        calls,
    };
    let rows = one.highest.map(|held| {
        vec![
            row("lookup", held.rate, held.lookups),
            row("write", held.rate, held.writes),
        ]
    });
    rows.unwrap_or_default()
}

/// How much slower the slowest lookups are while a sweep goes on: from when they
/// were due, and from when they began.
fn ratios(one: &Measured) -> Vec<(&Measured, Ratio)> {
    let (name, target) = SWEPT;
    let label = one.backend.label();
    let due = swept_to_calm(one, |calls| &calls.lookups).map(|value| Ratio {
        name: format!("{label}: lookup p99, sweep / no sweep"),
        value,
        target: (one.backend.name == name).then_some(target),
    });
    let begun = swept_to_calm(one, |calls| &calls.begun).map(|value| Ratio {
        name: format!("{label}: lookup p99 once begun, sweep / no sweep"),
        value,
        target: None,
    });
    [due, begun]
        .into_iter()
        .flatten()
        .map(|ratio| (one, ratio))
        .collect()
}

/// The median over the rounds. `None` if the sweep was over too soon to tell.
fn swept_to_calm(one: &Measured, calls: fn(&Calls) -> &Vec<u64>) -> Option<f64> {
    let of_round = |round: &Round| {
        let calm = Percentiles::of(calls(&round.calm).clone());
        let swept = Percentiles::of(calls(&round.swept).clone());
        let known = calm.count.min(swept.count) >= ENOUGH && calm.p99_ns > 0;
        known.then(|| swept.p99_ns as f64 / calm.p99_ns as f64)
    };
    let mut ratios: Vec<_> = one.rounds.iter().filter_map(of_round).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
}

/// `None` if nobody can tell.
fn met(one: &Measured, ratio: &Ratio) -> Option<bool> {
    ratio.met().filter(|_| one.nothing.p99_ns <= QUIET_NS)
}

impl Row {
    fn figures(&self) -> String {
        let Percentiles {
            count,
            p50_ns,
            p99_ns,
            p999_ns,
        } = self.calls;
        let p999 = if count >= 5 * ENOUGH {
            time(p999_ns)
        } else {
            "-".to_owned()
        };
        format!("{count} | {} | {} | {p999}", time(p50_ns), time(p99_ns))
    }
}

fn time(ns: u64) -> String {
    match ns {
        0..100_000 => format!("{:.1} us", ns as f64 / 1e3),
        100_000..10_000_000 => format!("{:.2} ms", ns as f64 / 1e6),
        _ => format!("{:.0} ms", ns as f64 / 1e6),
    }
}
