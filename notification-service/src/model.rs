//! The words of the domain: no HTTP, no tonic, no SQL.

mod secret;
mod timer;
mod work;

pub use self::{
    secret::{Secret, SigningSecrets},
    timer::{TimerPage, TimerState, TimerView},
    work::{Kind, NewWork, Outcome, Report, Work, WorkState},
};
