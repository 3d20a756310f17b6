//! What was measured, round by round, and what it is held against.

use std::fmt::Write;

use serde::Serialize;

/// Everything that one run measured, in the order in which it was first noted.
#[derive(Debug, Default, Serialize)]
pub struct Figures(Vec<Figure>);

/// One thing that was measured.
#[derive(Debug, Serialize)]
pub struct Figure {
    name: String,
    unit: Unit,
    /// One of each round.
    rounds: Vec<f64>,
    /// The figure that this one is a share of, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    /// What the median, or the share, should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Requests, orders or lines per second.
    #[serde(rename = "1/s")]
    PerSecond,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Megabytes of resident memory.
    #[serde(rename = "MB")]
    Megabytes,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => " ms",
            Self::Megabytes => " MB",
        }
    }
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Target {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    const fn bound(self) -> f64 {
        match self {
            Self::AtLeast(bound) | Self::AtMost(bound) => bound,
        }
    }
}

impl Figure {
    /// The middle one of the rounds.
    #[must_use]
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl Figures {
    /// Adds the value of a round.
    pub fn note(&mut self, name: &str, unit: Unit, value: f64) {
        match self.0.iter_mut().find(|figure| figure.name == name) {
            Some(figure) => figure.rounds.push(value),
            None => self.0.push(Figure {
                name: name.to_owned(),
                unit,
                rounds: vec![value],
                of: None,
                target: None,
            }),
        }
    }

    /// Holds a figure, if there is one of that name, against a share of another or a bound of its own.
    pub fn hold(&mut self, name: &str, of: Option<&str>, target: Option<Target>) {
        if let Some(figure) = self.0.iter_mut().find(|figure| figure.name == name) {
            (figure.of, figure.target) = (of.map(str::to_owned), target);
        }
    }

    /// The figure of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Figure> {
        self.0.iter().find(|figure| figure.name == name)
    }

    /// What is held against the target: the share of the other figure, or the median.
    fn value(&self, figure: &Figure) -> f64 {
        let of = figure.of.as_deref().and_then(|of| self.get(of));
        of.map_or_else(|| figure.median(), |of| figure.median() / of.median())
    }

    /// A line for each.
    #[must_use]
    pub fn to_table(&self) -> String {
        self.0.iter().map(|figure| self.line(figure)).collect()
    }

    fn line(&self, figure: &Figure) -> String {
        let (sorted, unit) = (figure.sorted(), figure.unit.as_str());
        let (low, high) = (sorted.first().unwrap_or(&f64::NAN), sorted.last().unwrap_or(&f64::NAN));
        let places = if figure.unit == Unit::PerSecond { 0 } else { 1 };
        let mut line = format!("{:<58} {:>9.places$}{unit}", figure.name, figure.median());
        if sorted.len() > 1 {
            let _ = write!(line, "  ({low:.places$} to {high:.places$})");
        }
        let value = self.value(figure);
        if let Some(of) = &figure.of {
            let _ = write!(line, "  {value:.2} of {of}");
        }
        if let Some(target) = figure.target {
            let verdict = if target.is_met_by(value) { "reached" } else { "missed" };
            let sign = if matches!(target, Target::AtLeast(_)) { "≥" } else { "≤" };
            let _ = write!(line, "  {sign} {}: {verdict}", target.bound());
        }
        line.push('\n');
        line
    }

    /// A bar for each share that has a target, and a mark where the target is: an SVG image.
    #[must_use]
    pub fn to_svg(&self) -> String {
        const ROW: usize = 26;
        let shares = self.0.iter().filter(|figure| figure.of.is_some() && figure.target.is_some());
        let shares: Vec<&Figure> = shares.collect();
        let height = ROW * shares.len() + 16;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"760\" height=\"{height}\" fill=\"#fff\"/>\n"
        );
        for (row, figure) in shares.into_iter().enumerate() {
            let (value, y) = (self.value(figure), 8 + row * ROW);
            let target = figure.target.map_or(f64::NAN, Target::bound);
            let is_met = figure.target.is_some_and(|target| target.is_met_by(value));
            let fill = if is_met { "#2a7f62" } else { "#c98a2b" };
            let whole = value.max(target).max(1.0);
            let width = |share: f64| 330.0 * share / whole;
            let (name, of) = (&figure.name, figure.of.as_deref().unwrap_or_default());
            let _ = writeln!(
                svg,
                "<g><title>{name}: {value:.2} of {of}, wanted {target}</title>\
                 <text x=\"8\" y=\"{}\">{name}</text>\
                 <rect x=\"350\" y=\"{y}\" width=\"{:.1}\" height=\"18\" fill=\"{fill}\"/>\
                 <rect x=\"{:.1}\" y=\"{}\" width=\"2\" height=\"22\" fill=\"#222\"/>\
                 <text x=\"700\" y=\"{}\">{value:.2}</text></g>",
                y + 14,
                width(value),
                350.0 + width(target),
                y - 2,
                y + 14,
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_medians_and_held_against_targets() {
        let mut figures = Figures::default();
        for (limit, reads) in [(100.0, 40.0), (200.0, 80.0), (90.0, 95.0)] {
            figures.note("limit", Unit::PerSecond, limit);
            figures.note("reads", Unit::PerSecond, reads);
        }
        figures.note("idle", Unit::Megabytes, 31.0);
        figures.hold("reads", Some("limit"), Some(Target::AtLeast(0.8)));
        figures.hold("idle", None, Some(Target::AtMost(30.0)));
        figures.hold("nothing of the kind", None, Some(Target::AtMost(30.0)));
        let table = figures.to_table();
        assert!(table.contains("80/s  (40 to 95)  0.80 of limit  ≥ 0.8: reached\n"), "{table}");
        assert!(table.contains("31.0 MB  ≤ 30: missed\n"), "{table}");
        let svg = figures.to_svg();
        assert_eq!(svg.matches("<g>").count(), 1, "{svg}");
        assert!(svg.contains("reads: 0.80 of limit, wanted 0.8"), "{svg}");
    }
}
