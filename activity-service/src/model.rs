//! The words of the domain.

mod device;
mod event;
mod identity;
mod instant;
mod read;

pub use self::{
    device::Device,
    event::{Details, Event, SentEvent, programme},
    identity::derived,
    instant::Instant,
    read::read_event,
};
