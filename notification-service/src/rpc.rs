//! proto ⇄ domain, nothing else: one file a gRPC service.

mod accounts;
mod convert;
mod notifications;
mod notifier;
mod reminders;

pub(crate) use self::{
    accounts::AccountRpc, notifications::NotificationRpc, notifier::NotifierRpc, reminders::ReminderRpc,
};
