//! create_event crashes at every point, forward and back, and is whole after it.

mod crash;
mod peer;
mod race;
