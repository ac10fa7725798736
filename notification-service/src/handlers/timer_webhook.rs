//! A timer fires: `POST {url}/{id}`.

use futures::{FutureExt as _, future::BoxFuture};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Handler, Webhooks};
use crate::{
    model::{Kind, Outcome, Work},
    webhook::Schedule,
};

/// Timers.
pub(crate) const TIMER: Kind = Kind("timer");

/// What a row of this kind carries.
#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    url: String,
}

/// Calls the timer's address.
pub(crate) struct TimerWebhook {
    pub(super) webhooks: Webhooks,
}

#[derive(Serialize)]
struct Fired {
    due_at: Timestamp,
    fired_at: Timestamp,
}

/// The payload of a timer.
pub(crate) fn payload(url: &str) -> Value {
    json!(Payload { url: url.to_owned() })
}

// === impl TimerWebhook ===

impl Handler for TimerWebhook {
    fn kind(&self) -> Kind {
        TIMER
    }

    fn schedule(&self) -> Schedule {
        Schedule::webhook()
    }

    fn is_request(&self) -> bool {
        true
    }

    fn deliver<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Outcome> {
        async move {
            let Ok(Payload { url }) = Payload::deserialize(&work.payload) else {
                return Outcome::Refused { status: 0, why: "the timer cannot be read".to_owned() };
            };
            let target = match self.webhooks.target(&url) {
                Ok(target) => target.with_segment(&work.work_id.to_string()),
                Err(outcome) => return outcome,
            };
            let data = Fired { due_at: work.due_at, fired_at: work.fired_at };
            self.webhooks.post(work, work.work_id, &target, "timer.fired", data).await
        }
        .boxed()
    }
}
