//! proto ⇄ domain, nothing else: one file a gRPC service.

mod accounts;
mod convert;
mod notifications;
mod notifier;
mod reminders;

use chassis::rpc::Callers;

pub(crate) use self::{
    accounts::AccountRpc, notifications::NotificationRpc, notifier::NotifierRpc, reminders::ReminderRpc,
};

/// Who may call what, where services show certificates.
pub(crate) const CALLERS: Callers = &[
    ("notification.v1.NotificationService", &["gateway"]),
    ("notification.v1.ReminderService", &["calendar"]),
    ("notification.v1.NotifierService", &["gateway", "activity"]),
    ("notification.v1.AccountService", &["auth"]),
];
