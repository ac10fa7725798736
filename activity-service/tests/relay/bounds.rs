//! What is bounded.
