//! `activity.v1.ActivityService`: what a person may ask, through the gateway.

use std::sync::Arc;

use chassis::{
    postgres::probe,
    rpc::{Caller, answer},
};
use proto::activity::v1::{
    EventResult, FieldError, RecordEventsRequest, RecordEventsResponse, StatusRequest, StatusResponse,
    activity_service_server::{ActivityService, ActivityServiceServer},
};
use tonic::{Request, Response, Status, async_trait};

use super::LARGEST_REQUEST;
use crate::{
    record::{Recorded, record},
    service::Service,
};

/// Translates and calls one use-case; the caller is whom the token names.
#[derive(Clone)]
pub(crate) struct ActivityRpc {
    pub(crate) service: Service,
    pub(crate) caller: Arc<Caller>,
}

// === impl ActivityRpc ===

impl ActivityRpc {
    pub(crate) fn into_server(self) -> ActivityServiceServer<Self> {
        ActivityServiceServer::new(self).max_decoding_message_size(LARGEST_REQUEST)
    }
}

#[async_trait]
impl ActivityService for ActivityRpc {
    async fn record_events(
        &self,
        request: Request<RecordEventsRequest>,
    ) -> Result<Response<RecordEventsResponse>, Status> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let RecordEventsRequest { events_json, idempotency_key } = request.into_inner();
            let recorded = record(&self.service, who.account_id, &events_json, &idempotency_key).await?;
            Ok(RecordEventsResponse { results: recorded.into_iter().map(result).collect() })
        })
        .await
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        answer(async {
            probe(self.service.store.pool()).await?;
            Ok(StatusResponse {})
        })
        .await
    }
}

fn result(recorded: Recorded) -> EventResult {
    match recorded {
        Recorded::Kept { event, supported, repeated } => EventResult {
            event_json: event.to_json(),
            supported,
            repeated_event: repeated,
            errors: Vec::new(),
        },
        Recorded::Refused(errors) => {
            let errors = errors.into_iter();
            let errors = errors.map(|error| FieldError { field: error.field, message: error.message });
            EventResult { errors: errors.collect(), ..EventResult::default() }
        }
    }
}
