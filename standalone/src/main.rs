//! `shared-calendar`: the whole product in one process.

fn main() {}
