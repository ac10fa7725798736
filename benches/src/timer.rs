//! The durable clock under load: timers are set through the gateway, fall due,
//! and arrive as real requests at a receiver in this program.

mod alone;
mod clock;
mod receiver;
mod scheduler;
mod steady;

pub use self::{
    alone::{Alone, claim_alone},
    clock::NotificationService,
    receiver::{Arrivals, Receiver},
    scheduler::{Scheduler, schedule},
    steady::steady,
};
