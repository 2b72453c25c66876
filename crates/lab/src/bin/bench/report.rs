//! The table for people and the file for programs.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

/// The figures that have a target: name, unit, target, and whether less is better.
const TARGETS: [(&str, &str, f64, bool); 14] = [
    ("post_to_start_ms_p50", "ms", 10.0, true),
    ("post_to_start_ms_p99", "ms", 50.0, true),
    ("post_to_verified_ms_p50", "ms", f64::INFINITY, true),
    ("commands_per_s", "/s", 3000.0, false),
    ("requests_per_s", "/s", f64::INFINITY, false),
    ("commands_per_s_mixed", "/s", f64::INFINITY, false),
    ("server_kb_per_idle_agent", "KB", 20.0, true),
    ("agent_idle_mb", "MB", 15.0, true),
    ("agent_idle_cpu_percent", "%", 0.1, true),
    ("audit_million_verify_s", "s", 10.0, true),
    ("login_ms_p50", "ms", f64::INFINITY, true),
    ("authorization_ms_p50", "ms", 0.2, true),
    ("authorization_first_ms_p50", "ms", f64::INFINITY, true),
    ("decision_ms_p50", "ms", f64::INFINITY, true),
];

/// What was seen.
pub struct Report {
    facts: Value,
    quick: bool,
    figures: Map<String, Value>,
    raw: Map<String, Value>,
    rows: Vec<(String, String)>,
}

impl Report {
    /// An empty one.
    pub fn new(facts: Value, quick: bool) -> Self {
        Self { facts, quick, figures: Map::new(), raw: Map::new(), rows: Vec::new() }
    }

    /// A figure that others compare.
    pub fn figure(&mut self, name: &str, value: f64) {
        say(&format!("{name}: {value:.4}"));
        self.figures.insert(name.to_owned(), json!(rounded(value)));
    }

    /// A line of the table that is no figure.
    pub fn row(&mut self, name: &str, value: &str) {
        say(&format!("{name}: {value}"));
        self.rows.push((name.to_owned(), value.to_owned()));
    }

    /// Samples.
    pub fn raw(&mut self, name: &str, value: Value) {
        self.raw.insert(name.to_owned(), value);
    }

    /// A part that could not be measured.
    pub fn skipped(&mut self, name: &str, why: &str) {
        self.row(name, &format!("skipped: {why}"));
    }

    /// Prints the table.
    pub fn print(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{:<52} {:>12}   target", "figure", "measured")?;
        for (name, unit, target, less) in TARGETS {
            let Some(value) = self.figures.get(name).and_then(Value::as_f64) else { continue };
            let verdict = match (target.is_finite(), (value < target) == less) {
                (false, _) => String::new(),
                (true, met) => format!(
                    "{} {target} {unit}{}",
                    if less { "<" } else { ">" },
                    if met { "" } else { "  MISSED" }
                ),
            };
            writeln!(out, "{name:<52} {value:>9.3} {unit:<2}   {verdict}")?;
        }
        for (name, value) in &self.rows {
            writeln!(out, "{name:<52} {value}")?;
        }
        let profile = self.facts["profile"].as_str().unwrap_or_default();
        if profile != "release" || self.quick {
            writeln!(
                out,
                "\nNot for comparison: {profile} profile{}.",
                if self.quick { ", quick run" } else { "" }
            )?;
        }
        Ok(())
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut all = self.facts.clone();
        all["quick"] = json!(self.quick);
        all["figures"] = Value::from(self.figures.clone());
        all["raw"] = Value::from(self.raw.clone());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let mut bytes = serde_json::to_vec_pretty(&all)?;
        bytes.push(b'\n');
        std::fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))?;
        say(&format!("written to {}", path.display()));
        Ok(())
    }
}

/// Says at once how it goes.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "  {text}");
}

/// The value below which `percent` of the samples are (nearest rank); 0 of none.
pub fn percentile(samples: &[f64], percent: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Samples as they are written: microseconds are fine enough.
pub fn milliseconds(samples: &[f64]) -> Vec<f64> {
    samples.iter().map(|value| (value * 1e3).round() / 1e3).collect()
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_sample() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert!((percentile(&samples, 50.0) - 50.0).abs() < f64::EPSILON);
        assert!((percentile(&samples, 99.0) - 99.0).abs() < f64::EPSILON);
        assert!((percentile(&[7.0], 99.0) - 7.0).abs() < f64::EPSILON);
        assert!(percentile(&[], 50.0).abs() < f64::EPSILON);
    }
}
