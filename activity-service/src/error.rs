//! Field errors of one event, collected: all are named at once.

use std::fmt::Display;

use chassis::fault::FieldError;

/// What is wrong with the fields of an event so far.
#[derive(Debug, Default)]
pub struct FieldErrors {
    errors: Vec<FieldError>,
}

// === impl FieldErrors ===

impl FieldErrors {
    /// Nothing is wrong yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a field, or its complaint kept.
    pub fn take<T, E: Display>(&mut self, field: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|complaint| self.add(field, complaint)).ok()
    }

    /// Adds a complaint.
    pub fn add(&mut self, field: &str, complaint: impl Display) {
        self.errors.push(FieldError { field: field.to_owned(), message: complaint.to_string() });
    }

    /// These and one more.
    pub fn and(mut self, field: &str, complaint: impl Display) -> Self {
        self.add(field, complaint);
        self
    }

    /// Whether nothing is wrong.
    pub const fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The complaints, in the order of the fields.
    pub fn into_list(self) -> Vec<FieldError> {
        self.errors
    }
}
