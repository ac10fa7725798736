//! What the tests of several members stand on.

pub mod ports;
