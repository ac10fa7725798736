//! TLS between services, and towards people, with certificates as `make certs` makes them.

mod callers;
mod mutual;
mod public;
