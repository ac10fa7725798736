//! Events of devices: activity-service, and who sends to it.

mod inbox;
mod sender;
mod service;

pub use self::{
    inbox::Inbox,
    sender::{Batches, Direct, Posted},
    service::ActivityService,
};
