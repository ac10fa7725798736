//! What a test found otherwise than expected. A test that ends with an error drops its stack first, and where the
//! stack finds fault as well its panic is all that is told: so it tells the last of these too.

use std::{
    collections::VecDeque,
    fmt::Display,
    sync::{Mutex, PoisonError},
};

/// So many are told: a stack that is not whole may add one.
const TOLD: usize = 3;

static LAST: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Notes an error that may be the end of the test.
pub fn note(error: &impl Display) {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    last.push_back(format!("{error:#}"));
    if last.len() > TOLD {
        last.pop_front();
    }
}

/// The errors noted last, the newest at the end.
pub fn last() -> String {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    last.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
}
