//! The end of an account: its timers, reminders, notifications and secrets go.

use chassis::fault::Fault;
use uuid::Uuid;

use crate::service::Service;

/// Rows of one statement.
const STEP: i64 = 500;

/// Removes everything of an account. One with very many rows may take several
/// calls: each goes on where the one before was stopped.
pub(crate) async fn remove_account(service: &Service, account_id: Uuid) -> Result<(), Fault> {
    service.store.remove_webhook_settings(account_id).await?;
    while service.store.remove_work_of(account_id, STEP).await? == STEP as u64 {}
    Ok(())
}
