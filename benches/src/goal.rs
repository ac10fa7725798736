//! A figure beside what it should be.

use crate::table::Table;

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// It costs no more than this.
    AtMost(f64),
    /// It reaches this.
    AtLeast(f64),
}

/// The last table of a program: each goal with what was measured.
#[derive(Clone, Debug)]
pub struct Goals {
    table: Table,
}

// === impl Goal ===

impl Goal {
    /// How much of the goal a figure reaches: 1 or more is met, both ways.
    pub fn reached(self, measured: f64) -> f64 {
        match self {
            // None at all was wanted, and none there is.
            Self::AtMost(goal) if goal == 0.0 && measured == 0.0 => 1.0,
            Self::AtMost(goal) => goal / measured,
            Self::AtLeast(goal) => measured / goal,
        }
    }

    fn describe(self) -> String {
        match self {
            Self::AtMost(goal) => format!("≤ {}", figure(goal)),
            Self::AtLeast(goal) => format!("≥ {}", figure(goal)),
        }
    }
}

// === impl Goals ===

impl Goals {
    /// No goals yet.
    pub fn new() -> Self {
        Self { table: Table::new("Goals", ["figure", "unit", "goal", "measured", "of goal", ""]) }
    }

    /// Adds a figure with its goal.
    pub fn add(&mut self, name: &str, unit: &str, goal: Goal, measured: f64) {
        let reached = goal.reached(measured);
        self.table.row([
            name.to_owned(),
            unit.to_owned(),
            goal.describe(),
            figure(measured),
            format!("{reached:.2}"),
            if reached >= 1.0 { "met".to_owned() } else { "missed".to_owned() },
        ]);
    }

    /// Adds a figure that has none.
    pub fn note(&mut self, name: &str, unit: &str, measured: f64) {
        self.table.row([name.to_owned(), unit.to_owned(), String::new(), figure(measured)]);
    }

    /// Prints the table.
    pub fn print(&self) {
        println!("{}", self.table);
    }
}

impl Default for Goals {
    fn default() -> Self {
        Self::new()
    }
}

/// A number as people read it: three digits that matter, thousands apart.
pub fn figure(number: f64) -> String {
    match number.abs() {
        size if !size.is_finite() => "–".to_owned(),
        size if size < 10.0 => format!("{number:.2}"),
        size if size < 100.0 => format!("{number:.1}"),
        _ => thousands(number.round() as i64),
    }
}

fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_met_both_ways() {
        assert!((Goal::AtMost(40.0).reached(20.0) - 2.0).abs() < 1e-9);
        assert!((Goal::AtLeast(40.0).reached(20.0) - 0.5).abs() < 1e-9);
        assert!(Goal::AtMost(0.0).reached(0.0) >= 1.0 && Goal::AtMost(0.0).reached(3.0) < 1.0);
    }

    #[test]
    fn figures_keep_the_digits_that_matter() {
        let shown = [0.414, 12.34, 175_000.4, -1_234.0, 999.6, f64::NAN].map(figure);
        assert_eq!(shown, ["0.41", "12.3", "175,000", "-1,234", "1,000", "–"]);
    }
}
