//! What an account signs its webhooks with, and where its notifications go.

use chassis::fault::Fault;
use uuid::Uuid;

use crate::{model::Secret, service::Service, webhook::Target};

/// The account's secret; made at the first call.
pub async fn secret(service: &Service, account_id: Uuid) -> Result<Secret, Fault> {
    Ok(service.store.signing_secrets(account_id).await?.current)
}

/// A new secret; the one before signs for a day as well.
pub async fn rotate_secret(service: &Service, account_id: Uuid) -> Result<Secret, Fault> {
    service.store.rotate_secret(account_id).await
}

/// Where the account's notifications go besides its inbox; empty: nowhere.
pub async fn url(service: &Service, account_id: Uuid) -> Result<String, Fault> {
    Ok(service.store.webhook_url(account_id).await?.unwrap_or_default())
}

/// Sets that; empty: nowhere. `invalid`.
pub async fn set_url(service: &Service, account_id: Uuid, url: &str) -> Result<(), Fault> {
    if url.is_empty() {
        return service.store.set_webhook_url(account_id, None).await;
    }
    Target::parse(url, &service.guard).map_err(|complaint| Fault::invalid("url", complaint))?;
    service.store.set_webhook_url(account_id, Some(url)).await
}
