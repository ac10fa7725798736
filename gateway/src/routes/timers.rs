//! Timers that call a webhook (CONTRACTS, Timers).

mod timer_view;

pub(super) mod asker;
pub(super) mod cancel_timer;
pub(super) mod create_timer;
pub(super) mod get_timer;
pub(super) mod list_timers;
pub(super) mod resend_timer;
