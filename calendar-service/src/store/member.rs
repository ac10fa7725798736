//! `members`: who is in.

use chassis::fault::Fault;
use uuid::Uuid;

use super::Store;
use crate::model::{MemberView, Membership};

impl Store {
    /// The members of a calendar, longest in first. No question of membership.
    pub async fn members(&self, calendar_id: Uuid) -> Result<Vec<MemberView>, Fault> {
        let _ = calendar_id;
        todo!()
    }

    /// The calendars an account is in.
    pub async fn memberships(&self, account_id: Uuid) -> Result<Vec<Membership>, Fault> {
        let _ = account_id;
        todo!()
    }
}
