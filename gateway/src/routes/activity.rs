//! Events of devices.

mod event_batch;
pub(super) mod record_events;
