//! The durable clock over a real PostgreSQL: real requests to real receivers,
//! with calendar-service's side played by a double. Time is moved in the
//! database; what must be real time takes a second or two.

mod account;
mod authority;
mod calendar_double;
mod egress;
mod fencing;
mod ledger;
mod notifications;
mod peers;
mod private_ca;
mod process;
mod receiver;
mod reminders;
mod retries;
mod timers;
mod verifier;
mod world;
mod zones;
