//! Load programs that print tables.
