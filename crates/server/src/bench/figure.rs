//! Figures with their budgets, and the machine they were measured on.

use serde::Serialize;
use std::fmt::Write;

/// Which side of the budget is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Good {
    AtLeast,
    AtMost,
}

/// One measured value beside its budget.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    good: Good,
    budget: f64,
    met: bool,
    note: String,
}

impl Figure {
    pub(super) fn new(name: &str, value: f64, unit: &'static str, good: Good, budget: f64) -> Self {
        let met = match good {
            Good::AtLeast => value >= budget,
            Good::AtMost => value <= budget,
        };
        Self {
            name: name.to_owned(),
            value,
            unit,
            good,
            budget,
            met,
            note: String::new(),
        }
    }

    /// Says under which circumstances.
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// The machine.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: f64,
    profile: &'static str,
}

impl Machine {
    pub(super) fn here() -> Self {
        let field = |file: &str, name: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':'))
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let memory = field("/proc/meminfo", "MemTotal");
        let kib: f64 = memory
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or_default();
        Self {
            cpu: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: (kib / 1_048_576.0 * 10.0).round() / 10.0,
            profile: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
        }
    }
}

/// A table in Markdown, as it stands in `docs/BENCHMARKS.md`.
pub(super) fn table(machine: &Machine, figures: &[Figure]) -> String {
    let mut out = format!(
        "{}, {} cores, {} GiB, {} build\n\n| figure | budget | measured | |\n|---|---|---|---|\n",
        machine.cpu, machine.cores, machine.memory_gib, machine.profile
    );
    for figure in figures {
        let sign = match figure.good {
            Good::AtLeast => "≥",
            Good::AtMost => "≤",
        };
        let mark = if figure.met { "met" } else { "missed" };
        let note = if figure.note.is_empty() {
            String::new()
        } else {
            format!(" ({})", figure.note)
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| {}{note} | {sign} {} {unit} | {} {unit} | {mark} |",
            figure.name,
            short(figure.budget),
            short(figure.value),
            unit = figure.unit,
        );
    }
    out
}

fn short(value: f64) -> String {
    if value >= 1_000.0 {
        let whole = (value.round() as u64).to_string();
        let digits: Vec<char> = whole.chars().rev().collect();
        let groups: Vec<String> = digits.chunks(3).map(|c| c.iter().collect()).collect();
        groups.join(",").chars().rev().collect()
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_cases() {
        let cases = [
            (1_234_567.4, "1,234,567"),
            (999.9, "999.9"),
            (4.567, "4.57"),
            (0.0, "0.00"),
        ];
        for (value, want) in cases {
            assert_eq!(short(value), want);
        }
    }

    #[test]
    fn a_budget_has_a_side() {
        assert!(Figure::new("rate", 5.0, "/s", Good::AtLeast, 4.0).met);
        assert!(!Figure::new("time", 5.0, "ms", Good::AtMost, 4.0).met);
    }
}
