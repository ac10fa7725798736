//! A table on the terminal: the first column left, figures right.

use std::fmt;

/// A title, a head and rows of the same width.
#[derive(Clone, Debug)]
pub struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

// === impl Table ===

impl Table {
    /// A table without rows.
    pub fn new<const N: usize>(title: &str, head: [&str; N]) -> Self {
        Self { title: title.to_owned(), rows: vec![head.map(str::to_owned).to_vec()] }
    }

    /// Adds a row; one that is too short ends in empty cells.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(Vec::from(cells));
    }

    /// The width of each column, in characters.
    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell: &String| cell.chars().count()).max().unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.title)?;
        let widths = self.widths();
        for (number, row) in self.rows.iter().enumerate() {
            let cells = widths.iter().enumerate().map(|(column, width)| {
                let cell = row.get(column).map_or("", String::as_str);
                if column == 0 { format!("  {cell:<width$}") } else { format!("  {cell:>width$}") }
            });
            writeln!(f, "{}", cells.collect::<String>().trim_end())?;
            if number == 0 {
                let rule: usize = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
                writeln!(f, "  {}", "-".repeat(rule))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_left_figures_right() {
        let mut table = Table::new("Speed", ["what", "µs"]);
        table.row(["a read".into(), "4".into()]);
        table.row(["b".into(), "1,234".into()]);
        let expected = "\nSpeed\n  what       µs\n  -------------\n  a read      4\n  b       1,234\n";
        assert_eq!(table.to_string(), expected);
    }
}
