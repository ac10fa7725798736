//! `notification.v1.NotificationService`: what a person may ask, through the gateway.

use chassis::{
    fault::Fault,
    idempotency::wire::{answer_once, key, visitor},
    postgres::probe,
    rpc::{Caller, answer, shows_token},
};
use proto::notification::v1::{
    CancelTimerRequest, CancelTimerResponse, CreateTimerRequest, GetTimerRequest, GetWebhookSecretRequest,
    GetWebhookUrlRequest, ListTimersRequest, ListTimersResponse, NotifyRequest, NotifyResponse,
    ResendTimerRequest, RotateWebhookSecretRequest, SetWebhookUrlRequest, StatusRequest, StatusResponse,
    Timer, WebhookSecret, WebhookUrl,
    notification_service_server::{NotificationService, NotificationServiceServer},
};
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::convert;
use crate::{
    notify::{self, NewNotification},
    service::Service,
    timer::{self, NewTimer},
    webhook_settings,
};

type Answer<T> = Result<Response<T>, Status>;

/// Translates and calls one use-case; the caller is whom the token names.
pub(crate) struct NotificationRpc {
    pub(crate) service: Service,
    pub(crate) caller: Caller,
}

// === impl NotificationRpc ===

impl NotificationRpc {
    pub(crate) fn into_server(self) -> NotificationServiceServer<Self> {
        NotificationServiceServer::new(self)
    }

    /// The caller's account; none where timers are public and nobody is named.
    async fn perhaps<T>(&self, request: &Request<T>) -> Result<Option<Uuid>, Fault> {
        if self.service.timers_public && !shows_token(request.metadata()) {
            return Ok(None);
        }
        Ok(Some(self.caller.identify(request).await?.account_id))
    }
}

#[async_trait]
impl NotificationService for NotificationRpc {
    async fn create_timer(&self, request: Request<CreateTimerRequest>) -> Answer<Timer> {
        answer_once(async {
            let who = self.perhaps(&request).await?;
            let metadata = request.metadata().clone();
            let once = (visitor(&metadata), key(&metadata)?);
            let CreateTimerRequest { hours, minutes, seconds, url } = request.into_inner();
            let new = NewTimer { hours, minutes, seconds, url };
            let made =
                Box::pin(timer::create_once(&self.service, who, &new, (once.0, once.1.as_ref()))).await?;
            Ok(made.map(convert::timer))
        })
        .await
    }

    async fn get_timer(&self, request: Request<GetTimerRequest>) -> Answer<Timer> {
        answer(async {
            let who = self.perhaps(&request).await?;
            let timer_id = convert::timer_id(&request.get_ref().timer_id)?;
            timer::get(&self.service, who, timer_id).await.map(convert::timer)
        })
        .await
    }

    async fn list_timers(&self, request: Request<ListTimersRequest>) -> Answer<ListTimersResponse> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let page = convert::page(request.get_ref())?;
            let (timers, next) = timer::list(&self.service, who.account_id, page).await?;
            Ok(ListTimersResponse {
                timers: timers.into_iter().map(convert::timer).collect(),
                next_cursor: next.map(convert::cursor).unwrap_or_default(),
            })
        })
        .await
    }

    async fn cancel_timer(&self, request: Request<CancelTimerRequest>) -> Answer<CancelTimerResponse> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let timer_id = convert::timer_id(&request.get_ref().timer_id)?;
            timer::cancel(&self.service, who.account_id, timer_id).await?;
            Ok(CancelTimerResponse {})
        })
        .await
    }

    async fn resend_timer(&self, request: Request<ResendTimerRequest>) -> Answer<Timer> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let timer_id = convert::timer_id(&request.get_ref().timer_id)?;
            timer::resend(&self.service, who.account_id, timer_id).await.map(convert::timer)
        })
        .await
    }

    async fn get_webhook_secret(&self, request: Request<GetWebhookSecretRequest>) -> Answer<WebhookSecret> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let secret = webhook_settings::secret(&self.service, who.account_id).await?;
            Ok(WebhookSecret { secret: secret.to_text() })
        })
        .await
    }

    async fn rotate_webhook_secret(
        &self,
        request: Request<RotateWebhookSecretRequest>,
    ) -> Answer<WebhookSecret> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let secret = webhook_settings::rotate_secret(&self.service, who.account_id).await?;
            Ok(WebhookSecret { secret: secret.to_text() })
        })
        .await
    }

    async fn get_webhook_url(&self, request: Request<GetWebhookUrlRequest>) -> Answer<WebhookUrl> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            Ok(WebhookUrl { url: webhook_settings::url(&self.service, who.account_id).await? })
        })
        .await
    }

    async fn set_webhook_url(&self, request: Request<SetWebhookUrlRequest>) -> Answer<WebhookUrl> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let SetWebhookUrlRequest { url } = request.into_inner();
            webhook_settings::set_url(&self.service, who.account_id, &url).await?;
            Ok(WebhookUrl { url })
        })
        .await
    }

    async fn notify(&self, request: Request<NotifyRequest>) -> Answer<NotifyResponse> {
        answer_once(async {
            let who = self.caller.identify(&request).await?;
            let key = key(request.metadata())?;
            let NotifyRequest { username, device_id, message, id } = request.into_inner();
            let new = NewNotification { message, device_id, id: convert::given(id) };
            let told =
                Box::pin(notify::notify_once(&self.service, &who, &username, new, key.as_ref())).await?;
            Ok(told.map(|id| NotifyResponse { notification_id: id.to_string() }))
        })
        .await
    }

    async fn status(&self, _: Request<StatusRequest>) -> Answer<StatusResponse> {
        answer(async {
            probe(self.service.store.pool()).await?;
            Ok::<_, Fault>(StatusResponse {})
        })
        .await
    }
}
