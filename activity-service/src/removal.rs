//! An account is gone: so is all that its devices ever said.

use chassis::fault::Fault;
use uuid::Uuid;

use crate::{patience::in_time, service::Service};

/// Rows of one statement.
const STEP: i64 = 2000;

/// Forgets an account's events, devices and notifications. Idempotent; one that
/// is cut off goes on where it was.
pub async fn remove_account(service: &Service, account_id: Uuid) -> Result<(), Fault> {
    while in_time(service.store.remove_account_step(account_id, STEP)).await? > 0 {}
    Ok(())
}
