//! Holds `docs/ERRORS.md` to the codes there are.

use super::answers::every_problem;
use crate::snapshot;

/// The codes and statuses of the table's rows.
fn rows(page: &str) -> Vec<(String, u16)> {
    let cells =
        page.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| row.split('|').map(str::trim));
    let row = cells.map(|mut cells| {
        let code = cells.next().expect("a code").trim_end_matches('`').to_owned();
        (code, cells.next().expect("a status").parse().expect("a number"))
    });
    row.collect()
}

#[test]
fn the_table_lists_every_code_with_its_status_and_no_other() {
    let expected =
        every_problem().into_iter().map(|problem| (problem.code().to_owned(), problem.status().as_u16()));
    assert_eq!(rows(&snapshot::read("docs/ERRORS.md")), expected.collect::<Vec<_>>());
}

#[test]
fn a_row_that_is_wrong_would_be_seen() {
    let page = "| code | HTTP |\n|---|---|\n| `stale` | 409 | ack | x |\n";
    assert_eq!(rows(page), [("stale".to_owned(), 409)]);
    assert!(
        !every_problem().iter().any(|problem| problem.code() == "stale" && problem.status().as_u16() == 409)
    );
}
