//! The engine: claims what is due, delivers it, records what came of it.
//!
//! ```text
//!   create ──┐            ┌────────── ticker ──────────┐
//!   NOTIFY ──┼─> alarm ──>│ wait for the next moment,  │──> worker (a task each) ──> recorder
//!   poll   ──┘  (wheel)   │ claim what the database    │     handler of the kind      one statement
//!                         │ says is due, by lanes      │                              for many reports
//!                         └────────────────────────────┘
//! ```
//!
//! A claim reads what fell due since the last one, and goes on with lanes that were
//! full: what it costs does not grow with what waits (see `due/survey.rs`).
//!
//! What is due is decided by the database's clock alone; the wheel of near
//! moments only says when to ask. A claim holds a row for [`LEASE`]: the
//! recorder renews it for deliveries that take longer, and one that is not
//! renewed (a dead or frozen process) is claimed again by whoever is there.
//! Every write names the fencing token of its claim, so that a worker which
//! wakes up too late records nothing.

mod alarm;
mod flight;
mod listener;
mod recorder;
mod survey;
mod ticker;
mod wheel;
mod worker;

use std::{sync::Arc, time::Duration};

use chassis::lifecycle::Lifecycle;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

pub use self::{alarm::Alarm, flight::Lanes};
use self::{flight::Flight, recorder::Recorder, ticker::Ticker};
use crate::{handlers::Handlers, store::Store};

/// A claim without a renewal ends after this.
pub const LEASE: Duration = Duration::from_secs(3);

/// What it takes to deliver; clones share it.
#[derive(Clone)]
pub struct Engine {
    store: Store,
    handlers: Arc<Handlers>,
    alarm: Alarm,
    lanes: Lanes,
    #[cfg(debug_assertions)]
    record_first: bool,
}

// === impl Engine ===

impl Engine {
    /// An engine over this database that delivers by these handlers.
    pub fn new(store: Store, handlers: Arc<Handlers>, alarm: Alarm, lanes: Lanes) -> Self {
        Self {
            store,
            handlers,
            alarm,
            lanes,
            #[cfg(debug_assertions)]
            record_first: false,
        }
    }

    /// Records each delivery before it is made, as the timers' source does: for
    /// the test that shows how such a service loses some. Debug builds only.
    #[cfg(debug_assertions)]
    pub fn recording_first(mut self) -> Self {
        self.record_first = true;
        self
    }

    /// Delivers until the process drains and what runs has been recorded.
    /// Dropping the future drops everything that runs, wherever it is.
    pub async fn run(self, lifecycle: Lifecycle) {
        let flight = Arc::new(Flight::new(self.lanes.clone()));
        let (reports, inbox) = mpsc::channel(self.lanes.total());
        let recorder = Recorder { store: self.store.clone(), flight: Arc::clone(&flight), inbox };
        let recorder = AbortOnDropHandle::new(tokio::spawn(recorder.run()));
        let listener = listener::run(self.store.clone(), self.alarm.clone());
        let _listener = AbortOnDropHandle::new(tokio::spawn(listener));
        let ticker = Ticker {
            store: self.store,
            handlers: self.handlers,
            alarm: self.alarm,
            flight,
            reports,
            #[cfg(debug_assertions)]
            record_first: self.record_first,
        };
        ticker.run(lifecycle).await;
        // The ticker's channel is closed: the recorder writes what is left, and ends.
        let _ = recorder.await;
    }
}
