//! Tables for people, JSON for machines.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use serde_json::json;

use crate::measure::Measurement;
use crate::plot::Bar;

/// A ratio that is to be small, or large.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

/// One measurement by another.
#[derive(Debug, Clone)]
pub struct Ratio {
    /// What by what.
    pub name: String,
    /// The median over the rounds.
    pub value: f64,
    /// What it has to be; `None` for information.
    pub target: Option<Target>,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub struct Report {
    measurements: Vec<Measurement>,
    ratios: Vec<Ratio>,
}

impl Ratio {
    /// Whether the target is met.
    pub fn met(&self) -> Option<bool> {
        Some(match self.target? {
            Target::AtMost(most) => self.value <= most,
            Target::AtLeast(least) => self.value >= least,
        })
    }
}

impl Report {
    /// Adds what was measured side by side.
    pub fn add(&mut self, measurements: Vec<Measurement>) {
        self.measurements.extend(measurements);
    }

    /// Adds the ratio of the times of two measurements, each given by the
    /// beginning of its name.
    ///
    /// # Panics
    ///
    /// If there is no such measurement.
    pub fn ratio(&mut self, time_of: &str, by_time_of: &str, target: Option<Target>) {
        let (own, other) = (self.find(time_of), self.find(by_time_of));
        let ratio = Ratio {
            name: format!("{time_of} / {by_time_of}"),
            value: own.ratio_to(other),
            target,
        };
        self.ratios.push(ratio);
    }

    /// Adds how many calls a second the one answers for each that the other
    /// does, each given by the beginning of its name.
    ///
    /// # Panics
    ///
    /// If there is no such measurement.
    pub fn rate_ratio(&mut self, rate_of: &str, by_rate_of: &str, target: Option<Target>) {
        let (own, other) = (self.find(rate_of), self.find(by_rate_of));
        let ratio = Ratio {
            name: format!("calls a second: {rate_of} / {by_rate_of}"),
            value: other.ratio_to(own),
            target,
        };
        self.ratios.push(ratio);
    }

    /// A bar for each of these, given by the beginning of its name, whether it is
    /// this project's, and what to call it.
    ///
    /// # Panics
    ///
    /// If there is no such measurement.
    pub fn bars(&self, of: &[(&str, bool, &str)]) -> Vec<Bar> {
        let bar = |&(name, own, label): &(&str, bool, &str)| Bar {
            label: label.into(),
            ns: self.find(name).median_ns,
            own,
        };
        of.iter().map(bar).collect()
    }

    fn find(&self, name: &str) -> &Measurement {
        let mut found = self
            .measurements
            .iter()
            .filter(|m| m.name.starts_with(name));
        match (found.next(), found.next()) {
            (Some(only), None) => only,
            (first, _) => panic!("{name}: {first:?} and others"),
        }
    }

    /// Writes the report as JSON.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write_json(&self, file: &Path) -> io::Result<()> {
        let measurement = |m: &Measurement| {
            json!({
                "name": m.name,
                "median_ns": m.median_ns.round(),
                "p99_ns": m.p99_ns,
                "unit": "ns per call",
            })
        };
        let ratio = |r: &Ratio| {
            json!({
                "name": r.name,
                "value": (r.value * 1_000.0).round() / 1_000.0,
                "target": r.target.map(|target| target.to_string()),
                "met": r.met(),
            })
        };
        let report = json!({
            "measurements": self.measurements.iter().map(measurement).collect::<Vec<_>>(),
            "ratios": self.ratios.iter().map(ratio).collect::<Vec<_>>(),
        });
        serde_json::to_writer_pretty(File::create(file)?, &report)?;
        Ok(())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "<= {most}"),
            Self::AtLeast(least) => write!(f, ">= {least}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| measurement | median | p99 |")?;
        writeln!(f, "| --- | ---: | ---: |")?;
        for m in &self.measurements {
            writeln!(
                f,
                "| {} | {} | {} |",
                m.name,
                time(m.median_ns),
                time(m.p99_ns)
            )?;
        }
        writeln!(
            f,
            "\n| ratio (of times, unless it says otherwise) | value | target | met |"
        )?;
        writeln!(f, "| --- | ---: | ---: | --- |")?;
        for r in &self.ratios {
            let target = r
                .target
                .map(|target| target.to_string())
                .unwrap_or_default();
            let met = match r.met() {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "",
            };
            let digits = if r.value < 0.1 { 3 } else { 2 };
            writeln!(
                f,
                "| {} | {:.digits$} | {target} | {met} |",
                r.name, r.value
            )?;
        }
        Ok(())
    }
}

fn time(ns: f64) -> String {
    if ns < 1_000.0 {
        format!("{ns:.0} ns")
    } else if ns < 100_000.0 {
        format!("{:.2} us", ns / 1_000.0)
    } else {
        format!("{:.0} us", ns / 1_000.0)
    }
}
