//! notification-service as the gateway sees it: it notes what arrived and
//! answers as told.

use std::sync::{Arc, Mutex};

use chassis::{
    fault::{Fault, Reason},
    service_token::ServiceToken,
};
use proto::notification::v1::{
    self as pb, notification_service_server::NotificationService, notifier_service_server::NotifierService,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// A call that arrived.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    CreateTimer(pb::CreateTimerRequest),
    GetTimer(String),
    ListTimers(pb::ListTimersRequest),
    CancelTimer(String),
    ResendTimer(String),
    Secret { rotate: bool },
    SetUrl(String),
    Notify(pb::NotifyRequest),
    NotifyAccount(pb::NotifyAccountRequest),
}

pub(crate) struct Notification {
    token: ServiceToken,
    /// With the caller's token that came with it.
    asked: Mutex<Vec<(Asked, Option<String>)>>,
    refusal: Mutex<Option<Reason>>,
    /// The one timer there is.
    pub(crate) timer: pb::Timer,
}

impl Notification {
    pub(crate) fn new(token: ServiceToken) -> Arc<Self> {
        let timer = pb::Timer {
            timer_id: Uuid::now_v7().to_string(),
            time_left: 3601,
            state: "waiting".into(),
            due_at: "2030-01-01T01:00:01Z".into(),
            url: "https://receiver.example/".into(),
            created_at: "2030-01-01T00:00:00Z".into(),
            ..pb::Timer::default()
        };
        Arc::new(Self { token, asked: Mutex::default(), refusal: Mutex::default(), timer })
    }

    /// Refuses the next call.
    pub(crate) fn refuse(&self, reason: Reason) {
        *self.refusal.lock().unwrap() = Some(reason);
    }

    /// What arrived since the last look.
    pub(crate) fn asked(&self) -> Vec<(Asked, Option<String>)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn hear<T, A>(
        &self,
        request: Request<T>,
        what: impl FnOnce(T) -> Asked,
        answer: A,
    ) -> Result<Response<A>, Status> {
        let token = request.metadata().get(chassis::rpc::TOKEN);
        let token = token.map(|value| value.to_str().unwrap().to_owned());
        self.asked.lock().unwrap().push((what(request.into_inner()), token));
        match self.refusal.lock().unwrap().take() {
            Some(reason) => Err(Fault::of(reason).into()),
            None => Ok(Response::new(answer)),
        }
    }
}

#[tonic::async_trait]
impl NotificationService for Notification {
    async fn create_timer(
        &self,
        request: Request<pb::CreateTimerRequest>,
    ) -> Result<Response<pb::Timer>, Status> {
        self.hear(request, Asked::CreateTimer, self.timer.clone())
    }

    async fn get_timer(&self, request: Request<pb::GetTimerRequest>) -> Result<Response<pb::Timer>, Status> {
        self.hear(request, |message| Asked::GetTimer(message.timer_id), self.timer.clone())
    }

    async fn list_timers(
        &self,
        request: Request<pb::ListTimersRequest>,
    ) -> Result<Response<pb::ListTimersResponse>, Status> {
        let page = pb::ListTimersResponse { timers: vec![self.timer.clone()], next_cursor: "next".into() };
        self.hear(request, Asked::ListTimers, page)
    }

    async fn cancel_timer(
        &self,
        request: Request<pb::CancelTimerRequest>,
    ) -> Result<Response<pb::CancelTimerResponse>, Status> {
        self.hear(request, |message| Asked::CancelTimer(message.timer_id), pb::CancelTimerResponse {})
    }

    async fn resend_timer(
        &self,
        request: Request<pb::ResendTimerRequest>,
    ) -> Result<Response<pb::Timer>, Status> {
        self.hear(request, |message| Asked::ResendTimer(message.timer_id), self.timer.clone())
    }

    async fn get_webhook_secret(
        &self,
        request: Request<pb::GetWebhookSecretRequest>,
    ) -> Result<Response<pb::WebhookSecret>, Status> {
        let secret = pb::WebhookSecret { secret: "whsec_old".into() };
        self.hear(request, |_| Asked::Secret { rotate: false }, secret)
    }

    async fn rotate_webhook_secret(
        &self,
        request: Request<pb::RotateWebhookSecretRequest>,
    ) -> Result<Response<pb::WebhookSecret>, Status> {
        let secret = pb::WebhookSecret { secret: "whsec_new".into() };
        self.hear(request, |_| Asked::Secret { rotate: true }, secret)
    }

    async fn get_webhook_url(
        &self,
        _: Request<pb::GetWebhookUrlRequest>,
    ) -> Result<Response<pb::WebhookUrl>, Status> {
        Ok(Response::new(pb::WebhookUrl::default()))
    }

    async fn set_webhook_url(
        &self,
        request: Request<pb::SetWebhookUrlRequest>,
    ) -> Result<Response<pb::WebhookUrl>, Status> {
        let url = request.get_ref().url.clone();
        self.hear(request, |message| Asked::SetUrl(message.url), pb::WebhookUrl { url })
    }

    async fn notify(
        &self,
        request: Request<pb::NotifyRequest>,
    ) -> Result<Response<pb::NotifyResponse>, Status> {
        let answer = pb::NotifyResponse { notification_id: "kept-1".into() };
        self.hear(request, Asked::Notify, answer)
    }

    async fn status(&self, _: Request<pb::StatusRequest>) -> Result<Response<pb::StatusResponse>, Status> {
        Ok(Response::new(pb::StatusResponse {}))
    }
}

#[tonic::async_trait]
impl NotifierService for Notification {
    async fn notify_account(
        &self,
        request: Request<pb::NotifyAccountRequest>,
    ) -> Result<Response<pb::NotifyResponse>, Status> {
        self.token.admit(&request)?;
        let answer = pb::NotifyResponse { notification_id: request.get_ref().id.clone() };
        self.hear(request, Asked::NotifyAccount, answer)
    }
}
