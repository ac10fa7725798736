//! Field errors of one request, collected: all are named at once.

use std::fmt::Display;

use chassis::fault::{Fault, FieldError, Reason};

/// What is wrong with the fields of a request so far.
#[derive(Debug, Default)]
pub(crate) struct FieldErrors {
    errors: Vec<FieldError>,
}

// === impl FieldErrors ===

impl FieldErrors {
    /// Nothing is wrong yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The value of a field, or its complaint kept.
    pub(crate) fn take<T, E: Display>(&mut self, field: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|complaint| self.add(field, complaint)).ok()
    }

    /// Adds a complaint.
    pub(crate) fn add(&mut self, field: &str, complaint: impl Display) {
        self.errors.push(FieldError { field: field.to_owned(), message: complaint.to_string() });
    }

    /// `invalid` with every complaint, if there is one.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        if self.errors.is_empty() { Ok(()) } else { Err(self.into_fault()) }
    }

    /// The value that all fields together make; a value is only missing when
    /// there was a complaint.
    pub(crate) fn finish_with<T>(self, value: Option<T>) -> Result<T, Fault> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(self.into_fault()),
        }
    }

    fn into_fault(self) -> Fault {
        Fault::of(Reason::Invalid).with_fields(self.errors)
    }
}
