//! What is left when parts are killed.
