//! A picture of times: bars on a logarithmic scale, as SVG.

use std::fmt::Write;

/// One bar.
#[derive(Debug, Clone)]
pub struct Bar {
    /// What was measured.
    pub label: String,
    /// Its time.
    pub ns: f64,
    /// Whether it is one of this project's, and so drawn in its colour.
    pub own: bool,
}

const WIDTH: f64 = 760.0;
/// Of the labels, and of the times behind the longest bar.
const LEFT: f64 = 300.0;
const RIGHT: f64 = 80.0;
const ROW: f64 = 30.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 34.0;
/// The scale goes over whole decades.
const FROM_NS: f64 = 100.0;

/// The picture of these bars, in their order.
pub fn svg(title: &str, bars: &[Bar]) -> String {
    let longest = bars.iter().map(|bar| bar.ns).fold(FROM_NS * 10.0, f64::max);
    let decades = (longest / FROM_NS).log10().ceil();
    let per_decade = (WIDTH - LEFT - RIGHT) / decades;
    let at = |ns: f64| LEFT + (ns / FROM_NS).log10().max(0.02) * per_decade;
    let bottom = TOP + ROW * bars.len() as f64;
    let height = bottom + BOTTOM;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"14\" role=\"img\">\n\
         <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\" font-weight=\"600\" fill=\"#1f2937\">{title}</text>\n"
    );
    for decade in 0..=decades as i32 {
        let ns = FROM_NS * 10_f64.powi(decade);
        let x = LEFT + f64::from(decade) * per_decade;
        let _ = writeln!(
            out,
            "<line x1=\"{x}\" x2=\"{x}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"#e5e7eb\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#6b7280\">{}</text>",
            bottom + 22.0,
            time(ns)
        );
    }
    for (row, bar) in bars.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let (x, end) = (LEFT, at(bar.ns));
        let fill = if bar.own { "#0f766e" } else { "#9ca3af" };
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#1f2937\">{}</text>\
             <rect x=\"{x}\" y=\"{}\" width=\"{:.1}\" height=\"18\" rx=\"2\" fill=\"{fill}\"/>\
             <text x=\"{:.1}\" y=\"{}\" fill=\"#1f2937\">{}</text>",
            LEFT - 10.0,
            y + 20.0,
            bar.label,
            y + 6.0,
            end - x,
            end + 8.0,
            y + 20.0,
            time(bar.ns)
        );
    }
    out.push_str("</svg>\n");
    out
}

/// As people say it.
fn time(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1_000.0 => (ns, "ns"),
        ns if ns < 1_000_000.0 => (ns / 1_000.0, "µs"),
        ns => (ns / 1_000_000.0, "ms"),
    };
    if value < 10.0 && unit != "ns" && value.fract() > 0.05 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_that_takes_longer_is_longer_and_says_how_long() {
        let bar = |label: &str, ns, own| Bar {
            label: label.into(),
            ns,
            own,
        };
        let picture = svg(
            "lookups",
            &[bar("memory", 400.0, true), bar("JWT", 42_000.0, false)],
        );
        let width = |fill: &str| -> f64 {
            let bar = picture.split("<rect x=").find(|bar| bar.contains(fill));
            let width = bar.unwrap().split("width=\"").nth(1).unwrap();
            width.split('"').next().unwrap().parse().unwrap()
        };
        assert!(width("#0f766e") > 0.0 && width("#0f766e") < width("#9ca3af"));
        for said in ["400 ns", "42 µs", ">memory<", ">JWT<"] {
            assert!(picture.contains(said), "{said}: {picture}");
        }
    }
}
